"""A warm start: a fit that goes on from the model's factors, with users and items that may be new.

A new user starts where fold-in would place it: at the exact solution of its entries whose items the
model knows. New items come second, from the users that are known or placed by then. A row that has no
such entry starts as in a fit that starts anew, with small random numbers.

Measured on generated plays (2,000 x 4,000, `"log"`, f = 32, `eigenbasis`): after 15 iterations without
the last 5 % of users and items, a fit with them begins at 0.7 % above what a new fit reaches in 15
iterations. It is level with that after two iterations, and 0.1 % below it after five.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import sparse

from halfstep.errors import InputError
from halfstep.solvers.fit.start import generator, random_rows
from halfstep.solvers.fit.weighing import weigh_by
from halfstep.solvers.inputs import on_host
from halfstep.solvers.model.fold_in import solved
from halfstep.solvers.model.held import Held
from halfstep.types import Floats

_SIDES = {"user_factors": "users", "item_factors": "items"}


def check_warm_start(model: Any, shape: tuple[int, int]) -> None:
    """Raise InputError if a fit of a matrix of this shape cannot go on from the model's factors."""
    for (name, what), rows in zip(_SIDES.items(), shape, strict=True):
        factors = on_host(getattr(model, name), name)
        if factors is None:
            continue
        if (
            not isinstance(factors, np.ndarray)
            or factors.ndim != 2
            or factors.dtype.kind not in "fiu"
        ):
            raise InputError(
                f"warm_start: {name} must be a matrix of numbers, "
                f"got {getattr(factors, 'dtype', type(factors).__name__)} of shape {np.shape(factors)}"
            )
        if factors.shape[1] != model.factors:
            raise InputError(
                f"warm_start goes on from {name} of {factors.shape[1]} columns, and factors is "
                f"{model.factors}: set factors={factors.shape[1]}, or warm_start=False"
            )
        if len(factors) > rows:
            raise InputError(
                f"warm_start goes on with at least the {what} that the model has: user_items has "
                f"{rows} {what} and the model {len(factors)}; keep their rows, or set warm_start=False"
            )
        if not np.isfinite(factors).all():
            raise InputError(
                f"warm_start: {name} must be finite; set warm_start=False to start anew"
            )


def warm_factors(model: Any, matrix: sparse.csr_matrix) -> tuple[Floats, Floats]:
    """Return the factors (users, f) and (items, f) from which a fit goes on.

    They are the model's own arrays where these need no change; half-steps do not write to them.
    """
    users, items = matrix.shape
    kind = np.dtype(model.dtype)
    X, Y = (
        np.zeros((0, model.factors), kind)
        if factors is None
        else np.ascontiguousarray(on_host(factors), kind)
        for factors in (model.user_factors, model.item_factors)
    )
    known_items = len(Y)
    draws = generator(model.random_state)
    X, placed = _grown(model, X, Y, matrix[len(X) :, :known_items], draws)
    if known_items == items:
        return X, Y
    # The random rows of users without known entries say nothing about an item.
    fixed = X.copy() if not placed.all() else X
    first = users - len(placed)
    fixed[first:][~placed] = 0
    entries = matrix[:, known_items:].T.tocsr()
    by_known = np.ones(users, bool)
    by_known[first:] = placed
    Y, _ = _grown(model, Y, fixed, entries, draws, by_known)
    return X, Y


def _grown(
    model: Any,
    X: Floats,
    fixed: Floats,
    rows: sparse.csr_matrix,
    draws: np.random.Generator,
    known: Any = None,
) -> tuple[Floats, Any]:
    """Return X (n, f) with a row more for each of `rows` (m, len(fixed)), and which were placed, (m,).

    `known` says which rows of the fixed side count, (len(fixed),); None means all.
    """
    new = rows.shape[0]
    if not new:
        return X, np.ones(0, bool)
    if known is None or known.all():
        counted = np.diff(rows.indptr)
    else:
        counted = rows.astype(bool).astype(np.int64) @ known
    placed = counted > 0
    grown = np.empty((len(X) + new, X.shape[1]), X.dtype)
    grown[: len(X)] = X
    grown[len(X) :] = random_rows(draws, new, X.shape[1], X.dtype)
    if placed.any():
        rows = rows[np.flatnonzero(placed)]
        rows.sort_indices()
        grown[len(X) :][placed] = solved(model, weigh_by(model, rows, fixed.dtype), Held(fixed))
    return grown, placed
