"""Read small tables: the items that somebody has, and the users who get lists."""

from __future__ import annotations

import codecs
import csv
import io
import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from halfstep.datasets.matching import place
from halfstep.datasets.tables.known_names import Role, plain, strength
from halfstep.errors import InputError
from halfstep.recommender.catalogue import Catalogue

log = logging.getLogger("halfstep")
_ENDINGS = (".csv", ".tsv", ".txt", ".parquet", ".pq")
_LIMIT = 1 << 28


@dataclass(frozen=True)
class History:
    """The items of a table.

    Attributes
    ----------
    items, users : list of str
        Ids or names of items; the users' ids, or None where the table has no such column.
    values : ndarray or None
        float64, None where the table has no such column.
    by : {"id", "name"} or None
        What the header says that the items are; None where it does not.
    columns : str
        What was taken for what.
    """

    items: list[str]
    values: NDArray[np.float64] | None
    users: list[str] | None
    by: str | None
    columns: str

    def of(self, user: str | None, path: Path) -> History:
        """Return one user's rows; the table may have one user only where `user` is None."""
        if self.users is None:
            if user is not None:
                raise InputError(f"{path} has no column of users: leave --user out")
            return self
        there = list(dict.fromkeys(self.users))
        if user is None and len(there) > 1:
            raise InputError(
                f"{path} has {len(there):,} users ({', '.join(there[:3])}, ...): "
                "say with --user whose rows to take"
            )
        chosen = there[0] if user is None else user
        rows = [at for at, one in enumerate(self.users) if one == chosen]
        if not rows:
            raise InputError(f"{path} has no rows of user {user!r}, it has {', '.join(there[:3])}")
        values = None if self.values is None else self.values[rows]
        return replace(self, items=[self.items[at] for at in rows], values=values, users=None)


def read_history(path: Path, catalogue: Catalogue) -> History:
    """Read a table of items, with or without values and users.

    By the header: an item's id or name, perhaps a value and a user. Without a header: one column of
    items; items and numbers; or users, items and numbers.

    Raises
    ------
    InputError
        The file cannot be read, is empty, does not show which column is what, or has a value that is
        no number of at least 0; the message names the line.
    """
    first, rows = _rows(path)
    width = len(rows[0])
    names, by = rows[0], None
    item = _column("item", names)
    if item is None:
        item = next((at for at, name in enumerate(names) if plain(name) == "name"), None)
    if item is not None and not _is_item(names[item], catalogue):
        rows, first = rows[1:], first + 1
        by = _named_by(names[item])
        user, value = _column("user", names), _column("value", names)
    elif width == 1:
        user, item, value = None, 0, None
        names = ["column 1"]
    elif width <= 3 and all(_number(row[-1]) is not None for row in rows):
        user, item, value = (None, 0, 1) if width == 2 else (0, 1, 2)
        names = [f"column {at + 1}" for at in range(width)]
    else:
        raise InputError(
            f"{path}: a history must have a header with item (or name) and perhaps value and user, or "
            f"be items, items and numbers, or users, items and numbers; line {first} is {rows[0]!r}"
        )
    if not rows:
        raise InputError(f"{path}: a history must have at least one item, got the header only")
    numbers = None
    if value is not None:
        numbers = np.array([_value(path, first + at, row[value]) for at, row in enumerate(rows)])
    users = None if user is None else [row[user] for row in rows]
    taken = {"user": user, "item": item, "value": value}
    columns = ", ".join(f"{role} {names[at]}" for role, at in taken.items() if at is not None)
    return History([row[item] for row in rows], numbers, users, by, columns)


def read_users(path: Path, catalogue: Catalogue) -> list[str]:
    """Read users' ids, each once: one column, or the column that the header names.

    Raises
    ------
    InputError
        The file cannot be read, is empty, or does not show which column has the users.
    """
    first, rows = _rows(path)
    at = _column("user", rows[0])
    if at is not None and place(catalogue.user_ids, rows[0][at]) is None:
        rows = rows[1:]
    elif len(rows[0]) == 1:
        at = 0
    else:
        raise InputError(
            f"{path}: a table of users must have one column, or a header with user; "
            f"line {first} is {rows[0]!r}"
        )
    users = list(dict.fromkeys(row[at] for row in rows if row[at]))
    if not users:
        raise InputError(f"{path}: a table of users must have at least one")
    return users


