"""Find the names of a text table's columns: in its first line, or in a comment above it."""

from __future__ import annotations

from collections.abc import Sequence

from halfstep.datasets.tables.known_names import plain, strength
from halfstep.datasets.tables.options import ROLES, TableOptions
from halfstep.datasets.tables.places import place_of


def header_of(
    rows: Sequence[Sequence[str]],
    width: int,
    comments: Sequence[str],
    options: TableOptions,
    separator: str,
) -> Sequence[str] | None:
    """Return the columns' names, from the first row or from a comment above it, or None."""
    first = rows[0]
    if options.header is False:
        return None
    if len(first) == width - 1 and len(rows) > 1:
        first = _one_short(first, [row for row in rows[1:] if len(row) == width])
    if options.header:
        return first
    if comments and len(rows[0]) == width:
        named = comments[-1].lstrip("# ")
        for fields in (named.split(), [field.strip() for field in named.split(separator)]):
            if len(fields) == width and names_columns(fields):
                return fields
    if _named_by_options(first, options) or names_columns(first):
        return first
    if _counted(first) or _unnamed_numbers(rows, first, width):
        return first
    return None


def may_be_header(rows: Sequence[Sequence[str]], width: int, options: TableOptions) -> bool:
    """Return whether a first row that is taken for data may be unknown names of columns after all.

    Its fields fit no column of numbers or times below it, and none of them occurs there again.
    """
    first = rows[0]
    if options.header is not None or len(first) != width:
        return False
    later = [row for row in rows[1:] if len(row) == width]
    kinds = [place_of([field]) for field in first]
    if not later or any(kind.number or kind.time for kind in kinds):
        return False
    columns = zip(*later, strict=True)
    return not any(field in column for field, column in zip(first, columns, strict=True))


def counts_up(first: Sequence[str], options: TableOptions) -> bool:
    """Return whether a first row that is taken for data is 0, 1, 2 and so on.

    So pandas writes the names of a data frame that has none, but it may as well be a row.
    """
    numbers = [str(at) for at in range(len(first))]
    return options.header is None and len(first) > 2 and [*first] == numbers


def _one_short(first: Sequence[str], later: Sequence[Sequence[str]]) -> Sequence[str]:
    """Return a header that is one field shorter than the rows with a name more, if it is plain where.

    R writes the numbers of rows without a name; other programs write a separator at the end of each row.
    """
    if all(row[-1].strip() == "" for row in later):
        return [*first, ""]
    numbers = [row[0].strip() for row in later]
    if any(numbers == [str(at + start) for at in range(len(later))] for start in (0, 1)):
        return ["", *first]
    return first


def _named_by_options(first: Sequence[str], options: TableOptions) -> bool:
    """Return whether the caller names a column, not by its number, that the first row has."""
    names = {plain(field) for field in first} - {""}
    said = [getattr(options, role) for role in ROLES]
    return any(isinstance(column, str) and plain(column) in names for column in said) and any(
        isinstance(column, str) and not column.strip().isdecimal() for column in said
    )


def names_columns(fields: Sequence[str]) -> bool:
    """Return whether fields hold the names of a user's and of an item's column."""
    roles = {
        role for field in fields for role in ("user", "item") if strength(role, field) is not None
    }
    return len(roles) == 2


def _counted(first: Sequence[str]) -> bool:
    """Return whether a data frame without names wrote the first row: "", then 0, 1, 2 and so on."""
    return len(first) > 2 and [*first] == ["", *map(str, range(len(first) - 1))]


def _unnamed_numbers(rows: Sequence[Sequence[str]], first: Sequence[str], width: int) -> bool:
    """Return whether the first row has no number, and a column of numbers below it."""
    later = [row for row in rows[1:] if len(row) == width]
    if not later or len(first) != width or any(place_of([field]).number for field in first):
        return False
    columns = list(zip(*later, strict=True))
    # A name stands above each column; one that recurs below it is a value.
    if any(first[at] and first[at] in columns[at] for at in range(width)):
        return False
    known = any(
        strength(role, field) is not None
        for field in first
        for role in ("user", "item", "value", "time")
    )
    return known or any(place_of(column).number for column in columns)
