"""Answer a GPU model's queries: many at once on the device, where its factors are, few on the host.

A factor matrix is copied to the other place, host or device, when it is first needed there; the copy is
kept.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
from scipy import sparse

from halfstep.errors import InputError
from halfstep.kernels.cuda.backend import Array, Backend, current, unavailable
from halfstep.solvers.gpu.device.coordinates import Coordinates, formed
from halfstep.solvers.gpu.device.top_k import LONGEST_LIST, Rows, device_top_k
from halfstep.solvers.inputs import on_host
from halfstep.solvers.model.held import Held, check_form
from halfstep.solvers.model.top_k import top_k
from halfstep.types import Floats, Integers

# The host answers fewer queries than this before a launch and two copies would end.
_FEW_QUERIES = 32
_TOGETHER = 1 << 16  # queries per launch


class Factors(Held):
    """One side's factors (rows, f), on the host, on the device or on both.

    `Coordinates` are formed when the factors are read. A new assignment makes a new object, so a copy on
    the device ends with the assignment that it is a copy of.
    """

    def __init__(self, factors: Any) -> None:
        kept = isinstance(factors, Coordinates)
        there = kept or _of_a_backend(factors)
        super().__init__(None if there else factors)
        self._backend = current() if there else None
        self._device: Any = None
        if kept:
            self._backend, self._device = factors.backend, factors
        elif self._backend is not None:
            # Kernels read C-contiguous arrays: another one is copied.
            self._device = self._backend.to_device(factors)

    @property
    def only_on_device(self) -> bool:
        """Whether the host has no copy yet."""
        return self._given is None

    def read(self) -> Any:
        """Return the factors on the host, which is always the same object."""
        if self._given is None:
            assert self._backend is not None
            self._given = self._backend.to_host(formed(self._device))
        elif not isinstance(self._given, np.ndarray):
            self._given = on_host(self._given)
        return self._given

    def shape(self, name: str) -> tuple[int, ...]:
        """Return the shape (rows, f), for which nothing is copied to the host."""
        if self._given is not None:
            return super().shape(name)
        check_form(self._device.shape, self._device.dtype, name)
        shape: tuple[int, ...] = self._device.shape
        return shape

    def is_at(self, factors: Floats) -> bool:
        """Return whether `factors` are these factors' array on the host."""
        return self._array is factors

    def on_device(self) -> Array:
        """Return the factors as an array of the current device; it is copied there only once."""
        backend = current()
        if self._device is None or self._backend is not backend:
            host = np.ascontiguousarray(self.array())
            self._device, self._backend = backend.to_device(host), backend
        self._device = formed(self._device)
        return self._device

    def forget(self) -> None:
        """Drop what has been computed, and the copy on the device if the host has the factors."""
        super().forget()
        if self._given is not None and self._array is not None:
            self._device = self._backend = None


def _of_a_backend(factors: Any) -> bool:
    """Return whether this is a backend's own array, as CuPy's are, which stays on its device."""
    if type(factors).__module__.startswith("cupy"):
        return True
    others = ("__cuda_array_interface__", "__dlpack__")
    return hasattr(factors, "device") and not any(hasattr(factors, name) for name in others)


Kept: TypeAlias = Iterable[Factors | None]


def select_on_device(
    kept: Kept,
    queries: Floats,
    candidates: Floats,
    N: int,
    *,
    scale: Floats | None = None,
    excluded: sparse.csr_matrix | None = None,
    among: Integers | None = None,
    without: Integers | None = None,
    num_threads: int = 0,
) -> tuple[npt.NDArray[np.int32], Floats]:
    """Select the best candidates on the device; arguments and result as in `model.top_k.top_k`.

    The host does it for fewer than 32 queries, for lists of more than 896 candidates, and for factors
    of two types. Both give the same lists, except for ties that rounding
    makes or breaks. `kept` holds the model's own factors.
    """
    m, n = len(queries), len(candidates)
    one_type = queries.dtype == candidates.dtype  # which the kernel reads both in
    if m < _FEW_QUERIES or N > LONGEST_LIST or not one_type or unavailable() is not None:
        return top_k(
            queries, candidates, N, scale=scale, excluded=excluded, among=among,
            without=without, num_threads=num_threads,
        )  # fmt: skip
    backend = current()
    offered = np.zeros(n, np.uint8)
    offered[slice(None) if among is None else among] = 1
    if without is not None:
        offered[without] = 0
    k = min(N, int(offered.sum()))
    ids, scores = np.empty((m, k), np.int32), np.empty((m, k), queries.dtype)
    Y = _resident(backend, kept, candidates)
    factor = None if scale is None else backend.to_device(scale.astype(queries.dtype))
    allowed = None if offered.all() else backend.to_device(offered)
    for start in range(0, m, _TOGETHER):
        part = slice(start, start + _TOGETHER)
        vectors = backend.to_device(np.ascontiguousarray(queries[part]))
        liked = None if excluded is None else rows_on_device(backend, excluded[part])
        best = device_top_k(backend, vectors, Y, k, scale=factor, allowed=allowed, liked=liked)
        ids[part], scores[part] = map(backend.to_host, best)
    return ids, scores


def _resident(backend: Backend, kept: Kept, factors: Floats) -> Array:
    """Return a factor matrix on the device; if it is one of the model's, its copy there is kept."""
    for side in kept:
        if side is not None and side.is_at(factors):
            return side.on_device()
    return backend.to_device(np.ascontiguousarray(factors))


def rows_on_device(backend: Backend, matrix: sparse.csr_matrix) -> Rows:
    """Return indptr and indices of a canonical CSR matrix on the device.

    The selection writes out of bounds where a row's indices do not rise, so the arrays themselves are
    looked at: SciPy's own flag may be older than they are.

    Raises
    ------
    InputError
        A row's item ids do not rise, or one of them is not an item's.
    """
    fresh = sparse.csr_matrix((matrix.data, matrix.indices, matrix.indptr), matrix.shape)
    if not fresh.has_canonical_format:
        raise InputError(
            "a row's item ids must rise, without duplicates: sum_duplicates() sorts them"
        )
    ids = matrix.indices
    if len(ids) and not (ids.min() >= 0 and ids.max() < matrix.shape[1]):
        raise InputError(f"item ids must be from 0 to {matrix.shape[1] - 1}, got others")
    return Rows(
        backend.to_device(matrix.indptr.astype(np.int64)),
        backend.to_device(matrix.indices.astype(np.int32)),
    )
