"""The canonical form that the matrix of every data set has."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix, sparray, spmatrix

from halfstep.errors import InputError
from halfstep.kernels.sparse.canonical import canonical, exact_single, first_not_finite


def canonical_csr(matrix: spmatrix | sparray) -> csr_matrix:
    """Return `matrix` in the form that `Dataset` promises; duplicates are added in int64 or float64.

    It is not written to. Arrays that need no change are shared, and one copy is made otherwise.
    """
    result = canonical(matrix, wide=True)
    small = max(*result.shape, result.nnz) <= np.iinfo(np.int32).max
    index = np.int32 if small else np.int64
    single = exact_single(result.data)
    data = result.data.astype(np.float64, copy=False) if single is None else single
    compact = csr_matrix(result.shape, dtype=data.dtype)
    # Assigned, not passed to the constructor, which would choose an index type of its own.
    compact.data = data
    compact.indices = result.indices.astype(index, copy=False)
    compact.indptr = result.indptr.astype(index, copy=False)
    compact.has_canonical_format = True
    return compact


def addable(values: NDArray[Any]) -> NDArray[Any]:
    """Return numbers in a dtype in which `canonical_csr` can add them: their own, or float64.

    Raises
    ------
    InputError
        Values are not numbers, or not finite.
    """
    if values.dtype.kind == "b" or (values.dtype.kind in "iu" and _fits_64_bits(values)):
        return values
    if values.dtype.kind == "f" and values.dtype.itemsize in (4, 8):
        _check_finite(values)
        return values
    return summable(values)


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
        return values.astype(np.int64 if _fits_64_bits(values) else np.float64, copy=False)
    if values.dtype.kind != "f":
        raise InputError(f"values must be numbers, got dtype {values.dtype}")
    _check_finite(values)
    return values.astype(np.float64, copy=False)


def _fits_64_bits(values: NDArray[Any]) -> bool:
    """Return whether no sum of these integers overflows int64, which it would do silently."""
    ends = (int(values.min()), int(values.max())) if len(values) else (0, 0)
    return max(abs(end) for end in ends) * len(values) < 2**63


def _check_finite(values: NDArray[Any]) -> None:
    where = first_not_finite(values)
    if where is not None:
        raise InputError(f"values must be finite, got {values[where]} at position {where}")
