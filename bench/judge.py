"""Is a contestant as good as the reference? The rule of `halfstep compare`, on the checks' findings."""

from __future__ import annotations

import math

import numpy as np

from halfstep.bench.check import METRICS, Checked
from halfstep.bench.record import Interval, Judgement
from halfstep.evaluation.metrics import Evaluation
from halfstep.evaluation.verdict import Word, bootstrap_interval, overall, paired_verdict

OBJECTIVE_TOLERANCE = 0.005
MARGIN_SHARE = 0.02
CONFIDENCE = 0.95
RESAMPLES = 2000


def quality(evaluation: Evaluation, seed: int) -> dict[str, Interval]:
    """Return each metric's mean over the users, with its bootstrap interval."""
    intervals = {}
    for metric in METRICS:
        values = evaluation.per_user[metric]
        low, high = bootstrap_interval(
            values, resamples=RESAMPLES, confidence=CONFIDENCE, random_state=seed
        )
        intervals[metric] = Interval(float(values.mean()), low, high)
    return intervals


def gap(checked: Checked, reference: Checked, iterations: int) -> float | None:
    """Return the objective's relative gap to the reference after the same number of iterations.

    That is `iterations`, or as many as the check of a slow contestant got to.
    """
    common = min(len(checked.objectives), len(reference.objectives), iterations)
    if common == 0:
        return None
    ours, theirs = checked.objectives[common - 1], reference.objectives[common - 1]
    return (ours - theirs) / abs(theirs) if theirs else ours - theirs


def judge(checked: Checked, reference: Checked, iterations: int, seed: int) -> Judgement | None:
    """Compare a contestant with the reference; None where its check ended before `iterations`."""
    if checked.evaluation is None or reference.evaluation is None:
        return None
    ours, theirs = (c.evaluation.per_user["ndcg@10"] for c in (checked, reference) if c.evaluation)
    margin = max(MARGIN_SHARE * float(theirs.mean()), float(np.finfo(np.float64).tiny))
    held_out = paired_verdict(
        ours,
        theirs,
        margin=margin,
        resamples=RESAMPLES,
        confidence=CONFIDENCE,
        random_state=seed,
    )
    words: list[Word] = [held_out.verdict]
    word = None
    if not checked.contestant.baseline:
        word = _objective_word(gap(checked, reference, iterations))
        words.append(word)
    return Judgement(
        verdict=overall(words),
        objective=word,
        held_out=held_out.verdict,
        difference=held_out.difference,
        low=held_out.low if math.isfinite(held_out.low) else None,
        high=held_out.high if math.isfinite(held_out.high) else None,
        margin=margin,
    )


def _objective_word(relative: float | None) -> Word:
    if relative is None or not math.isfinite(relative):
        return "undecided"
    if abs(relative) <= OBJECTIVE_TOLERANCE:
        return "equivalent"
    return "worse" if relative > 0 else "better"
