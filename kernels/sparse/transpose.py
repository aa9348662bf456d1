"""The transpose of a CSR matrix: a counting sort by column, with one result on any number of threads.

The rows are cut into pieces with about equally many entries. Each piece counts its entries per column.
The counts tell where in the result a piece's entries of a column begin: after those of the pieces
before. So every entry has one place, whichever thread writes it, and each row of the result keeps the
order of the original rows. Beside the result, only one count per column and piece is allocated: with
many threads so few pieces are made that the counts take at most half of what the result does.

The scattered writes bound the speed: to scatter two weights for each entry took twice as long as to
scatter the one value that both are made of.
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
    places: Any,
    rows: Any,
    values: Any,
) -> None:
    """Write a piece's entries to their places; `places` holds each column's next one."""
    for u in range(first_row, last_row):
        for e in range(indptr[u], indptr[u + 1]):
            # Unsigned, so that Numba does not test for negative indices.
            column = np.uint64(indices[e])
            place = places[column]
            places[column] = place + 1
            rows[np.uint64(place)] = u
            values[np.uint64(place)] = data[e]


def transpose(
    indptr: Integers,
    indices: Integers,
    values: Floats,
    columns: int,
    dtype: npt.DTypeLike,
    num_threads: int = 0,
) -> tuple[Integers, Integers, Floats]:
    """Return the transpose of a canonical CSR matrix: indptr, indices, and values in `dtype`."""
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

    def scatter_piece(piece: int, _: None) -> None:
        first, last = pieces[piece]
        scatter(indptr, indices, values, first, last, counts[piece], rows, transposed)

    spread(range(parts), threads, lambda: None, scatter_piece)
    return starts, rows, transposed
