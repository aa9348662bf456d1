"""The border: from whatever sparse matrix a caller has to one canonical CSR matrix, checked once."""

from __future__ import annotations

import logging
from typing import Any

import numpy as np
from scipy import sparse

from halfstep.errors import InputError

log = logging.getLogger("halfstep")


def as_csr(matrix: Any, name: str = "user_items") -> sparse.csr_matrix:
    """Return `matrix` as a canonical CSR matrix: indices sorted, duplicates summed.

    Parameters
    ----------
    matrix
        Any two-dimensional SciPy sparse matrix or array, with 32- or 64-bit indices. It is never
        written to; arrays that need no change are shared with the result. CuPy's sparse matrices are
        copied to the host.
    name
        What errors call it.

    Returns
    -------
    csr_matrix (rows, columns)
        Stored zeros are kept: to the `implicit` convention they are entries of confidence 0.

    Raises
    ------
    InputError
        Not sparse, not two-dimensional, not numeric, or a stored value that is NaN or infinite.
    """
    if type(matrix).__module__.startswith("cupyx.scipy.sparse"):
        matrix = matrix.get()
    if not sparse.issparse(matrix):
        raise InputError(
            f"{name} must be a SciPy sparse matrix or array, got {type(matrix).__name__}"
        )
    if len(matrix.shape) != 2:
        raise InputError(f"{name} must be two-dimensional, got shape {matrix.shape}")
    if matrix.dtype.kind not in "biuf":
        raise InputError(f"{name} must hold real numbers, got dtype {matrix.dtype}")
    _check_indices(matrix, name)
    if matrix.dtype.kind == "b" or (matrix.dtype.kind in "iu" and not _is_canonical_csr(matrix)):
        # Small integers would wrap around where duplicates are summed.
        matrix = matrix.astype(np.int64)
    csr = sparse.csr_matrix(matrix)
    if not csr.has_canonical_format:
        # csr_matrix(csr) shares its arrays, and sum_duplicates works in place.
        csr = csr.copy()
        csr.sum_duplicates()
    finite = np.isfinite(csr.data)
    if not finite.all():
        entry = int(np.argmin(finite))
        row = int(np.searchsorted(csr.indptr, entry, side="right")) - 1
        raise InputError(
            f"{name} must be finite, got {csr.data[entry]} at row {row}, "
            f"column {csr.indices[entry]}"
        )
    return csr


def _is_canonical_csr(matrix: Any) -> bool:
    return matrix.format == "csr" and bool(matrix.has_canonical_format)


def _check_indices(matrix: Any, name: str) -> None:
    """Raise InputError for indices outside the shape, on which SciPy's compiled code would crash.

    SciPy checks coordinates when it is given them, but not the arrays of a compressed matrix.
    """
    if matrix.format not in ("csr", "csc"):
        return
    rows, columns = matrix.shape
    lines, bound = (rows, columns) if matrix.format == "csr" else (columns, rows)
    indptr, indices = matrix.indptr, matrix.indices
    ends = (int(indptr[0]), int(indptr[-1])) if len(indptr) else (0, 0)
    if len(indptr) != lines + 1 or ends[0] != 0 or (np.diff(indptr) < 0).any():
        raise InputError(f"{name} must have row pointers that rise from 0, one more than rows")
    if ends[1] > min(len(indices), len(matrix.data)):
        raise InputError(f"{name} must store as many entries as its row pointers say, {ends[1]}")
    used = indices[: ends[1]]
    if len(used) and (used.min() < 0 or used.max() >= bound):
        wrong = used.min() if used.min() < 0 else used.max()
        raise InputError(f"{name} must have item ids from 0 to {bound - 1}, got {wrong}")


def not_empty(csr: sparse.csr_matrix, name: str = "user_items") -> sparse.csr_matrix:
    """Return `csr`; raise InputError if it has no rows or no columns, and log if it stores nothing.

    A matrix of no entries has a model, as in `implicit`: one whose factors are all zero.
    """
    if min(csr.shape) == 0:
        raise InputError(f"{name} must have at least one row and one column, got shape {csr.shape}")
    if csr.nnz == 0:
        log.warning("%s of shape %s stores no entry: all factors will be zero", name, csr.shape)
    return csr
