"""How the CPU's loops are compiled: by Numba, on first use, kept on disk, without the GIL.

Only what Python calls is `compiled`. For what compiled code calls no entry point from Python or C is
made, which took a fifth of a first fit's compilation.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from numba import njit

from halfstep.kernels.compiled import telling  # noqa: F401  (its listener)
from halfstep.kernels.compiled.cache import CompiledFiles

Function = TypeVar("Function", bound=Callable[..., Any])

_njit: Any = njit
_inside = {"error_model": "numpy", "no_cpython_wrapper": True, "no_cfunc_wrapper": True}


def compiled_in(seconds: int) -> Callable[[Function], Function]:
    """Return a decorator for a function that Python calls and that takes so long to compile.

    It is compiled on first use, while a progress line says so, and kept on disk by `cache`.
    """

    def decorate(function: Function) -> Function:
        dispatcher: Any = _njit(nogil=True, error_model="numpy", no_cfunc_wrapper=True)(function)
        if hasattr(dispatcher, "_cache"):  # not where NUMBA_DISABLE_JIT is set
            dispatcher._cache = CompiledFiles(function, seconds)
        return dispatcher  # type: ignore[no-any-return]

    return decorate


compiled = compiled_in(1)
# For loops over one tile. A call would pass seven numbers per array, which costs as much as the loop
# over a short tile.
inlined: Callable[[Function], Function] = _njit(forceinline=True, **_inside)
# For a large function with one caller: inlined before it is compiled, so that it is compiled once.
merged: Callable[[Function], Function] = _njit(inline="always", **_inside)
# For functions that several places call once per row: compiled once, and a call costs next to nothing.
called: Callable[[Function], Function] = _njit(nogil=True, **_inside)
# The compiler may reorder sums and fuse multiplications with additions; NaNs and infinities keep their
# meaning.
reordered: Callable[[Function], Function] = _njit(
    fastmath={"reassoc", "contract"}, forceinline=True, **_inside
)
