"""Compiled loops over a dump's bytes: parse and write integers, find names, group triples.

Each loop over text handles one block of whole lines without the GIL, so that threads share the blocks.
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
        The byte between two fields.
    smallest
        (fields,), the smallest value allowed in each field.
    values
        (fields, lines), written.
    odd
        (lines,), written: True where a line is anything but plain digits and single separators, or a
        value is too small; the line's `values` are then undefined.
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

    Written: `ids` (lines,), -1 where a line is anything else; `names` (lines,) and `starts`
    (lines + 1,), the positions in `text` where each name and each line begins.
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
    """Write non-negative `values` (fields, lines) as lines into `text`; return the number of bytes."""
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
) -> None:
    """Group triples by row and column, in their order where these are equal.

    Two stable counting sorts, by column and then by row, need no comparisons. `indptr` (rows + 1,),
    and `indices` and `totals`, of the length of the triples, are written.
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
