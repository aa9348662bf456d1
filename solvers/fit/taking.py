"""The matrix that a fit works on: the caller's, or a copy that is no larger than it must be."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import sparse

from halfstep.kernels.sparse.canonical import exact_single
from halfstep.solvers.inputs import as_csr, not_empty

_WIDE = 8  # bytes


def taken(user_items: Any, num_threads: int) -> sparse.csr_matrix:
    """Return what `fit` was given as canonical CSR; the checks are those of `as_csr` and `not_empty`.

    A copy stays in memory during the fit. So where it was made, because the entries were not in order,
    values of 64 bits are kept in float32 if that holds all of them exactly, as it does counts up to
    2^24: the weights have the same bits.
    """
    matrix = not_empty(as_csr(user_items, num_threads=num_threads))
    own = matrix.data.dtype.itemsize == _WIDE and not _shared(user_items, matrix)
    single = exact_single(matrix.data) if own else None
    if single is not None:
        matrix.data = single
    return matrix


def _shared(user_items: Any, matrix: sparse.csr_matrix) -> bool:
    given = getattr(user_items, "data", None)
    return isinstance(given, np.ndarray) and np.may_share_memory(given, matrix.data)
