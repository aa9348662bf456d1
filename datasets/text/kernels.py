"""The compiled loops over a dump's bytes: integers in and out, and where names stand.

Each reads or writes one block of whole lines without the GIL, so that blocks spread over threads.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from halfstep.kernels.cpu.compile import compiled

NEWLINE, RETURN, TAB, ZERO, MAX_DIGITS = 10, 13, 9, 48, 18


@compiled
def parse_integers(
    text: NDArray[np.uint8],
    separator: int,
    smallest: NDArray[np.int64],
    values: NDArray[np.int64],
    odd: NDArray[np.bool_],
    starts: NDArray[np.int64],
) -> int:
    """Parse lines `digits separator digits ...` and return how many lines there are.

    Parameters
    ----------
    text
        Whole lines, UTF-8 bytes; the last newline may be missing.
    separator
        One byte that stands between two fields.
    smallest
        (fields,) least value allowed in each.
    values
        (fields, lines), written.
    odd
        (lines,), written: True where a line is anything but plain digits and single separators, or a
        value is too small; its values mean nothing.
    starts
        (lines + 1,), written: where each line begins.
    """
    fields = len(smallest)
    line = 0
    at = 0
    end = len(text)
    while at < end:
        starts[line] = at
        good = True
        for field in range(fields):
            value = 0
            first = at
            while at < end and ZERO <= text[at] <= ZERO + 9:
                value = value * 10 + (text[at] - ZERO)
                at += 1
            digits = at - first
            if digits == 0 or digits > MAX_DIGITS or value < smallest[field]:
                good = False
                break
            values[field, line] = value
            if field < fields - 1:
                if at < end and text[at] == separator:
                    at += 1
                else:
                    good = False
                    break
        if at + 1 < end and text[at] == RETURN and text[at + 1] == NEWLINE:
            at += 1
        if at < end and text[at] != NEWLINE:
            good = False
            while at < end and text[at] != NEWLINE:
                at += 1
        odd[line] = not good
        line += 1
        at += 1
    starts[line] = at
    return line


@compiled
def find_names(
    text: NDArray[np.uint8],
    ids: NDArray[np.int64],
    names: NDArray[np.int64],
    starts: NDArray[np.int64],
) -> int:
    """Read the id of each line `digits TAB name` and where its name begins; return the line count.

    `ids` (lines,) is -1 where a line is anything else; `names` (lines,) and `starts` (lines + 1,) are
    places in `text`.
    """
    line = 0
    at = 0
    end = len(text)
    while at < end:
        starts[line] = at
        value = 0
        first = at
        while at < end and ZERO <= text[at] <= ZERO + 9:
            value = value * 10 + (text[at] - ZERO)
            at += 1
        digits = at - first
        good = 0 < digits <= MAX_DIGITS and at < end and text[at] == TAB
        names[line] = at + 1
        while at < end and text[at] != NEWLINE:
            if text[at] == RETURN and not (at + 1 < end and text[at + 1] == NEWLINE):
                good = False
            at += 1
        ids[line] = value if good else -1
        line += 1
        at += 1
    starts[line] = at
    return line


@compiled
def write_integers(values: NDArray[np.int64], separator: int, text: NDArray[np.uint8]) -> int:
    """Write `values` (fields, lines), none negative, as lines into `text`; return the bytes used."""
    fields, lines = values.shape
    digits = np.empty(20, np.uint8)
    at = 0
    for line in range(lines):
        for field in range(fields):
            rest = values[field, line]
            count = 0
            while True:
                digits[count] = ZERO + rest % 10
                count += 1
                rest //= 10
                if rest == 0:
                    break
            for place in range(count):
                text[at + place] = digits[count - 1 - place]
            at += count
            text[at] = separator if field < fields - 1 else NEWLINE
            at += 1
    return at


@compiled
def group_counts(
    rows: NDArray[Any],
    columns: Any,
    counts: NDArray[Any],
    indptr: NDArray[np.int64],
    indices: NDArray[np.int32],
    totals: NDArray[np.int64],
) -> int:
    """Group triples by row, then column, adding up what comes together; return the entries left.

    Two counting sorts, by column and then, keeping that order, by row: no comparison and no sort of a
    row. `indptr` (rows + 1,) is written; `indices` and `totals`, as long as the triples, are written as
    far as the entries go.
    """
    wide = int(columns.max()) + 1
    next_place = np.zeros(wide + 1, np.int64)
    for column in columns:
        next_place[column + 1] += 1
    for column in range(wide):
        next_place[column + 1] += next_place[column]
    by_column = np.empty(len(columns), np.int32)
    for at in range(len(columns)):
        column = columns[at]
        by_column[next_place[column]] = at
        next_place[column] += 1
    tall = len(indptr) - 1
    indptr[:] = 0
    for row in rows:
        indptr[row + 1] += 1
    for row in range(tall):
        indptr[row + 1] += indptr[row]
    place = indptr[:-1].copy()
    for triple in by_column:
        row = rows[triple]
        indices[place[row]] = columns[triple]
        totals[place[row]] = counts[triple]
        place[row] += 1
    filled = 0
    start = 0
    for row in range(tall):
        end = indptr[row + 1]
        first = filled
        for at in range(start, end):
            if filled > first and indices[filled - 1] == indices[at]:
                totals[filled - 1] += totals[at]
            else:
                indices[filled] = indices[at]
                totals[filled] = totals[at]
                filled += 1
        start = end
        indptr[row + 1] = filled
    return filled
