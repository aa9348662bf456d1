"""Queries of a GPU model: many at a time are answered on the device, where the factors are kept.

Factor matrices are copied between host and device when somebody asks for them there, once.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
from scipy import sparse

from halfstep.kernels.cuda.backend import Array, Backend, current, unavailable
from halfstep.kernels.cuda.topk import LONGEST_LIST, Rows, device_top_k
from halfstep.solvers.inputs import on_host
from halfstep.solvers.model.top_k import top_k
from halfstep.types import Floats, Integers

# Fewer queries are answered sooner on the host than a launch and two copies take.
_FEW_QUERIES = 32
_TOGETHER = 1 << 16


class Factors:
    """One side's factors (rows, f), wherever they were made."""

    def __init__(self, factors: Any) -> None:
        if not type(factors).__module__.startswith("cupy"):  # which is kept where it is
            factors = on_host(factors)
        self._host = factors if isinstance(factors, np.ndarray) else None
        self._device = None if self._host is not None else factors
        self._backend = None if self._host is not None else current()

    def on_host(self) -> Floats:
        """Return them as a NumPy array, the same one every time."""
        if self._host is None:
            assert self._backend is not None
            self._host = self._backend.to_host(self._device)
        return self._host

    def on_device(self) -> Array:
        """Return them as an array of the current device, the same one every time."""
        backend = current()
        if self._device is None or self._backend is not backend:
            host = np.ascontiguousarray(self.on_host())
            self._device, self._backend = backend.to_device(host), backend
        return self._device

    def __getstate__(self) -> dict[str, Any]:
        return {"_host": self.on_host(), "_device": None, "_backend": None}


Kept: TypeAlias = Mapping[str, Factors | None]


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
    """Select as `halfstep.solvers.model.top_k.top_k` does, whose arguments these are, on the device.

    The host answers fewer than 32 queries, and lists of more than 896. The lists are the same either
    way, but for ties that rounding makes or breaks. `kept` holds the model's own factors.
    """
    m, n = len(queries), len(candidates)
    if m < _FEW_QUERIES or N > LONGEST_LIST or unavailable() is not None:
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
        asked = backend.to_device(np.ascontiguousarray(queries[part]))
        liked = None if excluded is None else rows_on_device(backend, excluded[part])
        found = device_top_k(backend, asked, Y, k, scale=factor, allowed=allowed, liked=liked)
        ids[part], scores[part] = map(backend.to_host, found)
    return ids, scores


def _resident(backend: Backend, kept: Kept, factors: Floats) -> Array:
    """Return the device's copy of a factor matrix: the model keeps those of its own."""
    for side in kept.values():
        if side is not None and side.on_host() is factors:
            return side.on_device()
    return backend.to_device(np.ascontiguousarray(factors))


def rows_on_device(backend: Backend, matrix: sparse.csr_matrix) -> Rows:
    """Return a canonical CSR matrix's structure on the device."""
    return Rows(
        backend.to_device(matrix.indptr.astype(np.int64)),
        backend.to_device(matrix.indices.astype(np.int32)),
    )


def lazily(side: str) -> Any:
    """Return a property for a model's `side`: set from anywhere, got on the host."""

    def get(model: Any) -> Floats | None:
        kept = model._kept.get(side)
        return None if kept is None else kept.on_host()

    def set_(model: Any, factors: Any) -> None:
        others = model.__dict__.get("_kept", {})
        model._kept = {**others, side: None if factors is None else Factors(factors)}

    return property(get, set_)
