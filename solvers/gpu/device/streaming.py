"""Stream stored entries through the device in blocks of rows, while both factor matrices stay on it.

The entries are on the host, in page-locked memory or in a memory-mapped file. Two slots on the device
take turns: while the rows of one block are solved, the next block is uploaded on a CUDA stream of its
own. Each row is solved by the kernel of a resident fit and from the same numbers, wherever its block
begins, so the factors have the same bits.

The device computes the weights, by the kernel that a resident fit uses (`kernels/cuda/weigh.cu`),
because the logarithms of host and device may differ in their last bit. Also, an entry is then uploaded
as an index and a value, 8 bytes in float32, instead of an index and two weights, 12 bytes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from scipy import sparse

from halfstep.kernels.cuda.backend import Array, Backend
from halfstep.solvers.fit.weighing import weigh_by
from halfstep.solvers.fit.weights import transposed
from halfstep.solvers.gpu.device.data import Weigher, penalties
from halfstep.solvers.gpu.device.memory import SLOTS, first_rows
from halfstep.solvers.gpu.device.side import Side
from halfstep.solvers.problem import Weights
from halfstep.types import Floats

if TYPE_CHECKING:
    from halfstep.solvers.base import Solver
    from halfstep.solvers.features.prior import Prior


class Stream:
    """The rows `start` to `stop` of a side, in blocks that pass through the device.

    Parameters
    ----------
    whole
        The whole side, without device arrays.
    stored
        The side on the host. The device weighs each block after its upload.
    block_entries
        The most entries of a block; a row of more entries is a block of its own.
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
        self.indptr, self.start = stored.indptr, start
        self.blocks = list(_cut(stored.indptr, start, stop, block_entries))
        self.kept: list[dict[Any, Any]] = [{} for _ in self.blocks]
        first, last = int(stored.indptr[start]), int(stored.indptr[stop])
        self.first = first
        self.entries = [
            backend.page_locked(array[first:last]) for array in (stored.indices, stored.values)
        ]
        # The host waits for an upload from memory that is not page-locked. These two are made once, so
        # that no buffer is written to that an upload may still read.
        self.lam = backend.page_locked(stored.lam[start:stop].astype(dtype))
        self.bounds = backend.page_locked(_bounds(stored.indptr, self.blocks))
        largest = max((int(self.indptr[b] - self.indptr[a]) for a, b in self.blocks), default=0)
        rows = max((b - a for a, b in self.blocks), default=0)
        self.slots = [
            slot_arrays(backend, rows, largest, dtype) for _ in range(min(SLOTS, len(self.blocks)))
        ]
        # What was in this memory before may still be read by launches.
        for slot in range(len(self.slots)):
            backend.release(slot)

    def __iter__(self) -> Iterator[tuple[int, int, Side]]:
        """Yield (start, stop, side) of each block; a side is valid until the next one is yielded.

        A block is sent when the launches of the one before it are on their way: where its upload makes
        the host wait, as from a memory map, the device works meanwhile.
        """
        if self.blocks:
            self._send(0)
        for k, (start, stop) in enumerate(self.blocks):
            slot = k % len(self.slots)
            self.backend.wait_for_uploads(slot)
            yield start, stop, self._side(k)
            self.backend.release(slot)
            if k + 1 < len(self.blocks):
                self._send(k + 1)

    def _send(self, k: int) -> None:
        """Begin to upload block k into its slot, once launches that use the slot have ended."""
        start, stop = self.blocks[k]
        first, last = (int(self.indptr[row]) - self.first for row in (start, stop))
        bounds = start - self.start + k
        pieces = (
            self.bounds[bounds : bounds + stop - start + 1],
            *(array[first:last] for array in self.entries),
            self.lam[start - self.start : stop - self.start],
        )
        slot = k % len(self.slots)
        for target, piece in zip(self.slots[slot], pieces, strict=False):
            self.backend.upload(target[: len(piece)], piece, slot)

    def _side(self, k: int) -> Side:
        """Return block k as a side on its slot's arrays; weighs its values, in place for w."""
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


def _bounds(
    indptr: npt.NDArray[np.int64], blocks: Sequence[tuple[int, int]]
) -> npt.NDArray[np.int64]:
    """Return each block's row pointers, from 0 on, one block's after another's."""
    parts = [indptr[start : stop + 1] - indptr[start] for start, stop in blocks]
    return np.concatenate([np.zeros(0, np.int64), *parts])


