"""The right half-steps of the exercises, from the formulas in float64, and those of the usual mistakes.

The data is a dense matrix of plays r; c = 1 + alpha r, and p = 1 where r > 0 (Hu, Koren, Volinsky 2008).
What the other exercises ask for is in `smaller`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

Array: TypeAlias = npt.NDArray[np.float64]
Solve: TypeAlias = Callable[[Array, Array, Array, float], Array]

ALPHA, REGULARIZATION, FACTORS = 3.0, 0.7, 4


@dataclass(frozen=True)
class Toy:
    """The problem that solutions are checked on, with odd shapes, an empty row and an empty column."""

    plays: Array  # (users, items)
    X: Array  # (users, FACTORS), the start
    Y: Array  # (items, FACTORS)


def toy() -> Toy:
    """Return the problem, which is always the same."""
    rng = np.random.default_rng(5)
    users, items = 11, 7
    plays = np.where(rng.random((users, items)) < 0.4, rng.integers(1, 9, (users, items)), 0)
    plays[4], plays[:, 5] = 0, 0
    X, Y = (rng.standard_normal((rows, FACTORS)) / 2 for rows in (users, items))
    return Toy(plays.astype(np.float64), X, Y)


def confidence_and_preference(plays: Array) -> tuple[Array, Array]:
    """Return c and p, both shaped like `plays`."""
    return 1 + ALPHA * plays, (plays > 0).astype(np.float64)


def half_step(plays: Array, Y: Array) -> Array:
    """Return X (rows, f) that solves every row's normal equations, with Y (columns, f) fixed."""
    C, P = confidence_and_preference(plays)
    return _solve(C, P, Y, REGULARIZATION)


def objective(plays: Array, X: Array, Y: Array) -> float:
    """Return the sum of c (p - x.y)^2 over all pairs, plus lambda times the sum of squared factors."""
    C, P = confidence_and_preference(plays)
    return float((C * (P - X @ Y.T) ** 2).sum() + REGULARIZATION * ((X**2).sum() + (Y**2).sum()))


def mistakes(plays: Array, Y: Array) -> dict[str, Array]:
    """Return the result of the half-step with each of the usual mistakes."""
    C, P = confidence_and_preference(plays)
    stored = plays > 0
    return {
        "lambda is left out": _solve(C, P, Y, 1e-12),
        "lambda is added to every entry of the matrix, not to its diagonal": _solve(
            C, P, Y, 0, everywhere=REGULARIZATION
        ),
        "lambda is counted once for each stored entry": _solve(
            C, P, Y, REGULARIZATION * np.maximum(stored.sum(axis=1), 1e-12)
        ),
        "entries that are not stored are left out": _solve(C * stored, P, Y, REGULARIZATION),
        "the right-hand side lacks the confidence": _solve(C, P, Y, REGULARIZATION, right=P),
        "plays are used as the preference": _solve(C, plays, Y, REGULARIZATION),
        "the 1 in c = 1 + alpha r is missing": _solve(C - 1, P, Y, REGULARIZATION),
        "stored entries add c instead of c - 1 to Y'Y": _solve(
            C + stored, P, Y, REGULARIZATION, right=C * P
        ),
        "alpha is left out": _solve(1 + plays, P, Y, REGULARIZATION),
        "Woodbury's W stands on the other side of Z inv(M) Z'": _in_the_wrong_order(plays, Y),
    }


def _in_the_wrong_order(plays: Array, Y: Array) -> Array:
    M = Y.T @ Y + REGULARIZATION * np.eye(Y.shape[1])
    V = np.linalg.solve(M, Y.T).T
    X = np.zeros((len(plays), Y.shape[1]))
    for row, stored in enumerate(plays > 0):
        c = 1 + ALPHA * plays[row, stored]
        G = Y[stored] @ V[stored].T
        X[row] = V[stored].T @ np.linalg.solve(np.eye(len(c)) + G * (c - 1), c)
    return X


def _solve(
    C: Array,
    P: Array,
    Y: Array,
    regularization: float | Array,
    right: Array | None = None,
    everywhere: float = 0.0,
) -> Array:
    target = C * P if right is None else right
    lam = np.broadcast_to(regularization, len(C))
    eye = np.eye(Y.shape[1])
    return np.stack(
        [
            np.linalg.lstsq((Y.T * c) @ Y + one * eye + everywhere, Y.T @ t, rcond=None)[0]
            for c, t, one in zip(C, target, lam, strict=True)
        ]
    )
