"""The fits of a cell: `followed` looks for the iteration that reaches the target, `plain` does not."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

import numpy as np

from halfstep.bench.inputs import SplitDataset
from halfstep.bench.method.check import reached
from halfstep.bench.method.contestants import Contestant, Start
from halfstep.bench.quality.objective import Float64Objective
from halfstep.evaluation.metrics.held_out import Evaluation, evaluate
from halfstep.evaluation.trace import factors_of
from halfstep.solvers import SOLVERS
from halfstep.types import Floats

EARLY = 5
_LOOKS = 5  # how often `followed` computes the objective over the cell's iterations


class Audit:
    """The measures of factors on one split: the float64 objective, and held-out quality."""

    def __init__(self, contestant: Contestant, dataset: SplitDataset) -> None:
        arguments = contestant.arguments | {"dtype": np.float64}
        # The weights of a solver that has float64, which the peers do not have.
        sides = SOLVERS["conjugate_gradient"](**arguments).weights(dataset.train)
        self._objective = Float64Objective(*sides)
        self._dataset = dataset
        self._threads = int(contestant.arguments["num_threads"])

    def objective(self, factors: tuple[Floats, Floats]) -> float:
        """Return the float64 objective of factors."""
        return self._objective(*factors)

    def quality(self, factors: tuple[Floats, Floats]) -> Evaluation:
        """Return the held-out metrics of factors."""
        return evaluate(
            *factors,
            self._dataset.train,
            self._dataset.test,
            users=self._dataset.evaluated,
            num_threads=self._threads,
        )


@dataclass
class Fit:
    """One fit, as far as it went.

    Attributes
    ----------
    seconds
        Of each iteration's two half-steps, without the looks at the factors between them.
    objective, evaluation
        After the cell's iterations; None where the fit stopped before.
    early
        The held-out metrics after `EARLY` iterations; None unless they were asked for.
    relaxation
        The over-relaxation factor of each iteration.
    """

    seconds: list[float] = field(default_factory=list)
    objective: float | None = None
    evaluation: Evaluation | None = None
    early: Evaluation | None = None
    iterations_to_target: int | None = None
    relaxation: list[float] = field(default_factory=list)


class Path:
    """The factors of a fit after each of its iterations, with objectives computed on demand."""

    def __init__(self, audit: Audit) -> None:
        self.factors: list[tuple[Floats, Floats]] = []
        self._audit = audit
        self._known: dict[int, float] = {}

    def keep(self, factors: tuple[Floats, Floats]) -> None:
        """Add a copy of the factors after one more iteration."""
        self.factors.append((factors[0].copy(), factors[1].copy()))

    def objective(self, iterations: int) -> float:
        """Return the objective after `iterations`, computed once."""
        if iterations not in self._known:
            self._known[iterations] = self._audit.objective(self.factors[iterations - 1])
        return self._known[iterations]

    def first(self, target: float, low: int, high: int) -> int:
        """Return the number of iterations, above `low` and at most `high`, that first reach the target.

        It must be reached after `high`. No half-step raises the objective, so the interval can be
        halved.
        """
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (low, middle) if reached(self.objective(middle), target) else (middle, high)
        return high


def plain(
    contestant: Contestant, dataset: SplitDataset, start: Start, audit: Audit, *, early: bool
) -> Fit:
    """Fit for the cell's iterations and measure the factors at the end.

    Parameters
    ----------
    early
        Whether to measure held-out quality after `EARLY` iterations as well.
    """
    fit = Fit()
    model = contestant.model(contestant.arguments["iterations"], start)

    def look(iteration: int, seconds: float, loss: float | None) -> None:
        if iteration + 1 == EARLY:
            fit.early = audit.quality(factors_of(model))

    model.fit(dataset.train, show_progress=False, callback=look if early else None)
    fit.seconds, fit.relaxation = list(model.seconds_), list(model.relaxation_)
    fit.objective = audit.objective(factors_of(model))
    fit.evaluation = audit.quality(factors_of(model))
    return fit


def followed(
    contestant: Contestant,
    dataset: SplitDataset,
    start: Start,
    audit: Audit,
    *,
    target: float | None = None,
    most: int | None = None,
    limit: float = float("inf"),
    early: bool = False,
) -> tuple[Fit, Path]:
    """Fit, and find the iteration that reaches the target.

    Parameters
    ----------
    target
        None where the fit itself sets the target, as its objective at the end.
    most
        The largest number of iterations; None for the cell's.
    limit
        Seconds, those of the looks included, after which the fit stops.
    early
        Whether to measure held-out quality after `EARLY` iterations.
    """
    nominal = int(contestant.arguments["iterations"])
    step = max(1, nominal // _LOOKS)
    fit, path = Fit(), Path(audit)
    model = contestant.model(most or nominal, start)
    began = time.perf_counter()
    looked = 0

    def look(iteration: int, seconds: float, loss: float | None) -> bool:
        nonlocal looked
        done = iteration + 1
        fit.seconds.append(seconds)
        path.keep(factors_of(model))
        if early and done == EARLY:
            fit.early = audit.quality(path.factors[-1])
        if done == nominal:
            fit.objective = path.objective(done)
            fit.evaluation = audit.quality(path.factors[-1])
        late = time.perf_counter() - began > limit
        due = done % step == 0 or done in (nominal, most) or late
        if target is not None and fit.iterations_to_target is None and due:
            if reached(path.objective(done), target):
                fit.iterations_to_target = path.first(target, looked, done)
            looked = done
        return late or (
            done >= nominal and (target is None or fit.iterations_to_target is not None)
        )

    model.fit(dataset.train, show_progress=False, callback=look)
    fit.relaxation = list(model.relaxation_)
    if target is None and fit.objective is not None:
        fit.iterations_to_target = path.first(fit.objective, 0, nominal)
    return fit, path


def alike(path: Path, exact: Path) -> bool:
    """Whether a path's objective agrees with exact ALS's so far, to 1e-3: it solves the same systems."""
    done = len(path.factors)
    if done > len(exact.factors):
        return False
    return abs(path.objective(done) / exact.objective(done) - 1) < 1e-3
