"""A table as text, before it is drawn."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Table:
    """A table as text.

    Attributes
    ----------
    parts
        The group of each column, see `Column.part`.
    numeric
        For each column, whether its cells are numbers.
    lines
        Each line has a cell for each heading; the first cell names the line.
    notes
        Sentences that belong below the table.
    """

    title: str
    headings: tuple[str, ...]
    parts: tuple[str, ...]
    numeric: tuple[bool, ...]
    lines: tuple[tuple[str, ...], ...]
    notes: tuple[str, ...] = ()
