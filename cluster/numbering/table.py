"""The table to number: its files and their types, checked before anything runs."""

from __future__ import annotations

import os
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

from halfstep.distributed.columns import as_parquet, parquet_urls
from halfstep.distributed.facts import SIDES
from halfstep.errors import InputError

_READERS = 16
_NUMBER, _TEXT = 8, 32  # bytes


class Columns(NamedTuple):
    """The names of the columns; `value` may be None."""

    user: str
    item: str
    value: str | None

    def of(self, side: str) -> str:
        """Return the name of a side's column of ids."""
        return self.user if side == "user" else self.item

    def all(self) -> list[str]:
        """Return the names of those there are."""
        return [name for name in self if name is not None]


class Table(NamedTuple):
    """A table in files, or as a Dask dataframe.

    Attributes
    ----------
    files
        Those that have rows.
    frame
        The dataframe, or None.
    id_types
        For each side "int64" or "string".
    source
        What a later run compares, to know whether it is the same table.
    """

    files: list[File]
    frame: Any
    columns: Columns
    id_types: dict[str, str]
    source: dict[str, Any]
    storage_options: dict[str, Any]


class File(NamedTuple):
    """A file of Parquet; `groups` are bytes: about what each of its row groups takes in memory."""

    path: str
    schema: Any
    rows: int
    size: int
    missing: dict[str, int]
    groups: list[int]


def opened(table: Any, columns: Columns, storage_options: dict[str, Any]) -> Table:
    """Return a table whose columns and types are known to be good."""
    if len(set(columns.all())) < len(columns.all()):
        raise InputError(f"user, item and value must be different columns, got {columns.all()}")
    if isinstance(table, str | os.PathLike):
        return _of_files(os.fspath(table), columns, storage_options)
    if hasattr(table, "to_delayed") and hasattr(table, "dtypes"):
        return _of_frame(table, columns)
    raise InputError(
        "source must be a path or pattern of Parquet files, a Dask dataframe or a sparse matrix, "
        f"got {type(table).__name__}"
    )


def _of_files(pattern: str, columns: Columns, storage_options: dict[str, Any]) -> Table:
    files = _files(pattern, columns, storage_options)
    for file in files:
        for name in columns.all():
            if name not in file.schema.names:
                raise InputError(
                    f"'{file.path}' has no column {name!r}: it has {', '.join(file.schema.names)}"
                )
    if not any(file.rows for file in files):
        raise InputError(f"'{pattern}' must have rows: its {len(files)} Parquet files have none")
    files = [file for file in files if file.rows]
    for file in files:
        for name in (columns.user, columns.item):
            if count := file.missing.get(name, 0):
                raise InputError(
                    f"column {name!r} of '{file.path}' must have an id in each row, {count:,} lack it"
                )
    types = {side: _one_type(files, columns.of(side)) for side in SIDES}
    if columns.value is not None:
        for file in files:
            _check_numbers(file.schema.field(columns.value).type, f"'{file.path}'", columns.value)
    listed = [[os.path.basename(file.path), file.size, file.rows] for file in files]
    source = {"files": sorted(listed)}
    return Table(files, None, columns, types, source, storage_options)


def _files(pattern: str, columns: Columns, storage_options: dict[str, Any]) -> list[File]:
    import fsspec
    from pyarrow import parquet

    urls = parquet_urls(pattern, storage_options)
    if not urls:
        raise InputError(f"no Parquet files match '{pattern}'")
    fs, _ = fsspec.core.url_to_fs(urls[0], **storage_options)

    def look(path: str) -> File:
        with as_parquet(path), fs.open(path, "rb") as file:
            found = parquet.ParquetFile(file)
            rows, schema = found.metadata.num_rows, found.schema_arrow
            missing = _missing(found.metadata)
            groups = _sizes(found.metadata, set(columns.all()))
        size = int(fs.size(path) or 0)
        return File(fs.unstrip_protocol(path), schema, rows, size, missing, groups)

    with ThreadPoolExecutor(_READERS) as pool:
        return list(pool.map(look, map(fs._strip_protocol, urls)))


def _missing(footer: Any) -> dict[str, int]:
    """Return how many values of each column are missing, as far as a file's footer says."""
    found: dict[str, int] = {}
    for group in range(footer.num_row_groups):
        for at in range(footer.num_columns):
            column = footer.row_group(group).column(at)
            told = column.statistics
            if told is not None and told.has_null_count:
                found[column.path_in_schema] = found.get(column.path_in_schema, 0) + told.null_count
    return found


def _sizes(footer: Any, wanted: set[str]) -> list[int]:
    """Return about how many bytes the wanted columns of each row group take in memory."""
    found = []
    for at in range(footer.num_row_groups):
        group, size = footer.row_group(at), 0
        for column in map(group.column, range(footer.num_columns)):
            if column.path_in_schema in wanted:
                # What comes more than once is stored once, but a text is one for each row in memory.
                width = _TEXT if column.physical_type == "BYTE_ARRAY" else _NUMBER
                size += max(column.total_uncompressed_size, width * group.num_rows)
        found.append(size)
    return found


def _one_type(files: Iterable[File], column: str) -> str:
    first: tuple[str, str] | None = None
    for file in files:
        kind = _id_type(file.schema.field(column).type, f"'{file.path}'", column)
        if first is None:
            first = kind, file.path
        elif kind != first[0]:
            raise InputError(
                f"column {column!r} must have ids of one type: {_words(first[0])} in '{first[1]}', "
                f"{_words(kind)} in '{file.path}'"
            )
    assert first is not None
    return first[0]


def _words(kind: str) -> str:
    return {"int64": "integers", "string": "texts"}[kind]


def _id_type(kind: Any, where: str, column: str) -> str:
    from pyarrow import types

    if types.is_dictionary(kind):
        kind = kind.value_type
    if types.is_integer(kind) and not types.is_uint64(kind):
        return "int64"
    if types.is_string(kind) or types.is_large_string(kind) or types.is_string_view(kind):
        return "string"
    raise InputError(
        f"column {column!r} of {where} must be integers of 64 bits or texts, got {kind}"
    )


def _check_numbers(kind: Any, where: str, column: str) -> None:
    from pyarrow import types

    if not (types.is_integer(kind) or types.is_floating(kind)):
        raise InputError(f"column {column!r} of {where} must be numbers, got {kind}")


def _of_frame(frame: Any, columns: Columns) -> Table:
    import pyarrow as pa

    for name in columns.all():
        if name not in frame.columns:
            raise InputError(
                f"the dataframe has no column {name!r}: it has {', '.join(frame.columns)}"
            )
    schema = pa.Schema.from_pandas(frame._meta[columns.all()], preserve_index=False)
    types = {}
    for side in SIDES:
        kind = schema.field(columns.of(side)).type
        # An empty column of objects has no type of its own.
        text = pa.string() if pa.types.is_null(kind) else kind
        types[side] = _id_type(text, "the dataframe", columns.of(side))
    if columns.value is not None:
        _check_numbers(schema.field(columns.value).type, "the dataframe", columns.value)
    return Table([], frame[columns.all()], columns, types, {"dataframe": frame._name}, {})
