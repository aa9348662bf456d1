"""Checks of what callers pass in, done once, and its conversion to one form.

* Sparse matrices of any kind become canonical CSR (`as_csr`, `rows_of`).
* Ids become int64 arrays and must be within the model (`as_ids`, `within`).
* Arguments are checked; an error names the argument, the rule and the value (`check_*`).
* Arrays of other libraries become NumPy arrays (`on_host`). A library says where its array lies by one
  of two protocols: `__cuda_array_interface__` (CuPy, Numba, PyTorch; a CUDA device) or DLPack
  (`__dlpack__` and `__dlpack_device__`: also JAX and others; any device). An array on a CUDA device is
  read with CuPy.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Iterator
from numbers import Integral, Real
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import sparse

from halfstep.errors import InputError, UnknownId
from halfstep.kernels.sparse.canonical import canonical, first_not_finite
from halfstep.solvers.single_row import is_plain_row
from halfstep.types import Floats, Integers

log = logging.getLogger("halfstep")

MAX_ID = np.iinfo(np.int32).max - 1
MOST = 2**31 - 1  # largest value of an integer argument; with larger counts, libraries overflow
# DLPack's numbers for the kinds of memory (dlpack.h, DLDeviceType).
_HOST = (1, 3)  # plain memory, and memory page-locked by CUDA
_CUDA = (2, 13)  # a device's memory, and managed memory
_PIECE_NUMBERS = 1 << 18


def as_csr(matrix: Any, name: str = "user_items", num_threads: int = 1) -> sparse.csr_matrix:
    """Return `matrix` as a canonical CSR matrix: indices sorted, duplicates summed.

    Parameters
    ----------
    matrix
        Any two-dimensional SciPy sparse matrix or array, with 32- or 64-bit indices. It is never
        written to; arrays that need no change are shared with the result, and otherwise one copy is
        made. CuPy's sparse matrices are copied to the host.
    name
        What errors call it.
    num_threads
        Threads that put entries in order; 0 means all cores.

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
        whose = ": give its .interactions" if hasattr(matrix, "interactions") else ""
        kind = type(matrix).__name__
        raise InputError(f"{name} must be a SciPy sparse matrix or array, got {kind}{whose}")
    if len(matrix.shape) != 2:
        raise InputError(f"{name} must be two-dimensional, got shape {matrix.shape}")
    if matrix.dtype.kind not in "biuf":
        raise InputError(f"{name} must hold real numbers, got dtype {matrix.dtype}")
    _check_indices(matrix, name)
    csr = canonical(matrix, num_threads)
    entry = first_not_finite(csr.data)
    if entry is not None:
        row = int(np.searchsorted(csr.indptr, entry, side="right")) - 1
        raise InputError(
            f"{name} must be finite, got {csr.data[entry]} at row {row}, "
            f"column {csr.indices[entry]}"
        )
    return csr


def _check_indices(matrix: Any, name: str) -> None:
    """Raise InputError for indices outside the shape, with which compiled code would crash."""
    # SciPy checks coordinates only when a COO matrix is made, and arrays of a compressed one never.
    rows, columns = matrix.shape
    if matrix.format == "coo":
        if not len(matrix.row) == len(matrix.col) == len(matrix.data):
            raise InputError(f"{name} must have as many rows and columns as values")
        _check_within(matrix.row, rows, name, "row numbers")
        _check_within(matrix.col, columns, name, "item ids")
    if matrix.format not in ("csr", "csc"):
        return
    lines, bound = (rows, columns) if matrix.format == "csr" else (columns, rows)
    indptr, indices = matrix.indptr, matrix.indices
    ends = (int(indptr[0]), int(indptr[-1])) if len(indptr) else (0, 0)
    if len(indptr) != lines + 1 or ends[0] != 0 or (np.diff(indptr) < 0).any():
        raise InputError(f"{name} must have row pointers that rise from 0, one more than rows")
    if ends[1] > min(len(indices), len(matrix.data)):
        raise InputError(f"{name} must store as many entries as its row pointers say, {ends[1]}")
    _check_within(indices[: ends[1]], bound, name, "item ids")


