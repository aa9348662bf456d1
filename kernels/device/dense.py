"""Dense algebra on a CUDA device through CuPy, cuBLAS and cuSOLVER, for `CupyBackend`.

cuBLAS stores matrices by columns. A C-contiguous array (rows, f) is to it a matrix (f, rows), so that
C = A B of arrays is C' = B' A' of its matrices: the factors in the other order, nothing transposed.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from halfstep.kernels.device.libraries import Libraries
from halfstep.kernels.device.options import enabled

GRAM_ROWS = 4096  # of a slab, whose product is one partial sum of a Gramian
_REMAINS = 1e-9  # of a factorisation in float64 that has not failed, for any f


def product(
    cupy: Any,
    A: Any,
    B: Any,
    *,
    tf32: bool = False,
    out: Any = None,
    libraries: Libraries | None = None,
) -> Any:
    """Return A B (m, n) of the arrays A (m, k) and B (k, n) of one dtype, all C-contiguous.

    `tf32` lets float32 be multiplied in TF32: 11 significant bits of each factor, and sums in float32.
    The result is written to `out` if given, which must be no part of A and B. `libraries` records the
    product.
    """
    narrow = A.dtype == np.float32
    if libraries is None and not (tf32 and narrow):
        return A @ B if out is None else cupy.matmul(A, B, out=out)
    cublas, handle = _cublas(cupy, libraries)
    if out is None:
        out = cupy.empty((len(A), B.shape[1]), A.dtype)
    compute = cublas.CUBLAS_COMPUTE_32F if narrow else cublas.CUBLAS_COMPUTE_64F
    if tf32 and narrow:
        compute = cublas.CUBLAS_COMPUTE_32F_FAST_TF32
    multiply(cublas, handle, A, B, out, compute)
    return out


def _cublas(cupy: Any, libraries: Libraries | None) -> tuple[Any, Any]:
    """Return CuPy's module and handle of cuBLAS, or those that can be recorded."""
    if libraries is not None:
        return libraries, libraries.handle
    from cupy_backends.cuda.libs import cublas

    return cublas, cupy.cuda.get_cublas_handle()


def multiply(cublas: Any, handle: Any, A: Any, B: Any, out: Any, compute: int) -> None:
    """Write A B to `out` (m, n) by one call of cuBLAS; all are C-contiguous and of one dtype."""
    (m, k), n, kind = A.shape, B.shape[1], np.dtype(A.dtype)
    one, zero = np.ones(1, kind), np.zeros(1, kind)
    real, plain = _CUDA_REAL[kind], cublas.CUBLAS_OP_N
    cublas.gemmEx(
        handle, plain, plain, n, m, k, one.ctypes.data, B.data.ptr, real, n, A.data.ptr, real, k,
        zero.ctypes.data, out.data.ptr, real, n, compute, cublas.CUBLAS_GEMM_DEFAULT,
    )  # fmt: skip


def gram(cupy: Any, Y: Any, libraries: Libraries | None = None) -> Any:
    """Return Y'Y (f, f) in float64: slabs of rows in Y's dtype, added in float64 in a fixed order.

    `libraries` records it, in the way of the option `gram-in-place`.
    """
    rows, f = Y.shape
    slabs, rest = divmod(rows, GRAM_ROWS)
    total = cupy.zeros((f, f), np.float64)
    if libraries is not None or enabled("gram-in-place"):
        cublas, handle = _cublas(cupy, libraries)
        for start, count, each in ((0, slabs, GRAM_ROWS), (slabs * GRAM_ROWS, 1, rest)):
            if count and each:
                parts = cupy.empty((count, f, f), Y.dtype)
                slab_products(cublas, handle, Y[start:], each, parts)
                total += parts.sum(axis=0, dtype=np.float64)
        return total
    if slabs:
        whole = Y[: slabs * GRAM_ROWS].reshape(slabs, GRAM_ROWS, f)
        # CuPy makes a transposed copy of `whole` for this.
        parts = cupy.matmul(whole.transpose(0, 2, 1), whole)
        total += parts.sum(axis=0, dtype=np.float64)
    if rest:
        tail = Y[slabs * GRAM_ROWS :]
        total += tail.T @ tail
    return total


def slab_products(cublas: Any, handle: Any, Y: Any, rows: int, parts: Any) -> None:
    """Write the Gramians of the first slabs of `rows` rows of Y to `parts` (slabs, f, f).

    One call of cuBLAS reads Y where it is: to cuBLAS a slab is a matrix S (f, rows), and its Gramian is
    S S'. Never in TF32, whose error a Gramian would pass on to all coordinates.
    """
    count, f, _ = parts.shape
    kind = np.dtype(Y.dtype)
    one, zero, real = np.ones(1, kind), np.zeros(1, kind), _CUDA_REAL[kind]
    narrow = kind == np.float32
    compute = cublas.CUBLAS_COMPUTE_32F if narrow else cublas.CUBLAS_COMPUTE_64F
    cublas.gemmStridedBatchedEx(
        handle, cublas.CUBLAS_OP_N, cublas.CUBLAS_OP_T, f, f, rows, one.ctypes.data,
        Y.data.ptr, real, f, rows * f, Y.data.ptr, real, f, rows * f,
        zero.ctypes.data, parts.data.ptr, real, f, f * f, count, compute,
        cublas.CUBLAS_GEMM_DEFAULT,
    )  # fmt: skip


# cudaDataType_t of the types that factors have.
_CUDA_REAL = {np.dtype(np.float32): 0, np.dtype(np.float64): 1}


@contextmanager
def on_card(cupy: Any, device: Any) -> Iterator[CardAlgebra]:
    """Make a device the current one, with its algebra, and let nothing wait for its error codes."""
    import cupyx
    from cupyx.scipy.linalg import solve_triangular

    with device, cupyx.errstate(linalg="ignore"):
        yield CardAlgebra(cupy, solve_triangular)


class CardAlgebra:
    """`kernels.algebra.Algebra` on a device, through CuPy (cuSOLVER and cuBLAS); the host never waits.

    Nobody reads whether a factorisation failed. It is multiplied out instead, and where that does not
    give the matrix again, the factor is NaN, which the rows solved with it will be too.
    """

    def __init__(self, cupy: Any, solve_triangular: Any) -> None:
        self.xp, self.solve_triangular = cupy, solve_triangular

    def product(self, A: Any, B: Any) -> Any:
        """See `Algebra`."""
        return A @ B

    def cholesky(self, A: Any) -> Any:
        """See `Algebra`."""
        R = self._upper(A)
        return self._if_equal(self.product(R.T, R), A, R)

    def _upper(self, A: Any) -> Any:
        """Return the upper R with A = R'R, or anything if there is none."""
        return self.xp.linalg.cholesky(A).T

    def inverse_of_upper(self, R: Any) -> Any:
        """See `Algebra`."""
        return self.solve_triangular(R, self.xp.eye(len(R)), lower=False, check_finite=False)

    def eigh(self, A: Any) -> tuple[Any, Any]:
        """See `Algebra`."""
        L, Q = self.xp.linalg.eigh(A)
        return self._if_equal(self.product(Q * L, Q.T), A, L), Q

    def _if_equal(self, found: Any, A: Any, factor: Any) -> Any:
        """Return `factor`, but NaN unless found is A up to rounding."""
        xp = self.xp
        equal = xp.abs(found - A).max() <= _REMAINS * xp.abs(A).max()
        return xp.where(equal, factor, np.nan)
