"""Whether a contestant is as good as the reference, by the rule of `halfstep compare`."""

from __future__ import annotations

import math

from halfstep.bench.method.check import METRICS, Checked
from halfstep.bench.method.ratios import CONFIDENCE, RESAMPLES, mean_ratios
from halfstep.bench.method.spread import Interval
from halfstep.bench.schema import HeldOut, Verdict
from halfstep.evaluation.equivalence import MARGIN, OBJECTIVE_TOLERANCE
from halfstep.evaluation.metrics.held_out import Evaluation
from halfstep.evaluation.verdict import (
    Word,
    bootstrap_interval,
    describe,
    objective_word,
    overall,
    paired_verdict,
)

NAMES = {"ndcg@10": "NDCG@10", "auc": "AUC"}


def quality(evaluation: Evaluation, seed: int) -> dict[str, Interval]:
    """Return the mean of each metric over the users, with its bootstrap interval."""
    intervals = {}
    for metric in METRICS:
        values = evaluation.per_user[metric]
        low, high = bootstrap_interval(
            values, resamples=RESAMPLES, confidence=CONFIDENCE, random_state=seed
        )
        intervals[metric] = Interval(float(values.mean()), low, high)
    return intervals


def gap(checked: Checked, reference: Checked, iterations: int) -> float | None:
    """Return the objective's relative gap to the reference's after the same number of iterations.

    The number is `iterations`, or fewer where the check of a slow contestant stopped before. None where
    either has no objective then.
    """
    common = min(len(checked.objectives), len(reference.objectives), iterations)
    if common == 0:
        return None
    ours, theirs = checked.objectives[common - 1], reference.objectives[common - 1]
    if ours is None or theirs is None:
        return None
    return (ours - theirs) / abs(theirs) if theirs else ours - theirs


def verdict_of(checked: Checked, reference: Checked, iterations: int, seed: int) -> Verdict | None:
    """Compare a contestant with the reference; None where its check ended before `iterations`.

    The verdict on a baseline, which minimises nothing, is by its held-out quality alone.
    """
    ours, theirs = checked.evaluation, reference.evaluation
    if ours is None or theirs is None:
        return None
    parts: dict[str, tuple[Word, float | None]] = {}
    objective = None
    if not checked.contestant.baseline:
        relative = gap(checked, reference, iterations)
        objective = objective_word(relative, OBJECTIVE_TOLERANCE)
        parts["objective"] = objective, relative
    held_out = {}
    for metric in METRICS:
        word, held_out[metric] = _held_out(ours, theirs, metric, seed)
        ratio = held_out[metric].ratio
        parts[NAMES[metric]] = word, None if ratio is None else ratio.mean - 1
    return Verdict(
        verdict=overall([word for word, _ in parts.values()]),
        objective=objective,
        held_out=held_out,
        said=describe(parts),
    )


def _held_out(ours: Evaluation, theirs: Evaluation, metric: str, seed: int) -> tuple[Word, HeldOut]:
    """Return the verdict on a metric; undecided where the reference's mean leaves no margin."""
    a, b = ours.per_user[metric], theirs.per_user[metric]
    margin = MARGIN * float(b.mean())
    if margin <= 0:
        return "undecided", HeldOut("undecided", float((a - b).mean()), None, None, margin)
    found = paired_verdict(
        a, b, margin=margin, resamples=RESAMPLES, confidence=CONFIDENCE, random_state=seed
    )
    return found.verdict, HeldOut(
        verdict=found.verdict,
        difference=found.difference,
        low=found.low if math.isfinite(found.low) else None,
        high=found.high if math.isfinite(found.high) else None,
        margin=margin,
        ratio=mean_ratios(a[None], b, seed)[0],
    )
