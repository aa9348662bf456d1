"""How the CPU's loops are compiled: with Numba, on first use, kept on disk, without the GIL."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from numba import njit

Function = TypeVar("Function", bound=Callable[..., Any])

_njit: Any = njit
compiled: Callable[[Function], Function] = _njit(cache=True, nogil=True, error_model="numpy")
# For the loops over one tile: as calls their arguments, seven numbers per array, cost as much as a
# short tile.
inlined: Callable[[Function], Function] = _njit(error_model="numpy", forceinline=True)
# For what is called once per row from several places: compiled once, called for nearly nothing.
called: Callable[[Function], Function] = _njit(error_model="numpy", nogil=True)
# NaNs and infinities keep their meaning; only the order of a sum is free.
reordered: Callable[[Function], Function] = _njit(
    error_model="numpy", fastmath={"reassoc", "contract"}, forceinline=True
)
