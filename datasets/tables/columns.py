"""The columns of a text table that have a role, as they were read."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from halfstep.datasets.tables.dialect import Dialect
from halfstep.datasets.tables.survey import Survey


class NotUtf8(Exception):
    """The file's first lines were UTF-8, but not all of it is."""


class OtherDialect(Exception):
    """The file as a whole is written otherwise than its first lines: `changes` of the `Dialect`."""

    def __init__(self, **changes: Any) -> None:
        super().__init__(changes)
        self.changes = changes


def check_dialect(dialect: Dialect, seen: Survey) -> None:
    """Raise OtherDialect if there are quoted fields or lone returns, of which the sample had none."""
    if dialect.quoted:
        return
    if dialect.separator in ",;":
        enclosing = seen.stray or seen.opened + seen.closed > 0
    else:
        enclosing = 0 < seen.opened < 2 * seen.closed
    if enclosing and len(dialect.separator) == 1 and dialect.separator != " ":
        raise OtherDialect(quoted=True)
    if seen.returns and dialect.newline == "\n":
        raise OtherDialect(newline="\r")


@dataclass
class Columns:
    """What was read of a text table.

    Attributes
    ----------
    arrays : dict
        For each role, a `pyarrow.ChunkedArray`: ids and names as integers or as dictionaries of strings,
        values and times as numbers or strings.
    rows : int
        Rows, with the bad ones.
    bad : dict
        Line numbers of bad lines, by reason.
    lines : ndarray or None
        The line number of each good row; None if they cannot be told.
    """

    arrays: dict[str, Any]
    rows: int
    bad: dict[str, list[int]] = field(default_factory=dict)
    lines: NDArray[np.int64] | None = None


def without_headers(columns: Columns, dialect: Dialect) -> Columns:
    """Leave out rows that repeat the header, as files have that were put together."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if not dialect.header:
        return columns
    repeated: Any = None
    for role in ("user", "item"):
        ids = columns.arrays[role]
        name = dialect.names[dialect.roles.columns[role]]
        if not pa.types.is_dictionary(ids.type) or not name:
            return columns
        same = pc.equal(ids.cast(pa.string()), name) if _has(ids, name) else None
        if same is None:
            return columns
        repeated = same if repeated is None else pc.and_(repeated, same)
    rows = np.flatnonzero(repeated.to_numpy())
    if len(rows) == 0:
        return columns
    keep = pa.array(~repeated.to_numpy())
    numbers = rows + 1 if columns.lines is None else columns.lines[rows]
    lines = columns.lines
    if lines is not None:
        lines = lines[np.flatnonzero(~repeated.to_numpy())]
    arrays = {
        role: pa.chunked_array([array.filter(keep).combine_chunks()])
        for role, array in columns.arrays.items()
    }
    for role in ("user", "item"):  # the header's name must not be among the ids
        arrays[role] = pa.chunked_array([arrays[role].cast(pa.string()).combine_chunks()])
    bad = {**columns.bad, "the header again": [int(number) for number in numbers]}
    return Columns(arrays, columns.rows, bad, lines)


def _has(ids: Any, name: str) -> bool:
    return any(name in chunk.dictionary.to_pylist() for chunk in ids.chunks)
