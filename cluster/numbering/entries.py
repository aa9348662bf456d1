"""The fourth round: a shard's entries of all pieces become its block."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
from scipy import sparse

from halfstep.distributed.blocks import block_of, build_block, save_block
from halfstep.distributed.facts import OTHER
from halfstep.distributed.ids import arrow_type_of
from halfstep.distributed.numbering.bundles import read_parts, unpacked
from halfstep.distributed.numbering.cutting import among, entries_name
from halfstep.distributed.numbering.hub_files import save_part
from halfstep.distributed.numbering.ids import read_hashed
from halfstep.distributed.storage import Folder


def write_shard(
    folder: Folder,
    work: Folder,
    side: str,
    shard: int,
    hashed: list[int],
    starts: dict[str, list[int]],
    hubs: dict[str, list[int]],
    kind: str,
    pieces: int,
) -> dict[str, Any]:
    """Write a shard's ids, its block and its entries of the other side's hubs; return what is known."""
    write_ids(folder, work, side, shard, hashed, starts[side], kind)
    parts = read_parts(work, [(entries_name(side, piece), shard) for piece in range(pieces)])
    read = [unpacked(part, 3) for part in parts]
    del parts
    rows, columns, values = (np.concatenate(parts) for parts in zip(*read, strict=True))
    del read
    other = OTHER[side]
    first, stop = starts[side][shard : shard + 2]
    hub_parts = {}
    for row in hubs[other]:
        at = columns == row
        hub_parts[row] = save_part(work, other, row, shard, rows[at], values[at])
    hub = among(rows, hubs[side])
    if hub is not None:  # those of the other side's stay: they are in the pieces as well
        rows, columns, values = rows[~hub], columns[~hub], values[~hub]
    if len(rows):
        block = build_block(rows, columns, values, first, stop - first, starts[other][-1])
    else:
        block = block_of(sparse.csr_array((stop - first, 1)), np.empty(0, np.int64))
    digest = save_block(folder, side, shard, block)
    return {"entries": len(block.indices), "digest": digest, "hubs": hub_parts}


def write_ids(
    folder: Folder,
    work: Folder,
    side: str,
    shard: int,
    hashed: list[int],
    starts: list[int],
    kind: str,
) -> None:
    """Write the ids of a shard, from those of the hash shards that overlap it."""
    import pyarrow as pa
    from pyarrow import parquet

    first, stop = starts[shard : shard + 2]
    chunks = []
    for k, (low, high) in enumerate(itertools.pairwise(hashed)):
        begin, end = max(low, first), min(high, stop)
        if begin < end:
            chunks.append(read_hashed(work, side, k).slice(begin - low, end - begin))
    ids = pa.chunked_array(chunks, arrow_type_of(kind))
    with folder.writing(f"ids/{side}-{shard:05d}.parquet") as file:
        parquet.write_table(pa.table({"id": ids}), file)
