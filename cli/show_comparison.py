"""Print a comparison of solvers as tables, and return it for JSON."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.markup import escape

from halfstep.cli.show import printable, table
from halfstep.evaluation.exact import name_of
from halfstep.evaluation.verdict import MIN_USERS, percent
from halfstep.plural import counted

if TYPE_CHECKING:
    from halfstep.datasets.dataset import Dataset
    from halfstep.evaluation.equivalence import Comparison
    from halfstep.evaluation.exact import AgainstExact

    Beside = dict[str, list[AgainstExact]]


def comparison(console: Console, c: Comparison, data: Dataset) -> None:
    """Print the four questions of `halfstep.evaluation.equivalence` and their answers about b."""
    a, b = escape(c.a.name), escape(c.b.name)
    console.print(f"{escape(repr(data))}: is {b} as good as {a}?", highlight=False)
    columns = ("iteration", "users, a", "items, a", "users, b", "items, b", "objective gap")
    fits = table(
        f"a = {a}, b = {b}\n(a) median residuals, (b) relative gap of b's objective",
        *columns,
        right=columns,
    )
    for i in range(max(len(c.a.objectives), len(c.b.objectives))):
        medians = [
            f"{residuals[i][0]:.1e}" if i < len(residuals) else ""
            for trace in (c.a, c.b)
            for residuals in (trace.user_residuals, trace.item_residuals)
        ]
        gap = f"{c.objective_gaps[i]:+.2e}" if c.objective_gaps else "none"
        fits.add_row(str(i + 1), *medians, gap)
    console.print(fits)
    p = c.predictions
    answers = table("(c) predictions, (d) held-out quality", "question", "answer", "verdict")
    answers.add_row(
        f"objective, relative gap (at most {c.objective_tolerance:g})",
        f"{c.objective_gaps[-1]:+.2e}" if c.objective_gaps else "none",
        c.objective_verdict or "a baseline has none",
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


def beside_exact(console: Console, beside: Beside, iterations: int) -> None:
    """Print each fit's objective and held-out quality relative to exact ALS."""
    for name, rows in beside.items():
        metrics = list(rows[0].comparison.parts)
        listed = table(
            f"{escape(name)} beside exact ALS from the same start, after {iterations} iterations",
            *("beside", *metrics, "verdict"),
            right=metrics,
        )
        for row in rows:
            relative = [difference for _, difference in row.comparison.parts.values()]
            listed.add_row(
                name_of(row.relaxation) + (" (as the solver)" if row.alike else ""),
                *("none" if r is None else printable(console, percent(r)) for r in relative),
                row.comparison.verdict,
            )
        console.print(listed)
    if beside:
        console.print(
            "as the solver: with the same over-relaxation; a higher objective than there shows what "
            "the solver left unsolved.",
            highlight=False,
        )


def verdict(console: Console, c: Comparison) -> None:
    """Print the verdict and the metrics that decide it."""
    users = min(v.users for v in c.held_out.values())
    if users < MIN_USERS:
        console.print(
            f"only {counted(users, 'users have')} held-out entries; a verdict needs "
            f"at least {MIN_USERS}",
            highlight=False,
        )
    word, colon, metrics = printable(console, c.summary).partition(":")
    console.print(
        f"verdict: {escape(c.b.name)} is [bold]{word}[/bold]{colon}{metrics}", highlight=False
    )


def record(c: Comparison, beside: Beside) -> dict[str, Any]:
    """Return a comparison without its factor matrices, for JSON."""
    return {
        "verdict": c.verdict,
        "said": c.summary,
        "objective": {
            "verdict": c.objective_verdict,
            "gaps": c.objective_gaps,
            "tolerance": c.objective_tolerance,
        },
        "predictions": c.predictions,
        "held_out": _held_out(c),
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
        "exact": {
            name: [
                {
                    "relaxation": row.relaxation,
                    "alike": row.alike,
                    "verdict": row.comparison.verdict,
                    "said": row.comparison.summary,
                    "relative": {m: part[1] for m, part in row.comparison.parts.items()},
                    "objectives": row.comparison.a.objectives,
                    "held_out": _held_out(row.comparison),
                }
                for row in rows
            ]
            for name, rows in beside.items()
        },
    }


def _held_out(c: Comparison) -> dict[str, Any]:
    return {k: {**asdict(v), "means": c.means[k]} for k, v in c.held_out.items()}
