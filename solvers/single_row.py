"""A quick look at the row that a single user's query comes with."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import sparse


def is_plain_row(matrix: Any, columns: int) -> bool:
    """Return whether `inputs.as_csr` would find nothing to change or to refuse in this row (1, columns).

    These few looks take a fifth of the time of `as_csr`, which is as long as scoring 4,000 items. They
    are looks at the arrays themselves: SciPy's flags may be older.
    """
    if type(matrix) is not sparse.csr_matrix or matrix.shape != (1, columns):
        return False
    indptr, indices, data = matrix.indptr, matrix.indices, matrix.data
    if len(indptr) != 2 or indptr[0] != 0 or not indptr[1] == len(indices) == len(data):
        return False
    if data.dtype.kind != "f" or not np.isfinite(data).all():
        return False
    rising = (indices[1:] > indices[:-1]).all()
    return not len(indices) or bool(rising and indices[0] >= 0 and indices[-1] < columns)
