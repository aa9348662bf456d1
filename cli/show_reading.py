"""Print what was taken from a table: the role of each column, the rows, and what was left out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from halfstep.errors import InputError
from halfstep.plural import counted

if TYPE_CHECKING:
    from pathlib import Path

    from rich.console import Console
    from scipy.sparse import csr_matrix

    from halfstep.datasets.dataset import Dataset
    from halfstep.recommender.recommender import Recommender

_NAMES = {
    "\t": "tabs",
    " ": "blanks",
    ",": "commas",
    ";": "semicolons",
    "|": "bars",
    "::": "double colons",
}


def reading(console: Console, data: Dataset) -> None:
    """Print the account of a data set that was read from a table; nothing for other data."""
    held_out = 0 if data.test is None else data.test.nnz
    shown = lines(data.provenance.get("reading"), data.entries)
    for line in [*shown, *lines(data.provenance.get("test_reading"), held_out)]:
        console.print(line, highlight=False, markup=False, soft_wrap=True)


def lines(account: Any, entries: int) -> list[str]:
    """Return the lines that `reading` prints, for the account in a data set's provenance."""
    if not isinstance(account, dict):
        return []
    files = account["files"]
    named = ", ".join(files[:3]) + (f" and {len(files) - 3} more" if len(files) > 3 else "")
    how = [account["format"]]
    if account["encoding"]:
        how.append(account["encoding"])
    if account["separator"]:
        mark = account["separator"]
        how.append(f"separated by {_NAMES.get(mark, repr(mark))}")
    if account["header"] is not None:
        how.append("the first line has the names" if account["header"] else "no header")
    listed = [f"read {named}: {', '.join(how)}"]
    taken = [f"{role}: {column}" for role, column in account["columns"].items()]
    if "value" not in account["columns"]:
        taken.append("value: none, each row counts 1")
    unused = f"; not used: {', '.join(account['unused'])}" if account["unused"] else ""
    listed.append(f"  {', '.join(taken)}{unused}")
    rows = f"  {counted(account['rows'], 'rows')}, {counted(entries, 'entries')}"
    if account["duplicates"]:
        rows += (
            f"; {account['duplicates']:,} more {'row' if account['duplicates'] == 1 else 'rows'} of the "
            "same user and item: "
            f"{account['duplicates_rule']}"
        )
    listed.append(rows)
    for reason, count in account["left_out"].items():
        first = account["first"].get(reason, [])
        where = ", ".join(map(str, first)) + (", ..." if count > len(first) else "")
        listed.append(
            f"  left out, {reason}: {count:,}"
            + (f" ({account.get('numbered', 'row')} {where})" if first else "")
        )
    return listed + [f"  {note}" for note in account["notes"]]


def history_row(
    console: Console, path: Path, user: str | None, recommender: Recommender
) -> csr_matrix:
    """Return the row (1, items) of a table of items; say how its columns were read."""
    from halfstep.recommender.new_users import row_at, say_unknown
    from halfstep.recommender.tables import read_history

    catalogue = recommender.catalogue
    table = read_history(path, catalogue).of(user, path)
    places, how = catalogue.items(table.items, table.by)
    unknown = [item for item, place in zip(table.items, places, strict=True) if place < 0]
    if len(unknown) == len(table.items):
        raise InputError(
            f"{path}: none of its {counted(len(unknown), 'items')} is known to the model: "
            f"{catalogue.unknown_item(unknown[0])}"
        )
    if unknown:
        say_unknown(unknown, len(table.items))
    read = (
        f"{path}: {counted(len(places) - len(unknown), 'items')} by {how}; columns: {table.columns}"
    )
    console.print(read, highlight=False, markup=False, soft_wrap=True)
    # Ratings of one item are not added: the last one counts.
    ratings = recommender.model.confidence == "explicit"
    return row_at(catalogue, places, table.values, add=not ratings)
