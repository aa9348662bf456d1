"""Stored entries that pass through the device in blocks of rows, while both factor matrices stay.

The entries lie on the host in page-locked memory, or in a memory-mapped file. Two slots on the device
take turns: one block is solved while the next one comes, on a stream of its own. A row is solved by
the same kernel on the same numbers wherever its block begins, so the result is that of a resident
fit, to the bit.

The device weighs the values by the same kernel that weighs a resident fit's entries
(`kernels/cuda/weigh.cu`), since a host's logarithm may differ in the last bit. And an entry is sent as
an index and a value, 8 bytes in float32, where an index and both weights are 12.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from scipy import sparse

from halfstep.kernels.cuda.backend import Array, Backend
from halfstep.solvers.fit.weights import transposed
from halfstep.solvers.gpu.device.data import Weigher, penalties
from halfstep.solvers.gpu.device.memory import SLOTS, first_rows
from halfstep.solvers.gpu.device.side import Side
from halfstep.solvers.problem import Weights
from halfstep.types import Floats

if TYPE_CHECKING:
    from halfstep.solvers.base import Solver


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


@dataclass(frozen=True)
class Stored:
    """What `Weights` is, before there are weights.

    Attributes
    ----------
    indptr, indices, values
        (rows + 1,) int64, (entries,) int32, and (entries,) in the factors' dtype.
    lam
        (rows,) lambda_u, float64.
    a0, columns
        As in `Weights`.
    weigh
        Weighs values on a device.
    weights
        Both sides' host weights, made when first asked for: the objective's.
    """

    indptr: npt.NDArray[np.int64]
    indices: npt.NDArray[np.int32]
    values: Floats
    lam: npt.NDArray[np.float64]
    a0: float
    columns: int
    weigh: Weigher
    weights: Callable[[], tuple[Weights, Weights]]

    @property
    def rows(self) -> int:
        """Rows of the side being solved."""
        return len(self.indptr) - 1

    def facts(self) -> Side:
        """Return the side without arrays: what a half-step needs to know before it sees any row."""
        return Side.without_entries(np.diff(self.indptr), self.lam, self.columns, self.a0, 0.0)

    def part(self, backend: Backend, whole: Side, start: int, stop: int) -> Side:
        """Return the rows `start` to `stop` of `whole`, uploaded and weighed."""
        first, last = int(self.indptr[start]), int(self.indptr[stop])
        w, t, _, _ = self.weigh(backend, backend.to_device(self.values[first:last]))
        return replace(
            whole,
            indptr=backend.to_device(self.indptr[start : stop + 1] - first),
            indices=backend.to_device(self.indices[first:last]),
            w=w,
            t=t,
            lam=backend.to_device(self.lam[start:stop].astype(self.values.dtype)),
            lengths=whole.lengths[start:stop],
            kept={},
        )

    def first_rows(self, backend: Backend, other: Stored) -> tuple[Side, Array]:
        """Return the first rows of this side, and the other side's lambda, on the device."""
        facts = self.facts()
        lam = backend.to_device(other.lam.astype(other.values.dtype))
        return self.part(backend, facts, 0, first_rows(facts.lengths)), lam


def stored_sides(
    model: Solver, matrix: sparse.csr_matrix, weights: Callable[[], tuple[Weights, Weights]]
) -> tuple[Stored, Stored]:
    """Return users and items of a canonical matrix.

    Raises
    ------
    InputError
        A weight overflows the factors' dtype, or there are more ids than 32-bit indices can name.
    """
    if matrix.nnz:
        # A weight grows with its value's size: where the largest one's fits, all do.
        largest = matrix.data[[int(np.argmax(np.abs(matrix.data)))]]
        model._weigh(sparse.csr_matrix((largest, [0], [0, 1]), shape=(1, 1)))
    turned = transposed(matrix, model.dtype, int(model.num_threads))
    return _stored(model, matrix, weights), _stored(model, turned, weights)


def _stored(model: Solver, matrix: sparse.csr_matrix, weights: Any) -> Stored:
    a0, lam = penalties(model, np.diff(matrix.indptr), matrix.shape[1])
    with np.errstate(over="ignore"):  # what overflows is judged where it is weighed
        values = matrix.data.astype(np.dtype(model.dtype), copy=False)
    return Stored(
        indptr=matrix.indptr.astype(np.int64, copy=False),
        indices=matrix.indices.astype(np.int32, copy=False),
        values=values,
        lam=lam,
        a0=a0,
        columns=int(matrix.shape[1]),
        weigh=Weigher(model),
        weights=weights,
    )


def slot_arrays(backend: Backend, rows: int, entries: int, dtype: Any) -> tuple[Array, ...]:
    """Return a slot's device arrays: indptr, indices, values (then w, in place) and lambda; and t."""
    kinds = ((rows + 1, np.int64), (entries, np.int32), (entries, dtype), (rows, dtype))
    return tuple(backend.empty(size, kind) for size, kind in (*kinds, (entries, dtype)))