def _cut(
    indptr: np.ndarray, start: int, stop: int, block_entries: int
) -> Iterator[tuple[int, int]]:
    """Yield (begin, end) of consecutive rows: at most `block_entries` entries together, or one row."""
    while start < stop:
        end = int(np.searchsorted(indptr, indptr[start] + block_entries, side="right")) - 1
        # The bound on rows keeps a run of empty rows from needing a slot larger than the others.
        end = min(max(end, start + 1), start + max(block_entries, 1), stop)
        yield start, end
        start = end


@dataclass(frozen=True)
class Stored:
    """A side on the host, with values that the device will weigh.

    Attributes
    ----------
    indptr, indices, values
        (rows + 1,) int64, (entries,) int32, and (entries,) in the factors' dtype.
    lam
        (rows,) lambda_u, float64.
    a0, columns
        As in `Weights`.
    weigh
        Computes the weights of values on a device.
    weights
        Returns the host weights of both sides, which only the objective needs; computed on the first
        call.
    pulled, prior
        As in `Side`.
    """

    indptr: npt.NDArray[np.int64]
    indices: npt.NDArray[np.int32]
    values: Floats
    lam: npt.NDArray[np.float64]
    a0: float
    columns: int
    weigh: Weigher
    weights: Callable[[], tuple[Weights, Weights]]
    pulled: int = 0
    prior: Prior | None = None

    @property
    def rows(self) -> int:
        """Number of rows of the side being solved."""
        return len(self.indptr) - 1

    def facts(self) -> Side:
        """Return the side without device arrays: all that `GpuSolver._prepare` needs."""
        side = Side.without_entries(np.diff(self.indptr), self.lam, self.columns, self.a0, 0.0)
        return replace(side, pulled=self.pulled, prior=self.prior)

    def part(self, backend: Backend, whole: Side, start: int, stop: int) -> Side:
        """Return the rows `start` to `stop` of `whole` on the device, weighed there."""
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
        """Return the first rows of this side and the lambda of the side `other`, on the device."""
        facts = self.facts()
        lam = backend.to_device(other.lam.astype(other.values.dtype))
        return self.part(backend, facts, 0, first_rows(facts.lengths)), lam


def stored_sides(
    model: Solver, matrix: sparse.csr_matrix, weights: Callable[[], tuple[Weights, Weights]]
) -> tuple[Stored, Stored]:
    """Return users and items of a canonical matrix, on the host.

    Raises
    ------
    InputError
        A weight overflows the factors' dtype.
    """
    if matrix.nnz:
        # A weight grows with the size of its value: if the largest value's fits, all do.
        largest = matrix.data[[int(np.argmax(np.abs(matrix.data)))]]
        weigh_by(model, sparse.csr_matrix((largest, [0], [0, 1]), shape=(1, 1)))
    if model._given:
        users, items = weights()
        return _of_weights(model, users, weights), _of_weights(model, items, weights)
    item_users = transposed(matrix, model.dtype, int(model.num_threads))
    return _stored(model, matrix, weights), _stored(model, item_users, weights)


def _stored(model: Solver, matrix: sparse.csr_matrix, weights: Any) -> Stored:
    """Return the side whose rows are those of a canonical matrix."""
    a0, lam = penalties(model, np.diff(matrix.indptr), matrix.shape[1])
    with np.errstate(over="ignore"):  # `stored_sides` has weighed the largest value
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


def _of_weights(model: Solver, side: Weights, weights: Any) -> Stored:
    """Return a side of a fit with attributes; a pull's value is NaN: see `weigh.cu`."""
    values = np.array(side.values)
    values[side.indices >= side.columns - side.pulled] = np.nan
    return Stored(
        indptr=side.indptr,
        indices=side.indices.astype(np.int32, copy=False),
        values=values,
        lam=side.lam,
        a0=side.a0,
        columns=side.columns,
        weigh=Weigher.of_values(model, side),
        weights=weights,
        pulled=side.pulled,
        prior=getattr(side, "prior", None),
    )


def slot_arrays(backend: Backend, rows: int, entries: int, dtype: Any) -> tuple[Array, ...]:
    """Return a slot's device arrays: indptr, indices, values (which w overwrites), lambda, t."""
    kinds = ((rows + 1, np.int64), (entries, np.int32), (entries, dtype), (rows, dtype))
    return tuple(backend.empty(size, kind) for size, kind in (*kinds, (entries, dtype)))
