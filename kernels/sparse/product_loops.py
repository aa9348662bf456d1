"""The compiled loop of `halfstep.kernels.sparse.product`."""

from __future__ import annotations

from typing import Any

from halfstep.kernels.cpu.compile import compiled


@compiled
def multiply(indptr: Any, indices: Any, data: Any, B: Any, first: int, stop: int, out: Any) -> None:
    """Write the rows `first` to `stop` of A B to `out`."""
    f = B.shape[1]
    for i in range(first, stop):
        row = out[i]
        for k in range(f):
            row[k] = 0
        for e in range(indptr[i], indptr[i + 1]):
            a = data[e]
            b = B[indices[e]]
            for k in range(f):
                row[k] += a * b[k]
