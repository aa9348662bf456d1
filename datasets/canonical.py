"""The canonical form that the matrix of every data set has."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix, sparray, spmatrix

from halfstep.errors import InputError


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


def summable(values: NDArray[Any]) -> NDArray[Any]:
    """Return numbers as int64 or float64, whichever holds their sum; booleans count 0 and 1.

    Raises
    ------
    InputError
        Values are not numbers, or not finite.
    """
    if values.dtype.kind == "b":
        return values.astype(np.int64)
    if values.dtype.kind in "iu":
        bound = max(abs(int(values.min())), abs(int(values.max()))) * len(values)
        # Beyond 2^63, sums in int64 could overflow silently.
        return values.astype(np.int64 if bound < 2**63 else np.float64, copy=False)
    if values.dtype.kind != "f":
        raise InputError(f"values must be numbers, got dtype {values.dtype}")
    finite = np.isfinite(values)
    if not finite.all():
        where = int(np.argmin(finite))
        raise InputError(f"values must be finite, got {values[where]} at position {where}")
    return values.astype(np.float64, copy=False)
