"""BLAS threads, limited for the duration of a call: also where several threads call at once.

A limit belongs to the process. Were every call to put back what it found, of two that overlap the
second to end would put back the first one's limit, for good. So the limits in force are kept here: the
lowest holds, and when the last one ends the libraries get back what they had.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

_lock = threading.Lock()
_in_force: list[int] = []
_before: list[int] = []


@contextmanager
def blas_threads(limit: int | None) -> Iterator[None]:
    """Let BLAS use at most `limit` threads, at least 1, within the block; None changes nothing."""
    if limit is None:
        yield
        return
    with _lock:
        if not _in_force:
            _before[:] = [library.num_threads for library in _libraries()]
        _in_force.append(limit)
        _set()
    try:
        yield
    finally:
        with _lock:
            _in_force.remove(limit)
            _set()


def _set() -> None:
    for library, before in zip(_libraries(), _before, strict=True):
        wanted = min([before, *_in_force])
        if library.num_threads != wanted:
            library.set_num_threads(wanted)


@cache
def _libraries() -> list[Any]:
    """Return the controllers of NumPy's BLAS and of SciPy's; looking for them takes milliseconds."""
    import scipy.linalg.blas  # noqa: F401
    from threadpoolctl import ThreadpoolController

    found: list[Any] = ThreadpoolController().select(user_api="blas").lib_controllers
    return found
