"""All item factors in a process's memory, read once however many shards it ranks for, until `forget`."""

from __future__ import annotations

import threading
from typing import Any

from halfstep.distributed.model.record import Record, read_side
from halfstep.distributed.storage import Folder
from halfstep.memory import available
from halfstep.solvers.model.held import Held

# The share of the memory that the item factors may take; users' factors, histories and lists take more.
SHARE = 0.5
_lock = threading.Lock()
_items: dict[Any, Held] = {}


def items_of(folder: Folder, record: Record) -> Held | None:
    """Return all item factors of a model, or None if they take more than `SHARE` of the free memory."""
    key = (folder.url, tuple(file.digest for file in record.files["item"]))
    with _lock:
        if key not in _items:
            room = memory()
            if room is not None and record.bytes_of("item") > SHARE * room:
                return None
            _items.clear()
            _items[key] = Held(read_side(folder, record, "item"))
        return _items[key]


def forget() -> None:
    """Drop what is kept."""
    with _lock:
        _items.clear()


def memory() -> int | None:
    """Return how many bytes this process, a worker of Dask or not, may take more; None if unknown."""
    limits = [available(), _limit_of_worker()]
    return min((limit for limit in limits if limit is not None), default=None)


def _limit_of_worker() -> int | None:
    try:
        from distributed import get_worker

        manager = get_worker().memory_manager
    except (ImportError, ValueError, AttributeError):
        return None
    return manager.memory_limit or None
