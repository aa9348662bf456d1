"""The held-out part of an evaluation: a matrix in the data's numbering, or Parquet files of ids.

Of files, each task reads all and keeps the rows of its own users, so that no machine holds them all.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from scipy.sparse import csr_matrix

from halfstep.distributed.columns import parquet_urls
from halfstep.distributed.facts import Facts
from halfstep.distributed.ids import arrow_type, ids_of_shard, numbers_of
from halfstep.distributed.storage import Folder
from halfstep.errors import InputError
from halfstep.solvers.inputs import as_csr

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True)
class HeldOutFiles:
    """Parquet files of held-out rows; a column of values may be missing (None: each row counts 1)."""

    urls: tuple[str, ...]
    storage_options: dict[str, Any] | None
    user: str
    item: str
    value: str | None

    def rows(self) -> int:
        """Return the number of rows of all files, from their ends; check that they have the columns."""
        from pyarrow import parquet

        total = 0
        for url in self.urls:
            with _reading(url, self.storage_options) as stream:
                file = _parquet(url, parquet.ParquetFile, stream)
                names = file.schema_arrow.names
                total += file.metadata.num_rows
            for column in filter(None, (self.user, self.item, self.value)):
                if column not in names:
                    raise InputError(
                        f"{url} must have a column {column!r}, got {', '.join(names)}: say with user=, "
                        "item= and value= (--user, --item, --value) what the columns are called"
                    )
        return total

    def read(self, url: str) -> pa.Table:
        """Return the columns of one file."""
        from pyarrow import parquet

        columns = [name for name in (self.user, self.item, self.value) if name]
        with _reading(url, self.storage_options) as stream:
            return _parquet(url, parquet.read_table, stream, columns=columns)


class HeldOut(NamedTuple):
    """The held-out entries of some users, (users, items).

    `rows` of the files are of these users, and `unknown` of them an item that nobody had in the fit.
    """

    matrix: csr_matrix
    rows: int
    unknown: int


def matrix_of(facts: Facts, test: Any) -> csr_matrix:
    """Return a SciPy matrix of held-out entries as canonical CSR; raise InputError for another shape."""
    matrix = as_csr(test, "test")
    shape = (facts.rows("user"), facts.rows("item"))
    if matrix.shape != shape:
        raise InputError(
            f"test must have the shape of the fit's data {shape}, rows and columns in its numbering, "
            f"got {matrix.shape}: give Parquet files of ids instead"
        )
    return matrix


def files_of(
    facts: Facts,
    test: Any,
    storage_options: dict[str, Any] | None,
    user: str | int | None,
    item: str | int | None,
    value: str | int | None,
) -> HeldOutFiles:
    """Return the Parquet files of a path, a folder, a pattern or a list of them.

    A column is named by its name or its number from 1; None means the name in the fit's data.

    Raises
    ------
    InputError
        There are none.
    """
    urls: list[str] = []
    for one in [test] if not isinstance(test, list | tuple) else test:
        found = parquet_urls(one, storage_options)
        if not found:
            raise InputError(
                f"test must name Parquet files, got {str(one)!r}, where there are none"
            )
        urls += found
    there = _columns(urls[0], storage_options)
    given = {"user": user, "item": item, "value": value}
    chosen = {
        role: facts.columns[role] if one is None else _named(one, there)
        for role, one in given.items()
    }
    if value is None and chosen["value"] not in there:
        chosen["value"] = None
    return HeldOutFiles(tuple(urls), storage_options, **chosen)  # type: ignore[arg-type]


def held_out_of(
    folder: Folder, facts: Facts, files: HeldOutFiles, shards: Sequence[int]
) -> HeldOut:
    """Read what the files hold out of the users of `shards`, which follow each other."""
    import pyarrow as pa
    from pyarrow import compute

    chunks = [
        chunk for shard in shards for chunk in ids_of_shard(folder, facts, "user", shard).chunks
    ]
    known = pa.chunked_array(chunks, arrow_type(facts, "user"))
    users, items, values = [], [], []
    for url in files.urls:
        table = files.read(url)
        column = _cast(table[files.user], arrow_type(facts, "user"), url, files.user)
        place = compute.fill_null(compute.index_in(column, value_set=known), -1).to_numpy()
        mine = np.flatnonzero(place >= 0)
        table = table.take(pa.array(mine))
        users.append(place[mine])
        items.append(_cast(table[files.item], arrow_type(facts, "item"), url, files.item))
        if files.value is None:
            values.append(np.ones(len(mine)))
        else:
            values.append(_cast(table[files.value], pa.float64(), url, files.value).to_numpy())
    listed = pa.chunked_array(
        [chunk for column in items for chunk in column.chunks], arrow_type(facts, "item")
    )
    columns = numbers_of(folder, facts, "item", listed)
    there = columns >= 0
    rows, value = np.concatenate(users)[there], np.concatenate(values)[there]
    matrix = csr_matrix((value, (rows, columns[there])), shape=(len(known), facts.rows("item")))
    return HeldOut(as_csr(matrix, "test"), len(there), int((~there).sum()))


def _columns(url: str, storage_options: dict[str, Any] | None) -> list[str]:
    from pyarrow import parquet

    with _reading(url, storage_options) as stream:
        return list(_parquet(url, parquet.ParquetFile, stream).schema_arrow.names)


def _named(column: str | int, names: list[str]) -> str:
    """Return the name of a column that a caller names or numbers."""
    place = int(column) if str(column).isdecimal() and column not in names else 0
    return names[place - 1] if 1 <= place <= len(names) else str(column)


def _reading(url: str, storage_options: dict[str, Any] | None) -> Any:
    import fsspec

    return fsspec.open(url, "rb", **(storage_options or {}))


def _parquet(url: str, read: Any, stream: Any, **options: Any) -> Any:
    import pyarrow as pa

    try:
        return read(stream, **options)
    except (pa.ArrowException, OSError) as error:
        reason = (str(error) or type(error).__name__).splitlines()[0]
        raise InputError(f"{url} is no Parquet file: {reason}") from None


def _cast(column: Any, kind: Any, url: str, name: str) -> Any:
    import pyarrow as pa

    try:
        cast = column.cast(kind)
    except pa.ArrowException as error:
        reason = str(error).splitlines()[0]
        raise InputError(
            f"{url}: the column {name!r} must be {kind} as in the fit's data: {reason}"
        ) from None
    if pa.types.is_floating(kind) and cast.null_count:
        raise InputError(f"{url}: the column {name!r} must have a value in each row")
    return cast
