"""Stored entries that pass through the device in blocks of rows, while both factor matrices stay.

The entries lie on the host in page-locked memory, or in a memory-mapped file. Two slots on the device
take turns: one block is solved while the next one comes, on a stream of its own. A row is solved by
the same kernel on the same numbers wherever its block begins, so the result is that of a resident
fit, to the bit.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from halfstep.kernels.cuda.backend import Backend
from halfstep.solvers.gpu_memory import SLOTS
from halfstep.solvers.gpu_side import Side
from halfstep.solvers.gpu_stored import Stored, slot_arrays


class Stream:
    """The rows `start` to `stop` of a side, in blocks of at most so many entries, or one row.

    Parameters
    ----------
    whole
        What the half-step knows of the whole side; its arrays of entries are not read.
    stored
        The side on the host; each block is weighed on the device when it has come.
    """

    def __init__(
        self,
        backend: Backend,
        whole: Side,
        stored: Stored,
        start: int,
        stop: int,
        block_entries: int,
    ) -> None:
        self.backend, self.whole = backend, whole
        self.weigh, dtype = stored.weigh, stored.values.dtype
        self.indptr, self.lam = stored.indptr, stored.lam.astype(dtype)
        self.blocks = list(_cut(stored.indptr, start, stop, block_entries))
        self.kept: list[dict[Any, Any]] = [{} for _ in self.blocks]
        first, last = int(stored.indptr[start]), int(stored.indptr[stop])
        self.first = first
        self.entries = [
            backend.page_locked(array[first:last]) for array in (stored.indices, stored.values)
        ]
        largest = max((int(self.indptr[b] - self.indptr[a]) for a, b in self.blocks), default=0)
        rows = max((b - a for a, b in self.blocks), default=0)
        self.slots = [
            slot_arrays(backend, rows, largest, dtype) for _ in range(min(SLOTS, len(self.blocks)))
        ]

    def __iter__(self) -> Iterator[tuple[int, int, Side]]:
        """Yield (start, stop, side) of each block; a side is valid until the next one is asked for."""
        if self.blocks:
            self._send(0)
        for k, (start, stop) in enumerate(self.blocks):
            if k + 1 < len(self.blocks):
                self._send(k + 1)
            slot = k % len(self.slots)
            self.backend.wait_for_uploads(slot)
            yield start, stop, self._side(k)
            self.backend.release(slot)

    def _send(self, k: int) -> None:
        start, stop = self.blocks[k]
        first, last = (int(self.indptr[row]) - self.first for row in (start, stop))
        pieces = (
            self.indptr[start : stop + 1] - self.indptr[start],
            *(array[first:last] for array in self.entries),
            self.lam[start:stop],
        )
        slot = k % len(self.slots)
        for target, piece in zip(self.slots[slot], pieces, strict=False):
            self.backend.upload(target[: len(piece)], piece, slot)

    def _side(self, k: int) -> Side:
        start, stop = self.blocks[k]
        entries = int(self.indptr[stop] - self.indptr[start])
        indptr, indices, values, lam, t = self.slots[k % len(self.slots)]
        weights = values[:entries], t[:entries]
        self.weigh(self.backend, weights[0], weights)
        return replace(
            self.whole,
            indptr=indptr[: stop - start + 1],
            indices=indices[:entries],
            w=weights[0],
            t=weights[1],
            lam=lam[: stop - start],
            lengths=self.whole.lengths[start:stop],
            kept=self.kept[k],
        )


def _cut(
    indptr: np.ndarray, start: int, stop: int, block_entries: int
) -> Iterator[tuple[int, int]]:
    """Yield (begin, end) of runs of rows with at most `block_entries` entries, or one row."""
    while start < stop:
        end = int(np.searchsorted(indptr, indptr[start] + block_entries, side="right")) - 1
        # The bound on rows keeps a run of empty rows from needing a slot of its own size.
        end = min(max(end, start + 1), start + max(block_entries, 1), stop)
        yield start, end
        start = end
