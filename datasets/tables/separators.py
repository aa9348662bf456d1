"""Find what separates the fields of a text table, and whether they are in quotes."""

from __future__ import annotations

import csv
import io
import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from halfstep.errors import InputError

SEPARATORS = ("\t", "::", ",", ";", "|")
SAMPLE = 1000  # lines


def split(lines: Sequence[str], said: str | None, path: Path) -> tuple[str, bool, list[list[str]]]:
    """Return (separator, whether fields are in quotes, the rows of the sample).

    The separator is the one by which most lines have the same number of fields, among equals the one
    that makes more fields; blanks are considered last.

    Raises
    ------
    InputError
        No separator makes two fields of the lines.
    """
    if said is not None:
        if said == "":
            raise InputError("--separator must not be empty")
        quoted = _are_quoted(lines, said)
        return said, quoted, _rows(lines, said, quoted)
    best: tuple[float, int, bool, str, bool, list[list[str]]] | None = None
    for separator in SEPARATORS:
        if not any(separator in line for line in lines):
            continue
        quoted = _are_quoted(lines, separator)
        rows = _rows(lines, separator, quoted)
        found = (*_consistent(rows), separator, quoted, rows)
        if found[1] >= 2 and (best is None or found[:3] > best[:3]):
            best = found
    if best is not None and best[0] >= 0.8:
        return best[3:]
    quoted = _are_quoted(lines, " ")
    rows = _rows(lines, " ", quoted)
    share, width, _ = _consistent(rows)
    if width >= 2 and (best is None or share > best[0]):
        return " ", quoted, rows
    if best is not None:
        return best[3:]
    line = next(line for line in lines if line.strip())[:60]
    raise InputError(
        f"{path}: a table must have at least 2 columns (user, item), its first line is {line!r}; if its "
        "columns are separated by something unusual, say --separator (in Python separator=)"
    )


def _consistent(rows: Sequence[Sequence[str]]) -> tuple[float, int, bool]:
    """Return (the share of rows with the most frequent number of fields, that number, the first's too).

    The first row is left out where there are others, since a header may be shorter.
    """
    counts = Counter(len(row) for row in rows[1:] or rows)
    width, count = counts.most_common(1)[0]
    # Rounded, so that one broken line more or less does not decide against more fields.
    return round(count / sum(counts.values()), 1), width, len(rows[0]) == width


def _rows(lines: Sequence[str], separator: str, quoted: bool) -> list[list[str]]:
    """Split the sample; blank lines are left out."""
    if not quoted:
        return [
            line.split() if separator == " " else line.split(separator)
            for line in lines[:SAMPLE]
            if line.strip()
        ]
    mark = "\x1f" if separator == "::" else separator
    text = "\n".join(lines).replace("::", "\x1f") if separator == "::" else "\n".join(lines)
    if len(mark) != 1:
        return [line.split(separator) for line in lines[:SAMPLE] if line.strip()]
    rows = []
    reader = csv.reader(io.StringIO(text), delimiter=mark, skipinitialspace=True)
    try:
        for row in reader:
            if row and (len(row) > 1 or row[0].strip()):
                rows.append(row)
            if len(rows) == SAMPLE:
                break
    except csv.Error:
        pass
    if len(rows) > 1 and len(lines) > SAMPLE and reader.line_num >= len(lines):
        rows.pop()  # the sample may end inside a quoted field
    return rows or [[""]]


def _are_quoted(lines: Sequence[str], separator: str) -> bool:
    """Return whether quotes enclose fields: those that begin with one mostly end with one.

    Between commas and semicolons a quote at the beginning of a field always encloses it; elsewhere it
    may be the first character of a name.
    """
    if separator not in (*SEPARATORS, " ") and len(separator) != 1:
        return False
    mark = re.escape(separator)
    text = "\n".join(lines[:SAMPLE])
    # Over the whole text, since a quoted field may hold line ends.
    whole = rf'(?m)(^|{mark})[ ]*"(?:[^"]|"")*"[ ]*(?={mark}|$)'
    rest, closed = re.subn(whole, r"\1", text)
    begun = len(re.findall(rf'(?m)(?:^|{mark})[ ]*"', rest))
    return closed > begun or (separator in ",;" and begun > 0)


def blank_before_quote(lines: Sequence[str], separator: str) -> bool:
    """Return whether blanks stand between a separator and a quote."""
    return separator != " " and any(
        re.search(rf'{re.escape(separator)}[ ]+"|^[ ]+"', line) for line in lines[:SAMPLE]
    )
