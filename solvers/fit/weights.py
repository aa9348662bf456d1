"""From stored values to weights, on all cores, before the first half-step.

The users' side shares the caller's arrays, except values of another dtype or whose logarithm is taken.
The items' side is the transposed matrix, 8 bytes per entry in float32. Nothing else is allocated that
grows with the number of entries. No result depends on the number of threads.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import sparse

from halfstep import defaults
from halfstep.errors import InputError
from halfstep.kernels.cpu.threads import cores, spread
from halfstep.kernels.nodes import shared_out
from halfstep.solvers.problem import Rule, Weights
from halfstep.types import Floats, Integers

_PIECE = 1 << 18
# With fewer entries, SciPy finishes before the compiled code is loaded.
_FEW_ENTRIES = 1 << 19
_VERY_FEW_ENTRIES = 1 << 10


def weigh(
    matrix: sparse.csr_matrix,
    *,
    confidence: str = defaults.CONFIDENCE,
    alpha: float = defaults.ALPHA,
    epsilon: float = defaults.EPSILON,
    background: float | None = None,
    regularization: float = defaults.REGULARIZATION,
    regularization_exponent: float = defaults.EXPONENT,
    dtype: npt.DTypeLike = np.float32,
    num_threads: int = 1,
) -> Weights:
    """Turn stored values into weights, by the table at the head of `halfstep.solvers.problem`.

    Parameters
    ----------
    matrix
        Canonical CSR (rows, columns), as `as_csr` returns it. Not written to; the result shares its
        arrays where it can.
    confidence, alpha, epsilon, background, regularization, regularization_exponent
        The convention; `background` is for `"binary"` alone (0.1 when None).
    dtype
        float32 or float64: dtype of the values and of w and t.
    num_threads
        0 means all cores.

    Raises
    ------
    InputError
        A weight overflows `dtype`.
    """
    kind = np.dtype(dtype)
    rule = _rule(confidence, alpha)
    columns = matrix.shape[1]
    a0 = background_weight(confidence, background)
    entries = slice(0, int(matrix.indptr[-1]))
    threads = cores(num_threads)
    values, constant = _values(matrix.data[entries], kind, confidence, epsilon, rule, threads)
    if not _fits(values, rule):
        _refuse_overflow(matrix.data, values, rule, alpha)

    def placed(array: npt.NDArray[Any]) -> npt.NDArray[Any]:
        return shared_out(
            array,
            lambda pieces, copy: spread(
                pieces, threads, lambda: None, lambda piece, _: copy(piece)
            ),
        )

    return Weights(
        indptr=matrix.indptr.astype(np.int64),
        indices=placed(_plain(matrix.indices[entries], index_type(columns))),
        values=placed(values) if np.may_share_memory(values, matrix.data) else values,
        rule=rule,
        lam=row_regularization(
            np.diff(matrix.indptr), a0, columns, regularization, regularization_exponent
        ),
        a0=a0,
        columns=columns,
        constant=constant,
    )


def transposed_weights(
    users: Weights,
    regularization: float,
    regularization_exponent: float,
    num_threads: int = 1,
) -> Weights:
    """Return the items' weights: those of the transposed matrix."""
    arrays = users.indptr, users.indices, users.values
    indptr, indices, values = _transposed(*arrays, users.columns, users.values.dtype, num_threads)
    return replace(
        users,
        indptr=indptr.astype(np.int64),
        indices=_plain(indices, index_type(users.rows)),
        values=values,
        lam=row_regularization(
            np.diff(indptr), users.a0, users.rows, regularization, regularization_exponent
        ),
        columns=users.rows,
    )


def transposed(
    matrix: sparse.csr_matrix, dtype: npt.DTypeLike, num_threads: int = 0
) -> sparse.csr_matrix:
    """Return the transpose of a canonical CSR matrix as canonical CSR, with values in `dtype`."""
    rows, columns = matrix.shape
    arrays = matrix.indptr, matrix.indices, matrix.data
    indptr, indices, values = _transposed(*arrays, columns, dtype, num_threads)
    transpose = sparse.csr_matrix((values, indices, indptr), shape=(columns, rows), copy=False)
    transpose.has_canonical_format = True
    return transpose


def _transposed(
    indptr: Integers,
    indices: Integers,
    values: Floats,
    columns: int,
    dtype: npt.DTypeLike,
    num_threads: int,
) -> tuple[Integers, Integers, Floats]:
    if len(values) < _VERY_FEW_ENTRIES:
        # SciPy's three matrices would take ten times as long as its loop.
        order = np.argsort(indices, kind="stable")
        pointers = np.zeros(columns + 1, np.int64)
        np.cumsum(np.bincount(indices, minlength=columns), out=pointers[1:])
        row = np.repeat(np.arange(len(indptr) - 1, dtype=indices.dtype), np.diff(indptr))
        return pointers, row[order], values[order].astype(dtype, copy=False)
    if len(values) < _FEW_ENTRIES:
        shape = (len(indptr) - 1, columns)
        csr = sparse.csr_matrix((values, indices, indptr), shape=shape, copy=False).T.tocsr()
        return csr.indptr, csr.indices, csr.data.astype(dtype, copy=False)
    # Not by SciPy, which with more than 2^31 entries would copy the indices to 64 bits.
    from halfstep.kernels.sparse.transpose import BANDS, transpose

    return transpose(indptr, indices, values, columns, dtype, num_threads, BANDS)


