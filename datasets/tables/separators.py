"""Find what separates the fields of a text table, and whether they are in quotes."""

from __future__ import annotations

import csv
import io
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from halfstep.datasets.tables.header import names_columns
from halfstep.errors import InputError

SEPARATORS = ("\t", "::", ",", ";", "|")
SAMPLE = 1000  # lines


def mark_of(separator: str) -> str:
    """Return the separator as the readers get it, who split at one character only."""
    return "\x1f" if separator == "::" else separator


def split(lines: Sequence[str], said: str | None, path: Path) -> tuple[str, bool, list[list[str]]]:
    """Return (separator, whether fields are in quotes, the rows of the sample).

    The separator is the one by which most lines have the same number of fields, among equals one by
    which the first line has as many, then the one that makes more fields; blanks are considered last.

    Raises
    ------
    InputError
        No separator makes two fields of the lines, or two of them do it equally well.
    """
    if said is not None:
        if said == "":
            raise InputError("--separator must not be empty")
        quoted = _are_quoted(lines, said)
        return said, quoted, _rows(lines, said, quoted)
    candidates = []
    for separator in SEPARATORS:
        if any(separator in line for line in lines):
            found = _candidate(lines, separator)
            candidates += [found] if found.width >= 2 else []
    best = max(candidates, key=lambda one: one.rank, default=None)
    if best is None or best.share < 0.8 or not best.whole:
        blank = _candidate(lines, " ")
        if blank.width >= 2 and (best is None or blank.rank[:2] > best.rank[:2]):
            return blank.separator, blank.quoted, blank.rows
    if best is not None:
        _check_unique(best, candidates, path)
        return best.separator, best.quoted, best.rows
    line = next(line for line in lines if line.strip())[:60]
    raise InputError(
        f"{path}: a table must have at least 2 columns (user, item), its first line is {line!r}; if its "
        "columns are separated by something unusual, say --separator (in Python separator=)"
    )


@dataclass(frozen=True)
class _Candidate:
    """What a separator makes of the sample.

    `share` is the share of rows with the most frequent number of fields, `width`, without the first row,
    which may be a header that is shorter; `whole` tells that the first row has as many.
    """

    separator: str
    quoted: bool
    rows: list[list[str]]
    share: float
    whole: bool
    width: int

    @property
    def rank(self) -> tuple[float, bool, int]:
        return self.share, self.whole, self.width


def _candidate(lines: Sequence[str], separator: str) -> _Candidate:
    quoted = _are_quoted(lines, separator)
    rows = _rows(lines, separator, quoted)
    counts = Counter(len(row) for row in rows[1:] or rows)
    width, count = counts.most_common(1)[0]
    # Rounded, so that one broken line more or less does not decide against more fields.
    share = round(count / sum(counts.values()), 1)
    return _Candidate(separator, quoted, rows, share, len(rows[0]) == width, width)


def _check_unique(best: _Candidate, candidates: Sequence[_Candidate], path: Path) -> None:
    """Raise InputError if another separator is as good, and the columns' names do not decide.

    A tab is hardly ever part of a text, and so needs no decision.
    """
    equal = [one for one in candidates if one.rank == best.rank and one.separator != best.separator]
    if not equal or best.separator == "\t" or names_columns(best.rows[0]):
        return
    marks = " or ".join(repr(one.separator) for one in (best, *equal))
    line = " / ".join(repr(best.separator.join(row)[:60]) for row in best.rows[:2])
    raise InputError(
        f"{path}: it cannot be told whether {marks} separates the columns of {line}; say which: "
        "--separator (in Python separator=)"
    )


def _rows(lines: Sequence[str], separator: str, quoted: bool) -> list[list[str]]:
    """Split the sample; blank lines are left out."""
    if not quoted:
        return [
            line.split() if separator == " " else line.split(separator)
            for line in lines[:SAMPLE]
            if line.strip()
        ]
    mark = mark_of(separator)
    text = "\n".join(lines).replace(separator, mark)
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
