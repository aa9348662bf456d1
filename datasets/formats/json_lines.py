"""JSON lines: an object a line, whose keys are found as the columns of a table are."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from halfstep.datasets.dataset import Dataset
from halfstep.datasets.formats.json_text import Damage, is_text, one_a_line, parsed
from halfstep.datasets.tables.fields import fields
from halfstep.datasets.tables.options import TableOptions
from halfstep.datasets.tables.reading import Reading, too_many
from halfstep.datasets.tables.roles import Roles, roles_by_name
from halfstep.datasets.tables.times import without_times
from halfstep.errors import InputError

_SAMPLE = 1000
_IDS = ("user", "item")
_BLOCK = 32 << 20  # longer than a line may be


def read_json_lines(path: Path, options: TableOptions | None = None) -> Dataset:
    """Read the keys for user, item, value, time and name; a line without one has no such value.

    Ids that are strings stay text. Lines that are no JSON object, and ids that are neither a string nor
    an integer, are bad lines.

    Raises
    ------
    InputError
        The keys cannot be told, or more than 5 % and more than 20 lines are bad and
        `options.allow_bad_lines` is not set.
    """
    options = options or TableOptions()
    rows = _Rows(path, options)
    reading = Reading("json lines", [path.name], rows=rows.count, numbered="line")
    reading.notes += rows.notes()
    bad = sum(len(lines) for lines in rows.bad.values())
    for reason, lines in rows.bad.items():
        reading.leave_out(reason, len(lines), lines)
    damaged = sum(len(rows.bad.get(damage.value, [])) for damage in Damage)
    if 2 * damaged > rows.count and not options.allow_bad_lines:
        raise InputError(
            f"{path}: one object a line is needed, without commas between them, and {damaged} of "
            f"{rows.count} lines are no JSON object: {reading.reasons()}; to read the others, say "
            "--allow-bad-lines (in Python allow_bad_lines=True)"
        )
    if too_many(bad, rows.count) and not options.allow_bad_lines:
        raise InputError(
            f"{path}: {bad} of {rows.count} lines are bad: {reading.reasons()}; to read the others, say "
            "--allow-bad-lines (in Python allow_bad_lines=True)"
        )
    columns, text = rows.columns()
    roles, notes = without_times(rows.roles, rows.names, columns.get("value"), options)
    reading.notes += notes
    columns = {role: columns[rows.role_of(place)] for role, place in roles.columns.items()}
    reading.columns = {role: rows.names[place] for role, place in roles.columns.items()}
    taken = set(reading.columns.values())
    reading.unused = [name for name in rows.names if name not in taken]
    found = fields(
        path.name.partition(".")[0],
        columns,
        reading,
        options,
        rating=roles.rating,
        text_ids=text,
        rows=None if rows.quick is not None else np.array(rows.lines),
    )
    return Dataset(**found)


class _Rows:
    """The values of the needed keys, and what is wrong with the other lines."""

    roles: Roles
    names: list[str]

    def __init__(self, path: Path, options: TableOptions) -> None:
        self.path, self.options = path, options
        self.count = 0
        self.lines: list[int] = []
        self.bad: dict[str, list[int]] = {}
        self.values: dict[str, list[Any]] = {}
        self.floats = dict.fromkeys(_IDS, 0)
        first: list[tuple[int, dict[str, Any]]] = []
        objects = self._objects()
        for line, one in objects:
            first.append((line, one))
            if len(first) == _SAMPLE:
                break
        if not first:
            raise InputError(f"{path}: no line holds a JSON object; one object a line is needed")
        self.names = list(dict.fromkeys(key for _, one in first for key in one))
        self.roles = roles_by_name(self.names, options, path)
        keys = {role: self.names[place] for role, place in self.roles.columns.items()}
        self.values = {role: [] for role in keys}
        for line, one in first:
            self._take(line, one, keys)
        self.quick = None if self.bad else _quickly(path, keys, self.values)
        if self.quick is not None:
            self.count = len(self.quick)
            return
        for line, one in objects:
            self._take(line, one, keys)

    def role_of(self, place: int) -> str:
        """Return the role for which the column at a place was read."""
        return next(role for role, there in self.roles.columns.items() if there == place)

    def columns(self) -> tuple[dict[str, Any], frozenset[str]]:
        """Return (Arrow columns by role, the roles whose ids are text)."""
        import pyarrow as pa

        if self.quick is not None:
            read = {role: self.quick.column(place) for place, role in enumerate(self.values)}
            text = {role for role in _IDS if pa.types.is_string(read[role].type)}
            return read, frozenset(text)
        columns: dict[str, Any] = {}
        text = set()
        for role, values in self.values.items():
            if role in _IDS:
                whole = all(one is None or isinstance(one, int) for one in values)
                if whole and all(one is None or abs(one) < 2**63 for one in values):
                    columns[role] = pa.array(values, pa.int64())
                    continue
                text.add(role)
            columns[role] = pa.array(
                [
                    None if one is None else one if isinstance(one, str) else _written(one)
                    for one in values
                ],
                pa.large_string(),
            )
        return columns, frozenset(text)

    def _take(self, line: int, one: dict[str, Any], keys: dict[str, str]) -> None:
        for role in _IDS:
            identifier = one.get(keys[role])
            if type(identifier) is float and identifier.is_integer() and abs(identifier) < 2**53:
                # pandas writes the integers of a column with gaps so.
                one[keys[role]] = identifier = int(identifier)
                self.floats[role] += 1
            if identifier is not None and type(identifier) not in (int, str):
                self._leave_out(f"{role} neither text nor an integer", line)
                return
        for role, key in keys.items():
            if isinstance(one.get(key), str) and not is_text(one[key]):
                self._leave_out(f"{role} with half a character", line)
                return
        self.lines.append(line)
        for role, key in keys.items():
            self.values[role].append(one.get(key))

    def _objects(self) -> Iterator[tuple[int, dict[str, Any]]]:
        for line, one in parsed(self.path):
            self.count += 1
            if isinstance(one, dict):
                yield line, one
            else:
                self._leave_out(one.value if isinstance(one, Damage) else "no JSON object", line)

    def notes(self) -> list[str]:
        """Say which ids stand in the file as floats."""
        return [
            f"{count} {role} ids were floating-point numbers, all whole, and are read as integers"
            if count > 1
            else f"1 {role} id was a whole floating-point number, and is read as an integer"
            for role, count in self.floats.items()
            if count
        ]

    def _leave_out(self, reason: str, line: int) -> None:
        self.bad.setdefault(reason, []).append(line)


def _quickly(path: Path, keys: dict[str, str], sample: dict[str, list[Any]]) -> Any:
    """Return the columns of all lines by Arrow's reader, in the order of `keys`.

    None if the sample's values of a key are not of one type, or the reader finds others later: it
    cannot say which line is the bad one.
    """
    import pyarrow as pa
    from pyarrow import json as arrow_json

    if path.suffix not in (".jsonl", ".json", ".ndjson", ".txt"):  # perhaps packed
        return None
    schema = []
    for role, key in keys.items():
        kinds = {type(value) for value in sample[role] if value is not None}
        if kinds == {str}:
            kind = pa.string()
        elif kinds == {int} and role != "value":
            kind = pa.int64()
        elif kinds and kinds <= {int, float} and role == "value":
            kind = pa.float64()
        else:
            return None
        schema.append((key, kind))
    try:
        table = arrow_json.read_json(
            path,
            read_options=arrow_json.ReadOptions(block_size=_BLOCK),
            parse_options=arrow_json.ParseOptions(
                explicit_schema=pa.schema(schema), unexpected_field_behavior="ignore"
            ),
        )
    except (pa.ArrowException, OSError):
        return None
    # Arrow reads objects, whatever lines they stand in.
    if not one_a_line(path, table.num_rows):
        return None
    return table.select([key for key, _ in schema])


def _written(value: Any) -> str:
    """Return a number, a truth value or anything else as JSON writes it; `values` reads it again."""
    return json.dumps(value)
