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
    ids = {role: columns.arrays[role] for role in ("user", "item")}
    names = {role: dialect.names[dialect.roles.columns[role]] for role in ids}
    if not all(names[role] and _has(ids[role], names[role]) for role in ids):
        return columns
    here = [pc.equal(ids[role].cast(pa.string()), names[role]).to_numpy() for role in ids]
    repeated = here[0] & here[1]
    rows = np.flatnonzero(repeated)
    if len(rows) == 0:
        return columns
    keep = pa.array(~repeated)
    numbers = rows + 1 if columns.lines is None else columns.lines[rows]
    lines = None if columns.lines is None else columns.lines[np.flatnonzero(~repeated)]
    arrays = {
        role: pa.chunked_array([array.filter(keep).combine_chunks()])
        for role, array in columns.arrays.items()
    }
    for role in ids:  # the header's name must not be among the ids
        arrays[role] = pa.chunked_array([arrays[role].cast(pa.string()).combine_chunks()])
    bad = {**columns.bad, "the header again": [int(number) for number in numbers]}
    return Columns(arrays, columns.rows, bad, lines)


def _has(ids: Any, name: str) -> bool:
    """Return whether a name is among the distinct texts of a column; integers hold none."""
    import pyarrow as pa
    import pyarrow.compute as pc

    return pa.types.is_dictionary(ids.type) and any(
        pc.index(chunk.dictionary, name).as_py() >= 0 for chunk in ids.chunks
    )
