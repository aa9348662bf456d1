"""From frames and arrays in memory to the fields of a data set."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

import numpy as np

from halfstep.datasets.tables.distinct import check_flat, is_text, plain
from halfstep.datasets.tables.fields import fields
from halfstep.datasets.tables.options import ROLES, TableOptions
from halfstep.datasets.tables.reading import Reading
from halfstep.datasets.tables.roles import Roles, roles_by_name
from halfstep.datasets.tables.times import without_times
from halfstep.errors import InputError


def frame_fields(frame: Any, name: str, options: TableOptions) -> dict[str, Any]:
    """Return the arguments of `Dataset` for a pandas, polars or Arrow table.

    Raises
    ------
    InputError
        `frame` is no table, its columns cannot be told, or one of them cannot be what it is taken for.
    """
    kind, names, column = _opened(frame, options)
    roles = roles_by_name(names, options, "frame")
    columns = {role: column(place) for role, place in roles.columns.items()}
    return typed_fields(name, names, columns, roles, Reading(kind, []), options)


def typed_fields(
    name: str,
    names: Sequence[str],
    columns: dict[str, Any],
    roles: Roles,
    reading: Reading,
    options: TableOptions,
) -> dict[str, Any]:
    """Return the arguments of `Dataset` for columns that have types, in which text stays text.

    Parameters
    ----------
    names : sequence of str
        Of all columns of the table, in their order.
    columns : dict
        For each role of `roles`, its column: `pyarrow.Array` or `pyarrow.ChunkedArray`.
    """
    by_place = {place: columns[role] for role, place in roles.columns.items()}
    roles, notes = without_times(roles, names, columns.get("value"), options)
    reading.notes += notes
    columns = {role: by_place[place] for role, place in roles.columns.items()}
    reading.columns = {role: names[place] for role, place in roles.columns.items()}
    file = reading.files[0] if reading.files else reading.format
    for role, column in columns.items():
        way_out = f"name another column (--{role}-column, in Python {role}=)"
        check_flat(column, f"{file}: {role} column {reading.columns[role]!r}", way_out)
    taken = set(roles.columns.values())
    reading.unused = [column for place, column in enumerate(names) if place not in taken]
    return fields(
        name,
        columns,
        reading,
        options,
        rating=roles.rating,
        text_ids=text_roles(columns),
    )


def text_roles(columns: dict[str, Any]) -> frozenset[str]:
    """Return the roles whose ids were text already: whoever wrote "7" did not write 7."""
    return frozenset(
        role
        for role in ("user", "item")
        if is_text(_value_type(plain(columns[role], f"{role} column").type))
    )


def array_fields(
    users: Any, items: Any, values: Any, times: Any, name: str, options: TableOptions
) -> dict[str, Any]:
    """Return the arguments of `Dataset` for one array per column."""
    given = {"users": users, "items": items, "values": values, "times": times}
    columns = {
        argument.removesuffix("s"): arrow_column(array, argument)
        for argument, array in given.items()
        if array is not None
    }
    rows = len(columns["user"])
    for role, column in columns.items():
        check_flat(column, f"{role}s", "give one number or text for each entry")
        if len(column) != rows:
            raise InputError(f"{role}s must be as long as users ({rows}), got length {len(column)}")
    if rows == 0:
        raise InputError("users must not be empty, got 0 rows")
    reading = Reading("arrays", [], columns={role: f"{role}s" for role in columns})
    text = text_roles(columns)
    return fields(name, columns, reading, options, rating=False, text_ids=text)


def arrow_column(array: Any, argument: str) -> Any:
    """Return an array, list or series as an Arrow array; NaN in an object or float array is missing.

    Raises
    ------
    InputError
        It is not one-dimensional, or its values have no common type.
    """
    import pyarrow as pa

    if isinstance(array, pa.Array | pa.ChunkedArray):
        return array
    if hasattr(array, "sparse") or hasattr(array, "sp_values"):
        array = np.asarray(array)  # Arrow takes no sparse column of pandas
    try:
        if hasattr(array, "__arrow_c_stream__"):  # polars
            return pa.chunked_array(array)
        if not isinstance(array, list | tuple | np.ndarray) and not hasattr(array, "__array__"):
            array = list(array)
        try:
            return pa.array(array, from_pandas=True)
        except OverflowError:
            return pa.array(array, pa.uint64(), from_pandas=True)
    except (pa.ArrowException, ArithmeticError, TypeError, ValueError) as error:
        reason = (str(error) or type(error).__name__).splitlines()[0]
        raise InputError(
            f"{argument} must be a column of one type (numbers, text, times): {reason}; make it text "
            "with .astype(str), or give numbers only"
        ) from error


def _opened(frame: Any, options: TableOptions) -> tuple[str, list[str], Any]:
    """Return (what it is, the columns' names, a function from a position to an Arrow column)."""
    import pyarrow as pa

    pandas = sys.modules.get("pandas")
    if pandas is not None and isinstance(frame, pandas.DataFrame):
        if any(level is not None for level in frame.index.names):
            frame = _with_index(frame)
        names = [str(column) for column in frame.columns]
        _check_numbers(list(frame.columns), options)
        return (
            "pandas frame",
            names,
            lambda place: arrow_column(frame.iloc[:, place], f"column {names[place]!r}"),
        )
    if isinstance(frame, pa.RecordBatch):
        frame = pa.Table.from_batches([frame])
    elif isinstance(frame, pa.RecordBatchReader):
        frame = frame.read_all()
    kind, objects = "arrow table", list[str]()
    if not isinstance(frame, pa.Table):
        if not hasattr(frame, "__arrow_c_stream__"):
            lazy = "; collect() it first" if hasattr(frame, "collect") else ""
            raise InputError(
                "frame must be a table of pandas, polars or pyarrow, or have __arrow_c_stream__, "
                f"got {type(frame).__name__}{lazy}"
            )
        kind = f"{type(frame).__module__.partition('.')[0]} frame"
        objects = _objects(frame)
        try:
            frame = pa.table(frame)
        except (pa.ArrowException, TypeError, ValueError) as error:
            reason = (str(error) or "it is not read as one").splitlines()[0]
            got = type(frame).__name__
            raise InputError(f"frame must be a table, got {got}: {reason}") from error
    names = list(frame.column_names)

    def column(place: int) -> Any:
        if names[place] in objects:
            raise InputError(
                f"{kind}: column {names[place]!r} holds Python objects; make it text first with "
                ".map_elements(str, return_dtype=polars.String)"
            )
        return frame.column(place)

    return kind, names, column


def _objects(frame: Any) -> list[str]:
    """Return the columns of a polars frame that hold Python objects."""
    polars = sys.modules.get("polars")
    if polars is None or not isinstance(frame, polars.DataFrame):
        return []
    return [name for name, kind in frame.schema.items() if kind == polars.Object]


def _check_numbers(labels: list[Any], options: TableOptions) -> None:
    """Raise InputError if a column's number is another column's name."""
    for role in ROLES:
        told = getattr(options, role)
        if isinstance(told, int) and told in labels and labels.index(told) != told - 1:
            raise InputError(
                f"frame: {role}={told} may be column number {told}, which is called "
                f"{labels[told - 1] if told <= len(labels) else 'nothing'!r}, or the one called {told}; "
                f"say {role}={str(told)!r} for the latter, or rename the columns"
            )


def _with_index(frame: Any) -> Any:
    """Return a pandas frame with the named levels of its index as columns, as after `groupby`."""
    levels = [level for level in frame.index.names if level is not None]
    twice = [level for level in levels if level in frame.columns]
    if twice:
        return frame
    return frame.reset_index(level=levels)


def _value_type(kind: Any) -> Any:
    import pyarrow as pa

    return kind.value_type if pa.types.is_dictionary(kind) else kind
