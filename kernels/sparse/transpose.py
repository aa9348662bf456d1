"""The transpose of a CSR matrix: a counting sort by column, with one result on any number of threads.

The rows are cut into pieces with about equally many entries. Each piece counts its entries per column.
The counts tell where in the result a piece's entries of a column begin: after those of the pieces
before. So every entry has one place, whichever thread writes it, and each row of the result keeps the
order of the original rows. Beside the result, only one count per column and piece is allocated: with
many threads so few pieces are made that the counts take at most half of what the result does.

The scattered writes bound the speed: to scatter two weights for each entry took twice as long as to
scatter the one value that both are made of. So the columns are scattered in bands with about equally
many entries, whose places stay longer in the caches; a row's entries of a band are neighbours, and a
cursor says where they end. Four bands take three quarters of the CPU time of one for 60 million entries
of 59,000 columns, nine tenths for 24 million of 1.6 million; with 32 the cursors cost what they save.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from halfstep.kernels.cpu.compile import compiled
from halfstep.kernels.cpu.threads import cores, spread
from halfstep.kernels.sparse.counts import pieces_for, starts_and_places
from halfstep.types import Floats, Integers

BANDS = 4


@compiled
def count(indices: Any, first: int, last: int, counts: Any) -> None:
    """Add to `counts` (columns,) how many of the entries `first` to `last` each column has."""
    for e in range(first, last):
        counts[np.uint64(indices[e])] += 1


@compiled
def scatter(
    indptr: Any,
    indices: Any,
    data: Any,
    first_row: int,
    last_row: int,
    limit: Any,
    cursors: Any,
    places: Any,
    rows: Any,
    values: Any,
) -> None:
    """Write a piece's entries of the columns below `limit` that are not yet written to their places.

    `cursors` holds each row's next entry, `places` each column's next place.
    """
    for u in range(first_row, last_row):
        end = indptr[u + 1]
        e = cursors[u]
        while e < end:
            # Unsigned, so that Numba does not test for negative indices.
            column = np.uint64(indices[np.uint64(e)])
            if column >= limit:
                break
            place = places[column]
            places[column] = place + 1
            rows[np.uint64(place)] = u
            values[np.uint64(place)] = data[np.uint64(e)]
            e += 1
        cursors[u] = e


def transpose(
    indptr: Integers,
    indices: Integers,
    values: Floats,
    columns: int,
    dtype: npt.DTypeLike,
    num_threads: int = 0,
    bands: int = 1,
) -> tuple[Integers, Integers, Floats]:
    """Return the transpose of a CSR matrix: indptr, indices, and values in `dtype`.

    Its rows are sorted; duplicates stay, in their order. With `bands` above 1, best with BANDS, the rows
    that are given must be sorted too.
    """
    threads = cores(num_threads)
    lines, entries = len(indptr) - 1, int(indptr[-1])
    parts = pieces_for(entries, columns, threads)
    cuts = np.searchsorted(indptr, np.linspace(0, entries, parts + 1)[1:-1])
    bounds = np.concatenate([[0], cuts, [lines]]).astype(np.int64)
    pieces = [(int(a), int(b)) for a, b in pairwise(bounds)]
    counts = np.zeros((parts, columns), np.int64)

    def count_piece(piece: int, _: None) -> None:
        first, last = pieces[piece]
        count(indices, int(indptr[first]), int(indptr[last]), counts[piece])

    spread(range(parts), threads, lambda: None, count_piece)
    most = np.iinfo(np.int32).max
    starts = starts_and_places(counts, np.int64 if entries > most else np.int32)
    rows = np.empty(entries, np.int64 if lines > most else np.int32)
    transposed = np.empty(entries, dtype)

    cursors = indptr[:-1].astype(np.int64)
    ends = np.searchsorted(starts, np.linspace(0, entries, bands + 1)[1:-1])
    limits = [*map(np.uint64, ends), np.uint64(columns)]

    def scatter_piece(piece: int, _: None) -> None:
        first, last = pieces[piece]
        given = indptr, indices, values, first, last
        for limit in limits:
            scatter(*given, limit, cursors, counts[piece], rows, transposed)

    spread(range(parts), threads, lambda: None, scatter_piece)
    return starts, rows, transposed