def _rule(confidence: str, alpha: float) -> Rule:
    if confidence == "binary":
        return Rule(0.0, 1.0, 0.0, 1.0, 0.0)
    if confidence == "explicit":
        return Rule(0.0, 1.0, 1.0, 0.0, 1.0)
    if confidence == "implicit":
        return Rule(alpha, -1.0, alpha, 0.0, 0.0)
    # w = alpha size, not (1 + alpha size) - 1, which would round the smallest excess weights to 0.
    return Rule(alpha, 0.0, alpha, 1.0, 0.0)


def _values(
    stored: Floats, kind: np.dtype[Any], confidence: str, epsilon: float, rule: Rule, threads: int
) -> tuple[Floats, float]:
    """Return `Weights.values`, which is `stored` itself if possible, and `Weights.constant`."""
    if confidence == "binary":
        return np.ones(len(stored), kind), float(len(stored))
    same = confidence != "log" and is_plain(stored, kind)
    values = stored if same else np.empty(len(stored), kind)
    starts = range(0, len(stored), _PIECE)
    constants = np.zeros(len(starts))

    def run(place: int, _: None) -> None:
        piece = slice(starts[place], starts[place] + _PIECE)
        with np.errstate(over="ignore", invalid="ignore"):
            v = values[piece]
            if not same:
                v[:] = stored[piece]
            if confidence == "log":
                size = np.log1p(np.abs(v) / kind.type(epsilon))
                # A positive value stays positive, however small its logarithm.
                np.copysign(np.maximum(size, np.finfo(kind).tiny, where=v != 0, out=size), v, out=v)
            target = (
                np.square(v, dtype=np.float64) if confidence == "explicit" else rule.weights(v)[1]
            )
            constants[place] = np.sum(target, dtype=np.float64)

    spread(range(len(starts)), threads, lambda: None, run)
    return values, float(constants.sum())


def weighed(
    stored: Floats, kind: np.dtype[Any], confidence: str, alpha: float, epsilon: float
) -> tuple[Floats, Rule]:
    """Return `Weights.values` of some stored values, and the rule that makes weights of them."""
    rule = _rule(confidence, alpha)
    return _values(stored, kind, confidence, epsilon, rule, 1)[0], rule


def background_weight(confidence: str, background: float | None) -> float:
    """Return a0, the weight of every entry that is not stored."""
    if confidence == "binary":
        return float(defaults.BACKGROUND if background is None else background)
    return 0.0 if confidence == "explicit" else 1.0


def row_regularization(
    degrees: Integers, a0: float, columns: int, regularization: float, exponent: float
) -> npt.NDArray[np.float64]:
    """Return lambda_u (rows,) of rows with `degrees` (rows,) stored entries."""
    lam = regularization * (degrees + a0 * columns) ** exponent
    return np.asarray(lam, np.float64)


def _fits(values: Floats, rule: Rule) -> bool:
    """Return whether all weights are finite."""
    # They are if those of the largest and the smallest value are. This allocates no array of booleans.
    ends = np.array([values.max(), values.min()]) if len(values) else values
    with np.errstate(over="ignore", invalid="ignore"):
        return bool(np.isfinite(rule.weights(ends)).all())


def _refuse_overflow(stored: Floats, values: Floats, rule: Rule, alpha: float) -> None:
    with np.errstate(over="ignore", invalid="ignore"):
        w, t = rule.weights(values)
    entry = int(np.argmin(np.isfinite(w) & np.isfinite(t)))
    raise InputError(
        f"the weight of a stored value must fit {w.dtype.name}, "
        f"got alpha {alpha} times {stored[entry]}"
    )


def index_type(columns: int) -> npt.DTypeLike:
    """Return the dtype for indices below `columns`: int32 if they fit, else int64."""
    return np.int64 if columns > np.iinfo(np.int32).max else np.int32


def is_plain(array: npt.NDArray[Any], kind: npt.DTypeLike) -> bool:
    """Return whether compiled code can use the array without a copy: dtype `kind`, writable."""
    return array.dtype == kind and array.flags.carray


def _plain(array: npt.NDArray[Any], kind: npt.DTypeLike) -> npt.NDArray[Any]:
    return array if is_plain(array, kind) else np.array(array, kind, order="C")
