"""A file of attributes as a table of fields: long (id, name, value) or wide (a row for each id).

A file is *long* if it has columns that are called as a name and a value, and names that occur twice or
more on average; or if more than a tenth of its rows repeat an id, and a column is called as a name, or
there is one beside the ids, or two without a header. Each row is one attribute: a name without a value
is a tag. A file is *wide* otherwise: each further column is a field, in which `|` parts several tags.
The column of ids is the one with a known name, or the first.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from halfstep.datasets.small_table import read_small_table
from halfstep.datasets.tables.known_names import Role, strength
from halfstep.errors import InputError

TAG, MARK = "tag", "|"
_NAMES = ("name", "feature", "attribute", "field", "key", "property", "tag", "tagid")
_VALUES = ("value", "weight", "strength", "score", "count")
_MISSING = frozenset(("", "nan", "null", "\\n"))
_OFTEN = 0.1  # of the rows of a long table, at least so many repeat an id


class Table(NamedTuple):
    """Attributes by field.

    Attributes
    ----------
    ids
        The id of each record, as text; distinct.
    fields
        For each field, its (record, text) pairs; missing values are left out.
    tags
        Fields that hold tags whatever their texts look like.
    notes
        What was left out while reading, a sentence each.

    See Also
    --------
    halfstep.datasets.features.read_feature_table : Reads one from a file.
    """

    ids: list[str]
    fields: dict[str, list[tuple[int, str]]]
    tags: frozenset[str]
    notes: list[str]


def read_feature_table(
    path: Path,
    side: str,
    *,
    table: str | None = None,
    id_column: str | None = None,
    known: frozenset[str] = frozenset(),
) -> Table:
    r"""Read attributes from a text table, Parquet or Feather.

    Parameters
    ----------
    path : Path
        CSV, TSV or `::`, Parquet or Feather.
    side : {"user", "item"}
        By which names the column of ids may be known.
    table : {"long", "wide"}, optional
        None finds it out.
    id_column : str, optional
        The name of the column of ids; None finds it.
    known : frozenset of str
        The data's ids as text: a first line with one of them is no header.

    Returns
    -------
    Table

    Raises
    ------
    InputError
        The file cannot be read or has no columns beside the ids; `id_column` is not there; or an id has
        two rows with different values in a wide table.

    See Also
    --------
    halfstep.datasets.features.read_features : Reads and encodes in one call.

    Notes
    -----
    A file is long if it has columns that are called as a name and a value, and names that occur twice
    or more on average; or if more than a tenth of its rows repeat an id, and a column is called as a
    name, or there is one beside the ids, or two without a header. Otherwise it is wide, and `|` parts
    several tags.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from halfstep.datasets.features import read_feature_table
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder) / "films.csv"
    ...     _ = path.write_text("item,year,genre\nx,1990,folk|live\ny,2010,jazz\n")
    ...     table = read_feature_table(path, "item")
    >>> table.ids, table.fields["genre"]
    (['x', 'y'], [(0, 'folk'), (0, 'live'), (1, 'jazz')])
    """
    if table not in (None, "long", "wide"):
        raise InputError(f"table must be 'long', 'wide' or None, got {table!r}")
    names, columns = read_small_table(path)
    place = _id_place(path, names, side, id_column)
    headed = columns[place][:1] == [names[place]] and names[place] not in known
    if headed:
        columns = [column[1:] for column in columns]
    elif columns[place][:1] == [names[place]]:  # a first line that is a row like the others
        names = [f"column {number + 1}" for number in range(len(columns))]
    if len(set(names)) < len(names):
        twice = next(name for k, name in enumerate(names) if name in names[:k])
        raise InputError(f"{path}: must have columns of different names, got {twice!r} twice")
    if len(columns) < 2:
        raise InputError(f"{path}: must have columns beside the ids, got {names!r}")
    if not columns[place]:
        raise InputError(f"{path}: must have rows below the header {', '.join(names)}")
    roles = _long_roles(names, columns, place, table, headed)
    if roles is not None:
        return _long(columns[place], columns[roles[0]], columns[roles[1]] if roles[1] else None)
    others = [k for k in range(len(names)) if k != place]
    return _wide(path, columns[place], {names[k]: columns[k] for k in others})


def is_missing(text: str) -> bool:
    """Return whether a text stands for a missing value."""
    return text.casefold() in _MISSING


def _id_place(path: Path, names: Sequence[str], side: str, asked: str | None) -> int:
    if asked is not None:
        if asked not in names:
            listed = ", ".join(map(repr, names[:20]))
            raise InputError(f"{path}: has no column {asked!r}; its columns are {listed}")
        return names.index(asked)
    role: Role = "user" if side == "user" else "item"
    ranked = [
        (rank, k) for k, name in enumerate(names) if (rank := strength(role, name)) is not None
    ]
    plain = [k for k, name in enumerate(names) if _folded(name) == "id"]
    return min(ranked)[1] if ranked else plain[0] if plain else 0


def _long_roles(
    names: Sequence[str],
    columns: Sequence[list[str]],
    place: int,
    asked: str | None,
    headed: bool,
) -> tuple[int, int | None] | None:
    """Return the columns of names and values of a long table, or None of a wide one."""
    if asked == "wide":
        return None
    others = [k for k in range(len(names)) if k != place]
    of_names = [k for k in others if _folded(names[k]) in _NAMES]
    of_values = [k for k in others if _folded(names[k]) in _VALUES]
    rows = len(columns[place])
    repeated = rows - len(set(columns[place])) > _OFTEN * rows
    # Titles beside counts are no names of attributes, which many ids share.
    named = bool(of_names and of_values) and 2 * len(set(columns[of_names[0]])) <= rows
    few = len(others) <= (1 if headed else 2)  # a header that names neither names two fields
    if asked is None and not named and not (repeated and (of_names or few)):
        return None
    name = of_names[0] if of_names else others[0]
    rest = [k for k in others if k != name]
    value = of_values[0] if of_values else rest[0] if len(rest) == 1 else None
    return name, value


def _long(ids: list[str], names: list[str], values: list[str] | None) -> Table:
    record: dict[str, int] = {}
    fields: dict[str, list[tuple[int, str]]] = {}
    seen: set[tuple[str, str, str]] = set()
    twice = missing = 0
    for row, (one, name) in enumerate(zip(ids, names, strict=True)):
        value = "" if values is None else values[row]
        if is_missing(one) or is_missing(name):
            missing += 1
            continue
        if (one, name, value) in seen:
            twice += 1
            continue
        seen.add((one, name, value))
        place = record.setdefault(one, len(record))
        if is_missing(value):
            fields.setdefault(TAG, []).append((place, name))
        else:
            fields.setdefault(name, []).append((place, value))
    tags = frozenset([TAG]) if TAG in fields else frozenset()
    return Table(list(record), fields, tags, _notes(twice, missing))


def _wide(path: Path, ids: list[str], columns: dict[str, list[str]]) -> Table:
    record: dict[str, int] = {}
    first: dict[str, int] = {}
    kept: list[int] = []
    twice = missing = 0
    for row, one in enumerate(ids):
        if is_missing(one):
            missing += 1
        elif one in record:
            other = next((n for n, c in columns.items() if c[row] != c[first[one]]), None)
            if other is not None:
                raise InputError(
                    f"{path}: an id must have one row, got {one!r} twice, with {other} "
                    f"{columns[other][first[one]]!r} and {columns[other][row]!r}"
                )
            twice += 1
        else:
            record[one] = len(record)
            first[one] = row
            kept.append(row)
    fields, tags = {}, set()
    for name, column in columns.items():
        several = any(MARK in column[row] for row in kept)
        if several:
            tags.add(name)
        pairs = []
        for place, row in enumerate(kept):
            parts = column[row].split(MARK) if several else [column[row]]
            pairs += [(place, part.strip()) for part in parts if not is_missing(part.strip())]
        fields[name] = list(dict.fromkeys(pairs))
    return Table(list(record), fields, frozenset(tags), _notes(twice, missing))


def _notes(twice: int, missing: int) -> list[str]:
    notes = []
    if twice:
        notes.append(f"{twice:,} rows repeat another one and count once")
    if missing:
        notes.append(f"{missing:,} rows without an id or a name are left out")
    return notes


def _folded(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.casefold())
