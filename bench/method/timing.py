"""The timed fits: interleaved A B A B, each repeat beginning with the next contestant.

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
class Entry:
    """How often a contestant is timed, and for how many iterations."""

    contestant: Contestant
    iterations: int
    repeats: int


@dataclass
class Timings:
    """Raw seconds: of each fit, those of its iterations, and all its others."""

    seconds: dict[str, list[list[float]]] = field(default_factory=dict)
    setup_seconds: dict[str, list[float]] = field(default_factory=dict)
    order: list[list[str]] = field(default_factory=list)


def entry(checked: Checked, case: Case) -> Entry | None:
    """Return how to time a contestant within half of the check's budget, and note what was cut.

    As many iterations as the curve of the objective has, where that fits in once; the repeats are
    cut before the iterations. None where not even one iteration fits in.
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
    return Entry(checked.contestant, iterations, repeats)


def time_fits(
    entries: Sequence[Entry],
    train: sparse.csr_matrix,
    start: Start,
    before: Callable[[int, str], None] = lambda repeat, name: None,
) -> Timings:
    """Fit all entries, repeat by repeat; `before(repeat, name)` is called ahead of each fit."""
    timings = Timings(
        {e.contestant.name: [] for e in entries}, {e.contestant.name: [] for e in entries}
    )
    by_name = {e.contestant.name: e for e in entries}
    for repeat in range(max((e.repeats for e in entries), default=0)):
        names = [name for name, e in by_name.items() if repeat < e.repeats]
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
    """Return the spread of reference / other, repeat by repeat.

    What disturbs a machine lasts longer than one fit, so a pair timed next to each other shares it
    and its ratio is steadier than the ratio of two medians. The longer sequence's rest is unused.
    """
    pairs = zip(reference, other, strict=False)
    return spread([a / b for a, b in pairs if b > 0])


def seconds_to(seconds: Sequence[float], iterations: int) -> float:
    """Return the seconds of the first `iterations`; those not timed count as the mean of the timed."""
    timed = list(seconds[:iterations])
    return sum(timed) / len(timed) * iterations


@contextmanager
def _no_collection() -> Iterator[None]:
    """Keep Python's garbage collector, whose pauses are nobody's merit, out of the timing."""
    was_enabled = gc.isenabled()
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()