def _check_within(used: Integers, bound: int, name: str, what: str) -> None:
    least, most = (int(used.min()), int(used.max())) if len(used) else (0, 0)
    if least < 0 or most >= max(bound, 1):
        wrong = least if least < 0 else most
        raise InputError(f"{name} must have {what} from 0 to {bound - 1}, got {wrong}")


def not_empty(csr: sparse.csr_matrix, name: str = "user_items") -> sparse.csr_matrix:
    """Return `csr`; raise InputError if it has no rows or no columns, and log if it stores nothing.

    A matrix without entries has a model, as in `implicit`: all its factors are zero.
    """
    if min(csr.shape) == 0:
        raise InputError(f"{name} must have at least one row and one column, got shape {csr.shape}")
    if csr.nnz == 0:
        log.warning("%s of shape %s stores no entry: all factors will be zero", name, csr.shape)
    return csr


def check_integers(values: dict[str, Any], **least: int) -> None:
    """Raise InputError unless each named value is an integer from the given minimum to `MOST`."""
    for name, minimum in least.items():
        value = values[name]
        if isinstance(value, bool) or not isinstance(value, Integral):
            raise InputError(f"{name} must be an integer, got {value!r}")
        if int(value) < minimum:
            raise InputError(f"{name} must be at least {minimum}, got {value}")
        if int(value) > MOST:
            raise InputError(f"{name} must be at most {MOST}, got {value}")


def check_number(name: str, value: Any) -> None:
    """Raise InputError unless the value is a finite number of at least 0."""
    if isinstance(value, bool) or not isinstance(value, Real):
        raise InputError(f"{name} must be a number, got {value!r}")
    if not (math.isfinite(value) and float(value) >= 0):
        raise InputError(f"{name} must be at least 0 and finite, got {value}")


def check_dtype(dtype: Any) -> None:
    """Raise InputError unless `dtype` means float32 or float64."""
    try:
        name = np.dtype(dtype).name if np.dtype(dtype).isnative else str(dtype)
    except TypeError:
        name = repr(dtype)
    if name not in ("float32", "float64"):
        raise InputError(f"dtype must be float32 or float64, got {name}")


def on_host(value: Any, name: str = "array") -> Any:
    """Return an array on a device, or of another library, as a NumPy array.

    Parameters
    ----------
    value
        Any object. An array on the host with DLPack is shared, an array on a device is copied;
        anything without either protocol is returned unchanged.
    name
        What errors call it.

    Raises
    ------
    InputError
        The array is on a CUDA device and CuPy is not installed, or on another kind of device, or its
        library refuses to export it, as PyTorch does for a tensor that requires gradients.
    """
    if isinstance(value, np.ndarray):
        return value
    try:
        if hasattr(value, "__cuda_array_interface__"):
            cupy = _cupy(name)
            return cupy.asnumpy(cupy.asarray(value))
        if not (hasattr(value, "__dlpack__") and hasattr(value, "__dlpack_device__")):
            return value
        kind = int(value.__dlpack_device__()[0])
        if kind in _HOST:
            return np.from_dlpack(value)
        if kind in _CUDA:
            cupy = _cupy(name)
            return cupy.asnumpy(cupy.from_dlpack(value))
    except (InputError, MemoryError):
        raise
    except Exception as error:
        why = " ".join(str(error).split()) or type(error).__name__
        raise InputError(f"{name} cannot be read from {type(value).__name__}: {why}") from error
    raise InputError(f"{name} must lie on the host or a CUDA device, got DLPack's device {kind}")


def _cupy(name: str) -> Any:
    try:
        import cupy
    except Exception:
        from halfstep.machine import why_no_gpu

        raise InputError(
            f"{name} lies on a CUDA device and is read with CuPy, but {why_no_gpu()}"
        ) from None
    return cupy


