"""A model's answers with original ids and names: records for JSON, and tables for a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from rich.columns import Columns
from rich.console import Console
from rich.markup import escape
from scipy.sparse import csr_matrix

from halfstep.cli.show import table
from halfstep.datasets.description.summary import name_of

if TYPE_CHECKING:
    from rich.table import Table

    from halfstep.datasets.dataset import Dataset

Records = list[dict[str, Any]]


def named(data: Dataset, item: int) -> str:
    """Return the item's name, or its id if it has no name."""
    return name_of(data, item)


def ranked(data: Dataset, ids: Any, scores: Any) -> Records:
    """Return records of items and their scores, in the order of `ids`."""
    return [
        {"item": str(data.item_ids[i]), "name": _name(data, int(i)), "score": float(score)}
        for i, score in zip(ids, scores, strict=True)
    ]


def history(data: Dataset, row: csr_matrix) -> Records:
    """Return records of the items of a user's row (1, items), the largest values first."""
    order = np.argsort(-row.data, kind="stable")
    return [
        {
            "item": str(data.item_ids[item]),
            "name": _name(data, int(item)),
            "value": float(value),
        }
        for item, value in zip(row.indices[order], row.data[order], strict=True)
    ]


def side_by_side(
    console: Console, title: str, recommended: Records, had: Records, new: bool
) -> None:
    """Print recommendations and history side by side, or one below the other if space is short."""
    recommendations = _table(title, recommended, "score", "{:.4f}")
    user_items = _table("Likes" if new else "Has most of", had, "value", "{:,.6g}")
    console.print(Columns([recommendations, user_items], padding=(0, 3)))


def likenesses(console: Console, name: str, records: Records) -> None:
    """Print the items most similar to an item."""
    console.print(_table(f"Most like {name}", records, "score", "{:.4f}", "cosine"))


def reasons(
    console: Console, name: str, user: str, score: float, records: Records, entries: int
) -> None:
    """Print the largest contributions to a score, and the sum of the others."""
    listed = _table(f"{name} for user {user}: {score:.4f}", records, "score", "{:+.4f}", "adds")
    rest = score - sum(record["score"] for record in records)
    if entries > len(records):
        listed.add_row("", "", f"{entries - len(records):,} others together", f"{rest:+.4f}")
    console.print(listed)


def _name(data: Dataset, item: int) -> str:
    return "" if data.item_names is None else str(data.item_names[item])


def _table(title: str, records: Records, value: str, how: str, head: str | None = None) -> Table:
    listed = table(
        escape(title), "rank", "item", "name", head or value, right=("rank", head or value)
    )
    for rank, record in enumerate(records, 1):
        listed.add_row(str(rank), record["item"], escape(record["name"]), how.format(record[value]))
    return listed
