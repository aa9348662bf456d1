"""Results as tables for a terminal, and as JSON for machines."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import numpy as np
from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

if TYPE_CHECKING:
    from halfstep.datasets.dataset import Dataset
    from halfstep.doctor import Examination
    from halfstep.evaluation.equivalence import Comparison
    from halfstep.evaluation.published import Reproduction


def table(title: str, *columns: str, right: Iterable[str] = ()) -> Table:
    """Return an empty table; columns named in `right` hold numbers."""
    numbers = set(right)
    made = Table(title=title, box=box.SIMPLE_HEAD, title_justify="left")
    for name in columns:
        made.add_column(name, justify="right" if name in numbers else "left", overflow="fold")
    return made


_LONGEST = 400  # characters of one fact


def doctor(console: Console, examination: Examination) -> None:
    """Print what `halfstep doctor` found."""
    facts = table("This machine", "what", "found")
    for what, found in {**examination.machine, **examination.packages}.items():
        facts.add_row(what, escape(found))
    console.print(facts)
    solvers = table("Solvers", "solver", "runs here", "if not, why and what to do")
    for name, reason in examination.solvers.items():
        solvers.add_row(name, "no" if reason else "yes", escape(reason))
    console.print(solvers)
    console.print(f'solver="auto" takes: {examination.auto}', highlight=False)


def presets(console: Console) -> None:
    """Print the presets and formats that `--data` takes."""
    from halfstep.datasets import FORMATS, PRESETS

    for title, entries in (("Generated presets", PRESETS), ("Formats", FORMATS)):
        listed = table(title, "name", "what")
        for name, what in entries.items():
            listed.add_row(name, escape(what))
        console.print(listed)


def summary(data: Dataset) -> dict[str, Any]:
    """Return what `halfstep data info` says of a data set."""
    values = data.interactions.data
    return {
        "name": data.name,
        "users": data.users,
        "items": data.items,
        "entries": data.entries,
        "density": data.density,
        "sum of values": float(values.sum(dtype=np.float64)),
        "smallest value": float(values.min()),
        "largest value": float(values.max()),
        "held-out entries": 0 if data.test is None else data.test.nnz,
        "hash": data.content_hash,
        **data.provenance,
    }


def dataset(console: Console, data: Dataset) -> None:
    """Print what a data set holds and where it comes from; tables within it are in the JSON alone."""
    facts = table(repr(data), "what", "value")
    for what, value in summary(data).items():
        facts.add_row(what, escape(_short(value)))
    console.print(facts)


def _short(value: Any) -> str:
    if isinstance(value, int | float):
        return f"{value:,.0f}" if float(value).is_integer() else f"{value:,.6g}"
    text = str(value)
    if isinstance(value, dict | list) and len(text) > _LONGEST:
        return f"{len(value)} parts ({', '.join(map(str, value))[:_LONGEST]}): see --json"
    return text


def recommendations(console: Console, data: Dataset, user: str, ids: Any, scores: Any) -> None:
    """Print a ranked list with original ids and, where the data has them, names."""
    ranked = table(f"For user {user}", "rank", "item", "name", "score", right=("rank", "score"))
    for rank, (item, score) in enumerate(zip(ids, scores, strict=True), 1):
        name = "" if data.item_names is None else str(data.item_names[item])
        ranked.add_row(str(rank), str(data.item_ids[item]), escape(name), f"{score:.4f}")
    console.print(ranked)


def reproductions(console: Console, rows: Iterable[Reproduction]) -> list[Reproduction]:
    """Print published results beside those of a run here, and return them."""
    columns = ("source", "HR@10", "published", "NDCG@10", "published ", "agrees")
    listed = table("Published results, run again", *columns, right=columns[1:5])
    done = []
    for row in rows:
        done.append(row)
        listed.add_row(
            row.published.source,
            f"{row.hit_rate:.4f}",
            f"{row.published.hit_rate:.4f}",
            f"{row.ndcg:.4f}",
            f"{row.published.ndcg:.4f}",
            "yes" if row.agrees else "no",
        )
    console.print(listed)
    if done:
        console.print(f"solver: {done[-1].solver}", highlight=False)
    return done


def comparison(console: Console, c: Comparison, data: Dataset) -> None:
    """Print the four questions of `halfstep.evaluation.equivalence` and their answers about b."""
    console.print(f"{data!r}: is {c.b.name} as good as {c.a.name}?", highlight=False)
    columns = ("iteration", "users, a", "items, a", "users, b", "items, b", "objective gap")
    fits = table(
        f"a = {c.a.name}, b = {c.b.name}\n(a) median residuals, (b) relative gap of b's objective",
        *columns,
        right=columns,
    )
    for i, gap in enumerate(c.objective_gaps):
        medians = [
            f"{residuals[i][0]:.1e}" if i < len(residuals) else ""
            for trace in (c.a, c.b)
            for residuals in (trace.user_residuals, trace.item_residuals)
        ]
        fits.add_row(str(i + 1), *medians, f"{gap:+.2e}")
    console.print(fits)
    p = c.predictions
    answers = table("(c) predictions, (d) held-out quality", "question", "figure", "verdict")
    answers.add_row(
        f"objective, relative gap (tolerance {c.objective_tolerance:g})",
        f"{c.objective_gaps[-1]:+.2e}" if c.objective_gaps else "none",
        c.objective_verdict,
    )
    answers.add_row(f"top-{p.k} overlap, {p.users} users", f"{p.overlap:.3f}", "")
    answers.add_row(f"rank correlation in the top-{p.k}", f"{p.rank_correlation:.3f}", "")
    answers.add_row("largest angle, user factors", f"{p.user_angle:.2f} degrees", "")
    answers.add_row("largest angle, item factors", f"{p.item_angle:.2f} degrees", "")
    for metric, v in c.held_out.items():
        before, after = c.means[metric]
        answers.add_row(
            f"{metric} (margin {v.margin:.4f}, {v.users} users)",
            f"{before:.4f} -> {after:.4f}, {v.difference:+.5f} [{v.low:+.5f}, {v.high:+.5f}]",
            v.verdict,
        )
    console.print(answers)
    console.print(f"verdict: {c.b.name} is [bold]{c.verdict}[/bold]", highlight=False)


def comparison_record(c: Comparison) -> dict[str, Any]:
    """Return a comparison without its factor matrices, for JSON."""
    return {
        "verdict": c.verdict,
        "objective": {
            "verdict": c.objective_verdict,
            "gaps": c.objective_gaps,
            "tolerance": c.objective_tolerance,
        },
        "predictions": c.predictions,
        "held_out": {k: {**asdict(v), "means": c.means[k]} for k, v in c.held_out.items()},
        "solvers": [
            {
                "name": t.name,
                "objectives": t.objectives,
                "user_residuals": t.user_residuals,
                "item_residuals": t.item_residuals,
                "seconds": t.seconds,
            }
            for t in (c.a, c.b)
        ],
    }
