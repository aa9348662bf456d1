"""How the shuffles are done: which row goes to which partition, and whether through disk or memory."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

KEY = "shard"
_ROW_BYTES = 256  # of an entry in a shuffle, at the peak: as received, grouped and handed over
_CANDIDATES = 1 << 16
_SHARE = 0.4  # of the workers' memory that a shuffle may take


@lru_cache
def keys_of(shards: int) -> npt.NDArray[np.int64]:
    """Return for each shard a number that Dask's hash sends to its partition, (shards,)."""
    import pandas as pd
    from dask.dataframe.shuffle import partitioning_index

    keys = np.full(shards, -1, np.int64)
    for first in range(0, 64 * shards**2 + 64, _CANDIDATES):
        candidates = np.arange(first, first + _CANDIDATES, dtype=np.int64)
        # Newer versions of Dask make float64 of numbers before they are hashed.
        places, others = (
            np.asarray(partitioning_index(pd.DataFrame({KEY: candidates.astype(kind)}), shards))
            for kind in (np.int64, np.float64)
        )
        for at in np.flatnonzero(places == others):
            if keys[places[at]] < 0:
                keys[places[at]] = candidates[at]
        if (keys >= 0).all():
            return keys
    # With so many candidates for each this does not happen.
    raise RuntimeError(f"no number is hashed to partition {int(np.argmin(keys))} of {shards}")


def shuffled(frame: Any, shards: int) -> list[Any]:
    """Return delayed frames, one a shard, of the rows whose column `KEY` holds the shard's key."""
    return list(frame.shuffle(KEY, npartitions=shards, shuffle_method="p2p").to_delayed())


@contextmanager
def storage_of_shuffles(client: Any, rows: int | None) -> Iterator[None]:
    """Let shuffles keep their rows in memory if they fit: two to three times as fast as on disk."""
    import dask

    limits = [w.get("memory_limit") for w in client.scheduler_info()["workers"].values()]
    memory = sum(limit or 0 for limit in limits) if all(limits) else None
    fits = rows is not None and (memory is None or rows * _ROW_BYTES < _SHARE * memory)
    with dask.config.set({"distributed.p2p.storage.disk": not fits}):
        yield


def gathered(client: Any, delayed: list[Any]) -> list[Any]:
    """Compute delayed values on the workers and return them; an error there is raised here."""
    futures = client.compute(delayed, retries=2)
    try:
        found: list[Any] = client.gather(futures)
    finally:
        client.cancel(futures)
    return found
