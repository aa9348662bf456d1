"""Whether the weights are too large for the dtype: one check of every solver's fit, after its end.

An entry of weight w adds w y y' to its row's matrix. Against the part that all rows share it has the
size w h, where h = y'(a0 Y'Y + lambda I)^-1 y is at most 1 / a0: what an entry of weight 1 would have.
Beside it, the shared part is known only to eps w h of itself. As long as that is far below 1, so is
the error.

Measured, as the mean of eps w h over the stored entries, with float32 fits beside float64 ones from the
same start (6 to 10 iterations, f = 5 to 64, generated play counts and tables of 43 x 61, lambda from
1e-8 to 100, all conventions):

| mean of eps w h | objective of exact rungs against float64     |
| --------------- | -------------------------------------------- |
| below 0.0005    | within 0.2 %                                 |
| 0.002 to 0.01   | within 0.9 %                                 |
| 0.01 to 0.05    | up to 90 times, or by chance nearly the same |
| above 0.05      | from 40 % below to 1e8 times                 |

Where it is above 0.01, fits of different rungs, or of the same rung on other machines, end at different
objectives. Without a background (`"explicit"`), exact rungs were within 0.2 % at 0.04 and 5 to 60 % off
at 1.8, so the limit is 0.05 there. The mean is over all entries, so that a single entry of 1e12 is
found. Play counts up to 400,000 with alpha 40 have about 1e-5, as long as not all of them are that
large.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import sparse

from halfstep.errors import NumericalWarning
from halfstep.solvers.fit.weights import background_weight, row_regularization, weighed
from halfstep.types import Floats

LIMIT = 0.01
LIMIT_EXPLICIT = 0.05
_PIECE = 1 << 20
# With targets as large as v, |y|^2 was up to 1,000 v in fits that had few entries for each factor.
_LARGEST_SQUARE = 1000.0


def warn_of_lost_precision(model: Any, matrix: sparse.csr_matrix) -> None:
    """Warn if a fitted model's weights are larger than its dtype resolves, by the table above."""
    lost = lost_precision(model, matrix)
    if lost <= (LIMIT_EXPLICIT if model.confidence == "explicit" else LIMIT):
        return
    kind = np.dtype(model.dtype)
    better = "dtype=numpy.float64, " if kind == np.float32 else ""
    smaller = (
        "values divided by a constant"
        if model.confidence == "explicit"
        else "a larger background"
        if model.confidence == "binary"
        else "a smaller alpha"
    )
    warnings.warn(
        f"the weights are too large for {kind.name}: rounding moves rows by about {lost:.2g} of what "
        "all rows share, and the objective may be off by 1 % or far more; set "
        f"{better}{smaller}, or a larger regularization",
        NumericalWarning,
        stacklevel=4,
    )


def lost_precision(model: Any, matrix: sparse.csr_matrix) -> float:
    """Return the mean of eps w h over the stored entries, on the side where it is larger.

    It costs a look at the largest value, unless that alone might be too large. 0.0 stands for what need
    not be calculated: a mean that is below the limit for certain.
    """
    eps = float(np.finfo(model.dtype).eps)
    largest = max(float(matrix.data.max(initial=0)), -float(matrix.data.min(initial=0)))
    a0 = background_weight(model.confidence, model.background)
    most = max(float(_excess(model, np.array([largest]))[0]), 1.0)
    if a0 > 0:
        if eps * most / a0 <= LIMIT:
            return 0.0
        if eps * sum(float(w.sum()) for _, w in _pieces(model, matrix)) / matrix.nnz <= LIMIT * a0:
            return 0.0
    lams = _lambdas(model, matrix, a0)
    if a0 == 0:
        least = min(float(lam.min()) for lam in lams)
        # Without any regularisation a row may have many solutions: the rungs say which they return.
        if least <= 0 or eps * most * _LARGEST_SQUARE * max(largest, 1.0) / least <= LIMIT:
            return 0.0
    X, Y = model._fitted()
    # The shared part of the users' matrices is of the items' factors, and the other way round.
    of_items, of_users = _shares(Y, a0, lams[0]), _shares(X, a0, lams[1])
    by_user, by_item = (1.0 / lam if a0 == 0 else np.ones(len(lam)) for lam in lams)
    sums = np.zeros(2)
    for start, w in _pieces(model, matrix):
        column = matrix.indices[start : start + len(w)]
        row = _rows(matrix.indptr, start, len(w))
        sums += (
            float((w * of_items[column]) @ by_user[row]),
            float((w * of_users[row]) @ by_item[column]),
        )
    return float(eps * float(sums.max()) / matrix.nnz)


def _excess(model: Any, values: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
    """Return the absolute excess weights of entries with these values."""
    kind = np.dtype(model.dtype)
    of, rule = weighed(values, kind, model.confidence, model.alpha, model.epsilon)
    return np.abs(rule.weights(of)[0].astype(np.float64))


def _pieces(model: Any, matrix: sparse.csr_matrix) -> Iterator[tuple[int, npt.NDArray[np.float64]]]:
    """Yield where a piece of the entries starts, and the absolute values of its excess weights."""
    for start in range(0, matrix.nnz, _PIECE):
        stop = min(start + _PIECE, matrix.nnz)
        yield start, _excess(model, matrix.data[start:stop])


def _rows(indptr: npt.NDArray[Any], start: int, count: int) -> npt.NDArray[np.int64]:
    """Return the rows of `count` entries from `start` on."""
    first, last = np.searchsorted(indptr, [start, start + count - 1], side="right") - 1
    ends = np.clip(indptr[first : last + 2], start, start + count)
    return np.repeat(np.arange(first, last + 1), np.diff(ends))


def _lambdas(
    model: Any, matrix: sparse.csr_matrix, a0: float
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Return lambda_u (users,) and lambda_i (items,)."""
    users, items = matrix.shape
    how = model.regularization, model.regularization_exponent
    if how[1] == 0:
        return np.full(users, float(how[0])), np.full(items, float(how[0]))
    by_item = np.bincount(matrix.indices, minlength=items)
    return (
        row_regularization(np.diff(matrix.indptr), a0, items, *how),
        row_regularization(by_item, a0, users, *how),
    )


def _shares(Y: Floats, a0: float, lam: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Return h of each row of Y (n, f), with the mean lambda; without a background, |y|^2."""
    if a0 == 0:
        squared: npt.NDArray[np.float64] = np.einsum("if,if->i", Y, Y, dtype=np.float64)
        return squared
    gramian = a0 * (Y.T @ Y).astype(np.float64)
    values, vectors = np.linalg.eigh(gramian)
    values = np.maximum(values + lam.mean(), np.finfo(Y.dtype).eps * max(values[-1], 1e-300))
    h: npt.NDArray[np.float64] = np.square(Y @ (vectors / np.sqrt(values))).sum(axis=1)
    np.minimum(h, 1.0 / a0, out=h)
    return h
