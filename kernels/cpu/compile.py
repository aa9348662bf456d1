"""How the CPU's loops are compiled: by Numba, on first use, kept on disk, without the GIL."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from numba import njit

Function = TypeVar("Function", bound=Callable[..., Any])

_njit: Any = njit
compiled: Callable[[Function], Function] = _njit(cache=True, nogil=True, error_model="numpy")
# For loops over one tile. A call would pass seven numbers per array, which costs as much as the loop
# over a short tile.
inlined: Callable[[Function], Function] = _njit(error_model="numpy", forceinline=True)
# For functions that several places call once per row: compiled once, and a call costs next to nothing.
called: Callable[[Function], Function] = _njit(error_model="numpy", nogil=True)
# The compiler may reorder sums and fuse multiplications with additions; NaNs and infinities keep their
# meaning.
reordered: Callable[[Function], Function] = _njit(
    error_model="numpy", fastmath={"reassoc", "contract"}, forceinline=True
)
