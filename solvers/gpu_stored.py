"""One side's stored values on the host, weighed on the device: streamed, or a device's share.

The device weighs by the same kernel that weighs a resident fit's entries (`kernels/cuda/weigh.cu`), so
the weights are the same bits: a host's logarithm may differ in the last one. And an entry is sent as an
index and a value, 8 bytes in float32, where index and both weights are 12.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from scipy import sparse

from halfstep.kernels.cuda.backend import Array, Backend
from halfstep.solvers.fit.weights import transposed
from halfstep.solvers.gpu_data import Weigher, penalties
from halfstep.solvers.gpu_memory import first_rows
from halfstep.solvers.gpu_side import Side
from halfstep.solvers.problem import Weights
from halfstep.types import Floats

if TYPE_CHECKING:
    from halfstep.solvers.base import Solver


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
