"""How the allocator of a worker's process treats large arrays during a fit."""

from __future__ import annotations

import ctypes

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3  # of glibc's mallopt
_KEPT = 1 << 30
_GIVEN_BACK, _MAPPED = 64 << 10, 128 << 10


def keep_memory() -> None:
    """Let the process keep the memory of arrays that it frees, for those of the next half-step.

    Dask has its workers give memory back at once. Then every array of a half-step comes in pages that
    the system must clear first: an eighth of the time of a half-step on Gowalla with 64 factors.
    """
    _set(_KEPT, _KEPT)


def give_back() -> None:
    """Let the process give memory back as Dask has it, beginning with what it keeps."""
    _set(_GIVEN_BACK, _MAPPED)
    trim = getattr(_library(), "malloc_trim", None)
    if trim is not None:
        trim(0)


def _set(trim: int, mapped: int) -> None:
    mallopt = getattr(_library(), "mallopt", None)
    if mallopt is not None:  # glibc alone has it
        mallopt(_TRIM_THRESHOLD, trim)
        mallopt(_MMAP_THRESHOLD, mapped)


def _library() -> ctypes.CDLL | None:
    try:
        return ctypes.CDLL(None)
    except (OSError, TypeError):
        return None
