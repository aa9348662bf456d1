"""From stored values to weights, on all cores: what a fit does before its first half-step.

The values are weighed a piece at a time, so that beside the two sides, which hold 12 bytes an entry
each in float32, only the transposed values exist for a while, 4 more: half a copy of the matrix. No
result depends on the number of threads.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy import sparse

from halfstep.errors import InputError
from halfstep.kernels.cpu_workers import cores, spread
from halfstep.solvers.matrix import Floats, Integers
from halfstep.solvers.problem import DEFAULT_BACKGROUND, Weights

_PIECE = 1 << 18
# With fewer entries SciPy is done before compiled code is loaded.
_FEW_ENTRIES = 1 << 19


def weigh(
    matrix: sparse.csr_matrix,
    *,
    confidence: str = "implicit",
    alpha: float = 1.0,
    epsilon: float = 1.0,
    background: float | None = None,
    regularization: float = 0.01,
    regularization_exponent: float = 0.0,
    dtype: npt.DTypeLike = np.float32,
    num_threads: int = 1,
) -> Weights:
    """Turn stored values into weights, by the table at the head of `halfstep.solvers.problem`.

    Parameters
    ----------
    matrix
        Canonical CSR (rows, columns), as `as_csr` returns it. Not written to.
    confidence, alpha, epsilon, background, regularization, regularization_exponent
        The convention; `background` is for `"binary"` alone (0.1 when None).
    dtype
        float32 or float64: of w and t.
    num_threads
        0 for all cores.

    Raises
    ------
    InputError
        A weight overflows `dtype`.
    """
    values, kind = matrix.data[: matrix.indptr[-1]], np.dtype(dtype)
    if confidence == "binary":
        # Every entry weighs 1, and its target too: one array serves as both.
        w = t = np.ones(len(values), kind)
        a0 = float(DEFAULT_BACKGROUND if background is None else background)
        constant = float(len(values))
    else:
        a0 = 0.0 if confidence == "explicit" else 1.0
        w, t = np.empty(len(values), kind), np.empty(len(values), kind)
        starts = range(0, len(values), _PIECE)
        constants = np.zeros(len(starts))

        def run(place: int, _: None) -> None:
            piece = slice(starts[place], starts[place] + _PIECE)
            with np.errstate(over="ignore", invalid="ignore"):
                w[piece], t[piece], constants[place] = _excess_and_target(
                    values[piece].astype(kind), confidence, alpha, epsilon
                )

        spread(range(len(starts)), cores(num_threads), lambda: None, run)
        constant = float(constants.sum())
        if not (_finite(w) and _finite(t)):
            _refuse_overflow(values, w, t, alpha)
    columns = matrix.shape[1]
    lam = regularization * (np.diff(matrix.indptr) + a0 * columns) ** regularization_exponent
    return Weights(
        indptr=matrix.indptr.astype(np.int64),
        indices=matrix.indices if columns > np.iinfo(np.int32).max else _int32(matrix.indices),
        w=w,
        t=t,
        lam=np.asarray(lam, np.float64),
        a0=a0,
        columns=columns,
        constant=constant,
    )


def transposed(
    matrix: sparse.csr_matrix, dtype: npt.DTypeLike, num_threads: int = 0
) -> sparse.csr_matrix:
    """Return the transpose of a canonical CSR matrix as one, its values in `dtype`."""
    if matrix.nnz < _FEW_ENTRIES:
        with np.errstate(over="ignore"):  # what overflows is found, with its value, by `weigh`
            return sparse.csr_matrix(matrix.T.tocsr().astype(dtype, copy=False))
    from halfstep.kernels.cpu_transpose import transpose

    return transpose(matrix, dtype, num_threads)


def _excess_and_target(
    r: Floats, confidence: str, alpha: float, epsilon: float
) -> tuple[Floats, Floats, float]:
    if confidence == "explicit":
        return np.ones_like(r), r, float(np.sum(np.square(r, dtype=np.float64)))
    size = np.abs(r)
    if confidence == "log":
        size = np.log1p(size / r.dtype.type(epsilon))
    size *= r.dtype.type(alpha)
    # Not c - 1 where c = 1 + size: that would round the smallest excesses away.
    c, w = (size, size - 1) if confidence == "implicit" else (size + 1, size)
    t = np.where(r > 0, c, r.dtype.type(0))
    return w, t, float(np.sum(t, dtype=np.float64))


def _finite(values: Floats) -> bool:
    # Largest and smallest show an infinity or a NaN without an array of answers.
    return not len(values) or bool(np.isfinite(values.max()) and np.isfinite(values.min()))


def _refuse_overflow(values: Floats, w: Floats, t: Floats, alpha: float) -> None:
    entry = int(np.argmin(np.isfinite(w) & np.isfinite(t)))
    raise InputError(
        f"the weight of a stored value must fit {w.dtype.name}, "
        f"got alpha {alpha} times {values[entry]}"
    )


def _int32(indices: Integers) -> Integers:
    return indices.astype(np.int32, copy=False)
