"""The check of a half-step by fewer conjugate gradient steps than a row has unknowns, from a start."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from halfstep.lab.judging import Judged, compare_rows, unchanged
from halfstep.lab.reference import ALPHA, REGULARIZATION, Array, confidence_and_preference, toy
from halfstep.lab.smaller import System, krylov


def few_steps(
    function: Callable[..., Any],
) -> Iterator[tuple[str, str, Callable[[], Judged]]]:
    """Yield the calls with one step and with two; plain and preconditioned steps are both right."""
    from scipy.sparse import csr_matrix

    problem = toy()
    plays, Y = problem.plays, problem.Y
    start = np.random.default_rng(5).standard_normal(problem.X.shape)
    for steps in (1, 2):

        def compare(steps: int = steps) -> Judged:
            X = start.copy()
            result = function(Y.copy(), csr_matrix(plays), ALPHA, REGULARIZATION, X, steps)
            judged = compare_rows(
                result, _rows(plays, Y, start, steps), lambda: _mistakes(plays, Y, start, steps)
            )
            if judged.state == "wrong":
                whitened = compare_rows(result, _rows(plays, Y, start, steps, whiten=True), dict)
                judged = whitened if whitened.state == "right" else judged
            return unchanged(judged, "X", X, start)

        said = f"{steps} step{'s' * (steps > 1)} from a start"
        yield said, f"an array of shape {start.shape}", compare


def _mistakes(plays: Array, Y: Array, start: Array, steps: int) -> dict[str, Array]:
    return {
        "it starts from zeros and not from X": _rows(plays, Y, np.zeros_like(start), steps),
        "it takes a step too many": _rows(plays, Y, start, steps + 1),
        "it takes a step too few": _rows(plays, Y, start, steps - 1),
        "it solves the rows exactly": _rows(plays, Y, start, Y.shape[1]),
    }


def _rows(plays: Array, Y: Array, start: Array, steps: int, *, whiten: bool = False) -> Array:
    """Return where the steps of every row end, by their definition."""
    M = Y.T @ Y + REGULARIZATION * np.eye(Y.shape[1])
    V = np.linalg.inv(np.linalg.cholesky(M)).T if whiten else np.eye(len(M))
    C, P = confidence_and_preference(plays)
    ended = []
    for c, p, x in zip(C, P, start, strict=True):
        A = (Y.T * c) @ Y + REGULARIZATION * np.eye(Y.shape[1])
        system = System(V.T @ A @ V, V.T @ (Y.T @ (c * p)), np.linalg.solve(V, x))
        ended.append(V @ krylov(system, steps))
    return np.array(ended)
