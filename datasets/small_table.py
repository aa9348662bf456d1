"""Small tables of text, in memory: a catalogue of articles, the attributes of users."""

from __future__ import annotations

import csv
import logging
from contextlib import suppress
from io import StringIO
from pathlib import Path
from typing import Any

from halfstep.datasets.formats.columnar import read_columns
from halfstep.datasets.formats.peek import head, read_text
from halfstep.datasets.tables.distinct import plain, strings
from halfstep.datasets.tables.separators import SEPARATORS
from halfstep.errors import InputError

log = logging.getLogger("halfstep")

_SAMPLE = 1 << 16
_BINARY = (b"PAR1", b"ARROW1", b"FEA1", b"\xff\xff\xff\xff")


def read_small_table(path: Path) -> tuple[list[str], list[list[str]]]:
    """Return (the first line or the names of the columns, all columns as text without blanks around).

    Of a text file the first line is a row of the columns too. Lines of another width are left out.

    Raises
    ------
    InputError
        The file cannot be read, or has one column alone.
    """
    if head(path).startswith(_BINARY):
        table = read_columns(path)
        return list(table.column_names), [
            _texts(path, table.column(n)) for n in range(table.num_columns)
        ]
    rows = _rows(path)
    width = len(rows[0])
    # A first line that names no column is a row like the others: it names an item, or none.
    columns: list[list[str]] = [[row[place].strip() for row in rows] for place in range(width)]
    return [column[0] for column in columns], columns


def _texts(path: Path, column: Any) -> list[str]:
    import pyarrow as pa

    whole = plain(column, str(path))
    if pa.types.is_dictionary(whole.type):
        whole = whole.cast(whole.type.value_type)
    text, _ = strings(whole.combine_chunks(), str(path))
    return ["" if one is None else one for one in text.to_pylist()]


def _rows(path: Path) -> list[list[str]]:
    """Return the fields of the lines that have as many as the first one."""
    text = read_text(path)
    sample = "\n".join(text[:_SAMPLE].splitlines()[:50])
    found = [(_split(sample, mark), mark) for mark in SEPARATORS]
    several = [(rows, mark) for rows, mark in found if rows and len(rows[0]) > 1]
    # Where one separator gives all lines as many fields, the others are in the fields.
    several.sort(key=lambda one: len({len(row) for row in one[0]}) > 1)
    if not several:
        raise InputError(
            f"{path}: must have columns for ids and names, its first line is {sample[:60]!r}"
        )
    rows, mark = several[0]
    every = _split(text, mark)
    kept = [row for row in every if len(row) == len(rows[0])]
    if len(kept) < len(every):
        log.warning(
            "%s: %s of %s lines have another number of fields than the first and are left out",
            path, f"{len(every) - len(kept):,}", f"{len(every):,}",
        )  # fmt: skip
    return kept


def _split(text: str, mark: str) -> list[list[str]]:
    if len(mark) == 1:
        with suppress(csv.Error):
            return [row for row in csv.reader(StringIO(text, newline=""), delimiter=mark) if row]
    return [line.split(mark) for line in text.splitlines() if line.strip()]
