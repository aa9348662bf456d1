"""Read the columns of a text table: with Arrow's CSV reader, or line by line where a line is odd.

Arrow reads on all cores, but takes what it is given: a quote that is never closed swallows the lines
after it, and a field is altered without a word where something follows its closing quote. So what Arrow
read counts only if there is a line for each row. Every other file is read again with Python's csv module
in its strict mode, which says what is wrong in which line.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from halfstep.datasets.tables.columns import Columns, NotUtf8, OtherDialect, check_dialect
from halfstep.datasets.tables.dialect import Dialect
from halfstep.datasets.tables.encoding import Encoding
from halfstep.datasets.tables.places import place_of
from halfstep.datasets.tables.separators import mark_of
from halfstep.datasets.tables.stream import Utf8
from halfstep.datasets.tables.strict import read_strictly
from halfstep.datasets.tables.survey import Survey, survey
from halfstep.datasets.text.packed import packing_of, unpacked
from halfstep.errors import InputError

_BLOCK = 16 << 20
_ID = re.compile("0|[1-9][0-9]{0,17}")


def read_columns(path: Path, dialect: Dialect, encoding: Encoding) -> Columns:
    """Read the columns that have a role.

    Raises
    ------
    InputError
        The file is damaged.
    NotUtf8
        It is not UTF-8 although `encoding` says so.
    """
    try:
        if not encoding.mixed and not dialect.blank_before_quote and _is_arrows(dialect):
            columns = _quickly(path, dialect, encoding)
            if columns is not None:
                return columns
        return read_strictly(path, dialect, encoding)
    except OtherDialect as other:
        columns = read_columns(path, replace(dialect, **other.changes), encoding)
        if columns.bad and "newline" in other.changes:
            raise InputError(
                f"{path}: some carriage returns stand alone, and it cannot be told whether they end "
                "lines or belong to fields; write every line's end as \\n"
            ) from None
        return columns


def _is_arrows(dialect: Dialect) -> bool:
    """Return whether Arrow can split such lines."""
    if dialect.separator == " ":
        return not dialect.quoted
    return len(mark_of(dialect.separator).encode()) == 1


def _passes_on(dialect: Dialect, encoding: Encoding) -> bool:
    """Return whether the file's bytes are what Arrow can read."""
    return (
        encoding.codec == "utf-8"
        and dialect.newline == "\n"
        and dialect.separator not in ("::", " ")
        and len(dialect.separator.encode()) == 1
    )


def _quickly(path: Path, dialect: Dialect, encoding: Encoding) -> Columns | None:
    """Read with Arrow; None if a line is odd."""
    import pyarrow as pa

    known = None
    if not packing_of(path) and _passes_on(dialect, encoding):
        known = survey(path, dialect.separator, dialect.skipped)
        check_dialect(dialect, known)
    kinds = _kinds(dialect, integers=known is not None and known.plain)
    try:
        found = _with_arrow(path, dialect, encoding, kinds, known)
    except pa.ArrowInvalid as error:
        if "UTF8" in str(error) and encoding.codec == "utf-8":
            raise NotUtf8 from None
        if not any(kind in str(error) for kind in ("int64", "double")):
            return None
        kinds = _kinds(dialect, integers=False, numbers=False)
        try:
            found = _with_arrow(path, dialect, encoding, kinds, known)
        except pa.ArrowInvalid as again:
            if "UTF8" in str(again) and encoding.codec == "utf-8":
                raise NotUtf8 from None
            return None
    check_dialect(dialect, found.survey)
    count = found.table.num_rows + len(found.bad)
    if count + dialect.skipped + found.blank != found.survey.lines:
        return None
    # Arrow takes a quote that is never closed in the last line for closed.
    if dialect.quoted and (found.survey.stray or found.survey.quotes % 2):
        return None
    # Arrow does not count blank lines: only where there are none are its numbers those of lines.
    if found.bad and found.blank:
        return None
    lines: Any = None
    bad: dict[str, list[int]] = {}
    if found.blank == 0:
        lines = _Numbers(dialect.skipped + 1)
        if found.bad:
            numbers = np.arange(dialect.skipped + 1, found.survey.lines + 1)
            lines = np.setdiff1d(numbers, [number for number, _ in found.bad])
    for number, reason in found.bad:
        bad.setdefault(reason, []).append(number)
    arrays = {role: found.table.column(role) for role in kinds}
    return Columns(arrays, count, bad, lines)


