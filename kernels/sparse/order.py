"""Entries in the order of their rows and columns: the compiled loops of `canonical`.

A matrix of coordinates is scattered to its rows by a counting sort. Each row is then sorted by column
where it is, with scratch as long as the longest row: a short row by insertion, a longer one by its
columns' bytes, the lowest first. Entries of one column keep their order, so a sum of duplicates is the
same on any number of threads.

Values are moved, not read: `carrier` names the four types that stand for all types of their size.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from halfstep.kernels.cpu.compile import compiled

# Up to so many entries, insertion costs less than clearing 256 counts for each byte.
SHORT = 24
RADIX = 256


def carrier(itemsize: int) -> Any:
    """Return the type that carries values of 1, 2, 4 or 8 bytes; None for another size."""
    return {1: np.uint8, 2: np.uint16, 4: np.float32, 8: np.float64}.get(itemsize)


@compiled
def scatter_pairs(
    keys: Any, others: Any, data: Any, first: int, last: int, places: Any, indices: Any, values: Any
) -> None:
    """Write the entries `first` to `last` to their rows `keys`; `places` holds each row's next place."""
    for e in range(first, last):
        row = np.uint64(keys[e])
        place = places[row]
        places[row] = place + 1
        indices[np.uint64(place)] = others[e]
        values[np.uint64(place)] = data[e]


@compiled
def sort_rows(
    indptr: Any,
    indices: Any,
    values: Any,
    first_row: int,
    last_row: int,
    size: int,
    spare_indices: Any,
    spare_values: Any,
    counts: Any,
) -> None:
    """Sort the rows `first_row` to `last_row` in place by column, entries of one column in their order.

    `size` is the number of bytes of the largest column; `counts` has RADIX numbers, and the spare arrays
    are as long as the longest row.
    """
    for u in range(first_row, last_row):
        begin, end = indptr[u], indptr[u + 1]
        length = end - begin
        sorted_to = begin + 1
        while sorted_to < end and indices[sorted_to - 1] <= indices[sorted_to]:
            sorted_to += 1
        if sorted_to >= end:
            continue
        if length <= SHORT:
            for e in range(sorted_to, end):
                column, value = indices[e], values[e]
                k = e
                while k > begin and indices[k - 1] > column:
                    indices[k] = indices[k - 1]
                    values[k] = values[k - 1]
                    k -= 1
                indices[k] = column
                values[k] = value
            continue
        for byte in range(size):
            shift = np.uint64(8 * byte)
            counts[:] = 0
            for e in range(begin, end):
                counts[(np.uint64(indices[e]) >> shift) & np.uint64(255)] += 1
            total = 0
            for k in range(RADIX):
                count = counts[k]
                counts[k] = total
                total += count
            for e in range(begin, end):
                spare_indices[e - begin] = indices[e]
                spare_values[e - begin] = values[e]
            for e in range(length):
                digit = (np.uint64(spare_indices[e]) >> shift) & np.uint64(255)
                place = counts[digit]
                counts[digit] = place + 1
                indices[begin + place] = spare_indices[e]
                values[begin + place] = spare_values[e]


@compiled
def add_duplicates(indptr: Any, indices: Any, values: Any) -> int:
    """Make one entry of the entries of one row and column, which are neighbours; return how many stay.

    All arrays are written; the entries that stay are moved to the front.
    """
    kept = 0
    begin = indptr[0]
    for u in range(indptr.size - 1):
        end = indptr[u + 1]
        first = kept
        for e in range(begin, end):
            if kept > first and indices[kept - 1] == indices[e]:
                values[kept - 1] += values[e]
            else:
                indices[kept] = indices[e]
                values[kept] = values[e]
                kept += 1
        begin = end
        indptr[u + 1] = kept
    return kept
