"""The check of a contestant that fits only as a whole, from its own start: see `cmfrec_cpu`."""

from __future__ import annotations

from halfstep.bench.check import Checked, Objective, evaluate_held_out, reached
from halfstep.bench.contestants import Start
from halfstep.bench.inputs import SplitDataset
from halfstep.bench.suites import Case


def fit_whole(
    found: Checked,
    case: Case,
    dataset: SplitDataset,
    start: Start,
    measure: Objective,
    target: float | None,
    budget: float,
) -> None:
    """Check one that fits only as a whole: fit it anew for each number of iterations looked at.

    From the case's iterations the search goes down while the target is reached, or up until it is.
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