def as_ids(value: int | npt.ArrayLike, name: str) -> tuple[bool, Integers]:
    """Return whether `value` is a single id, and the ids as (m,) int64."""
    try:
        ids = np.asarray(value)
    except ValueError:  # lists of unequal lengths
        ids = np.asarray(value, object)
    if ids.ndim > 1 or (ids.size and ids.dtype.kind not in "iu"):
        raise InputError(f"{name} must be an index or a list of indices, got {_short(value)}")
    return ids.ndim == 0, np.atleast_1d(ids).astype(np.int64)


def within(ids: Integers, rows: int, name: str) -> Integers:
    """Return `ids`; raise UnknownId unless all are from 0 to rows - 1."""
    outside = (ids < 0) | (ids >= rows) if len(ids) != 1 or not 0 <= ids[0] < rows else None
    if outside is not None and outside.any():
        raise UnknownId(f"{name} must be from 0 to {rows - 1}, got {ids[np.argmax(outside)]}")
    return ids


def rows_of(matrix: Any, rows: int, columns: int, name: str) -> sparse.csr_matrix:
    """Return the sparse rows that belong to `rows` ids as a canonical (rows, columns) CSR matrix.

    Parameters
    ----------
    matrix
        What `as_csr` takes, or for one id a one-dimensional row of a `csr_array`. Columns may be
        missing, as in matrices from before `partial_fit_*` enlarged the model; they count as empty.

    Raises
    ------
    InputError
        A wrong number of rows, or more columns than the model has.
    """
    if rows == 1 and sparse.issparse(matrix) and len(matrix.shape) == 1:
        matrix = sparse.coo_array(matrix).reshape(1, -1)
    if rows == 1 and is_plain_row(matrix, columns):
        return matrix
    csr = as_csr(matrix, name)
    if csr.shape[0] != rows or csr.shape[1] > columns:
        raise InputError(
            f"{name} must have one row for each id and at most one column for each row of the other "
            f"side's factors, ({rows}, {columns}), got {csr.shape}"
        )
    if csr.shape[1] < columns:
        csr = sparse.csr_matrix((csr.data, csr.indices, csr.indptr), shape=(rows, columns))
    return csr


def norms(factors: Floats) -> Floats:
    """Return each row's Euclidean norm; 1 for a row of zeros, so that its cosines are 0."""
    # In pieces: NumPy squares a copy, and the factors may be a file larger than the memory.
    lengths: Floats = np.empty(len(factors), factors.dtype)
    for piece in _pieces(factors):
        lengths[piece] = np.linalg.norm(factors[piece], axis=1)
    return np.where(lengths == 0, lengths.dtype.type(1), lengths)


def row_not_finite(factors: Floats) -> int | None:
    """Return the first row of `factors` (rows, f) with a NaN or an infinity, or None.

    If any number is NaN or infinite, so is the sum of squares, which takes one pass at the speed of
    memory. The converse is false, since squares of large numbers overflow: then the rows are checked.
    """
    if math.isfinite(whole_norm(factors)):
        return None
    for piece in _pieces(factors):
        finite = np.isfinite(factors[piece]).all(axis=1)
        if not finite.all():
            return int(piece.start + np.argmin(finite))
    return None


def whole_norm(factors: Floats) -> float:
    """Return the root of the sum of squares of all factors; infinity or NaN if one of them or it is."""
    total = 0.0
    for piece in _pieces(factors):
        flat = factors[piece].reshape(-1)
        with np.errstate(all="ignore"):
            total += float(np.dot(flat, flat))
    return math.sqrt(total)


def _pieces(factors: Floats) -> Iterator[slice]:
    """Yield runs of rows of bounded size."""
    step = max(1, _PIECE_NUMBERS // max(1, factors.shape[1]))
    for start in range(0, len(factors), step):
        yield slice(start, start + step)


def _short(value: Any) -> str:
    text = " ".join(repr(value).split())
    return text if len(text) <= 80 else f"{text[:77]}..."
