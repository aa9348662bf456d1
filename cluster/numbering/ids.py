"""The numbers of a side's ids: each id's shard by its hash, and its rank there."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from halfstep.distributed.numbering.placing import KEY, gathered, keys_of, shuffled
from halfstep.distributed.numbering.table import Table
from halfstep.distributed.storage import Folder
from halfstep.errors import InputError

_HEAVIEST = 1024  # ids of a shard whose counts are told to the driver


class Side(NamedTuple):
    """A side's ids, as numbered.

    Attributes
    ----------
    starts
        The first number of each hash shard, and how many ids there are.
    entries
        Rows of the table.
    heavy
        Numbers and counts of the ids that occur most often.
    text_bytes
        Of all ids.
    """

    starts: list[int]
    entries: int
    heavy: list[tuple[int, int]]
    text_bytes: int

    @property
    def rows(self) -> int:
        """The number of ids."""
        return self.starts[-1]


def number_side(client: Any, table: Table, folder: Folder, side: str, shards: int) -> Side:
    """Write the ids of a side, one file for each hash shard in order of their numbers."""
    import dask
    import pandas as pd

    column, kind = table.columns.of(side), table.id_types[side]
    keys = keys_of(shards)
    ids = pd.Series([], dtype="int64" if kind == "int64" else "string[pyarrow]")
    meta = pd.DataFrame({"id": ids, "count": np.empty(0, np.int64), KEY: np.empty(0, np.int64)})
    distinct = table.frame[[column]].map_partitions(
        distinct_ids, column, kind, keys, meta=meta, enforce_metadata=False
    )
    parts = shuffled(distinct, shards)
    write = dask.delayed(write_ids, pure=False)
    found = gathered(client, [write(part, folder, side, k, kind) for k, part in enumerate(parts)])
    counts, entries, heavy, sizes = zip(*found, strict=True)
    starts = [0, *np.cumsum(counts).tolist()]
    listed = [(starts[k] + row, count) for k, pairs in enumerate(heavy) for row, count in pairs]
    return Side(starts, int(sum(entries)), listed, int(sum(sizes)))


def distinct_ids(part: Any, column: str, kind: str, keys: npt.NDArray[np.int64]) -> Any:
    """Return a part's distinct ids, how often each occurs, and the key of its shard."""
    import pandas as pd

    ids = checked(part[column], column, kind)
    counted = ids.value_counts(sort=False)
    values = counted.index
    frame = pd.DataFrame({"id": pd.Series(values).to_numpy(), "count": counted.to_numpy(np.int64)})
    frame["id"] = frame["id"].astype("int64" if kind == "int64" else "string[pyarrow]")
    frame[KEY] = keys[shard_of(values, len(keys))]
    return frame


def checked(ids: Any, column: str, kind: str) -> Any:
    """Return a column of ids without missing ones, as int64 or text."""
    missing = int(ids.isna().sum())
    if missing:
        raise InputError(f"column {column!r} must have an id in each row, {missing} are missing")
    if kind == "int64":
        return ids.astype("int64")
    return ids.astype("string[pyarrow]")


def shard_of(ids: Any, shards: int) -> npt.NDArray[np.int64]:
    """Return the hash shard of each id, on any machine alike: (n,)."""
    import pandas as pd

    hashed = pd.util.hash_array(np.asarray(ids), categorize=False)
    return (hashed % np.uint64(shards)).astype(np.int64)


def write_ids(
    part: Any, folder: Folder, side: str, shard: int, kind: str
) -> tuple[int, int, list[tuple[int, int]], int]:
    """Write the ids of a shard in order; return how many, their rows, the most frequent, their bytes."""
    import pyarrow as pa
    from pyarrow import compute, parquet

    table = pa.table(
        {
            "id": pa.array(part["id"], pa.int64() if kind == "int64" else pa.string()),
            "count": pa.array(part["count"].to_numpy(np.int64)),
        }
    )
    table = table.group_by("id").aggregate([("count", "sum")])
    order = compute.sort_indices(table["id"])
    ids, counts = table["id"].take(order), table["count_sum"].take(order).to_numpy()
    with folder.writing(f"hashed/{side}-{shard:05d}.parquet") as file:
        parquet.write_table(pa.table({"id": ids}), file)
    top = np.argsort(-counts, kind="stable")[:_HEAVIEST]
    heavy = [(int(row), int(counts[row])) for row in top]
    return len(ids), int(counts.sum()), heavy, ids.nbytes


def read_hashed(folder: Folder, side: str, shard: int) -> Any:
    """Return the ids of a hash shard, in order."""
    from pyarrow import parquet

    with folder.reading(f"hashed/{side}-{shard:05d}.parquet") as file:
        return parquet.read_table(file)["id"].combine_chunks()


def numbers_in(ids: Any, known: Any, kind: str) -> npt.NDArray[np.int64]:
    """Return the place of each of `ids` among the `known` ones, which are in order: (n,)."""
    if kind == "int64":
        order = np.asarray(known)
        return np.searchsorted(order, np.asarray(ids, np.int64)).astype(np.int64)
    import pyarrow as pa
    from pyarrow import compute

    places = compute.index_in(pa.array(ids, pa.string()), value_set=known)
    return np.asarray(places.to_numpy(zero_copy_only=False), np.int64)
