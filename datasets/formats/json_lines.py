"""JSON lines: an object a line, whose keys are found as the columns of a table are."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from halfstep.datasets.dataset import Dataset
from halfstep.datasets.tables.fields import fields
from halfstep.datasets.tables.options import TableOptions
from halfstep.datasets.tables.reading import Reading
from halfstep.datasets.tables.roles import Roles, roles_by_name
from halfstep.datasets.tables.survey import survey
from halfstep.datasets.text.blocks import cut
from halfstep.datasets.text.packed import unpacked
from halfstep.errors import InputError

_SAMPLE = 1000
_SHARE, _ALWAYS = 0.05, 20  # bad lines beyond both are an error
_IDS = ("user", "item")
_DAMAGED = object()
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
    reading = Reading("json lines", [path.name])
    reading.rows = rows.count
    bad = sum(len(lines) for lines in rows.bad.values())
    for reason, lines in rows.bad.items():
        reading.leave_out(reason, len(lines), lines[:5])
    if bad > max(_ALWAYS, _SHARE * rows.count) and not options.allow_bad_lines:
        reasons = "; ".join(
            f"{reason}: {len(lines)} (line {', '.join(map(str, lines[:5]))})"
            for reason, lines in rows.bad.items()
        )
        raise InputError(
            f"{path}: {bad} of {rows.count} lines are bad: {reasons}; to read the others, say "
            "--allow-bad-lines (in Python allow_bad_lines=True)"
        )
    columns, text = rows.columns()
    reading.columns = {role: rows.names[place] for role, place in rows.roles.columns.items()}
    taken = set(reading.columns.values())
    reading.unused = [name for name in rows.names if name not in taken]
    found = fields(
        path.name.partition(".")[0],
        columns,
        reading,
        options,
        rating=rows.roles.rating,
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
        first: list[tuple[int, dict[str, Any]]] = []
        objects = self._objects()
        for line, one in objects:
            first.append((line, one))
            if len(first) == _SAMPLE:
                break
        if not first:
            raise InputError(f"{path}: no line holds a JSON object; write one whole object a line")
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
            if isinstance(identifier, str) and not _is_text(identifier):
                self._leave_out(f"{role} with half a character", line)
                return
            if identifier is not None and type(identifier) not in (int, str):
                self._leave_out(f"{role} neither text nor an integer", line)
                return
        self.lines.append(line)
        for role, key in keys.items():
            self.values[role].append(one.get(key))

    def _objects(self) -> Iterator[tuple[int, dict[str, Any]]]:
        for line, one in self._parsed():
            self.count += 1
            if isinstance(one, dict):
                yield line, one
            else:
                self._leave_out("not JSON" if one is _DAMAGED else "no JSON object", line)

    def _parsed(self) -> Iterator[tuple[int, Any]]:
        for first_line, block in _blocks(self.path):
            for line, raw in enumerate(block.split(b"\n"), start=first_line):
                if line == 1 and raw.lstrip().startswith(b"["):
                    yield from enumerate(_list(self.path), start=1)
                    return
                if raw.strip():
                    try:
                        yield line, json.loads(raw.decode("utf-8"))
                    except (ValueError, RecursionError):
                        yield line, _DAMAGED

    def _leave_out(self, reason: str, line: int) -> None:
        self.bad.setdefault(reason, []).append(line)


def _blocks(path: Path) -> Iterator[tuple[int, bytes]]:
    with unpacked(path) as file:
        yield from cut(file, path)


def _list(path: Path) -> list[Any]:
    """Return the members of a file that holds one JSON list."""
    try:
        members = json.loads(b"".join(block for _, block in _blocks(path)).decode("utf-8"))
    except (ValueError, RecursionError) as error:
        raise InputError(
            f"{path}: begins with a bracket and is no JSON list ({str(error).splitlines()[0]}); "
            "write one object a line"
        ) from None
    return list(members)


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
    seen = survey(path, ",", 0)
    if table.num_rows != seen.lines - seen.blank:
        return None
    return table.select([key for key, _ in schema])


def _is_text(text: str) -> bool:
    """Return whether a string can be written as UTF-8: JSON may escape half of a pair of surrogates."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _written(value: Any) -> str:
    """Return a number, a truth value or anything else as JSON writes it; `values` reads it again."""
    return json.dumps(value)
