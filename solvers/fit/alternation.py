"""The iterations of a fit: the users' half-step with the items fixed, then the items' with the users."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from halfstep.solvers.fit.monitor import Monitor, located, row_not_finite
from halfstep.solvers.fit.stopping import HalfStepReport
from halfstep.solvers.fit.transform import Transform
from halfstep.solvers.model.factors import assign_both
from halfstep.solvers.problem import Problem, Weights
from halfstep.types import Floats

if TYPE_CHECKING:
    from halfstep.solvers.model import FittedModel


class Alternation:
    """What `Solver.fit` runs between the preparation of its data and its end; rungs override parts."""

    iterations: int
    _half_reports: dict[str, HalfStepReport | None]
    _forget_derived: Any
    _transform_of_fit: Transform | None

    def half_step(self, problem: Problem, X: Floats) -> Floats:
        """See `Solver.half_step`."""
        raise NotImplementedError

    def _alternate(self, users: Weights, items: Weights, X: Any, Y: Any, monitor: Monitor) -> None:
        """Run iterations until `monitor(iteration, seconds, X, Y)` is True."""
        for iteration in range(self.iterations):
            start = time.perf_counter()
            omega = self._omega(monitor.done)
            X = self._half_step("user", users.fixing(Y, omega=omega, reports=[]), X, monitor.done)
            if monitor.half_step_done(X, Y):
                break
            users.follow(X)
            Y = self._half_step("item", items.fixing(X, omega=omega, reports=[]), Y, monitor.done)
            items.follow(Y)
            if monitor(iteration, time.perf_counter() - start, X, Y):
                break

    def _omega(self, done: int) -> float:
        """Return the over-relaxation factor of the iteration that follows `done` whole ones."""
        return 1.0

    def _half_step(self, side: str, problem: Problem, X: Any, done: int) -> Any:
        try:
            solution = self.half_step(problem, X)
        except (FloatingPointError, np.linalg.LinAlgError) as error:
            raise located(error, done, side, problem) from error
        self._half_reports[side] = problem.reports[-1] if problem.reports else None
        return solution

    def _row_not_finite(self, factors: Any) -> int | None:
        """Return the first row of a side's factors that is not finite, or None."""
        return row_not_finite(factors)

    def _keep(self, iteration: int, X: Any, Y: Any) -> None:
        """Store X and Y, both finite, as the model's factors."""
        self._forget_derived()
        assign_both(cast("FittedModel", self), X, Y)
        self._transform, self._plain = self._transform_of_fit, self._transform_of_fit is None

    def _put_back(self, before: dict[str, Any], error: BaseException) -> None:
        """Set the attributes that the model had before a fit; called when the fit has failed."""
        self.__dict__.update(before)
