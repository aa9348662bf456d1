"""The numbers of a side's ids: each id's shard by its hash, and its rank there."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from halfstep.distributed.facts import SIDES
from halfstep.distributed.ids import arrow_type_of
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


def number_sides(client: Any, table: Table, folder: Folder, shards: int) -> dict[str, Side]:
    """Write the ids of both sides, one file for each hash shard in order of their numbers."""
    import dask

    write = dask.delayed(write_ids, pure=False)
    calls = {
        (side, k): write(part, folder, side, k, table.id_types[side])
        for side in SIDES
        for k, part in enumerate(_by_hash(table, side, shards))
    }
    found = dict(zip(calls, gathered(client, list(calls.values())), strict=True))
    return {side: _side([found[side, k] for k in range(shards)]) for side in SIDES}


def _by_hash(table: Table, side: str, shards: int) -> list[Any]:
    import pandas as pd

    column, kind = table.columns.of(side), table.id_types[side]
    ids = pd.Series([], dtype="int64" if kind == "int64" else "string[pyarrow]")
    meta = pd.DataFrame({"id": ids, "count": np.empty(0, np.int64), KEY: np.empty(0, np.int64)})
    distinct = table.frame[[column]].map_partitions(
        distinct_ids, column, kind, keys_of(shards), meta=meta, enforce_metadata=False
    )
    return shuffled(distinct, shards)


def _side(found: list[Any]) -> Side:
    counts, entries, heavy, sizes = zip(*found, strict=True)
    starts = [0, *np.cumsum(counts).tolist()]
    listed = [(starts[k] + row, count) for k, pairs in enumerate(heavy) for row, count in pairs]
    return Side(starts, int(sum(entries)), listed, int(sum(sizes)))


def distinct_ids(part: Any, column: str, kind: str, keys: npt.NDArray[np.int64]) -> Any:
    """Return a part's distinct ids, how often each occurs, and the key of its shard."""
    import pandas as pd

    codes, ids = encoded(part[column], column, kind)
    frame = pd.DataFrame({"id": ids.to_pandas(), "count": np.bincount(codes, minlength=len(ids))})
    frame["id"] = frame["id"].astype("int64" if kind == "int64" else "string[pyarrow]")
    frame[KEY] = keys[shard_of(ids, len(keys))]
    return frame


def encoded(column: Any, name: str, kind: str) -> tuple[npt.NDArray[np.int32], Any]:
    """Return a column of ids as places (n,) among the distinct ones, and these as an Arrow array."""
    import pyarrow as pa

    array = pa.array(column, from_pandas=True)
    if array.null_count:
        missing = array.null_count
        raise InputError(f"column {name!r} must have an id in each row, {missing} are missing")
    whole = array.combine_chunks() if isinstance(array, pa.ChunkedArray) else array
    if pa.types.is_dictionary(whole.type):
        whole = whole.dictionary_decode()
    coded = whole.cast(arrow_type_of(kind)).dictionary_encode()
    codes: npt.NDArray[np.int32] = coded.indices.to_numpy()
    return codes, coded.dictionary


def shard_of(ids: Any, shards: int) -> npt.NDArray[np.int64]:
    """Return the hash shard of each id, on any machine alike: (n,)."""
    import pandas as pd

    hashed = pd.util.hash_array(ids.to_numpy(zero_copy_only=False), categorize=False)
    shard: npt.NDArray[np.int64] = (hashed % np.uint64(shards)).astype(np.int64)
    return shard


def write_ids(
    part: Any, folder: Folder, side: str, shard: int, kind: str
) -> tuple[int, int, list[tuple[int, int]], int]:
    """Write the ids of a shard in order; return how many, their rows, the most frequent, their bytes."""
    import pyarrow as pa
    from pyarrow import compute, parquet

    codes, distinct = encoded(part["id"], "id", kind)
    told = part["count"].to_numpy(np.int64)
    totals = np.bincount(codes, weights=told, minlength=len(distinct)).astype(np.int64)
    order = compute.sort_indices(distinct)
    ids, counts = distinct.take(order), totals[order.to_numpy()]
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


def numbers_of(ids: Any, folder: Folder, side: str, starts: list[int], kind: str) -> Any:
    """Return the number of each id in an Arrow array, (n,) int64, by the files of all hash shards."""
    shards = len(starts) - 1
    homes = shard_of(ids, shards)
    numbers = np.empty(len(ids), np.int64)
    for k in range(shards):
        rows = np.flatnonzero(homes == k)
        if len(rows):
            known = read_hashed(folder, side, k)
            numbers[rows] = starts[k] + places_in(ids.take(rows), known, kind)
    return numbers


def places_in(ids: Any, known: Any, kind: str) -> npt.NDArray[np.int64]:
    """Return the place of each id in an Arrow array among the `known` ones, which are in order: (n,)."""
    if kind == "int64":
        return np.asarray(np.searchsorted(known.to_numpy(), ids.to_numpy()), np.int64)
    from pyarrow import compute

    places = compute.index_in(ids, value_set=known)
    return np.asarray(places.to_numpy(zero_copy_only=False), np.int64)
