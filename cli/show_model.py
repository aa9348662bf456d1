"""A model's answers with original ids and names: records for JSON, and tables for a terminal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from halfstep.cli.show import table

if TYPE_CHECKING:
    from halfstep.fitted_table import FittedTable
    from halfstep.recommender.answers import Explanation, OwnedItem, ScoredItem

Records = list[dict[str, Any]]


def ranked(items: Sequence[ScoredItem]) -> Records:
    """Return records of items and their scores, in their order."""
    return [{"item": str(one.item), "name": one.name, "score": one.score} for one in items]


def history(items: Sequence[OwnedItem]) -> Records:
    """Return records of what a user has."""
    return [{"item": str(one.item), "name": one.name, "value": one.value} for one in items]


def side_by_side(
    console: Console, title: str, recommended: Records, had: Records, new: bool
) -> None:
    """Print recommendations and history side by side, or one below the other if space is short."""
    recommendations = _table(title, recommended, "score", "{:.4f}")
    user_items = _table("Likes" if new else "Has most of", had, "value", "{:,.6g}")
    both = recommendations, user_items
    if sum(one.natural_width(console) for one in both) + 3 <= console.width:
        beside = Table.grid(padding=(0, 3, 0, 0), pad_edge=False)
        beside.add_row(*both)
        console.print(beside)
    else:
        console.print(*both, sep="")


def likenesses(console: Console, name: str, records: Records) -> None:
    """Print the items most similar to an item."""
    console.print(_table(f"Most like {name}", records, "score", "{:.4f}", "cosine"))


def reasons(console: Console, name: str, user: str, found: Explanation, records: Records) -> None:
    """Print the largest contributions to a score, the sum of the others, and what the fit left."""
    title = f"{name} for user {user}: {found.score:.4f}"
    listed = _table(title, records, "score", "{:+.4f}", "adds")
    rest = found.score - found.unsolved - sum(record["score"] for record in records)
    others = found.entries - len(records)
    if others > 0:
        listed.add_row("", "", f"{others:,} others together", f"{rest:+.4f}")
    rest = "attributes, and left unsolved" if found.has_attributes else "left unsolved by the fit"
    listed.add_row("", "", rest, f"{found.unsolved:+.4f}")
    console.print(listed)


def _table(
    title: str, records: Records, value: str, how: str, head: str | None = None
) -> FittedTable:
    listed = table(
        escape(title), "rank", "item", "name", head or value, right=("rank", head or value)
    )
    for rank, record in enumerate(records, 1):
        listed.add_row(str(rank), record["item"], escape(record["name"]), how.format(record[value]))
    return listed
