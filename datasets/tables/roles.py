"""Tell which column of a table is the user, the item, the value, the time and the item's name.

What the caller says comes first, then the known names, and places only in a table without names. What
cannot be told is an error that shows the columns and names the options, never a guess.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from halfstep.datasets.tables.known_names import Role, is_rating, names_of, plain, strength
from halfstep.datasets.tables.options import ROLES, Column, TableOptions
from halfstep.datasets.tables.places import Place, place_of
from halfstep.errors import InputError

_SAY = (
    "say which column is the user and which the item: --user-column and --item-column with a name or a "
    "number from 1 (in Python user= and item=)"
)


@dataclass(frozen=True)
class Roles:
    """Positions of the columns, from 0; None where a table has no such column.

    `rating` tells that the values are ratings, of which several of one user for one item are not added.
    """

    user: int
    item: int
    value: int | None
    time: int | None
    name: int | None
    rating: bool

    @property
    def columns(self) -> dict[str, int]:
        """The position of each role that has a column."""
        found = {role: getattr(self, role) for role in ROLES}
        return {role: place for role, place in found.items() if place is not None}


def roles_by_name(names: Sequence[str], options: TableOptions, path: object) -> Roles:
    """Find the columns by what the caller says, then by known names.

    A column whose name is not known is never a value: it might be a place, a price or a category.

    Raises
    ------
    InputError
        If `options` names a column that is absent, there twice or taken, or if user or item cannot be
        told.
    """
    found = _told(names, options, path)
    for role in ("user", "item", "value", "time"):
        if role not in found:
            place = _strongest(role, names, found, path)
            if place is not None:
                found[role] = place
    missing = [role for role in ("user", "item") if role not in found]
    if missing:
        which = " and ".join(missing)
        raise InputError(
            f"{path}: cannot tell which column is the {which}. The columns are {_listed(names)}; {_SAY}"
        )
    if "name" not in found:
        place = _item_name(names, found)
        if place is not None:
            found["name"] = place
    value = found.get("value")
    return Roles(
        found["user"],
        found["item"],
        value,
        found.get("time"),
        found.get("name"),
        rating=value is not None and is_rating(names[value]),
    )


def roles_by_place(samples: Sequence[Sequence[str]], options: TableOptions, path: object) -> Roles:
    """Take column 1 as user, 2 as item, 3 as value and 4 as time, if they can be that.

    Parameters
    ----------
    samples : sequence of sequence of str
        The fields of the table's first lines.
    options : TableOptions
        Columns by their numbers.
    path : object
        The file, for messages.

    Raises
    ------
    InputError
        If `options` names a column that is absent or taken, or if a column can not be what its place
        says: a user or item that is a time or a broken number, a value that is no number, a time or an
        id, or columns beyond the time.
    """
    width = max((len(row) for row in samples), default=0)
    if width < 2:
        raise InputError(
            f"{path}: a table must have at least 2 columns (user, item), its first line is "
            f"{_line(samples[0]) if samples else ''!r}; if its columns are separated by something "
            "unusual, say --separator (in Python separator=)"
        )
    found = _told([""] * width, options, path)
    by_place = not {"user", "item"} & found.keys()
    for role, place in (("user", 0), ("item", 1)):
        if role not in found and place not in found.values():
            found[role] = place
    if "user" not in found or "item" not in found:
        raise InputError(f"{path}: {_SAY}; the file begins with {_begins(samples)}")
    kinds = [
        place_of([row[column] for row in samples if column < len(row)]) for column in range(width)
    ]
    rating = False
    if by_place:
        problem = _not_by_place(kinds, found)
        if problem:
            raise InputError(
                f"{path}: the first line does not name the columns, and {problem}. The file begins with "
                f"{_begins(samples)}; {_SAY}, and --value-column if there is one (value=)"
            )
        if "value" not in found and width > 2:
            found["value"] = 2
        if width > 3 and "time" not in found and 3 not in found.values():
            found["time"] = 3
        rating = found.get("value") == 2 and found.get("time") == 3 and kinds[2].stars
    return Roles(
        found["user"],
        found["item"],
        found.get("value"),
        found.get("time"),
        found.get("name"),
        rating,
    )


def _not_by_place(kinds: Sequence[Place], found: dict[str, int]) -> str | None:
    """Say which column cannot be what its place says, or return None."""
    for role, place in (("user", 0), ("item", 1)):
        if kinds[place].time:
            return f"column {place + 1} looks like a time, so it is no {role}"
        if kinds[place].number and not kinds[place].whole:
            return f"column {place + 1} holds numbers with a fraction, so it is no {role}"
    if "value" in found or len(kinds) == 2:
        return None
    value = kinds[2]
    if not value.number:
        return "column 3 is no number, so it cannot be the value"
    if value.time:
        return "column 3 looks like a time, not like a value"
    if value.id:
        return "column 3 looks like ids, not like a value"
    if len(kinds) > 4 or (len(kinds) == 4 and not kinds[3].time and found.get("time") != 3):
        return "it has more columns than user, item, value and time"
    return None


def _told(names: Sequence[str], options: TableOptions, path: object) -> dict[str, int]:
    found: dict[str, int] = {}
    for role in ROLES:
        column = getattr(options, role)
        if column is not None:
            place = column_of(column, names, role, path)
            for other, taken in found.items():
                if taken == place:
                    raise InputError(
                        f"{path}: {other} and {role} must be different columns, both are "
                        f"{_listed(names, [place])}"
                    )
            found[role] = place
    return found


def column_of(column: Column, names: Sequence[str], role: str, path: object) -> int:
    """Return the position of the column that an option means: by its exact name, its name, its number.

    Raises
    ------
    InputError
        If there is no such column, or several.
    """
    option = f"--{role}-column"
    if isinstance(column, str):
        stripped = [name.strip() for name in names]
        folded = [name.casefold() for name in stripped]
        words = [plain(name) for name in names]
        for known, wanted in (
            (list(names), column),
            (stripped, column.strip()),
            (folded, column.strip().casefold()),
            (words, plain(column)),
        ):
            places = [place for place, name in enumerate(known) if name and name == wanted]
            if len(places) > 1:
                raise InputError(
                    f"{path}: {option} {column!r} may be any of {_listed(names, places)}; "
                    "give its number"
                )
            if places:
                return places[0]
        if not column.strip().isdecimal():
            if not any(names):
                raise InputError(
                    f"{path}: the first line does not name the columns, so {option} must be a number "
                    f"from 1 to {len(names)}, got {column!r}"
                )
            raise InputError(
                f"{path}: {option}: there is no column {column!r}. The columns are {_listed(names)}"
            )
    number = int(column)
    if not 1 <= number <= len(names):
        raise InputError(
            f"{path}: {option} must be from 1 to {len(names)}, got {number}"
            + (f". The columns are {_listed(names)}" if any(names) else "")
        )
    return number - 1


def _strongest(role: Role, names: Sequence[str], found: dict[str, int], path: object) -> int | None:
    known = [
        (rank, place)
        for place, name in enumerate(names)
        if place not in found.values() and (rank := strength(role, name)) is not None
    ]
    if not known:
        return None
    best = min(known)[0]
    places = [place for rank, place in known if rank == best]
    if len(places) == 1:
        return places[0]
    if role == "time":  # never needed, and so no reason to refuse a table
        return None
    raise InputError(
        f"{path}: several columns may be the {role}: {_listed(names, places)}; say which: "
        f"--{role}-column (in Python {role}=)"
    )


def _item_name(names: Sequence[str], found: dict[str, int]) -> int | None:
    words = [plain(name) for name in names]
    for word in names_of(names[found["item"]]):
        places = [place for place, name in enumerate(words) if name == word]
        if len(places) == 1 and places[0] not in found.values():
            return places[0]
    return None


def _listed(names: Sequence[str], places: Sequence[int] | None = None) -> str:
    chosen = range(len(names)) if places is None else places
    parts = [
        f"{place + 1} {_short(names[place])!r}" if names[place] else f"column {place + 1}"
        for place in chosen
    ]
    more = f" and {len(parts) - 40} more" if len(parts) > 40 else ""
    return ", ".join(parts[:40]) + more


def _begins(samples: Sequence[Sequence[str]]) -> str:
    return " / ".join(repr(_line(row)) for row in samples[:2])


def _line(row: Sequence[str]) -> str:
    return _short(" | ".join(row), 100)


def _short(text: str, most: int = 40) -> str:
    flat = re.sub(r"\s+", " ", text)
    return flat if len(flat) <= most else flat[: most - 3] + "..."
