"""Audit every iteration of a fit in float64: the objective and the residuals of both half-steps."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from halfstep.interruption import interrupted_at_once
from halfstep.progress import wanted
from halfstep.solvers import Solver
from halfstep.solvers.inputs import as_csr
from halfstep.solvers.objective import objective, relative_residuals
from halfstep.types import Floats


@dataclass(frozen=True)
class Trace:
    """The record of one fit: objective and residuals after each iteration, and the final factors.

    For each iteration, `user_residuals` and `item_residuals` hold (median, maximum) over the rows, and
    `seconds` the duration of the two half-steps. For a `baseline` these numbers have no meaning.
    """

    name: str
    X: Floats
    Y: Floats
    objectives: list[float]
    user_residuals: list[tuple[float, float]]
    item_residuals: list[tuple[float, float]]
    seconds: list[float]
    baseline: bool = False


@interrupted_at_once()
def trace_fit(model: Solver, user_items: Any, name: str | None = None) -> Trace:
    """Fit `model` on `user_items` and audit every iteration in float64; call the trace `name`."""
    matrix = as_csr(user_items)
    exact = model._rung()(**model._settings())
    exact.dtype = np.float64
    users, items = exact.weights(matrix)
    objectives: list[float] = []
    residuals: dict[str, list[tuple[float, float]]] = {"user": [], "item": []}
    fixed: list[Floats] = []

    def audit(iteration: int, seconds: float, loss: float | None) -> None:
        X, Y = factors_of(model)
        # The users' systems were built from the item factors of the iteration before.
        residuals["user"].append(_summary(relative_residuals(users.fixing(fixed[0]), X)))
        residuals["item"].append(_summary(relative_residuals(items.fixing(X), Y)))
        objectives.append(objective(users, items, X, Y))
        fixed[0] = Y.copy()

    start = model.init_factors
    if start is None:
        raise ValueError(
            "trace_fit needs init_factors: the first half-step is audited against them"
        )
    fixed.append(start[1])
    model.fit(matrix, show_progress=wanted(), callback=audit)
    X, Y = factors_of(model)
    return Trace(
        name=name or model.solver_,
        X=X,
        Y=Y,
        objectives=objectives,
        user_residuals=residuals["user"],
        item_residuals=residuals["item"],
        seconds=model.seconds_,
        baseline=model.kind == "baseline",
    )


def factors_of(model: Solver) -> tuple[Floats, Floats]:
    """Return the factors of a fitted model on the host."""
    return model._fitted()


def _summary(residuals: npt.NDArray[np.float64]) -> tuple[float, float]:
    return float(np.median(residuals)), float(residuals.max())
