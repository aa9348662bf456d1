"""What a validation's lists are like beside right: means over users, with intervals, of each model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from halfstep.evaluation.metrics.intervals import bootstrap_intervals
from halfstep.evaluation.protocols.baselines import BASELINES
from halfstep.evaluation.protocols.part_result import PartResult
from halfstep.evaluation.protocols.validation import Summary, Validation, mean_by_user


@dataclass(frozen=True)
class Beyond:
    """How novel, varied and popular one model's lists are, and how evenly they use the catalogue.

    Attributes
    ----------
    summaries
        For each of `novelty@k`, `diversity@k` and `popularity_lift@k`, the mean over the users who have
        a value, its interval and spread; None where no user has one, and for a baseline's diversity: its
        factors are no model of the items.
    gini
        For each list length, the Gini index of exposure, the mean over parts.
    """

    summaries: dict[str, Summary | None]
    gini: dict[int, float]

    def means(self) -> dict[str, float | None]:
        """Return all numbers without their intervals."""
        means = {name: None if s is None else s.mean for name, s in self.summaries.items()}
        return {**means, **{f"gini@{k}": value for k, value in self.gini.items()}}


def beyond_of(results: Validation, random_state: int = 0) -> dict[str, Beyond]:
    """Return the metrics of `halfstep.evaluation.metrics.beyond_accuracy` for each model."""
    found = {}
    for name, parts in results.judged.items():
        summaries = {
            metric: None
            if name in BASELINES and metric.startswith("diversity")
            else _summary(parts, metric, random_state)
            for metric in parts[0].beyond
        }
        gini = {k: float(np.mean([part.gini[k] for part in parts])) for k in parts[0].gini}
        found[name] = Beyond(summaries, gini)
    return found


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
