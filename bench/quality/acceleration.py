"""The suite `acceleration`: how many iterations, and how much time, a fit takes to exact ALS's quality.

The target is the float64 objective of exact ALS without over-relaxation after 15 iterations, within
0.5 %. A fit passes it between two of its iterations: where, is interpolated in the logarithm of the
objective. Three contestants take turns on each cell of `quality.plan` at f = 64: exact ALS itself, ours
with a constant over-relaxation of 1.4 from the third iteration on, and ours as it is by default.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from halfstep import datasets
from halfstep.bench.contestant_names import EXACT
from halfstep.bench.inputs import SplitDataset, split_data
from halfstep.bench.method.contestants import contestant
from halfstep.bench.method.ratios import mean_ratios
from halfstep.bench.method.timing import TimingPlan, pairwise_ratio, time_fits
from halfstep.bench.quality.fits import Audit, followed
from halfstep.bench.quality.plan import Planned, planned, source
from halfstep.bench.report.numbers import interval
from halfstep.bench.schema import Measure, Results
from halfstep.bench.settings import BenchSettings
from halfstep.errors import InputError
from halfstep.evaluation.metrics.held_out import Evaluation
from halfstep.solvers.fit.start import starting_factors

FACTORS = (64,)
EVALUATED_USERS = 4_000
WITHIN = 0.005
EARLIER, DEFAULT = "eigenbasis:relaxation=1.4", "eigenbasis"
CONTESTANTS = (EXACT, EARLIER, DEFAULT)

Say = Callable[[str], None]


def run_acceleration(settings: BenchSettings, results: Results, say: Say) -> Results:
    """Add the measures of every cell whose data is there.

    Raises
    ------
    InputError
        There is none.
    """
    chosen = planned(replace(settings, factors=settings.factors or FACTORS))
    for name in dict.fromkeys(cell.weighting.data for cell in chosen):
        path, reason = source(name, settings)
        if reason is not None:
            results.left_out.append(f"{name}: {reason}")
            continue
        say(f"loading {name}")
        split = split_data(datasets.load(path), settings, EVALUATED_USERS)
        results.data.append(replace(split.record, name=name))
        for cell in chosen:
            if cell.weighting.data == name:
                results.measures += measured(cell, split, settings, say)
    if not results.measures:
        raise InputError(f"suite 'acceleration' has nothing to run: {'; '.join(results.left_out)}")
    return results


def measured(
    cell: Planned, split: SplitDataset, settings: BenchSettings, say: Say
) -> list[Measure]:
    """Return the measures of one cell: the seconds of each contestant to the target."""
    arguments = {
        **settings.convention(),
        **cell.weighting.convention,
        "factors": cell.factors,
        "iterations": settings.iterations,
        "num_threads": settings.num_threads,
        "dtype": np.float32,
    }
    start = starting_factors(None, split.train.shape, cell.factors, np.float32, settings.seed)
    these = [contestant(name, arguments) for name in CONTESTANTS]
    audit = Audit(these[0], split)
    reached: dict[str, float | None] = {}
    found: dict[str, Evaluation] = {}
    target = math.nan
    for one in these:
        say(f"{cell.name}: {one.name}")
        _, path = followed(one, split, start, audit)
        objectives = [path.objective(done + 1) for done in range(len(path.factors))]
        if one.name == EXACT:
            target = objectives[-1] * (1 + WITHIN)
        at = reached[one.name] = passes(objectives, target)
        last = math.ceil(at or len(path.factors))
        found[one.name] = audit.quality(path.factors[last - 1])
    plans = [
        TimingPlan(one, math.ceil(reached[one.name] or settings.iterations), settings.repeats)
        for one in these
    ]
    timed = time_fits(plans, split.train, start).seconds
    seconds = {
        name: [until(fit, reached[name] or math.inf) for fit in fits]
        for name, fits in timed.items()
    }
    return [
        Measure(
            group=f"{cell.name}, to within {WITHIN:.1%} of exact ALS",
            name=name,
            seconds=seconds[name],
            reference=EXACT,
            speed_up=pairwise_ratio(seconds[EXACT], seconds[name]) if reached[name] else None,
            detail=_said(name, reached, found, settings.seed),
            x=reached[name],
        )
        for name in reached
    ]


def passes(objectives: Sequence[float], target: float) -> float | None:
    """Return after how many iterations the objective passes the target, or None.

    Between two iterations its logarithm is taken for a line.
    """
    for done, value in enumerate(objectives, 1):
        if value > target:
            continue
        if done == 1:
            return 1.0
        before = objectives[done - 2]
        return done - 1 + math.log(before / target) / math.log(before / value)
    return None


def until(seconds: Sequence[float], iterations: float) -> float:
    """Return the seconds of so many iterations, the last one in part; all of them if they are fewer."""
    whole = min(int(iterations), len(seconds)) if math.isfinite(iterations) else len(seconds)
    rest = iterations - whole if whole < len(seconds) else 0.0
    return sum(seconds[:whole]) + (rest * seconds[whole] if rest else 0.0)


def _said(
    name: str, reached: dict[str, float | None], found: dict[str, Evaluation], seed: int
) -> str:
    mine, exact = reached[name], reached[EXACT]
    if mine is None or exact is None:
        return f"{name}: not reached"
    if name == EXACT:
        return f"{name}: {mine:.2f} iterations"
    ours, theirs = (found[which].per_user["ndcg@10"] for which in (name, EXACT))
    ratio = mean_ratios(np.asarray(ours)[None], np.asarray(theirs), seed)[0]
    quality = "" if ratio is None else f"; NDCG@10 there over exact's there {interval(ratio)}"
    return f"{name}: {mine:.2f} iterations, {mine / exact:.2f} of exact's{quality}"
