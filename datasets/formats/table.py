"""Text tables of user, item and perhaps value, time and name, one row a line."""

from __future__ import annotations

from pathlib import Path

from halfstep.datasets.dataset import Dataset
from halfstep.datasets.tables.assemble import assemble
from halfstep.datasets.tables.columns import Columns, NotUtf8, without_headers
from halfstep.datasets.tables.dialect import Dialect, dialect_of
from halfstep.datasets.tables.encoding import Encoding, encoding_of, first_not_utf8
from halfstep.datasets.tables.options import AS_FOUND, TableOptions
from halfstep.datasets.tables.reading import Reading, too_many
from halfstep.datasets.tables.stream import Utf8
from halfstep.datasets.tables.text import read_columns
from halfstep.datasets.text.blocks import LONGEST_LINE, check_is_text
from halfstep.datasets.text.packed import unpacked
from halfstep.errors import InputError

_HEAD = 1 << 20


def read_table(path: Path, options: TableOptions = AS_FOUND) -> Dataset:
    """Read one table, plain or packed (.gz, .bz2, .xz, .zst, .zip).

    Columns are found by what `options` say, then by the header's names, then by place where a table
    without header can be nothing else. Ids become integers where all of a column's are written as
    integers are, otherwise they stay text. Without a value column each row counts 1.

    Raises
    ------
    InputError
        The file is no text table, the columns cannot be told, more than 5 % and more than 20 lines are
        bad and `options.allow_bad_lines` is not set, or `assemble` raises it.
    """
    with unpacked(path) as file:
        start = file.read(_HEAD)
    encoding = encoding_of(path, start, options.encoding)
    try:
        dialect, columns = _read(path, encoding, options)
    except NotUtf8:
        if options.encoding is not None:
            raise InputError(
                f"{path}: line {first_not_utf8(path)} is not {options.encoding}; name the file's "
                "encoding with --encoding (in Python encoding=), or let it be found"
            ) from None
        encoding = encoding_of(path, start, None, whole=True)
        dialect, columns = _read(path, encoding, options)
    reading = _account(path, dialect, encoding, columns)
    bad = sum(map(len, columns.bad.values()))
    if columns.rows == bad:
        raise InputError(f"{path}: all {bad} lines are bad: {reading.reasons()}")
    if too_many(bad, columns.rows) and not options.allow_bad_lines:
        raise InputError(
            f"{path}: {bad} of {columns.rows} lines are bad: {reading.reasons()}; each line must have "
            f"{dialect.width} fields; to read the others, say --allow-bad-lines (in Python "
            "allow_bad_lines=True)"
        )
    return assemble(
        path.name.partition(".")[0],
        columns.arrays,
        reading,
        options,
        rating=dialect.roles.rating,
        text_ids=dialect.text_ids,
        # Between commas, one inside quotes can only stand between thousands.
        decimal_comma=False if dialect.separator == "," else None,
        rows=columns.lines,
    )


def _read(path: Path, encoding: Encoding, options: TableOptions) -> tuple[Dialect, Columns]:
    dialect = dialect_of(_head(path, encoding), options, path)
    return dialect, without_headers(read_columns(path, dialect, encoding), dialect)


def _head(path: Path, encoding: Encoding) -> str:
    """Return the file's first lines, whole ones unless the file has but one."""
    with unpacked(path) as file:
        stream = Utf8(file, path, encoding.codec, "\n", "")
        start, piece = stream.read(_HEAD), b""
        check_is_text(path, start)
        # A first row may be longer than that.
        while (
            start.count(b"\n") < 3 and len(start) < LONGEST_LINE and (piece := stream.read(_HEAD))
        ):
            start += piece
        over = not stream.read(1)
    if len(start) >= LONGEST_LINE and b"\n" not in start:
        raise InputError(
            f"{path}: a line must be at most {LONGEST_LINE >> 20} MiB, line 1 is longer"
        )
    text = start.decode("utf-8", "replace")
    if over:
        return text
    end = max(text.rfind("\n"), text.rfind("\r"))
    return text[: end + 1] if end >= 0 else text


def _account(path: Path, dialect: Dialect, encoding: Encoding, columns: Columns) -> Reading:
    used = dialect.roles.columns
    taken = set(used.values())
    reading = Reading(
        "text",
        [path.name],
        columns={role: dialect.named(place) for role, place in used.items()},
        unused=[dialect.named(at) for at in range(dialect.width) if at not in taken],
        header=dialect.header,
        separator=dialect.separator,
        encoding=encoding.shown,
        rows=columns.rows,
        numbered="line",
        notes=[*dialect.notes, *([encoding.note] if encoding.note else [])],
    )
    for reason, lines in columns.bad.items():
        reading.leave_out(reason, len(lines), lines)
    return reading
