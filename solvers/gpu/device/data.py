"""Make both sides of a resident fit from one CSR matrix, which the device transposes and weighs."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from halfstep.errors import InputError
from halfstep.kernels.cuda.backend import Array, Backend
from halfstep.kernels.cuda.catalogue import real, weigh_defines
from halfstep.solvers.fit import weights as preparation
from halfstep.solvers.gpu.device.side import Side, check_columns

if TYPE_CHECKING:
    from scipy import sparse

    from halfstep.solvers.base import Solver
    from halfstep.solvers.problem import Weights

Lengths: TypeAlias = npt.NDArray[np.int64]
_MOST_BLOCKS = 1024
_TILE, _WARPS, _BITS = 2048, 4, 8
_NONE = np.iinfo(np.int64).max


class Csr(NamedTuple):
    """A CSR matrix on the device: int64 `indptr`, int32 `indices`, values in the factors' dtype."""

    indptr: Array
    indices: Array
    values: Array
    shape: tuple[int, int]


def sides_of(
    backend: Backend, model: Solver, matrix: sparse.csr_matrix, lengths: tuple[Lengths, Lengths]
) -> tuple[Side, Side]:
    """Return users and items of a canonical host matrix, which is copied to the device once.

    Parameters
    ----------
    lengths
        The number of stored entries of each row, and of each column.

    Raises
    ------
    InputError
        A weight overflows the factors' dtype, or there are more ids than 32-bit indices can count.
    """
    dtype = np.dtype(model.dtype)
    for ids in matrix.shape:
        check_columns(ids)
    with np.errstate(over="ignore"):
        values = matrix.data.astype(dtype)
    users = Csr(
        backend.to_device(matrix.indptr.astype(np.int64)),
        backend.to_device(matrix.indices.astype(np.int32, copy=False)),
        backend.to_device(values),
        matrix.shape,
    )
    items = transposed(backend, users)
    return _side(backend, model, users, lengths[0]), _side(backend, model, items, lengths[1])


def transposed(backend: Backend, matrix: Csr) -> Csr:
    """Return the transpose, with ascending indices in each row, by a radix sort on the columns.

    `kernels/cuda/transpose.cu` has the kernels.
    """
    rows, columns = matrix.shape
    entries = len(matrix.indices)
    dtype = matrix.values.dtype
    defines = (real(dtype),)
    file, block = "transpose.cu", (32 * _WARPS,)
    column, value = matrix.indices, matrix.values
    row = backend.empty(entries, np.int32)
    if entries:
        backend.launch(
            file, "rows_of", defines, (-(-rows // _WARPS),), block,
            (matrix.indptr, row, np.int32(rows)),
        )  # fmt: skip
        tiles = -(-entries // _TILE)
        counts = backend.empty((1 << _BITS) * tiles, np.int64)
        grid = (-(-tiles // _WARPS),)
        for shift in range(0, max(1, (columns - 1).bit_length()), _BITS):
            moved = [backend.empty(entries, kind) for kind in (np.int32, np.int32, dtype)]
            number = np.int64(entries)
            backend.launch(
                file, "count", defines, grid, block,
                (column, number, np.int32(shift), counts, np.int64(tiles)),
            )  # fmt: skip
            backend.launch(file, "scan", defines, (1,), (1024,), (counts, np.int64(counts.size)))
            backend.launch(
                file, "scatter", defines, grid, block,
                (column, row, value, number, np.int32(shift), counts, np.int64(tiles), *moved),
            )  # fmt: skip
            column, row, value = moved
    indptr = backend.empty(columns + 1, np.int64)
    backend.launch(
        file, "starts", defines, (columns // 256 + 1,), (256,),
        (column, np.int64(entries), indptr, np.int32(columns)),
    )  # fmt: skip
    return Csr(indptr, row, value, (columns, rows))


def blocks_for(work: int, each: int) -> int:
    """Return how many blocks to launch for `work` items if a block does `each` of them at a time."""
    return max(1, min(-(-work // each), _MOST_BLOCKS))


class Weigher:
    """Computes weights by a model's convention, with the kernel of `kernels/cuda/weigh.cu`."""

    def __init__(self, model: Solver) -> None:
        self.confidence, self.dtype = model.confidence, np.dtype(model.dtype)
        self.alpha, self.epsilon = map(self.dtype.type, (model.alpha, model.epsilon))

    @classmethod
    def of_values(cls, model: Solver, weights: Weights) -> Weigher:
        """Return what weighs the values that host weights keep: those of `"log"` are logarithms."""
        made = cls(model)
        if made.confidence == "log":
            made.confidence = "linear"
        elif made.confidence == "implicit":  # with pulls the values are multiplied by alpha
            kind: Any = made.dtype.type
            made.alpha = kind(weights.rule.excess_slope)
        return made

    def __call__(
        self, backend: Backend, values: Array, weights: tuple[Array, Array] | None = None
    ) -> tuple[Array, Array, Array, Array]:
        """Return w, t, partial sums of `Weights.constant`, and positions of weights that overflow.

        Parameters
        ----------
        values
            (entries,) on the device.
        weights
            Arrays (w, t) to write to, instead of new ones.

        Returns
        -------
        w, t
            (entries,) each.
        constants
            (blocks,) float64, to be added up.
        overflows
            (blocks,) int64, the first position of each block whose weight overflows; else 2^63 - 1.
        """
        entries = len(values)
        w, t = weights or tuple(backend.empty(entries, self.dtype) for _ in range(2))
        grid = blocks_for(entries, 256)
        constants, wrong = backend.empty(grid, np.float64), backend.empty(grid, np.int64)
        backend.launch(
            "weigh.cu",
            "weigh",
            weigh_defines(self.dtype, self.confidence),
            (grid,),
            (256,),
            (values, np.int64(entries), self.alpha, self.epsilon, w, t, constants, wrong),
        )
        return w, t, constants, wrong


def penalties(
    model: Solver, lengths: Lengths, columns: int
) -> tuple[float, npt.NDArray[np.float64]]:
    """Return a0 and each row's lambda in float64; see `halfstep.solvers.problem`."""
    a0 = preparation.background_weight(model.confidence, model.background)
    regularization = model.regularization, model.regularization_exponent
    return a0, preparation.row_regularization(lengths, a0, columns, *regularization)


def _side(backend: Backend, model: Solver, matrix: Csr, lengths: Lengths) -> Side:
    """Return the side whose rows are those of `matrix`, weighed; raise InputError on overflow."""
    weigh = Weigher(model)
    w, t, constants, wrong = weigh(backend, matrix.values)
    first = int(backend.to_host(wrong).min())
    if first < _NONE:
        text = str(backend.to_host(matrix.values[first : first + 1])[0])
        raise InputError(
            f"the weight of a stored value must fit {weigh.dtype.name}, got alpha {model.alpha} "
            f"times {text}"
        )
    a0, lam = penalties(model, lengths, matrix.shape[1])
    constant = float(backend.to_host(constants).sum())
    return replace(
        Side.without_entries(lengths, lam, matrix.shape[1], a0, constant),
        indptr=matrix.indptr,
        indices=matrix.indices,
        w=w,
        t=t,
        lam=backend.to_device(lam.astype(weigh.dtype)),
    )
