"""The check of a contestant before it is timed: whether it runs, how good it is, and how soon.

The check warms up as well: compiled solvers compile here.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
from scipy import sparse

from halfstep.bench.inputs import SplitDataset
from halfstep.bench.method.contestants import FAILURES, Contestant, Start, scaled
from halfstep.bench.suites import Case
from halfstep.blas import blas_threads
from halfstep.evaluation.metrics.held_out import Evaluation, evaluate
from halfstep.evaluation.trace import factors_of
from halfstep.solvers import SOLVERS, Solver
from halfstep.solvers.objective import objective
from halfstep.solvers.problem import Weights
from halfstep.types import Floats

TARGET_TOLERANCE = 0.01
SECOND_TOLERANCE = 1e-5
METRICS = ("ndcg@10", "auc")
_FIRST_ROWS = 16
_ENOUGH_SECONDS = 0.25
_LONG_SECONDS = 5.0

Objective = Callable[[Solver], float]


@dataclass
class Checked:
    """What the check of one contestant found.

    Attributes
    ----------
    reason
        Why there are no findings, or None.
    objectives
        Float64 objective after each iteration; None where it was not looked at.
    seconds
        Of each iteration, to plan the timing by; they are no result.
    best
        The lowest objective seen; for the reference in up to twice the case's iterations, because the
        chart of the objectives is drawn relative to it.
    evaluation
        Held-out metrics after the case's iterations.
    """

    contestant: Contestant
    reason: str | None = None
    notes: list[str] = field(default_factory=list)
    objectives: list[float | None] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    best: float | None = None
    iterations_to_target: int | None = None
    evaluation: Evaluation | None = None

    @property
    def seconds_per_iteration(self) -> float:
        """Seconds that an iteration can be expected to take."""
        return float(np.median(self.seconds))


def float64_objective(contestant: Contestant, dataset: SplitDataset) -> Objective:
    """Return the objective in float64, the same function for the factors of every contestant."""
    arguments = contestant.arguments | {"dtype": np.float64}
    # The weights of a solver that has float64, which the peers do not have.
    solver = scaled(SOLVERS["conjugate_gradient"], contestant.als_wr)
    users, items = solver(**arguments).weights(dataset.train)
    return _Objective(users, items)


@dataclass(frozen=True)
class _Objective:
    users: Weights
    items: Weights

    def __call__(self, model: Solver) -> float:
        return objective(self.users, self.items, *factors_of(model))


def check(
    contestant: Contestant,
    case: Case,
    dataset: SplitDataset,
    start: Start,
    measure: Objective,
    target: float | None,
    budget: float,
) -> Checked:
    """Fit a contestant and look at its factors after every iteration.

    Parameters
    ----------
    measure
        The float64 objective.
    target
        The reference's objective, which a contestant in a table may take up to twice the iterations to
        reach. None for the reference itself, and in a sweep.
    budget
        Seconds of half-steps. A contestant that would need more for one iteration is left out; one that
        has used them stops.
    """
    found = Checked(contestant, reason=contestant.solver.unavailable())
    if found.reason is not None:
        return found
    try:
        _fit(found, case, dataset, start, measure, target, budget)
    except FAILURES as error:
        message = " ".join(str(error).split()) or type(error).__name__
        return Checked(contestant, reason=message)
    return found


def _fit(
    found: Checked,
    case: Case,
    dataset: SplitDataset,
    start: Start,
    measure: Objective,
    target: float | None,
    budget: float,
) -> None:
    if found.contestant.whole:
        fit_whole(found, case, dataset, start, measure, target, budget)
        return
    nominal = case.iterations
    leads = case.table and target is None
    model = found.contestant.model(2 * nominal if case.table else nominal, start)
    if not found.contestant.baseline:
        if model.kind == "reference":
            # A peer's half-step is a whole iteration of its own, whatever the block of rows. It is
            # compiled, so that one iteration is affordable.
            once = found.contestant.model(1, start).fit(dataset.train, show_progress=False)
            predicted = once.seconds_[0]
        else:
            predicted = predict_seconds(model, dataset.train, start)
        if predicted > budget:
            found.reason = (
                f"left out: an iteration would take about {predicted:.0f} s, "
                f"the check has {budget:g} s"
            )
            return

    def audit(iteration: int, seconds: float, loss: float | None) -> bool:
        done = iteration + 1
        found.seconds.append(seconds)
        if found.contestant.baseline:
            found.evaluation = evaluate_held_out(model, case, dataset)
            return True
        value = measure(model)
        found.best = value if found.best is None else min(value, found.best)
        if leads and done > nominal:
            return sum(found.seconds) > case.budget
        found.objectives.append(value)
        if found.iterations_to_target is None and reached(found.objectives[-1], target):
            found.iterations_to_target = done
        if done == nominal and case.table:
            found.evaluation = evaluate_held_out(model, case, dataset)
        if done < nominal and sum(found.seconds) > budget:
            found.notes.append(
                f"stopped after {done} of {nominal} iterations: the check has {budget:g} s"
            )
            return True
        going_on = leads or (target is not None and found.iterations_to_target is None)
        spent = sum(found.seconds) > min(budget, case.budget)
        return done >= nominal and (not going_on or spent)

    model.fit(dataset.train, show_progress=False, callback=audit)
    done = len(found.objectives)
    if target is not None and found.iterations_to_target is None and done >= nominal:
        found.notes.append(f"did not reach the target objective in {done} iterations")


def first_reaching(
    objectives: Sequence[float | None], target: float, tolerance: float = TARGET_TOLERANCE
) -> int | None:
    """Return the number of iterations after which `target` was reached within `tolerance`, or None."""
    return next(
        (i + 1 for i, value in enumerate(objectives) if reached(value, target, tolerance)), None
    )


def reached(value: float | None, target: float | None, tolerance: float = TARGET_TOLERANCE) -> bool:
    """Whether an objective is at most the target plus its relative tolerance."""
    return target is not None and value is not None and value <= target + abs(target) * tolerance


def evaluate_held_out(model: Solver, case: Case, dataset: SplitDataset) -> Evaluation:
    """Return the held-out metrics of a fitted model."""
    return evaluate(
        *factors_of(model),
        dataset.train,
        dataset.test,
        users=dataset.evaluated,
        num_threads=case.num_threads,
    )


def predict_seconds(model: Solver, train: sparse.csr_matrix, start: Start) -> float:
    """Predict the seconds of an iteration of `model`; compiled solvers compile here.

    On each side, blocks of more and more rows are solved until one takes a quarter of a second longer
    than the first, small one, whose time is mostly work that does not depend on the number of rows.
    The difference is scaled to all rows by rows or by entries, whichever gives more, so that the
    prediction errs upwards. A first block of more than five seconds is scaled as a whole.
    """
    users, items = model.weights(train)
    X, Y = start
    with blas_threads(model.num_threads or None):
        return _predict_side(model, users, X, Y) + _predict_side(model, items, Y, X)


def _predict_side(model: Solver, side: Weights, X: Floats, Y: Floats) -> float:
    problem = side.fixing(Y)

    def seconds_of(rows: int) -> float:
        start = time.perf_counter()
        model.half_step(problem.block(0, rows), X[:rows])
        return time.perf_counter() - start

    first = rows = min(_FIRST_ROWS, side.rows)
    seconds_of(rows)
    seconds = shared = seconds_of(rows)
    if shared > _LONG_SECONDS:
        shared, first = 0.0, 0
    else:
        while rows < side.rows and seconds - shared < _ENOUGH_SECONDS:
            rows = min(rows * 4, side.rows)
            seconds = seconds_of(rows)
    if rows == side.rows:
        return seconds
    before, entries = int(side.indptr[first]), int(side.indptr[rows])
    scale = max(
        (side.rows - first) / (rows - first),
        (len(side.indices) - before) / max(1, entries - before),
    )
    return shared + (seconds - shared) * scale


def fit_whole(
    found: Checked,
    case: Case,
    dataset: SplitDataset,
    start: Start,
    measure: Objective,
    target: float | None,
    budget: float,
) -> None:
    """Check a peer that has no half-steps, by a new fit for each number of iterations.

    The search begins at the case's iterations and goes down while the target is reached, or up until it
    is.
    """
    values: dict[int, float] = {}

    def fit(iterations: int) -> bool:
        model = found.contestant.model(iterations, start)
        model.fit(dataset.train, show_progress=False)
        found.seconds.append(model.seconds_[0])
        values[iterations] = measure(model)
        if iterations == case.iterations and case.table:
            found.evaluation = evaluate_held_out(model, case, dataset)
        return reached(values[iterations], target)

    def affordable(iterations: int) -> bool:
        spent = sum(n * found.seconds_per_iteration for n in values)
        return spent + iterations * found.seconds_per_iteration <= budget

    fit(1)
    n = case.iterations
    if not affordable(n):
        found.reason = (
            f"left out: {n} iterations would take about {n * found.seconds[0]:.0f} s, "
            f"the check has {budget:g} s"
        )
        return
    good = fit(n)
    while case.table and good and n > 1 and affordable(n - 1) and fit(n - 1):
        n -= 1
    while case.table and not good and n < 2 * case.iterations and affordable(n + 1):
        n += 1
        good = fit(n)
    if good:
        found.iterations_to_target = n
    elif target is not None:
        found.notes.append(f"did not reach the target objective in {n} iterations")
    found.notes.append("from its own start, timed as whole fits")
    found.best = min(values.values())
    found.objectives = [values.get(i + 1) for i in range(max(values))]
