"""Print what was taken from a table: the role of each column, the rows, and what was left out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console

    from halfstep.datasets.dataset import Dataset

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
    rows = f"  {account['rows']:,} rows, {entries:,} entries"
    if account["duplicates"]:
        rows += (
            f"; {account['duplicates']:,} more rows of the same user and item: "
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
