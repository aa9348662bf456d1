"""Number ids contiguously, and build a canonical matrix of counts, each in a few passes."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from halfstep.datasets.text.kernels import group_counts
from halfstep.errors import InputError
from halfstep.kernels.sparse.order import add_duplicates

# A table of all ids up to the largest is faster than hashing if it is not much longer than the data.
_DENSE = 1 << 26
_EXACT_IN_FLOAT32 = 1 << 24


def number(ids: NDArray[Any]) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
    """Return (number of each id, the distinct ids in ascending order); ids must not be negative."""
    largest = int(ids.max())
    if largest >= _DENSE:
        import pandas as pd

        codes, uniques = pd.factorize(ids, sort=True)
        return codes.astype(np.int32), np.asarray(uniques, np.int64)
    seen = np.zeros(largest + 1, np.bool_)
    seen[ids] = True
    different = np.flatnonzero(seen)
    table = np.zeros(largest + 1, np.int32)
    table[different] = np.arange(len(different), dtype=np.int32)
    return table[ids], different


def count_matrix(
    rows: NDArray[np.int32],
    columns: NDArray[np.int32],
    counts: NDArray[Any],
    shape: tuple[int, int],
) -> csr_matrix:
    """Return the canonical CSR matrix of integer triples; counts of the same pair are added in int64.

    Raises
    ------
    InputError
        There are more than 2^31 - 1 triples, or the sum of all counts does not fit 64 bits.
    """
    if len(rows) > np.iinfo(np.int32).max:
        raise InputError(f"there must be at most {np.iinfo(np.int32).max} rows, got {len(rows)}")
    if float(counts.sum(dtype=np.float64)) >= 2.0**63:
        raise InputError(f"counts must add up to less than 2^63, got {counts.sum(dtype=float):.3g}")
    indptr = np.empty(shape[0] + 1, np.int64)
    indices = np.empty(len(rows), np.int32)
    totals = np.empty(len(rows), np.int64)
    group_counts(rows, columns, counts, indptr, indices, totals)
    entries = add_duplicates(indptr, indices, totals)
    totals.resize(entries, refcheck=False)
    indices.resize(entries, refcheck=False)
    single = int(totals.max()) <= _EXACT_IN_FLOAT32 or bool(
        (totals.astype(np.float32).astype(np.int64) == totals).all()
    )
    matrix = csr_matrix(shape, dtype=np.float32 if single else np.float64)
    matrix.data = totals.astype(matrix.dtype)
    small = max(*shape, entries) <= np.iinfo(np.int32).max
    matrix.indices = indices.astype(np.int32 if small else np.int64, copy=False)
    matrix.indptr = indptr.astype(np.int32 if small else np.int64)
    matrix.has_canonical_format = True
    return matrix
