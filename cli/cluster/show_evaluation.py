"""Print how well a sharded model ranks held-out rows, and return it for JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from halfstep.cli import judging, show
from halfstep.cli.show import table
from halfstep.evaluation.metrics.intervals import bootstrap_intervals
from halfstep.evaluation.protocols.validation import Newcomers, Summary
from halfstep.progress import stage

if TYPE_CHECKING:
    from rich.console import Console

    from halfstep.distributed.model import ShardedModel
    from halfstep.evaluation.metrics.held_out import Evaluation

# Resampling so many users takes minutes; the mean of so many has a normal error.
MOST_RESAMPLED = 1_000_000
_NORMAL = 1.959964  # standard errors on each side of 95 %


def evaluation(
    console: Console,
    model: ShardedModel,
    found: Evaluation,
    k: int,
    seed: int,
    min_value: float | None,
) -> dict[str, Any]:
    """Print the metrics of an evaluation, with lists of `k` items; return its contents."""
    name, users = model.solver_, len(found.users)
    summaries = _summaries(found, seed)
    title = (
        f"{model.folder.url}: {model.facts.rows('user'):,} users x {model.facts.rows('item'):,} items, "
        f"held-out rows of {users:,} users"
    )
    listed = table(title, "metric", name, right=[name])
    for metric, summary in summaries.items():
        listed.add_row(metric, show.summary_cell(summary, False))
    listed.add_row(f"coverage@{k}", f"{found.coverage[k]:.4f}")
    console.print(listed)
    how = "standard errors" if users > MOST_RESAMPLED else "bootstrap"
    console.print(f"Mean over users [95 % interval over users, by {how}]", markup=False)
    judging.left_out(console, found.not_relevant, min_value)
    rest = found.without_history
    newcomers = None if rest is None else Newcomers(len(rest.users), {name: rest.means()})
    return {
        "title": title,
        "k": k,
        "users": users,
        "models": {name: {**found.means(), f"coverage@{k}": found.coverage[k]}},
        "intervals": {name: summaries},
        "not_relevant": found.not_relevant,
        "without_history": judging.newcomers(console, newcomers),
    }


def _summaries(found: Evaluation, seed: int) -> dict[str, Summary]:
    stack = np.stack(list(found.per_user.values()))
    with stage("judging by intervals"):
        if stack.shape[1] > MOST_RESAMPLED:
            error = _NORMAL * stack.std(axis=1, ddof=1) / np.sqrt(stack.shape[1])
            bounds = stack.mean(axis=1)[:, None] + np.stack([-error, error], axis=1)
        else:
            bounds = bootstrap_intervals(stack, random_state=seed)
    return {
        metric: Summary(mean=mean, low=float(low), high=float(high), spread=0.0)
        for (metric, mean), (low, high) in zip(found.means().items(), bounds, strict=True)
    }
