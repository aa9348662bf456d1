"""The calls of cuBLAS and cuSOLVER that a CUDA graph needs, by their own interfaces.

CuPy 14 refuses to call either while a stream is recorded ("calling cuBLAS API during stream capture is
currently unsupported"). The libraries themselves allow it for products, triangular solves and Cholesky
factorisations, on these terms, which are kept here: the handle's stream is the one recorded, numbers
given by the host are read when the call is recorded, and no call allocates, so cuBLAS gets its
workspace from outside. Handles of their own keep a recording that fails from CuPy's.

Methods have the names and the arguments of CuPy's modules, so that `dense` calls either.
"""

from __future__ import annotations

import ctypes
from typing import Any

from halfstep.errors import SolverUnavailable

# What cuBLAS takes on compute capability 9.0; less on others.
WORKSPACE_BYTES = 32 << 20
_INT, _LONG, _POINTER = ctypes.c_int, ctypes.c_longlong, ctypes.c_void_p
_FACTOR = (_POINTER, _INT, _INT)  # a matrix of gemmEx: its numbers, their type, columns apart by
_BATCHED = (*_FACTOR, _LONG)
# From the handle on, as in cublas_v2.h and cusolverDn.h; all return a status.
_CUBLAS = {
    "cublasCreate_v2": (_POINTER,),
    "cublasSetStream_v2": (_POINTER, _POINTER),
    "cublasSetWorkspace_v2": (_POINTER, _POINTER, ctypes.c_size_t),
    "cublasGemmEx": (
        _POINTER, _INT, _INT, _INT, _INT, _INT, _POINTER, *_FACTOR, *_FACTOR, _POINTER, *_FACTOR,
        _INT, _INT,
    ),
    "cublasGemmStridedBatchedEx": (
        _POINTER, _INT, _INT, _INT, _INT, _INT, _POINTER, *_BATCHED, *_BATCHED, _POINTER, *_BATCHED,
        _INT, _INT, _INT,
    ),
    "cublasDtrsm_v2": (
        _POINTER, _INT, _INT, _INT, _INT, _INT, _INT, _POINTER, _POINTER, _INT, _POINTER, _INT,
    ),
}  # fmt: skip
_CUSOLVER = {
    "cusolverDnCreate": (_POINTER,),
    "cusolverDnSetStream": (_POINTER, _POINTER),
    "cusolverDnDpotrf_bufferSize": (_POINTER, _INT, _INT, _POINTER, _INT, _POINTER),
    "cusolverDnDpotrf": (_POINTER, _INT, _INT, _POINTER, _INT, _POINTER, _INT, _POINTER),
}


class LibraryError(RuntimeError):
    """A call of cuBLAS or cuSOLVER that returned an error; the message has its name and the status."""


class Libraries:
    """Handles of cuBLAS and cuSOLVER on the current device, for calls that are recorded.

    They are never destroyed, as CuPy's are not: what was recorded with them may use their memory.

    Parameters
    ----------
    cublas, cusolver
        Paths of the shared libraries; those that CuPy has loaded unless given.
    """

    CUBLAS_OP_N, CUBLAS_OP_T, CUBLAS_GEMM_DEFAULT = 0, 1, -1
    CUBLAS_COMPUTE_32F, CUBLAS_COMPUTE_64F, CUBLAS_COMPUTE_32F_FAST_TF32 = 68, 70, 77
    CUBLAS_SIDE_RIGHT, CUBLAS_FILL_MODE_LOWER, CUBLAS_DIAG_NON_UNIT = 1, 0, 0

    def __init__(self, cublas: str | None = None, cusolver: str | None = None) -> None:
        self._functions: dict[str, Any] = {}
        for path, functions in (
            (cublas or _loaded("cublas"), _CUBLAS),
            (cusolver or _loaded("cusolver"), _CUSOLVER),
        ):
            library = ctypes.CDLL(path)
            for name, arguments in functions.items():
                function = self._functions[name] = getattr(library, name)
                function.argtypes, function.restype = arguments, _INT
        self.handle, self.solver = _POINTER(), _POINTER()
        self._call("cublasCreate_v2", ctypes.byref(self.handle))
        self._call("cusolverDnCreate", ctypes.byref(self.solver))

    def use(self, stream: int, workspace: int, nbytes: int) -> None:
        """Let calls go to a stream, and cuBLAS keep what it needs in `nbytes` of device memory."""
        self._call("cublasSetStream_v2", self.handle, stream)
        self._call("cublasSetWorkspace_v2", self.handle, workspace, nbytes)
        self._call("cusolverDnSetStream", self.solver, stream)

    def gemmEx(self, *arguments: Any) -> None:  # noqa: N802 - the library's name
        """Call cublasGemmEx: C = alpha op(A) op(B) + beta C of matrices by columns."""
        self._call("cublasGemmEx", *arguments)

    def gemmStridedBatchedEx(self, *arguments: Any) -> None:  # noqa: N802 - the library's name
        """Call cublasGemmStridedBatchedEx: `gemmEx` for matrices that lie at equal distances."""
        self._call("cublasGemmStridedBatchedEx", *arguments)

    def dtrsm(self, *arguments: Any) -> None:
        """Call cublasDtrsm: solve X op(A) = alpha B or op(A) X = alpha B in B, for a triangle A."""
        self._call("cublasDtrsm_v2", *arguments)

    def potrf_size(self, n: int, A: int) -> int:
        """Return how many float64 numbers of device memory `potrf` needs."""
        size = _INT()
        lower = self.CUBLAS_FILL_MODE_LOWER
        self._call("cusolverDnDpotrf_bufferSize", self.solver, lower, n, A, n, ctypes.byref(size))
        return int(size.value)

    def potrf(self, n: int, A: int, workspace: int, size: int, info: int) -> None:
        """Call cusolverDnDpotrf: L with A = L L' over the lower triangle of A (n, n) by columns."""
        lower = self.CUBLAS_FILL_MODE_LOWER
        self._call("cusolverDnDpotrf", self.solver, lower, n, A, n, workspace, size, info)

    def _call(self, name: str, *arguments: Any) -> None:
        status = self._functions[name](*arguments)
        if status:
            raise LibraryError(f"{name} returned status {status}")


def _loaded(name: str) -> str:
    """Return the path of one of CUDA's libraries, which CuPy finds in the same way."""
    from cuda.pathfinder import load_nvidia_dynamic_lib

    path: str | None = load_nvidia_dynamic_lib(name).abs_path
    if path is None:
        raise SolverUnavailable(f"CUDA's library {name} is loaded from a place that is not known")
    return path
