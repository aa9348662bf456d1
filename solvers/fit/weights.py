"""From stored values to weights, on all cores: what a fit does before its first half-step.

The users' side shares the caller's arrays, but for values of another dtype, or of which a logarithm is
taken; the items' side is its transpose, 8 bytes an entry in float32. Beside them nothing is allocated
that grows with the entries. No result depends on the number of threads.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import sparse

from halfstep.errors import InputError
from halfstep.kernels.cpu.threads import cores, spread
from halfstep.solvers.problem import DEFAULT_BACKGROUND, Rule, Weights
from halfstep.types import Floats, Integers

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
        Canonical CSR (rows, columns), as `as_csr` returns it. Not written to; the result shares its
        arrays where it can.
    confidence, alpha, epsilon, background, regularization, regularization_exponent
        The convention; `background` is for `"binary"` alone (0.1 when None).
    dtype
        float32 or float64: of the values and of w and t.
    num_threads
        0 for all cores.

    Raises
    ------
    InputError
        A weight overflows `dtype`.
    """
    kind = np.dtype(dtype)
    rule = _rule(confidence, alpha)
    columns = matrix.shape[1]
    a0 = weight_of_others(confidence, background)
    entries = slice(0, int(matrix.indptr[-1]))
    values, constant = _values(
        matrix.data[entries], kind, confidence, epsilon, rule, cores(num_threads)
    )
    if not _fits(values, rule):
        _refuse_overflow(matrix.data, values, rule, alpha)
    return Weights(
        indptr=matrix.indptr.astype(np.int64),
        indices=_plain(matrix.indices[entries], index_type(columns)),
        values=values,
        rule=rule,
        lam=penalties(np.diff(matrix.indptr), a0, columns, regularization, regularization_exponent),
        a0=a0,
        columns=columns,
        constant=constant,
    )


def turned(
    users: Weights,
    regularization: float,
    regularization_exponent: float,
    num_threads: int = 1,
) -> Weights:
    """Return the weights of the other side: those of the transposed matrix."""
    arrays = users.indptr, users.indices, users.values
    indptr, indices, values = _transposed(*arrays, users.columns, users.values.dtype, num_threads)
    return replace(
        users,
        indptr=indptr.astype(np.int64),
        indices=_plain(indices, index_type(users.rows)),
        values=values,
        lam=penalties(
            np.diff(indptr), users.a0, users.rows, regularization, regularization_exponent
        ),
        columns=users.rows,
    )


def transposed(
    matrix: sparse.csr_matrix, dtype: npt.DTypeLike, num_threads: int = 0
) -> sparse.csr_matrix:
    """Return the transpose of a canonical CSR matrix as one, its values in `dtype`."""
    rows, columns = matrix.shape
    arrays = matrix.indptr, matrix.indices, matrix.data
    indptr, indices, values = _transposed(*arrays, columns, dtype, num_threads)
    found = sparse.csr_matrix((values, indices, indptr), shape=(columns, rows), copy=False)
    found.has_canonical_format = True
    return found


def _transposed(
    indptr: Integers,
    indices: Integers,
    values: Floats,
    columns: int,
    dtype: npt.DTypeLike,
    num_threads: int,
) -> tuple[Integers, Integers, Floats]:
    if len(values) < _FEW_ENTRIES:
        shape = (len(indptr) - 1, columns)
        found = sparse.csr_matrix((values, indices, indptr), shape=shape, copy=False).T.tocsr()
        return found.indptr, found.indices, found.data.astype(dtype, copy=False)
    # Not through SciPy's matrix, which beyond 2^31 entries would copy the indices to 64 bits.
    from halfstep.kernels.cpu.transpose import transpose

    return transpose(indptr, indices, values, columns, dtype, num_threads)


def _rule(confidence: str, alpha: float) -> Rule:
    if confidence == "binary":
        return Rule(0.0, 1.0, 0.0, 1.0, 0.0)
    if confidence == "explicit":
        return Rule(0.0, 1.0, 1.0, 0.0, 1.0)
    if confidence == "implicit":
        return Rule(alpha, -1.0, alpha, 0.0, 0.0)
    # Not c - 1 of a c = 1 + size: that would round the smallest excesses away.
    return Rule(alpha, 0.0, alpha, 1.0, 0.0)


def _values(
    given: Floats, kind: np.dtype[Any], confidence: str, epsilon: float, rule: Rule, threads: int
) -> tuple[Floats, float]:
    """Return what the rule is applied to, the given array itself where it can be, and the constant."""
    if confidence == "binary":
        return np.ones(len(given), kind), float(len(given))
    same = confidence != "log" and is_plain(given, kind)
    values = given if same else np.empty(len(given), kind)
    starts = range(0, len(given), _PIECE)
    constants = np.zeros(len(starts))

    def run(place: int, _: None) -> None:
        piece = slice(starts[place], starts[place] + _PIECE)
        with np.errstate(over="ignore", invalid="ignore"):
            v = values[piece]
            if not same:
                v[:] = given[piece]
            if confidence == "log":
                size = np.log1p(np.abs(v) / kind.type(epsilon))
                # A positive value stays one, however small.
                np.copysign(np.maximum(size, np.finfo(kind).tiny, where=v != 0, out=size), v, out=v)
            target = (
                np.square(v, dtype=np.float64) if confidence == "explicit" else rule.weights(v)[1]
            )
            constants[place] = np.sum(target, dtype=np.float64)

    spread(range(len(starts)), threads, lambda: None, run)
    return values, float(constants.sum())


def weight_of_others(confidence: str, background: float | None) -> float:
    """Return a0, the weight of what is not stored."""
    if confidence == "binary":
        return float(DEFAULT_BACKGROUND if background is None else background)
    return 0.0 if confidence == "explicit" else 1.0


def penalties(
    lengths: Integers, a0: float, columns: int, regularization: float, exponent: float
) -> npt.NDArray[np.float64]:
    """Return lambda of rows with so many stored entries, (rows,)."""
    lam = regularization * (lengths + a0 * columns) ** exponent
    return np.asarray(lam, np.float64)


def _fits(values: Floats, rule: Rule) -> bool:
    """Return whether all weights are finite: where those of the largest and smallest value are."""
    # Largest and smallest show an infinity or a NaN without an array of answers.
    ends = np.array([values.max(), values.min()]) if len(values) else values
    with np.errstate(over="ignore", invalid="ignore"):
        return bool(np.isfinite(rule.weights(ends)).all())


def _refuse_overflow(given: Floats, values: Floats, rule: Rule, alpha: float) -> None:
    with np.errstate(over="ignore", invalid="ignore"):
        w, t = rule.weights(values)
    entry = int(np.argmin(np.isfinite(w) & np.isfinite(t)))
    raise InputError(
        f"the weight of a stored value must fit {w.dtype.name}, "
        f"got alpha {alpha} times {given[entry]}"
    )


def index_type(columns: int) -> npt.DTypeLike:
    """Return the dtype of indices below `columns`."""
    return np.int64 if columns > np.iinfo(np.int32).max else np.int32


def is_plain(array: npt.NDArray[Any], kind: npt.DTypeLike) -> bool:
    """Return whether compiled code can work on the array itself: of one kind, and not read-only."""
    return array.dtype == kind and array.flags.carray


def _plain(array: npt.NDArray[Any], kind: npt.DTypeLike) -> npt.NDArray[Any]:
    return array if is_plain(array, kind) else np.array(array, kind, order="C")
