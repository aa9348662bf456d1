"""The product of a CSR matrix and a dense one on all threads; a row is summed in its entries' order."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import sparse

from halfstep.kernels.cpu.threads import cores, spread
from halfstep.types import Floats

# Multiplications. For fewer, SciPy's one thread has finished before another has begun.
_FEW = 1 << 21
_PIECES = 16


def product(A: sparse.csr_matrix, B: Floats, num_threads: int) -> Floats:
    """Return A B (rows, f), for A (rows, columns) and B (columns, f) of one dtype.

    The bits do not depend on the number of threads (0 means all cores).
    """
    if A.nnz * B.shape[1] < _FEW:
        plain: Floats = A @ B
        return plain
    from halfstep.kernels.sparse.product_loops import multiply

    out = np.empty((A.shape[0], B.shape[1]), B.dtype)
    cuts = np.searchsorted(A.indptr, np.linspace(0, A.nnz, _PIECES + 1)[1:-1])
    ends = [0, *cuts.tolist(), A.shape[0]]
    B = np.ascontiguousarray(B)

    def run(piece: int, _: Any) -> None:
        multiply(A.indptr, A.indices, A.data, B, ends[piece], ends[piece + 1], out)

    spread(range(_PIECES), cores(num_threads), lambda: None, run)
    return out
