"""The account of a table that was read: what each column was taken for, and which rows were left out."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

_SHARE, _ALWAYS = 0.05, 20


def too_many(bad: int, rows: int) -> bool:
    """Return whether so many bad rows are an error: more than 5 % and more than 20."""
    return bad > max(_ALWAYS, _SHARE * rows)


@dataclass
class Reading:
    """What was taken from a table, to be printed and kept with the data.

    Attributes
    ----------
    format : str
        Such as "csv", "parquet" or "json lines".
    files : list of str
        Base names.
    columns : dict
        For each role that was found ("user", "item", "value", "time", "name"), the column's name, or
        "column 3" where there is no header.
    unused : list of str
        The other columns.
    header, separator, encoding
        How a text table was read; None for other formats.
    rows : int
        Rows in the files, without a header.
    left_out : dict
        Number of rows that were left out, by reason.
    first : dict
        For each reason, up to five line numbers (or row numbers, from 1) of such rows.
    numbered : str
        What the numbers in `first` count: "line" or "row".
    duplicates : int
        Rows that fell together with another row of the same user and item.
    duplicates_rule : str
        What became of these: "added", "last kept" or "mean taken".
    notes : list of str
        Whatever else the reader of the output must know, a sentence each.
    """

    format: str
    files: list[str]
    columns: dict[str, str] = field(default_factory=dict)
    unused: list[str] = field(default_factory=list)
    header: bool | None = None
    separator: str | None = None
    encoding: str | None = None
    rows: int = 0
    left_out: dict[str, int] = field(default_factory=dict)
    first: dict[str, list[int]] = field(default_factory=dict)
    numbered: str = "row"
    duplicates: int = 0
    duplicates_rule: str = ""
    notes: list[str] = field(default_factory=list)

    def leave_out(self, reason: str, count: int, rows: list[int] | None = None) -> None:
        """Count rows that are left out for a reason, and keep the numbers of the first five."""
        if count:
            self.left_out[reason] = self.left_out.get(reason, 0) + count
            self.first[reason] = (self.first.get(reason, []) + (rows or []))[:5]

    def reasons(self) -> str:
        """Return the reasons with their numbers of rows, and where the first of these are."""
        parts = []
        for reason, count in sorted(self.left_out.items()):
            first = self.first.get(reason, [])
            more = ", ..." if count > len(first) else ""
            where = f" ({self.numbered} {', '.join(map(str, first))}{more})" if first else ""
            parts.append(f"{reason}: {count}{where}")
        return "; ".join(parts)

    def provenance(self) -> dict[str, Any]:
        """Return the account as a data set keeps it, in types that JSON has."""
        malformed = {self.files[0]: dict(self.left_out)} if self.left_out and self.files else {}
        return {
            "format": self.format,
            "files": list(self.files),
            "rows": self.rows,
            "malformed": malformed,
            "reading": asdict(self),
        }
