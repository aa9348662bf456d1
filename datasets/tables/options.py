"""What a caller may say about a table: the roles of its columns, its text form, and its bad rows."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from halfstep.errors import InputError

ROLES = ("user", "item", "value", "time", "name")
Column = str | int
Negative = Literal["error", "drop", "keep"]
Duplicates = Literal["add", "last", "mean"]


@dataclass(frozen=True)
class TableOptions:
    """What is known about a table before it is read; None means: find out.

    Parameters
    ----------
    user, item, value, time, name : str or int, optional
        A column's name, or its number from 1, also as text. `name` holds the items' names.
    separator : str, optional
        The text between two fields of a line; a tab, or one blank for any number of blanks.
    encoding : str, optional
        A name that Python's codecs know, such as "cp1252".
    header : bool, optional
        Whether the first line names the columns.
    negative : {"error", "drop", "keep"}
        What to do with rows whose value is below 0.
    duplicates : {"add", "last", "mean"}, optional
        What to make of several rows of one user and item. If None, ratings are not added (the last one
        counts), and everything else is.
    half_life : float, optional
        Days after which a value counts half: each row's value is multiplied by 2^(-age / half_life), its
        age being the days from its time to the last time of the table.
    allow_bad_lines : bool
        Read on, however many lines cannot be read.
    ratings : bool
        Whether the values are ratings whatever the column is called.
    item_names : Path, optional
        A second table with the items' ids and names.
    """

    user: Column | None = None
    item: Column | None = None
    value: Column | None = None
    time: Column | None = None
    name: Column | None = None
    separator: str | None = None
    encoding: str | None = None
    header: bool | None = None
    negative: Negative = "error"
    duplicates: Duplicates | None = None
    half_life: float | None = None
    allow_bad_lines: bool = False
    ratings: bool = False
    item_names: Path | None = None

    def __post_init__(self) -> None:
        for argument, value, allowed in (
            ("negative", self.negative, ("error", "drop", "keep")),
            ("duplicates", self.duplicates, (None, "add", "last", "mean")),
        ):
            if value not in allowed:
                words = ", ".join(str(word) for word in allowed if word is not None)
                raise InputError(f"{argument} must be one of {words}, got {value!r}")
        if self.half_life is not None and not 0 < self.half_life < float("inf"):
            raise InputError(f"half_life must be a positive number of days, got {self.half_life}")
        for role in ROLES:
            column = getattr(self, role)
            if isinstance(column, bool) or not isinstance(column, str | int | None):
                raise InputError(f"{role} must be a column's name or number, got {column!r}")
            if isinstance(column, int) and column < 1:
                raise InputError(f"{role}: columns are numbered from 1, got {column}")

    @property
    def any(self) -> bool:
        """Whether anything was said that only a table can answer to."""
        return replace(self, ratings=False) != AS_FOUND


AS_FOUND = TableOptions()
