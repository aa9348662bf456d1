"""The transpose of a CSR matrix: a counting sort by column, spread over threads, the same on any number.

Rows are cut into pieces of about equally many entries. Each piece counts its entries per column; from
the counts follows where in the result its entries of a column begin, after those of the pieces before.
So every entry has one place whichever thread writes it, a result row is in the order of the original
rows, and nothing but the result and a count per column and piece is allocated.

The scattered writes bound it: weighing first and scattering two weights for each entry took twice as
long as scattering its value and weighing once more.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import sparse

from halfstep.kernels.cpu import compiled
from halfstep.kernels.cpu_workers import cores, spread


@compiled
def count(indices: Any, first: int, last: int, counts: Any) -> None:
    """Count the entries `first` to `last` of each column."""
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
    """Write a piece's entries to their places, each column's next one in `places`."""
    for u in range(first_row, last_row):
        for e in range(indptr[u], indptr[u + 1]):
            # Unsigned, so that no index is tested for being negative.
            column = np.uint64(indices[e])
            place = places[column]
            places[column] = place + 1
            rows[np.uint64(place)] = u
            values[np.uint64(place)] = data[e]


def transpose(
    matrix: sparse.csr_matrix, dtype: npt.DTypeLike, num_threads: int = 0
) -> sparse.csr_matrix:
    """Return the transpose of a canonical CSR matrix in canonical CSR, its values in `dtype`."""
    threads = cores(num_threads)
    lines, columns = matrix.shape
    entries = int(matrix.indptr[-1])
    cuts = np.searchsorted(matrix.indptr, np.linspace(0, entries, threads + 1)[1:-1])
    bounds = np.concatenate([[0], cuts, [lines]]).astype(np.int64)
    pieces = [(int(a), int(b)) for a, b in pairwise(bounds)]
    counts = np.zeros((threads, columns), np.int64)

    def count_piece(piece: int, _: None) -> None:
        first, last = pieces[piece]
        count(matrix.indices, int(matrix.indptr[first]), int(matrix.indptr[last]), counts[piece])

    spread(range(threads), threads, lambda: None, count_piece)
    wide = max(lines, entries) > np.iinfo(np.int32).max
    index = np.int64 if wide else np.int32
    indptr = np.zeros(columns + 1, index)
    np.cumsum(counts.sum(axis=0), out=indptr[1:])
    places = indptr[:-1] + np.cumsum(counts, axis=0) - counts
    rows, values = np.empty(entries, index), np.empty(entries, dtype)

    def scatter_piece(piece: int, _: None) -> None:
        first, last = pieces[piece]
        scatter(
            matrix.indptr, matrix.indices, matrix.data, first, last, places[piece], rows, values
        )

    spread(range(threads), threads, lambda: None, scatter_piece)
    transposed = sparse.csr_matrix((values, rows, indptr), shape=(columns, lines), copy=False)
    transposed.has_canonical_format = True
    return transposed
