"""From frames, arrays and matrices in memory to the fields of a data set."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_matrix, csr_matrix, issparse

from halfstep.datasets.canonical import canonical_csr, summable
from halfstep.datasets.tables.distinct import is_text, plain
from halfstep.datasets.tables.fields import fields
from halfstep.datasets.tables.ids import number_ids
from halfstep.datasets.tables.options import ROLES, TableOptions
from halfstep.datasets.tables.reading import Reading
from halfstep.datasets.tables.roles import Roles, roles_by_name
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
    reading.columns = {role: names[place] for role, place in roles.columns.items()}
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
        if len(column) != rows:
            raise InputError(f"{role}s must be as long as users ({rows}), got length {len(column)}")
    if rows == 0:
        raise InputError("users must not be empty, got 0 rows")
    reading = Reading("arrays", [], columns={role: f"{role}s" for role in columns})
    text = text_roles(columns)
    return fields(name, columns, reading, options, rating=False, text_ids=text)


def matrix_fields(
    matrix: Any,
    user_ids: Any,
    item_ids: Any,
    item_names: Any,
    name: str,
    options: TableOptions,
    reading: Reading | None = None,
) -> dict[str, Any]:
    """Return the arguments of `Dataset` for a users x items matrix, whose empty rows stay.

    Raises
    ------
    InputError
        `matrix` is not sparse and two-dimensional, has no entries or a value that is not finite or, if
        `options` do not say what to do with it, below 0; or ids are missing, too few or there twice.
    """
    if not issparse(matrix) or matrix.ndim != 2:
        raise InputError(f"matrix must be a SciPy sparse matrix, got {type(matrix).__name__}")
    coo = coo_matrix(matrix)
    if coo.nnz == 0:
        raise InputError(f"matrix must have entries, got none in shape {coo.shape}")
    reading = reading or Reading("matrix", [])
    reading.rows = int(coo.nnz)
    values = summable(coo.data)
    negative = values < 0
    if negative.any() and options.negative == "error":
        first = int(np.argmax(negative))
        raise InputError(
            f"matrix: {int(negative.sum())} of {len(values)} values are below 0, the first is "
            f"{values[first]} in row {coo.row[first]}, column {coo.col[first]}; leave these out with "
            "--negative drop, or take them as they are with --negative keep (in Python negative=)"
        )
    if negative.any() and options.negative == "drop":
        reading.leave_out("negative value", int(negative.sum()))
        kept = ~negative
        coo = coo_matrix((values[kept], (coo.row[kept], coo.col[kept])), shape=coo.shape)
        if coo.nnz == 0:
            raise InputError("matrix: no entry is left, all values are below 0")
    else:
        coo = coo_matrix((values, (coo.row, coo.col)), shape=coo.shape)
    interactions = canonical_csr(csr_matrix(coo))
    reading.duplicates = int(coo.nnz - interactions.nnz)
    reading.duplicates_rule = "added"
    users, items = interactions.shape
    names = None
    if item_names is not None:
        names = np.array(["" if one is None else str(one) for one in item_names], dtype=object)
    return {
        "name": name,
        "interactions": interactions,
        "user_ids": _matrix_ids(user_ids, users, "user", reading),
        "item_ids": _matrix_ids(item_ids, items, "item", reading),
        "item_names": names,
        "provenance": reading.provenance(),
    }


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
            f"{argument} must be a column of one type (numbers, text, times): {reason}"
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
    kind = "arrow table"
    if not isinstance(frame, pa.Table):
        if not hasattr(frame, "__arrow_c_stream__"):
            lazy = "; collect() it first" if hasattr(frame, "collect") else ""
            raise InputError(
                "frame must be a table of pandas, polars or pyarrow, or have __arrow_c_stream__, "
                f"got {type(frame).__name__}{lazy}"
            )
        kind = f"{type(frame).__module__.partition('.')[0]} frame"
        try:
            frame = pa.table(frame)
        except (pa.ArrowException, TypeError, ValueError) as error:
            reason = (str(error) or "it is not read as one").splitlines()[0]
            got = type(frame).__name__
            raise InputError(f"frame must be a table, got {got}: {reason}") from error
    return kind, list(frame.column_names), frame.column


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


def _matrix_ids(ids: Any, count: int, role: str, reading: Reading) -> NDArray[Any]:
    """Return the ids of a matrix's rows or columns, which are their numbers if none are given."""
    if ids is None:
        return np.arange(count)
    argument = f"{role}_ids"
    column = arrow_column(ids, argument)
    if len(column) != count:
        raise InputError(f"{argument} must have {count} ids, got {len(column)}")
    text = role in text_roles({"user": column, "item": column})
    numbered = number_ids(column, argument, role, text=text)
    reading.notes += numbered.notes
    if (numbered.places < 0).any():
        where = int(np.argmax(numbered.places < 0))
        raise InputError(
            f"{argument} must not be missing, got {column[where].as_py()!r} at {where}"
        )
    if len(numbered.ids) != count:
        first = np.flatnonzero(np.bincount(numbered.places) > 1)[0]
        raise InputError(f"{argument} must differ, got {numbered.ids[first]!r} twice")
    ordered: NDArray[Any] = numbered.ids[numbered.places]
    return ordered
