"""Write the lists of many users to one table: .parquet, .csv or .jsonl, whole or not at all."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from os import PathLike
from pathlib import Path
from typing import IO, TYPE_CHECKING

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pyarrow import compute, csv, parquet

from halfstep.errors import InputError
from halfstep.files import check_writable, whole_file
from halfstep.progress import count_bar
from halfstep.recommender.lists import Lists

if TYPE_CHECKING:
    from halfstep.recommender.histories import WithHistories

Write = Callable[[pa.Table], None]


@dataclass(frozen=True)
class Written:
    """What a file of lists holds.

    Attributes
    ----------
    users, rows
        How many users have a list, and the rows of the table.
    without
        How many users got no list, by reason.
    short
        How many lists are shorter than was asked for, because no more items are left.
    """

    users: int
    rows: int
    without: dict[str, int] = field(default_factory=dict)
    short: int = 0


def write_all(
    stored: WithHistories,
    path: str | PathLike[str],
    n: int,
    places: NDArray[np.int64] | None = None,
    show_progress: bool = True,
) -> Written:
    """Write the lists of the users at `places` (None for all), and show the progress.

    The table has the columns user, rank (from 1), item, name ("" if it has none) and score.

    Raises
    ------
    InputError
        The file has another ending or cannot be written; `n` is below 1; the model has no histories.
    """
    target = Path(path)
    writer = writer_of(target)
    check_writable(target, "output")
    lists = Lists(stored, n, places)
    rows = 0
    with (
        whole_file(target) as stream,
        writer(stream, lists.schema) as write,
        count_bar(f"lists of {lists.n}", lists.users, "users", show=show_progress) as ranked,
    ):
        done = 0
        for table in lists.blocks():
            if table.num_rows:
                write(table)
            rows += table.num_rows
            now = lists.written + lists.without.total()
            ranked(now - done)
            done = now
    return Written(lists.written, rows, dict(lists.without), lists.short)


def writer_of(path: Path) -> Callable[[IO[bytes], pa.Schema], AbstractContextManager[Write]]:
    """Return what writes the tables of a file with this ending, or raise InputError."""
    for endings, writer in _WRITERS.items():
        if path.suffix.lower() in endings:
            return writer
    known = ", ".join(ending for endings in _WRITERS for ending in endings)
    raise InputError(f"a file of lists must end in one of {known}, got '{path}'")


@contextmanager
def _parquet(stream: IO[bytes], schema: pa.Schema) -> Iterator[Write]:
    with parquet.ParquetWriter(stream, schema) as writer:
        yield writer.write_table


@contextmanager
def _csv(stream: IO[bytes], schema: pa.Schema) -> Iterator[Write]:
    with csv.CSVWriter(stream, schema) as writer:
        yield writer.write_table


@contextmanager
def _json_lines(stream: IO[bytes], schema: pa.Schema) -> Iterator[Write]:
    def write(table: pa.Table) -> None:
        parts: list[pa.Array | str] = []
        for at, (name, column) in enumerate(zip(table.column_names, table.columns, strict=True)):
            parts += [f'{"," if at else "{"}"{name}":', _written(column.combine_chunks())]
        lines = compute.binary_join_element_wise(*parts, "}\n", "")
        # The lines stand one after the other in the array's last buffer.
        stream.write(lines.buffers()[2])

    yield write


def _written(column: pa.Array) -> pa.Array:
    """Return a column's values as JSON writes them; each different text is written once."""
    if not pa.types.is_string(column.type):
        return column.cast(pa.string())
    coded = column.dictionary_encode()
    texts = [json.dumps(text, ensure_ascii=False) for text in coded.dictionary.to_pylist()]
    return pa.array(texts, pa.string()).take(coded.indices)


_WRITERS = {
    (".parquet", ".pq"): _parquet,
    (".csv",): _csv,
    (".jsonl", ".ndjson"): _json_lines,
}
