"""Print a validation as tables, and return it for JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rich.console import Console

from halfstep.cli import judging, show_beyond
from halfstep.cli.show import printable, table
from halfstep.evaluation.metrics.activity import PERCENTILES, ActivityGroup, by_activity
from halfstep.evaluation.protocols.beyond import beyond_of
from halfstep.evaluation.verdict import Verdict, describe
from halfstep.plural import counted
from halfstep.progress import stage

if TYPE_CHECKING:
    from halfstep.evaluation.protocols.validation import Summary, Validation

_MARGIN = 0.02
_INTERVALS = "judging by intervals"


def validation(
    console: Console,
    title: str,
    results: Validation,
    groups: int,
    seed: int,
    *,
    pool: bool = True,
    min_value: float | None = None,
    user_features: bool = False,
) -> dict[str, Any]:
    """Print all tables of a validation, and return their contents.

    `pool` False shows each part alone, because the parts of a ratio-curve cannot be averaged.
    `min_value` is the least value of a relevant entry, if given. `user_features` says whether the
    models know features of users.
    """
    record: dict[str, Any] = {"title": title, "parts": results.parts}
    if not pool:
        console.print(title, markup=False, highlight=False)
    if len(results.parts) > 1:
        record["by_part"] = _parts(console, results, seed)
    if pool:
        record |= _pooled(console, title, results, groups, seed)
    judging.left_out(console, results.not_relevant, min_value)
    record["not_relevant"] = results.not_relevant
    record["without_history"] = judging.newcomers(
        console, results.without_history, features=user_features
    )
    known = results.activity(next(iter(results.judged)))
    if not known.any():
        console.print(
            f"None of the {counted(len(known), 'users')} has an entry to learn from.",
            highlight=False,
        )
    return record


def _pooled(
    console: Console, title: str, results: Validation, groups: int, seed: int
) -> dict[str, Any]:
    models = list(results.judged)
    with stage(_INTERVALS):
        summaries = {name: results.summaries(name, random_state=seed) for name in models}
        further = beyond_of(results, seed)
    record: dict[str, Any] = {
        "users": len(results.user_means(models[0])[0]),
        "models": {
            name: {
                **{metric: s.mean for metric, s in by_metric.items()},
                **{f"coverage@{k}": c for k, c in results.coverage(name).items()},
            }
            for name, by_metric in summaries.items()
        },
        "intervals": summaries,
    }
    several = len(results.parts) > 1
    for name, more in further.items():
        record["models"][name] |= more.means()
    record["beyond_accuracy"] = {name: more.summaries for name, more in further.items()}
    _means(console, title, summaries, {name: results.coverage(name) for name in models}, several)
    show_beyond.lists(console, further, several)
    best = models[-1]
    if len(models) > 2 or best != "popularity":
        _, means = results.user_means(best)
        other = models[-2]
        with stage(_INTERVALS):
            spread = by_activity(means["auc"], results.activity(best), groups=groups)
            verdicts = {
                metric: results.paired(best, other, metric, margin=_MARGIN) for metric in means
            }
        _activity(console, best, spread)
        record["auc_by_activity"] = spread
        _verdicts(console, best, other, verdicts)
        said = _said(console, results, other, verdicts)
        record["paired"] = {"of": best, "against": other, "metrics": verdicts, "said": said}
    return record


def _means(
    console: Console,
    title: str,
    summaries: dict[str, dict[str, Summary]],
    coverage: dict[str, dict[int, float]],
    several: bool,
) -> None:
    listed = table(title, "metric", *summaries, right=summaries)
    for metric in next(iter(summaries.values())):
        cells = (show_beyond.cell(by_metric[metric], several) for by_metric in summaries.values())
        listed.add_row(metric, *cells)
    for k in next(iter(coverage.values())):
        listed.add_row(f"coverage@{k}", *(f"{by_k[k]:.4f}" for by_k in coverage.values()))
    console.print(listed)
    caption = "Mean over users [95 % bootstrap interval over users]"
    console.print(f"{caption} ± standard deviation of the parts' means" if several else caption)


def _parts(console: Console, results: Validation, seed: int) -> dict[str, Any]:
    """Print NDCG and AUC of each part: the folds, the draws, or the points of a curve."""
    models = list(results.judged)
    metrics = [m for m in results.judged[models[0]][0].per_user if m.startswith("ndcg")] + ["auc"]
    record: dict[str, Any] = {label: {} for label in results.parts}
    for metric in metrics:
        listed = table(f"{metric} by part", "part", "users", *models, right=["users", *models])
        for label in results.parts:
            part = results.part(label)
            with stage(_INTERVALS):
                by_model = {
                    name: part.summaries(name, random_state=seed)[metric] for name in models
                }
            users = len(part.user_means(models[0])[0])
            listed.add_row(
                label, f"{users:,}", *(show_beyond.cell(s, False) for s in by_model.values())
            )
            record[label] |= {"users": users, metric: by_model}
        console.print(listed)
    return record


def _activity(console: Console, name: str, groups: list[ActivityGroup]) -> None:
    percents = [f"{p} %" for p in PERCENTILES]
    columns = ("known entries", "users", "mean", *percents)
    listed = table(
        f"AUC of {name} by the users' activity, with percentiles", *columns, right=columns
    )
    for place, g in enumerate(groups):
        last = place == len(groups) - 1
        listed.add_row(
            "all" if last else f"{g.least:,} to {g.most:,}",
            f"{g.users:,}",
            f"{g.mean:.4f}\n\\[{g.low:.4f}, {g.high:.4f}]",
            *(f"{v:.3f}" for v in g.percentiles.values()),
            end_section=place == len(groups) - 2,
        )
    console.print(listed)


def _verdicts(console: Console, best: str, other: str, verdicts: dict[str, Verdict]) -> None:
    columns = ("metric", "difference", "95 % interval", "verdict")
    listed = table(f"{best} minus {other}, user by user", *columns, right=columns[1:3])
    for metric, v in verdicts.items():
        interval = f"{v.low:+.4f} to {v.high:+.4f}"
        listed.add_row(metric, f"{v.difference:+.4f}", interval, v.verdict)
    console.print(listed)
    console.print(
        f"Equivalent: the interval is within {_MARGIN:.0%} of the mean of {other}; better or worse: it "
        "excludes zero; undecided otherwise.",
        highlight=False,
    )


def _said(console: Console, results: Validation, other: str, verdicts: dict[str, Verdict]) -> str:
    """Print and return the metrics that are better, worse and open, as shares of the other's means."""
    means = {name: float(v.mean()) for name, v in results.user_means(other)[1].items()}
    said = describe(
        {
            metric: (v.verdict, v.difference / means[metric] if means[metric] else None)
            for metric, v in verdicts.items()
        }
    )
    console.print(f"In all {printable(console, said)}.", highlight=False)
    return said
