"""Changes of coordinates: Y, and the rows' starts and solutions, times an f x f matrix, on all threads.

`halfstep.solvers.whitening` computes the matrices; this module pads and applies them. A product with a
triangle takes half the operations, by SciPy's BLAS. `scipy.linalg.blas` holds the GIL while it computes,
so two threads would take turns; a call through `ctypes` releases it. What is called is `trmm` as SciPy
exports it for Cython.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt
from numba.extending import get_cython_function_address

from halfstep.kernels import phases
from halfstep.kernels.cpu.bfloat16 import pack
from halfstep.kernels.cpu.threads import spread
from halfstep.types import Floats

Matrix = npt.NDArray[np.float64]
_BLOCK_NUMBERS = 1 << 17
UNIT = 8  # rows
_POINTERS = [ctypes.c_void_p] * 11
_ONE: dict[int, Any] = {4: np.ones(1, np.float32), 8: np.ones(1, np.float64)}


def rotate(
    Y: Floats,
    forward: Matrix | None,
    triangular: bool,
    padded_to: int,
    threads: int,
    bfloat16: bool,
    sizes: Floats,
) -> npt.NDArray[Any]:
    """Return Z = Y forward, padded with zeros to `padded_to` columns and one more row.

    Parameters
    ----------
    Y
        (rows, f).
    forward
        (f, f); None for the identity.
    triangular
        Whether `forward` is an upper triangle.
    padded_to
        Columns of Z.
    bfloat16
        Round Z to bfloat16 and pack it: see `bfloat16`.
    sizes
        Written: the squared length of each row of Z, (rows,); or empty, and not written.

    Returns
    -------
    (rows + 1, padded_to) in Y's dtype, or packed (rows + 1, padded_to / 2) uint32.
    """
    f = Y.shape[1]
    Z = (
        aligned(len(Y) + 1, padded_to // 2, np.uint32)
        if bfloat16
        else aligned(len(Y) + 1, padded_to, Y.dtype)
    )
    Z[-1] = 0
    upper = True if triangular else None
    apply = rotation(forward, f, padded_to, Y.dtype, upper)
    rows = max(64, _BLOCK_NUMBERS // f)

    def run(start: int, wide: Floats) -> None:
        block, target = Y[start : start + rows], Z[start : min(start + rows, len(Y))]
        rotated = wide[: len(block)] if bfloat16 else target
        apply(block, rotated)
        if bfloat16:
            pack(rotated, target)
        if len(sizes):
            np.vecdot(rotated, rotated, out=sizes[start : start + rows])
        phases.lap(phases.FIXED)

    spread(range(0, len(Y), rows), threads, lambda: np.empty((rows, padded_to), Y.dtype), run)
    return Z


def aligned(rows: int, columns: int, dtype: npt.DTypeLike) -> npt.NDArray[Any]:
    """Return an array whose first element is at the start of a cache line."""
    size = np.dtype(dtype).itemsize
    room = np.empty(rows * columns + 64 // size, dtype)
    skip = -room.ctypes.data % 64 // size
    return room[skip : skip + rows * columns].reshape(rows, columns)


def rotation(
    matrix: Matrix | None, rows: int, columns: int, dtype: npt.DTypeLike, upper: bool | None
) -> Callable[[Floats, Floats], None]:
    """Return a function that writes its first argument times `matrix`, padded, to its second.

    The function's arguments are C-contiguous, (n, rows) and (n, columns); where `matrix` is a triangle,
    the wider of the two may be overwritten. `upper` says which triangle: True, False, or None for a full
    matrix.
    """
    width, small = max(rows, columns), min(rows, columns)

    def copy(source: Floats, target: Floats) -> None:
        target[:, :small] = source[:, :small]
        target[:, small:] = 0

    if matrix is None:
        return copy
    square = np.zeros((width, width), dtype)
    square[: matrix.shape[0], : matrix.shape[1]] = matrix
    if upper is None and np.dtype(dtype) == np.float64:
        padded = np.ascontiguousarray(square[:rows, :columns])

        def multiply(source: Floats, target: Floats) -> None:
            np.matmul(source, padded, out=target)

        return _by_whole_units(multiply, rows, columns, dtype)

    if upper is None:
        above, below = np.triu(square), np.tril(square, -1)

        def add_triangles(source: Floats, target: Floats) -> None:
            first = np.zeros((len(source), width), dtype)
            copy(source, first)
            second = first.copy()
            times_triangle(first, above, True)
            times_triangle(second, below, False)
            np.add(first[:, :columns], second[:, :columns], out=target)

        return _by_whole_units(add_triangles, rows, columns, dtype)

    def apply(source: Floats, target: Floats) -> None:
        wide = target if columns == width else source
        if wide is target:
            copy(source, target)
        times_triangle(wide, square, upper)
        if wide is source:
            copy(source, target)

    return _by_whole_units(apply, rows, columns, dtype)


def _by_whole_units(
    product: Callable[[Floats, Floats], None], rows: int, columns: int, dtype: npt.DTypeLike
) -> Callable[[Floats, Floats], None]:
    """Return a product that takes UNIT rows at a time or a multiple, the last ones padded with zeros.

    No row's result may depend on how many rows are beside it, or on its place among them, or the bits
    of a fit would depend on how its rows are cut into blocks and shards. BLAS adds up a row's sums in
    one order in whole units of rows. (Its float32 products with full matrices change the order even
    inside these, so they are made of two triangles; and with more than 320 factors those do, too.)
    """

    def apply(source: Floats, target: Floats) -> None:
        whole = len(source) // UNIT * UNIT
        if whole:
            product(source[:whole], target[:whole])
        left = len(source) - whole
        if left:
            last, solved = np.zeros((UNIT, rows), dtype), np.empty((UNIT, columns), dtype)
            last[:left] = source[whole:]
            product(last, solved)
            target[whole:] = solved[:left]

    return apply


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
