"""Canonical CSR of any sparse matrix: rows sorted by column, entries of one place added up.

Arrays that are in order already are shared. Otherwise exactly one copy is made: indices of 32 bits where
they fit, and values in their own dtype. SciPy makes a second copy for a conversion, and sorts on one
thread.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
from scipy import sparse

from halfstep.kernels.cpu.threads import cores, spread
from halfstep.kernels.sparse.counts import pieces_for, starts_and_places
from halfstep.types import Integers

Arrays: TypeAlias = tuple[Integers, Integers, npt.NDArray[Any]]

# With fewer entries, SciPy finishes before the compiled code is loaded.
_FEW_ENTRIES = 1 << 19
_PIECE = 1 << 18
_MOST = np.iinfo(np.int32).max
_IN_ORDER, _WITH_DUPLICATES, _UNSORTED = range(3)


def canonical(matrix: Any, num_threads: int = 0, *, wide: bool = False) -> sparse.csr_matrix:
    """Return a SciPy sparse matrix or array, of two dimensions, as canonical CSR.

    Parameters
    ----------
    matrix
        In any format; its indices are within its shape. Not written to; a CSR that is in order shares
        its arrays with the result.
    num_threads
        0 means all cores. The result does not depend on it.
    wide
        Add duplicates of floats in float64 instead of their own dtype.

    Returns
    -------
    csr_matrix (rows, columns)
        Stored zeros are kept. Values have their dtype, booleans uint8; but where duplicates were added,
        and where SciPy may have added some, int64 for integers and booleans, and float64 if `wide`.
    """
    threads = cores(num_threads)
    if matrix.format not in ("csr", "csc", "coo"):
        matrix = matrix.tocsr()
    data = matrix.data
    if data.dtype.kind == "b":
        data = data.view(np.uint8)
    if matrix.format == "csr":
        entries = int(matrix.indptr[-1])
        arrays = matrix.indptr, matrix.indices[:entries], data[:entries]
        order = order_of(arrays[0], arrays[1], threads)
        if order == _IN_ORDER:
            return _matrix(arrays, matrix.shape)
    carried = _carried(data, matrix.shape)
    if carried is None:
        return _by_scipy(matrix, data, wide)
    if matrix.format == "csr":
        arrays = arrays[0].astype(np.int64), arrays[1].astype(np.int32), arrays[2].copy()
    elif matrix.format == "csc":
        from halfstep.kernels.sparse.transpose import transpose

        entries = int(matrix.indptr[-1])
        turned = matrix.indptr, matrix.indices[:entries], carried[:entries]
        indptr, indices, values = transpose(*turned, matrix.shape[0], carried.dtype, threads)
        arrays = indptr.astype(np.int64), indices, values.view(data.dtype)
    else:
        indptr, indices, values = _scattered(matrix, carried, threads)
        arrays = indptr, indices, values.view(data.dtype)
    order = order_of(arrays[0], arrays[1], threads)
    if order == _UNSORTED:
        _sort(arrays, matrix.shape[1], threads)
        order = order_of(arrays[0], arrays[1], threads)
    if order == _WITH_DUPLICATES:
        arrays = _added(arrays, wide)
    return _matrix(arrays, matrix.shape)


def exact_single(values: npt.NDArray[Any]) -> npt.NDArray[np.float32] | None:
    """Return numbers (entries,) in float32, or None if that does not hold all of them exactly.

    Numbers that are float32 already are returned themselves.
    """
    if values.dtype == np.float32:
        return values
    single = np.empty(len(values), np.float32)
    for start in range(0, len(values), _PIECE):
        piece, given = single[start : start + _PIECE], values[start : start + _PIECE]
        with np.errstate(over="ignore"):  # a value beyond float32 becomes inf, which is not equal
            piece[:] = given
        if not np.array_equal(piece.astype(np.float64), given.astype(np.float64, copy=False)):
            return None
    return single


def first_not_finite(values: npt.NDArray[Any]) -> int | None:
    """Return the place of the first number (entries,) that is not finite, or None."""
    for start in range(0, len(values), _PIECE):
        finite = np.isfinite(values[start : start + _PIECE])
        if not finite.all():
            return start + int(np.argmin(finite))
    return None


def order_of(indptr: Integers, indices: Integers, num_threads: int = 0) -> int:
    """Return 0 if the columns of each row rise, 1 if some are equal, and 2 if some fall."""
    starts = range(1, len(indices), _PIECE)
    found = np.zeros(len(starts), np.int8)

    def run(place: int, _: None) -> None:
        first = starts[place]
        last = min(first + _PIECE, len(indices))
        before, here = indices[first - 1 : last - 1], indices[first:last]
        begin, end = np.searchsorted(indptr, (first, last))
        begins = indptr[begin:end] - first  # a row's first entry is not compared
        rises = before < here
        rises[begins] = True
        if not rises.all():
            falls = np.greater(before, here, out=rises)
            falls[begins] = False
            found[place] = _UNSORTED if falls.any() else _WITH_DUPLICATES

    spread(range(len(starts)), cores(num_threads), lambda: None, run)
    return int(found.max(initial=_IN_ORDER))


def _carried(data: npt.NDArray[Any], shape: tuple[int, int]) -> npt.NDArray[Any] | None:
    """Return values as the compiled loops move them, or None if SciPy is to do it."""
    if len(data) < _FEW_ENTRIES or max(shape) > _MOST:
        return None
    from halfstep.kernels.sparse.order import carrier

    kind = carrier(data.dtype.itemsize)
    if kind is None or data.dtype.kind not in "iuf":
        return None
    carried: npt.NDArray[Any] = np.ascontiguousarray(data, data.dtype.newbyteorder("=")).view(kind)
    return carried


def _by_scipy(matrix: Any, data: npt.NDArray[Any], wide: bool) -> sparse.csr_matrix:
    """Return canonical CSR, a copy."""
    given = matrix.astype(_sum_type(data, wide), copy=False)
    csr = sparse.csr_matrix(given)
    if given.format == "csr":
        csr = csr.copy()
    csr.sum_duplicates()
    return csr


def _sum_type(values: npt.NDArray[Any], wide: bool) -> npt.DTypeLike:
    """Return the dtype in which duplicates are added."""
    if values.dtype.kind in "iu":
        return np.int64
    if wide:
        return np.float64
    return np.float32 if values.dtype.itemsize == 2 else values.dtype.newbyteorder("=")


def _scattered(matrix: Any, carried: npt.NDArray[Any], threads: int) -> Arrays:
    """Return the rows of a matrix of coordinates, unsorted."""
    from halfstep.kernels.sparse.order import scatter_pairs
    from halfstep.kernels.sparse.transpose import count

    rows, columns = (np.ascontiguousarray(array) for array in (matrix.row, matrix.col))
    entries, lines = len(rows), matrix.shape[0]
    pieces = pieces_for(entries, lines, threads)
    bounds = np.linspace(0, entries, pieces + 1).astype(np.int64)
    parts = [(int(a), int(b)) for a, b in pairwise(bounds)]
    counts = np.zeros((pieces, lines), np.int64)
    spread(range(pieces), threads, lambda: None, lambda p, _: count(rows, *parts[p], counts[p]))
    indptr = starts_and_places(counts, np.int64)
    indices, values = np.empty(entries, np.int32), np.empty(entries, carried.dtype)

    def run(p: int, _: None) -> None:
        scatter_pairs(rows, columns, carried, *parts[p], counts[p], indices, values)

    spread(range(pieces), threads, lambda: None, run)
    return indptr, indices, values


def _sort(arrays: Arrays, columns: int, threads: int) -> None:
    """Sort each row by column, in place."""
    from halfstep.kernels.sparse.order import RADIX, carrier, sort_rows

    indptr, indices, values = arrays
    carried = values.view(carrier(values.dtype.itemsize))
    entries = int(indptr[-1])
    cuts = np.searchsorted(indptr, np.arange(0, entries, _PIECE))
    bounds = np.unique(np.append(cuts, len(indptr) - 1))
    longest = int(np.diff(indptr).max(initial=0))
    size = max(1, -(-int(columns - 1).bit_length() // 8))

    def prepare() -> Arrays:
        spare = np.empty(longest, np.int32), np.empty(longest, carried.dtype)
        return *spare, np.empty(RADIX, np.int64)

    def run(piece: tuple[int, int], spare: Arrays) -> None:
        sort_rows(indptr, indices, carried, *piece, size, *spare)

    pieces = [(int(a), int(b)) for a, b in pairwise(bounds)]
    spread(pieces, threads, prepare, run)


def _added(arrays: Arrays, wide: bool) -> Arrays:
    """Return sorted rows with the values of one place added up, in the order in which they were."""
    from halfstep.kernels.sparse.order import add_duplicates

    indptr, indices, values = arrays
    values = values.astype(_sum_type(values, wide), copy=False)
    kept = add_duplicates(indptr, indices, values)
    if 2 * kept < len(values):
        return indptr, indices[:kept].copy(), values[:kept].copy()
    return indptr, indices[:kept], values[:kept]


def _matrix(arrays: Arrays, shape: tuple[int, int]) -> sparse.csr_matrix:
    """Return the CSR matrix of these arrays, which are in order."""
    indptr, indices, values = arrays
    if indptr.dtype != indices.dtype and len(values) <= _MOST:
        indptr = indptr.astype(indices.dtype)
    result = sparse.csr_matrix(shape, dtype=values.dtype)
    # Assigned, not passed to the constructor, which would widen both if one of them is wide.
    result.data, result.indices, result.indptr = values, indices, indptr
    result.has_canonical_format = True
    return result
