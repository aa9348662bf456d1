"""Limit the threads of BLAS for the duration of a block, also if several threads do so at once.

A BLAS library has one limit for the whole process. If every block restored the limit that it found, two
overlapping blocks would leave the first one's limit in force for good. So this module keeps all limits
in force: the lowest applies, and when the last block ends the libraries get their former limits back.
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
    """Let BLAS use at most `limit` threads (at least 1) within the block; None changes nothing."""
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
    """Return the controllers of NumPy's BLAS and of SciPy's; the search takes milliseconds, once."""
    import scipy.linalg.blas  # noqa: F401
    from threadpoolctl import ThreadpoolController

    controllers: list[Any] = ThreadpoolController().select(user_api="blas").lib_controllers
    return controllers
