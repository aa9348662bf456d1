"""Results files, in strict JSON: written whole or not at all, and read only where every field fits."""

from __future__ import annotations

import dataclasses
import json
import types
import typing
from functools import cache
from pathlib import Path
from typing import Any

from halfstep.bench.schema import SCHEMA, Results
from halfstep.errors import InputError
from halfstep.files import write_json


def write_results(results: Results, path: Path) -> None:
    """Write `results` to `path`; a number that is not finite becomes null."""
    write_json(path, results)


def read_results(path: str | Path) -> Results:
    """Read a results file.

    Raises
    ------
    InputError
        The file cannot be read, is not strict JSON or is of another schema, or a field is missing,
        unknown or of the wrong type; the message names the field.
    """
    try:
        text = Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: cannot be read: {error}") from error
    try:
        value = json.loads(text, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path}: is not strict JSON: {error}") from error
    if not isinstance(value, dict) or "schema" not in value:
        raise InputError(f"{path}: is not a halfstep results file: it has no field 'schema'")
    schema = value["schema"]
    if type(schema) is not int or not 1 <= schema <= SCHEMA:
        raise InputError(f"{path}: schema must be from 1 to {SCHEMA}, got {schema!r}")
    try:
        results: Results = decode(Results, value, "results", schema)
        where = {f"cases[{n}]": case.data for n, case in enumerate(results.cases)}
        where |= {f"cells[{n}]": cell.data for n, cell in enumerate(results.cells)}
        where |= {f"phases[{n}]": cell.data for n, cell in enumerate(results.phases)}
        for name, data in where.items():
            if not 0 <= data < len(results.data):
                raise InputError(
                    f"results.{name}.data must be below {len(results.data)}, got {data}"
                )
    except InputError as error:
        raise InputError(f"{path}: {error}") from error
    return results


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON number")


def decode(kind: Any, value: Any, where: str, schema: int) -> Any:
    """Return what was read from JSON as the annotated type `kind`.

    Parameters
    ----------
    kind
        A class of `halfstep.bench.schema`, or any other dataclass of numbers, text, lists, dictionaries
        and such classes.
    where
        What to call the value in messages.
    schema
        Of the file; fields that came later may be missing.

    Raises
    ------
    InputError
        A field is missing, unknown or of the wrong type.
    """
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if kind is Any:
        return value
    if origin in (typing.Union, types.UnionType):
        (other,) = (argument for argument in arguments if argument is not type(None))
        return None if value is None else decode(other, value, where, schema)
    if origin is list:
        _expect(isinstance(value, list), "a list", value, where)
        return [decode(arguments[0], item, f"{where}[{i}]", schema) for i, item in enumerate(value)]
    if origin is dict:
        _expect(isinstance(value, dict), "an object", value, where)
        return {
            key: decode(arguments[1], item, f"{where}.{key}", schema) for key, item in value.items()
        }
    if dataclasses.is_dataclass(kind):
        return _decode_fields(kind, value, where, schema)
    if kind in (int, float):
        number = isinstance(value, int if kind is int else int | float)
        _expect(number and not isinstance(value, bool), f"a {kind.__name__}", value, where)
        return value
    _expect(isinstance(value, kind), f"a {kind.__name__}", value, where)
    return value


def _decode_fields(kind: Any, value: Any, where: str, schema: int) -> Any:
    _expect(isinstance(value, dict), "an object", value, where)
    hints = _hints(kind)
    later = {f.name for f in dataclasses.fields(kind) if f.metadata.get("since", 1) > schema}
    for missing in hints.keys() - value.keys() - later:
        raise InputError(f"{where} must have the field {missing!r}")
    for unknown in value.keys() - hints.keys():
        raise InputError(f"{where} must not have the field {unknown!r}")
    return kind(**{key: decode(hints[key], value[key], f"{where}.{key}", schema) for key in value})


@cache
def _hints(kind: Any) -> dict[str, Any]:
    """Return the types of a class's fields; finding them took most of the time that a file took."""
    return typing.get_type_hints(kind)


def _expect(holds: bool, wanted: str, value: Any, where: str) -> None:
    if not holds:
        raise InputError(f"{where} must be {wanted}, got {json.dumps(value)[:60]}")
