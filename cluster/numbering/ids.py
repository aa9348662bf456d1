"""The second round: the numbers of a shard's ids."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from halfstep.distributed.ids import arrow_type_of
from halfstep.distributed.numbering.bundles import (
    packed,
    read_parts,
    unpacked_table,
    write_bundle,
)
from halfstep.distributed.numbering.encoding import distinct_name, encoded
from halfstep.distributed.storage import Folder

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
    """

    starts: list[int]
    entries: int
    heavy: list[tuple[int, int]]

    @classmethod
    def of(cls, found: list[Any]) -> Side:
        """Return the side of what `number_shard` returned of each shard."""
        counts, entries, heavy = zip(*found, strict=True)
        starts = [0, *np.cumsum(counts).tolist()]
        listed = [(starts[k] + row, count) for k, pairs in enumerate(heavy) for row, count in pairs]
        return cls(starts, int(sum(entries)), listed)


def hashed_name(side: str, shard: int) -> str:
    """Return the name of the file of a hash shard's ids, in order of their numbers."""
    return f"ids-{side}-{shard:05d}.parquet"


def ranks_name(side: str, shard: int) -> str:
    """Return the name of the file of ranks in a shard, a part for each piece: of its distinct ids."""
    return f"ranks-{side}-{shard:05d}"


def number_shard(
    folder: Folder, side: str, shard: int, kind: str, pieces: int
) -> tuple[int, int, list[tuple[int, int]]]:
    """Rank a shard's ids and write them; return how many, their rows of the table, the most frequent."""
    import pyarrow as pa
    from pyarrow import compute, parquet

    texts = read_parts(folder, [(distinct_name(side, piece), shard) for piece in range(pieces)])
    empty = pa.table({"id": pa.array([], arrow_type_of(kind)), "count": pa.array([], pa.int64())})
    tables = [unpacked_table(text) if text else empty for text in texts]
    del texts
    lengths = [len(table) for table in tables]
    whole = pa.concat_tables(tables)
    codes, distinct = encoded(whole["id"], "id")
    told = whole["count"].to_numpy()
    totals = np.bincount(codes, weights=told, minlength=len(distinct)).astype(np.int64)
    order = compute.sort_indices(distinct)
    ids, counts = distinct.take(order), totals[order.to_numpy()]
    with folder.writing(hashed_name(side, shard), lasting=False) as file:
        parquet.write_table(pa.table({"id": ids}), file)
    rank = np.empty(len(ids), np.int32 if len(ids) <= np.iinfo(np.int32).max else np.int64)
    rank[order.to_numpy()] = np.arange(len(ids), dtype=rank.dtype)
    ranks = np.split(rank[codes], np.cumsum(lengths)[:-1])
    write_bundle(folder, ranks_name(side, shard), [packed(part) for part in ranks])
    top = np.argsort(-counts, kind="stable")[:_HEAVIEST]
    heavy = [(int(row), int(counts[row])) for row in top]
    return len(ids), int(counts.sum()), heavy


def read_hashed(folder: Folder, side: str, shard: int) -> Any:
    """Return the ids of a hash shard, in order."""
    from pyarrow import parquet

    with folder.reading(hashed_name(side, shard)) as file:
        return parquet.read_table(file)["id"].combine_chunks()
