"""The pieces of a table, each read by one task: row groups of Parquet files, or parts of a dataframe."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from halfstep.distributed.columns import as_parquet
from halfstep.distributed.facts import SIDES
from halfstep.distributed.ids import arrow_type_of
from halfstep.distributed.numbering.table import Columns, Table
from halfstep.errors import InputError

if TYPE_CHECKING:
    import pyarrow as pa

_SMALLEST = 1 << 24  # bytes of a piece, as long as the table has more
_LARGEST = 1 << 28  # if the workers' memory has no limit
# Of a task's memory: its numbers, places, sorted entries and their bytes take the rest.
_SHARE = 1 / 24
_TURNS = 4  # pieces for each thread, to even out their times


class FilePiece(NamedTuple):
    """Row groups of some files: (path, their numbers) of each."""

    files: list[tuple[str, list[int]]]
    columns: Columns
    id_types: dict[str, str]
    storage_options: dict[str, Any]

    def read(self) -> pa.Table:
        """Return the rows, ids as int64 or string and values as float64."""
        import fsspec
        import pyarrow as pa
        from pyarrow import parquet

        tables = []
        for path, groups in self.files:
            fs, root = fsspec.core.url_to_fs(path, **self.storage_options)
            with as_parquet(path), fs.open(root, "rb") as file:
                found, columns = parquet.ParquetFile(file), self.columns.all()
                table = found.read_row_groups(groups, columns=columns, use_threads=False)
            tables.append(normal(table, self.columns, self.id_types))
        return pa.concat_tables(tables)


def normal(table: pa.Table, columns: Columns, id_types: dict[str, str]) -> pa.Table:
    """Return the columns with ids as int64 or string, and values as float64, missing ones as NaN."""
    import pyarrow as pa

    found = {}
    for side in SIDES:
        name = columns.of(side)
        ids = table[name]
        if pa.types.is_dictionary(ids.type):
            ids = ids.cast(ids.type.value_type)
        if pa.types.is_integer(ids.type) != (id_types[side] == "int64") and len(ids):
            raise InputError(
                f"column {name!r} must have ids of one type, {id_types[side]}: some are {ids.type}"
            )
        found[name] = ids.cast(arrow_type_of(id_types[side]))
    if columns.value is not None:
        found[columns.value] = table[columns.value].cast(pa.float64(), safe=False)
    return pa.table(found)


def pieces_of(table: Table, threads: int, memory: int | None) -> list[FilePiece]:
    """Return the pieces of a table in files.

    Parameters
    ----------
    threads
        How many tasks run at one time.
    memory
        Bytes that one of them has; None if there is no limit.
    """
    total = sum(sum(file.groups) for file in table.files)
    most = _LARGEST if memory is None else int(_SHARE * memory)
    size = max(_SMALLEST, min(most, total // (_TURNS * threads)))
    pieces: list[list[tuple[str, list[int]]]] = []
    taken = size
    for file in table.files:
        for group, count in enumerate(file.groups):
            if taken + count > size:
                pieces.append([])
                taken = 0
            piece = pieces[-1]
            if not piece or piece[-1][0] != file.path:
                piece.append((file.path, []))
            piece[-1][1].append(group)
            taken += count
    how = table.columns, table.id_types, table.storage_options
    return [FilePiece(piece, *how) for piece in pieces]
