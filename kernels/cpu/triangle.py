"""Products with a triangular matrix, in half the operations, by SciPy's BLAS and without the GIL.

`scipy.linalg.blas` holds the GIL while it computes, so two threads would take turns. A call through
`ctypes` releases it. What is called is `trmm` as SciPy exports it for Cython.
"""

from __future__ import annotations

import ctypes
from functools import cache
from typing import Any

import numpy as np
from numba.extending import get_cython_function_address

from halfstep.types import Floats

_POINTERS = [ctypes.c_void_p] * 11
_ONE: dict[int, Any] = {4: np.ones(1, np.float32), 8: np.ones(1, np.float64)}


@cache
def _trmm(itemsize: int) -> Any:
    name = {4: "strmm", 8: "dtrmm"}[itemsize]
    address = get_cython_function_address("scipy.linalg.cython_blas", name)
    return ctypes.CFUNCTYPE(None, *_POINTERS)(address)


def times_triangle(B: Floats, R: Floats, upper: bool) -> None:
    """Replace B (rows, f) by B R in place; R (f, f) triangular, both C-contiguous of one dtype."""
    rows, f = B.shape
    if not rows:
        return
    one = _ONE[B.itemsize]
    m, n = ctypes.c_int(f), ctypes.c_int(rows)
    # Fortran sees both transposed, so it computes B' <- R' B', and R' is the other triangle.
    words = [ctypes.c_char(c) for c in (b"L", b"L" if upper else b"U", b"N", b"N")]
    arguments = [
        *(ctypes.addressof(word) for word in words),
        ctypes.addressof(m),
        ctypes.addressof(n),
        one.ctypes.data,
        R.ctypes.data,
        ctypes.addressof(m),
        B.ctypes.data,
        ctypes.addressof(m),
    ]
    _trmm(B.itemsize)(*arguments)
