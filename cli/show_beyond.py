"""Print what the lists of an evaluation are like beside right."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import Console

from halfstep.cli.show import table

if TYPE_CHECKING:
    from halfstep.evaluation.protocols.beyond import Beyond
    from halfstep.evaluation.protocols.validation import Summary


def lists(console: Console, found: dict[str, Beyond], several: bool) -> None:
    """Print a table with a row for each metric and a column for each model.

    `several` adds the standard deviation of the parts' means.
    """
    listed = table("The lists beside their accuracy", "metric", *found, right=found)
    for metric in next(iter(found.values())).summaries:
        listed.add_row(metric, *(cell(one.summaries[metric], several) for one in found.values()))
    for k in next(iter(found.values())).gini:
        listed.add_row(f"gini@{k}", *(f"{one.gini[k]:.4f}" for one in found.values()))
    console.print(listed)
    console.print(
        "novelty: bits, more for items that few users have; diversity: 0 for items of one taste, 1 for "
        "unrelated items, by the model's own factors; popularity_lift: above 0 where the list is more "
        "popular than what the user has; gini: 0 where all items are listed equally often.",
        highlight=False,
    )


def cell(s: Summary | None, several: bool) -> str:
    """Return a mean with its interval, and its spread where there are several parts."""
    if s is None:
        return "none"
    spread = f" ± {s.spread:.4f}" if several else ""
    return f"{s.mean:.4f}{spread}\n\\[{s.low:.4f}, {s.high:.4f}]"
