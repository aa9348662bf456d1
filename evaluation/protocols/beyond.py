"""What a validation's lists are like beside right: means over users, with intervals, of each model."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from halfstep.evaluation.metrics.intervals import bootstrap_intervals
from halfstep.evaluation.protocols.baselines import BASELINES
from halfstep.evaluation.protocols.validation import PartResult, Summary, Validation, mean_by_user


def beyond_summaries(
    results: Validation, model: str, *, random_state: int = 0
) -> dict[str, Summary | None]:
    """Return each metric of `halfstep.evaluation.metrics.beyond_accuracy`, averaged as the others are.

    None where no user has a value, and for a baseline's diversity: its factors are no model of the items.
    A user without a value is left out of the metric's mean.
    """
    parts = results.judged[model]
    found: dict[str, Summary | None] = {}
    for metric in parts[0].beyond:
        invented = model in BASELINES and metric.startswith("diversity")
        found[metric] = None if invented else _summary(parts, metric, random_state)
    return found


def gini(results: Validation, model: str) -> dict[int, float]:
    """Return the Gini index of exposure for each list length, the mean over parts."""
    parts = results.judged[model]
    return {k: float(np.mean([part.gini[k] for part in parts])) for k in parts[0].gini}


def _summary(parts: Sequence[PartResult], metric: str, random_state: int) -> Summary | None:
    known = [np.isfinite(part.beyond[metric]) for part in parts]
    values = [part.beyond[metric][there] for part, there in zip(parts, known, strict=True)]
    users = [part.users[there] for part, there in zip(parts, known, strict=True)]
    if not any(map(len, values)):
        return None
    _, means = mean_by_user(users, values)
    ((low, high),) = bootstrap_intervals(means[None], random_state=random_state)
    by_part = [float(one.mean()) for one in values if len(one)]
    return Summary(
        mean=float(means.mean()),
        low=float(low),
        high=float(high),
        spread=float(np.std(by_part, ddof=1)) if len(by_part) > 1 else 0.0,
    )


