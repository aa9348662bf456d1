"""Tables in Parquet, Feather and Arrow files, of which only the needed columns are read."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from halfstep.datasets.dataset import Dataset
from halfstep.datasets.tables.frames import typed_fields
from halfstep.datasets.tables.options import TableOptions
from halfstep.datasets.tables.reading import Reading
from halfstep.datasets.tables.roles import Roles, roles_by_name
from halfstep.errors import InputError
from halfstep.memory import available, gigabytes


def read_parquet(path: Path, options: TableOptions | None = None) -> Dataset:
    """Read a Parquet file, or a folder of its parts such as Spark writes.

    In a folder, files and folders whose names begin with a dot or an underscore are left out, and
    folders called `column=value` give each of their rows that value.
    """
    from pyarrow import parquet

    options = options or TableOptions()
    parts = parquet_parts(path) if path.is_dir() else [path]
    if not parts:
        raise InputError(f"{path}: the folder holds no Parquet file")
    names, roles = None, None
    tables = []
    _check_room(path, sum(_rows_of(part) for part in parts))
    for part in parts:
        with _as_input_errors(part, "Parquet"):
            file = parquet.ParquetFile(part)
            inside = file.schema_arrow.names
        keys = {key: value for key, value in _keys(path, part).items() if key not in inside}
        here = [*inside, *keys]
        if names is None or roles is None:
            names, roles = here, roles_by_name(here, options, path)
        wanted = [names[place] for place in roles.columns.values()]
        _check_columns(part, here, wanted)
        with _as_input_errors(part, "Parquet"):
            table = file.read(columns=[name for name in wanted if name not in keys])
            file.close()
        tables.append(_with_keys(table, keys, wanted))
    assert names is not None
    assert roles is not None
    table = _joined(path, tables)
    return _dataset(path, names, table, roles, "parquet", [part.name for part in parts], options)


def read_feather(path: Path, options: TableOptions | None = None) -> Dataset:
    """Read a Feather file (either version) or an Arrow file or stream."""
    import pyarrow as pa
    from pyarrow import feather, ipc

    options = options or TableOptions()
    with _as_input_errors(path, "Feather or Arrow"), pa.memory_map(str(path)) as file:
        magic = file.read(6)
        file.seek(0)
        if magic == b"ARROW1":
            names = list(ipc.open_file(file).schema.names)
        elif magic[:4] == b"FEA1":
            names = list(feather.read_table(path, columns=[]).column_names)
            names = names or list(feather.read_table(path).column_names)
        else:
            names = list(ipc.open_stream(file).schema.names)
        roles = roles_by_name(names, options, path)
        wanted = [names[place] for place in roles.columns.values()]
        _check_columns(path, names, wanted)
        file.seek(0)
        if magic == b"ARROW1":
            places = [names.index(name) for name in wanted]
            choice = ipc.IpcReadOptions(included_fields=places)
            table = ipc.open_file(file, options=choice).read_all()
        elif magic[:4] == b"FEA1":
            table = feather.read_table(path, columns=wanted)
        else:
            table = ipc.open_stream(file).read_all().select(wanted)
        return _dataset(path, names, table, roles, "feather", [path.name], options)


def read_columns(path: Path) -> Any:
    """Return all columns of one file, in any of these formats, as a `pyarrow.Table`."""
    import pyarrow as pa
    from pyarrow import feather, ipc, parquet

    with _as_input_errors(path, "Parquet, Feather or Arrow"), path.open("rb") as file:
        start = file.read(4)
        file.seek(0)
        if start == b"PAR1":
            return parquet.read_table(file)
        if start == b"\xff\xff\xff\xff":
            return ipc.open_stream(pa.PythonFile(file)).read_all()
        return feather.read_table(file)


def parquet_parts(folder: Path) -> list[Path]:
    """Return the Parquet files of a folder and its `column=value` folders, told by their bytes."""
    found = []
    for path in sorted(folder.iterdir()):
        if path.name.startswith((".", "_")):
            continue
        if path.is_dir() and "=" in path.name:
            found += parquet_parts(path)
        elif path.is_file():
            with path.open("rb") as file:
                if file.read(4) == b"PAR1":
                    found.append(path)
    return found


def _dataset(
    path: Path,
    names: list[str],
    table: Any,
    roles: Roles,
    form: str,
    files: list[str],
    options: TableOptions,
) -> Dataset:
    columns = {role: table.column(names[place]) for role, place in roles.columns.items()}
    title = path.resolve().name if path.is_dir() else path.stem
    reading = Reading(form, files)
    return Dataset(**typed_fields(title, names, columns, roles, reading, options))


def _rows_of(path: Path) -> int:
    from pyarrow import parquet

    if not path.is_file():
        raise InputError(f"{path}: no such file")
    with _as_input_errors(path, "Parquet"):
        return int(parquet.read_metadata(path).num_rows)


@contextmanager
def _as_input_errors(path: Path, form: str) -> Iterator[None]:
    """Turn what pyarrow raises for a damaged file into an InputError that names the file."""
    import pyarrow as pa

    try:
        yield
    except InputError:
        raise
    except (
        pa.ArrowException,
        OSError,
        ValueError,
        TypeError,
        KeyError,
        IndexError,
        ArithmeticError,
    ) as error:
        reason = (str(error) or type(error).__name__).splitlines()[0]
        raise InputError(f"{path}: not a {form} file: {reason}") from error


def _check_columns(path: Path, names: list[str], wanted: list[str]) -> None:
    for name in wanted:
        if names.count(name) != 1:
            raise InputError(
                f"{path}: column {name!r} must occur exactly once, got {names.count(name)}; "
                f"the columns are {', '.join(map(repr, names[:40]))}"
            )


def _check_room(path: Path, rows: int) -> None:
    """Raise InputError if three columns do not fit in memory: a small file can claim a billion rows."""
    need, free = 3 * 8 * rows, available()
    if free is not None and need > free:
        raise InputError(
            f"{path}: {rows} rows need {gigabytes(need)} of memory, and {gigabytes(free)} are free"
        )


def _keys(folder: Path, part: Path) -> dict[str, str]:
    """Return what the folders between `folder` and `part` say about its rows, as Hive writes it."""
    from urllib.parse import unquote

    if folder == part:
        return {}
    between = part.relative_to(folder).parts[:-1]
    pairs = (name.partition("=") for name in between if "=" in name)
    return {unquote(key): unquote(value) for key, _, value in pairs}


def _with_keys(table: Any, keys: dict[str, str], wanted: list[str]) -> Any:
    import pyarrow as pa

    for key, value in keys.items():
        if key in wanted:
            known = None if value == "__HIVE_DEFAULT_PARTITION__" else value
            column = pa.array([known], pa.string()).take(pa.array([0]))
            table = table.append_column(key, pa.repeat(column[0], len(table)))
    return table


def _joined(path: Path, tables: list[Any]) -> Any:
    import pyarrow as pa

    if len(tables) == 1:
        return tables[0]
    kinds = {table.schema for table in tables}
    if len(kinds) == 1:
        return pa.concat_tables(tables)
    for name in tables[0].column_names:
        seen = {table.schema.field(name).type for table in tables}
        texts = [kind for kind in seen if _family(kind) == "text"]
        if len({_family(kind) for kind in seen} - {"null"}) > 1:
            raise InputError(
                f"{path}: column {name!r} has another type in some parts: "
                f"{', '.join(sorted(map(str, seen)))}; write all parts with the same types"
            )
        if texts:
            tables = [_recast(table, name, pa.large_string()) for table in tables]
    return pa.concat_tables(tables, promote_options="permissive")


def _recast(table: Any, name: str, kind: Any) -> Any:
    place = table.column_names.index(name)
    return table.set_column(place, name, table.column(name).cast(kind))


def _family(kind: Any) -> str:
    """Return which types may stand for each other in the parts of one table."""
    import pyarrow.types as types

    if types.is_dictionary(kind):
        return _family(kind.value_type)
    if types.is_integer(kind):
        return "whole"
    if types.is_string(kind) or types.is_large_string(kind):
        return "text"
    return "null" if types.is_null(kind) else str(kind)
