"""The timed fits: contestants take turns (A B, then B A), each repeat beginning with the next one.

Ratios are formed pair by pair before they are summarised.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import numpy as np
from scipy import sparse

from halfstep.bench.method.check import Checked
from halfstep.bench.method.contestants import Contestant, Start, rotated
from halfstep.bench.method.spread import Spread
from halfstep.bench.suites import Case


@dataclass(frozen=True)
class TimingPlan:
    """How often a contestant is timed, and for how many iterations."""

    contestant: Contestant
    iterations: int
    repeats: int


@dataclass
class Timings:
    """Raw seconds, by contestant's name.

    Attributes
    ----------
    seconds
        For each fit, the seconds of each iteration's half-steps.
    setup_seconds
        For each fit, all its other seconds.
    order
        For each repeat, the contestants in the order in which they were timed.
    """

    seconds: dict[str, list[list[float]]] = field(default_factory=dict)
    setup_seconds: dict[str, list[float]] = field(default_factory=dict)
    order: list[list[str]] = field(default_factory=list)


def timing_plan(checked: Checked, case: Case) -> TimingPlan | None:
    """Return how to time a contestant within half of the check's budget, or None where it is too slow.

    A contestant is timed for as many iterations as its check took, and one that did not reach the target
    for those of the case at most. Repeats are cut before iterations; a note on `checked` says what was
    cut. A contestant is too slow where one iteration does not fit.
    """
    wanted = len(checked.objectives)
    if checked.iterations_to_target is None:
        wanted = min(wanted, case.iterations)
    affordable = case.budget / 2 / max(checked.seconds_per_iteration, 1e-9)
    if affordable < 1:
        checked.notes.append("timed by its check alone: an iteration is over the time budget")
        return None
    iterations = min(wanted, int(affordable))
    repeats = max(1, min(case.repeats, int(affordable / iterations)))
    if iterations < wanted:
        checked.notes.append(
            f"timed for {iterations} of {wanted} iterations, the rest extrapolated"
        )
    if repeats < case.repeats:
        checked.notes.append(f"{repeats} of {case.repeats} repeats")
    return TimingPlan(checked.contestant, iterations, repeats)


def time_fits(
    plans: Sequence[TimingPlan],
    train: sparse.csr_matrix,
    start: Start,
    before: Callable[[int, str], None] = lambda repeat, name: None,
) -> Timings:
    """Fit all contestants, repeat by repeat; `before(repeat, name)` is called ahead of each fit."""
    by_name = {plan.contestant.name: plan for plan in plans}
    timings = Timings({name: [] for name in by_name}, {name: [] for name in by_name})
    for repeat in range(max((plan.repeats for plan in plans), default=0)):
        names = [name for name, plan in by_name.items() if repeat < plan.repeats]
        timings.order.append(rotated(names, repeat))
        for name in timings.order[-1]:
            before(repeat, name)
            chosen = by_name[name]
            model = chosen.contestant.model(chosen.iterations, start)
            with _no_collection():
                began = time.perf_counter()
                model.fit(train, show_progress=False)
                total = time.perf_counter() - began
            timings.seconds[name].append(list(model.seconds_))
            timings.setup_seconds[name].append(total - sum(model.seconds_))
    return timings


def spread(values: Sequence[float]) -> Spread | None:
    """Return the quartiles and extremes of `values`; None for an empty sequence."""
    if not len(values):
        return None
    return Spread(*(float(v) for v in np.quantile(values, [0, 0.25, 0.5, 0.75, 1])))


def pairwise_ratio(reference: Sequence[float], other: Sequence[float]) -> Spread | None:
    """Return the spread of reference / other over the repeats.

    A disturbance of the machine lasts longer than one fit. It hits both fits of a pair that were timed
    one after the other, so that their ratio is steadier than the ratio of two medians. Repeats that
    only one of the two has are not used.
    """
    pairs = zip(reference, other, strict=False)
    return spread([a / b for a, b in pairs if b > 0])


def seconds_to(seconds: Sequence[float], iterations: int) -> float:
    """Return the seconds of the first `iterations`; those that were not timed count as the mean."""
    timed = list(seconds[:iterations])
    return sum(timed) / len(timed) * iterations


@contextmanager
def _no_collection() -> Iterator[None]:
    """Keep the pauses of Python's garbage collector out of the timing."""
    was_enabled = gc.isenabled()
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()