@dataclass
class _Found:
    """What Arrow read: the table, (line, reason) of each bad row, and what its bytes show."""

    table: Any
    bad: list[tuple[int, str]]
    blank: int
    survey: Survey


class _Numbers:
    """The line numbers of rows without a gap, as an array that is made when it is asked."""

    def __init__(self, first: int) -> None:
        self._first = first

    def __getitem__(self, rows: Any) -> Any:
        return np.asarray(rows) + self._first


def _kinds(dialect: Dialect, *, integers: bool, numbers: bool = True) -> dict[str, Any]:
    """Return the Arrow type of each column that has a role.

    `integers`: ids may be read as integers, which then are written plainly. `numbers`: values and times
    may be read as numbers.
    """
    import pyarrow as pa

    kinds = {}
    for role, place in dialect.roles.columns.items():
        fields = [row[place].strip() for row in dialect.samples]
        if role in ("value", "time"):
            found = place_of(fields)
            kinds[role] = pa.string()
            if numbers and found.number and "" not in fields and not any("," in f for f in fields):
                whole = found.whole and all(field.lstrip("-").isdecimal() for field in fields)
                # Arrow reads 0x10 as an integer, which is no number here.
                kinds[role] = pa.int64() if whole and integers else pa.float64()
        elif integers and role != "name" and all(_ID.fullmatch(field) for field in fields):
            kinds[role] = pa.int64()
        else:
            kinds[role] = pa.dictionary(pa.int32(), pa.string())
    return kinds


def _with_arrow(
    path: Path,
    dialect: Dialect,
    encoding: Encoding,
    kinds: dict[str, Any],
    known: Survey | None,
    threads: bool = True,
) -> _Found:
    """Read on all cores, and once more on one if rows have another number of fields.

    Only one thread that reads all rows in order knows their numbers.
    """
    from pyarrow import csv

    def skip(row: Any) -> str:
        if row.text.strip():
            short = row.actual_columns < row.expected_columns
            bad.append((row.number, "missing fields" if short else "extra fields"))
        else:
            blank.append(row.number)
        return "skip"

    bad: list[tuple[Any, str]] = []
    blank: list[Any] = []
    roles = {place: role for role, place in dialect.roles.columns.items()}
    names = [roles.get(place, f" {place}") for place in range(dialect.width)]
    with _source(path, dialect, encoding, known) as (source, seen):
        table = csv.read_csv(
            source,
            read_options=csv.ReadOptions(
                use_threads=threads,
                block_size=_BLOCK,
                skip_rows=dialect.skipped,
                column_names=names,
            ),
            parse_options=csv.ParseOptions(
                delimiter=mark_of(dialect.separator),
                quote_char='"' if dialect.quoted else False,
                newlines_in_values=dialect.quoted,
                invalid_row_handler=skip,
            ),
            convert_options=csv.ConvertOptions(
                column_types=kinds,
                include_columns=list(kinds),
                null_values=[],
                strings_can_be_null=False,
            ),
        )
    if bad and threads:
        return _with_arrow(path, dialect, encoding, kinds, known, threads=False)
    return _Found(table, bad, seen.blank + len(blank), seen)


@contextmanager
def _source(
    path: Path, dialect: Dialect, encoding: Encoding, known: Survey | None
) -> Iterator[tuple[Any, Survey]]:
    """Yield (what Arrow reads, its survey, which is whole when Arrow has read).

    Arrow reads a file that was surveyed by itself, twice as fast.
    """
    import pyarrow as pa

    if known is not None:
        yield str(path), known
        return
    with unpacked(path) as file:
        stream = Utf8(
            file, path, encoding.codec, dialect.newline, dialect.separator, dialect.skipped
        )
        # In memory: after an error Arrow's threads would still wait for a Python file, and Python for
        # these threads at its end.
        parts = []
        while piece := stream.read(_BLOCK):
            parts.append(piece)
        yield pa.BufferReader(b"".join(parts)), stream.survey