def _column(role: Role, names: Sequence[str]) -> int | None:
    """Return the column whose name says most surely that it has the role."""
    found = {
        at: sure for at, name in enumerate(names) if (sure := strength(role, name)) is not None
    }
    return min(found, key=lambda at: found[at]) if found else None


def _named_by(head: str) -> str | None:
    """Return what a column of items with this name has: ids, names, or either."""
    if plain(head).endswith(("name", "title")):
        return "name"
    return "id" if plain(head).endswith("id") else None


def _is_item(text: str, catalogue: Catalogue) -> bool:
    """Return whether the first line is an item: one may well be called "title"."""
    return bool((catalogue.items([text])[0] >= 0).any())


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if np.isfinite(value) and "_" not in text else None


def _value(path: Path, line: int, text: str) -> float:
    value = _number(text)
    if value is None or value < 0:
        raise InputError(
            f"{path}: line {line}: a value must be a number of at least 0, got {text!r}"
        )
    return value


def _rows(path: Path) -> tuple[int, list[list[str]]]:
    """Return the number of the first line, and all lines' fields; blanks around fields are cut."""
    if path.suffix.lower() not in _ENDINGS:
        raise InputError(f"{path}: a table must end in one of {', '.join(_ENDINGS)}")
    if not path.is_file():
        raise InputError(f"{path}: no such file")
    if path.stat().st_size > _LIMIT:
        raise InputError(f"{path}: a table of items or users may have {_LIMIT >> 20} MiB")
    if path.suffix.lower() in (".parquet", ".pq"):
        return 1, _parquet(path)
    text = _decoded(path)
    lines = text.splitlines()
    head = next((line for line in lines if line.strip()), None)
    if head is None:
        raise InputError(f"{path}: the file is empty")
    separator = next((mark for mark in "\t;,|" if mark in head), ",")
    try:
        rows = list(csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True))
    except csv.Error as error:
        raise InputError(f"{path}: not a table: {error}") from error
    return _checked(path, rows)


def _checked(path: Path, rows: Sequence[Sequence[str]]) -> tuple[int, list[list[str]]]:
    kept = [[field.strip() for field in row] for row in rows if any(field.strip() for field in row)]
    if not kept:
        raise InputError(f"{path}: the file is empty")
    first = 1 + next(at for at, row in enumerate(rows) if any(field.strip() for field in row))
    for at, row in enumerate(kept):
        if len(row) != len(kept[0]):
            raise InputError(
                f"{path}: every line must have {len(kept[0])} fields as line {first} has, "
                f"row {first + at} has {len(row)}"
            )
    return first, kept


def _decoded(path: Path) -> str:
    content = path.read_bytes()
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        encoding = "utf-16"
    else:
        encoding = "utf-8-sig"
    for attempt in (encoding, "cp1252"):
        try:
            text = content.decode(attempt)
        except UnicodeDecodeError:
            continue
        if "\0" not in text:
            if attempt == "cp1252":
                log.warning("%s is not in UTF-8; it was read as cp1252", path)
            return text
    raise InputError(f"{path}: the file is no text in UTF-8, UTF-16 or cp1252")


def _parquet(path: Path) -> list[list[str]]:
    import pyarrow as pa
    from pyarrow import parquet

    try:
        table = parquet.read_table(path)
        columns = [column.cast(pa.string()).to_pylist() for column in table.columns]
    except (pa.ArrowException, OSError, ValueError, TypeError) as error:
        reason = (str(error) or type(error).__name__).splitlines()[0]
        raise InputError(f"{path}: not a Parquet file: {reason}") from error
    rows = zip(*(["" if one is None else one for one in column] for column in columns), strict=True)
    return _checked(path, [table.column_names, *rows])[1]
