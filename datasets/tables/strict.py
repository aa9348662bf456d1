"""Read a text table line by line with Python's csv module, and account for each line that is bad."""

from __future__ import annotations

import csv
from array import array
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from halfstep.datasets.tables.columns import Columns, NotUtf8, check_dialect
from halfstep.datasets.tables.dialect import Dialect
from halfstep.datasets.tables.encoding import Encoding
from halfstep.datasets.tables.separators import mark_of
from halfstep.datasets.tables.stream import Utf8
from halfstep.datasets.text.blocks import LONGEST_LINE, cut
from halfstep.datasets.text.packed import unpacked
from halfstep.errors import InputError

_TOGETHER = 1 << 16  # rows that become Arrow arrays at once


def read_strictly(path: Path, dialect: Dialect, encoding: Encoding) -> Columns:
    """Read the columns that have a role, as `halfstep.datasets.tables.text.read_columns` does.

    Raises
    ------
    InputError
        A quote is never closed, or the file is damaged.
    """
    rows = _Rows(dialect)
    with unpacked(path) as file, _long_fields():
        stream = Utf8(file, path, encoding.codec, dialect.newline, dialect.separator, whole=False)
        if dialect.quoted:
            _quoted(path, dialect, _lines(path, stream, encoding, rows), rows)
        else:
            for number, line in _lines(path, stream, encoding, rows):
                rows.take(number, _split(line, dialect.separator), line)
        check_dialect(dialect, stream.survey)
    arrays = rows.arrays()
    lines = np.frombuffer(rows.lines, np.int64) if rows.lines else np.empty(0, np.int64)
    return Columns(arrays, rows.count, rows.bad, lines)


def _lines(path: Path, stream: Utf8, encoding: Encoding, rows: _Rows) -> Iterator[tuple[int, str]]:
    """Yield (number, text without its end) of each line after the header."""
    for first, block in cut(stream, path):  # type: ignore[arg-type]
        for number, raw in enumerate(block.split(b"\n"), start=first):
            if number <= rows.dialect.skipped:
                continue
            try:
                line = raw.decode("utf-8")
            except UnicodeDecodeError:
                if not encoding.mixed:
                    raise NotUtf8 from None
                rows.leave_out("not UTF-8", number)
                continue
            yield number, line.removesuffix("\r")


def _split(line: str, separator: str) -> list[str]:
    return line.split() if separator == " " else line.split(separator)


def _quoted(path: Path, dialect: Dialect, lines: Iterator[tuple[int, str]], rows: _Rows) -> None:
    """Read rows whose fields may be in quotes and hold line ends."""
    mark = mark_of(dialect.separator)
    if len(mark) != 1:
        raise InputError(
            f"{path}: --separator must be one character where fields are in quotes, got {mark!r}"
        )
    given: deque[int] = deque()

    def feed() -> Iterator[str]:
        for number, line in lines:
            if not line and not given:
                continue
            given.append(number)
            yield line.replace(dialect.separator, mark) + "\n"

    reader = csv.reader(feed(), delimiter=mark, strict=True, skipinitialspace=True)
    while True:
        given.clear()
        try:
            row = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            if "end of data" in str(error):
                raise InputError(
                    f"{path}: the quote that opens in line {given[0]} is never closed; if quotes are "
                    "part of the text, the file cannot be told from one with quoted fields"
                ) from None
            alone = "new-line character" in str(error)
            reason = "a carriage return in a field" if alone else "a quote in the wrong place"
            rows.leave_out(reason, given[0], len(given))
            continue
        # A blank at the end of a line separates nothing.
        if dialect.separator == " " and row and row[-1] == "":
            row = row[:-1]
        rows.take(given[0], row, "".join(row))


class _Rows:
    """Collects the fields that have a role, and the bad lines."""

    def __init__(self, dialect: Dialect) -> None:
        self.dialect = dialect
        self.roles = dialect.roles.columns
        self.lines = array("q")
        self.bad: dict[str, list[int]] = {}
        self.count = 0
        self._fields: dict[str, list[str]] = {role: [] for role in self.roles}
        self._chunks: dict[str, list[Any]] = {role: [] for role in self.roles}

    def take(self, line: int, row: list[str], text: str) -> None:
        """Keep a row, unless it is blank or has another number of fields."""
        if not text.strip():
            return
        if len(row) != self.dialect.width:
            short = len(row) < self.dialect.width
            self.leave_out("missing fields" if short else "extra fields", line)
            return
        self.count += 1
        self.lines.append(line)
        for role, place in self.roles.items():
            self._fields[role].append(row[place])
        if len(self.lines) % _TOGETHER == 0:
            self._gather()

    def leave_out(self, reason: str, line: int, count: int = 1) -> None:
        """Count bad lines."""
        self.count += count
        self.bad.setdefault(reason, []).extend([line] * count)

    def arrays(self) -> dict[str, Any]:
        """Return all columns as Arrow arrays."""
        import pyarrow as pa

        self._gather()
        return {role: pa.chunked_array(chunks) for role, chunks in self._chunks.items()}

    def _gather(self) -> None:
        import pyarrow as pa

        for role, fields in self._fields.items():
            array = pa.array(fields, pa.string())
            if role not in ("value", "time"):
                array = array.dictionary_encode()
            self._chunks[role].append(array)
            self._fields[role] = []


@contextmanager
def _long_fields() -> Iterator[None]:
    """Let a field be as long as a line may be; the limit is one for the whole process."""
    before = csv.field_size_limit(LONGEST_LINE)
    try:
        yield
    finally:
        csv.field_size_limit(before)
