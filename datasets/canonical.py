"""The canonical form that the matrix of every data set has."""

from __future__ import annotations

import numpy as np
from scipy.sparse import csr_matrix, sparray, spmatrix


def canonical_csr(matrix: spmatrix | sparray) -> csr_matrix:
    """Return `matrix` in the form that `Dataset` promises; duplicates are added in its dtype."""
    result = csr_matrix(matrix)
    result.sum_duplicates()
    with np.errstate(over="ignore"):  # a value beyond float32 becomes inf, and then float64 is kept
        single = result.data.astype(np.float32)
    exact = bool(np.array_equal(single.astype(np.float64), result.data.astype(np.float64)))
    small = max(*result.shape, result.nnz) <= np.iinfo(np.int32).max
    index = np.int32 if small else np.int64
    compact = csr_matrix(result.shape, dtype=np.float32 if exact else np.float64)
    # Assigned, not passed to the constructor, which would choose an index type of its own.
    compact.data = single if exact else result.data.astype(np.float64)
    compact.indices = result.indices.astype(index, copy=False)
    compact.indptr = result.indptr.astype(index, copy=False)
    compact.has_canonical_format = True
    return compact
