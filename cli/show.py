"""Tables for a terminal, which all commands use, and those of `data list`, `data info` and presets."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np
from rich.console import Console
from rich.markup import escape

from halfstep.fitted_table import FittedTable

if TYPE_CHECKING:
    from halfstep.datasets.dataset import Dataset
    from halfstep.evaluation.protocols.beyond import Beyond
    from halfstep.evaluation.protocols.validation import Summary
    from halfstep.evaluation.published import Reproduction

_LONGEST = 400  # characters of one fact
_NAMES = {"held-out entries": "held out"}  # shorter, so that the hash stays whole on 80 columns


def table(title: str, *columns: str, right: Iterable[str] = ()) -> FittedTable:
    """Return an empty table; columns named in `right` hold numbers."""
    numbers = set(right)
    empty = FittedTable(title)
    for name in columns:
        (empty.add_numbers if name in numbers else empty.add_texts)(name)
    return empty


def printable(console: Console, text: str) -> str:
    """Return `text` with a plain minus sign if the terminal or pipe cannot show Unicode."""
    return text.replace("−", "-") if console.options.ascii_only else text


def presets(console: Console) -> None:
    """Print the presets and formats that `--data` accepts."""
    from halfstep.datasets import FORMATS, PRESETS

    for title, entries in (("Generated presets", PRESETS), ("Formats", FORMATS)):
        listed = table(title, "name", "what")
        for name, what in entries.items():
            listed.add_row(name, escape(what))
        console.print(listed)


def summary(data: Dataset) -> dict[str, Any]:
    """Return the facts that `halfstep data info` shows about a data set."""
    values = data.interactions.data
    origin = dict(data.provenance)
    if "entries" in origin:  # of generated data, about how many there were to be
        origin["requested entries"] = origin.pop("entries")
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
        **origin,
    }


def dataset(console: Console, data: Dataset) -> None:
    """Print the facts about a data set; long lists and tables are only in the JSON."""
    facts = table(repr(data), "what", "value")
    for what, value in summary(data).items():
        facts.add_row(_NAMES.get(what, what), escape(_short(value)))
    console.print(facts)


def _short(value: Any) -> str:
    if isinstance(value, int | float):
        return f"{value:,.0f}" if float(value).is_integer() else f"{value:,.6g}"
    text = str(value)
    if isinstance(value, dict | list) and len(text) > _LONGEST:
        return f"{len(value)} parts ({', '.join(map(str, value))[:_LONGEST]}): see --json"
    return text


def reproductions(console: Console, rows: Iterable[Reproduction]) -> list[Reproduction]:
    """Print published results beside the results of a run here, and return them."""
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


def beyond_lists(console: Console, found: dict[str, Beyond], several: bool) -> None:
    """Print a table with a row for each metric and a column for each model.

    `several` adds the standard deviation of the parts' means.
    """
    listed = table("The lists beside their accuracy", "metric", *found, right=found)
    for metric in next(iter(found.values())).summaries:
        listed.add_row(
            metric, *(summary_cell(one.summaries[metric], several) for one in found.values())
        )
    for k in next(iter(found.values())).gini:
        listed.add_row(f"gini@{k}", *(f"{one.gini[k]:.4f}" for one in found.values()))
    console.print(listed)
    console.print(
        "novelty: bits, more for items that few users have; diversity: 0 for items of one taste, 1 for "
        "unrelated items, by the model's own factors; popularity_lift: above 0 where the list is more "
        "popular than what the user has; gini: 0 where all items are listed equally often.",
        highlight=False,
    )


def summary_cell(s: Summary | None, several: bool) -> str:
    """Return a mean with its interval, and its spread where there are several parts."""
    if s is None:
        return "none"
    spread = f" ± {s.spread:.4f}" if several else ""
    return f"{s.mean:.4f}{spread}\n\\[{s.low:.4f}, {s.high:.4f}]"
