"""The blocks of numbered entries: two shuffles, by the users' shards and by the items'."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import numpy.typing as npt

from halfstep.distributed.blocks import block_of, build_block, save_block
from halfstep.distributed.facts import OTHER, SIDES
from halfstep.distributed.hubs import hub_limit
from halfstep.distributed.ids import arrow_type_of
from halfstep.distributed.numbering.hub_files import save_part, write_hubs
from halfstep.distributed.numbering.ids import (
    Side,
    read_hashed,
)
from halfstep.distributed.numbering.numbers import entries_meta, with_numbers
from halfstep.distributed.numbering.placing import KEY, gathered, keys_of, shuffled
from halfstep.distributed.numbering.table import Table
from halfstep.distributed.storage import Folder
from halfstep.errors import InputError
from halfstep.solvers.gramian import ROWS

SMALL_IDS = 1 << 28  # bytes of a side's ids that each worker may hold whole


def blocks_from(
    client: Any,
    table: Table,
    folder: Folder,
    sides: dict[str, Side],
    shards: int,
    hub_entries: int | None,
) -> dict[str, Any]:
    """Write ids, blocks and hubs; return what `Facts` has of them."""
    import dask

    if not sides["user"].entries:
        raise InputError("the table must have rows, got none")
    if sides["user"].entries != sides["item"].entries:
        raise RuntimeError(
            f"{sides['user'].entries} rows by user, {sides['item'].entries} by item: the table changed"
        )
    limit = hub_limit(sides["user"].entries, shards) if hub_entries is None else hub_entries
    hubs = {s: sorted(row for row, count in sides[s].heavy if count > limit) for s in SIDES}
    starts = {side: aligned(sides[side].starts) for side in SIDES}
    numbered = _numbered(table, folder, sides, shards)
    write_ids = dask.delayed(write_shard_ids, pure=False)
    gathered(
        client,
        [
            write_ids(folder, side, k, sides[side].starts, starts[side], table.id_types[side])
            for side in SIDES
            for k in range(shards)
        ],
    )
    found = _shuffled_twice(client, numbered, folder, starts, hubs, shards)
    digest, middles, lengths = write_hubs(client, folder, hubs, found, shards)
    for side in SIDES:
        for k in range(shards):
            digest.update(found[side, k]["digest"].encode())
    entries = {
        side: sum(found[side, k]["entries"] for k in range(shards))
        + sum(count for _, count in lengths[side])
        for side in SIDES
    }
    if entries["user"] != entries["item"]:
        raise RuntimeError(f"{entries['user']} entries by user, {entries['item']} by item")
    for name in ("hashed", "parts"):
        folder.remove(name)
    return {
        "identity": digest.hexdigest(),
        "starts": starts,
        "entries": entries["user"],
        "hubs": lengths,
        "middles": middles,
    }


def _shuffled_twice(
    client: Any,
    numbered: Any,
    folder: Folder,
    starts: dict[str, list[int]],
    hubs: dict[str, list[int]],
    shards: int,
) -> dict[tuple[str, int], Any]:
    """Write all blocks; return what `write_block` says of each."""
    import dask
    import dask.dataframe as dd

    keys, meta = keys_of(shards), entries_meta(key=True)
    build = dask.delayed(write_block, pure=False)
    by_user = numbered.map_partitions(
        addressed, "user", starts, hubs, keys, meta=meta, enforce_metadata=False
    )
    # Kept until both have been made of them: the users' blocks, and what goes to the items' shards.
    parts = client.persist(shuffled(by_user, shards))
    calls = {
        ("user", k): build(part, folder, "user", k, starts, hubs) for k, part in enumerate(parts)
    }
    onward = dask.delayed(addressed, pure=False)
    again = dd.from_delayed(
        [onward(part, "item", starts, hubs, keys) for part in parts], meta=meta, verify_meta=False
    )
    del parts
    calls |= {
        ("item", k): build(part, folder, "item", k, starts, hubs)
        for k, part in enumerate(shuffled(again, shards))
    }
    return dict(zip(calls, gathered(client, list(calls.values())), strict=True))


def aligned(starts: list[int]) -> list[int]:
    """Return where shards begin: near where the hash shards do, at whole blocks of the Gramian."""
    rows, shards = starts[-1], len(starts) - 1
    if rows < 2 * ROWS * shards:
        return starts
    inner = np.round(np.array(starts[1:-1]) / ROWS).astype(np.int64) * ROWS
    return [0, *inner.tolist(), rows]


def _numbered(table: Table, folder: Folder, sides: dict[str, Side], shards: int) -> Any:
    """Return the entries with numbers in place of ids: columns user, item, value."""
    large = [side for side in SIDES if sides[side].text_bytes > SMALL_IDS]
    starts = {side: sides[side].starts for side in SIDES}
    if not large:
        how = table.columns, table.id_types, folder, starts, SIDES
        return table.frame.map_partitions(
            with_numbers, *how, meta=entries_meta(), enforce_metadata=False
        )
    from halfstep.distributed.numbering.large import numbered_by_shuffles

    return numbered_by_shuffles(table, folder, starts, large, shards)


def addressed(
    part: Any,
    side: str,
    starts: dict[str, list[int]],
    hubs: dict[str, list[int]],
    keys: npt.NDArray[np.int64],
) -> Any:
    """Return rows with the key of the shard of a side that gets each of them.

    On the way to the users' shards, those of a hub go where the item's number leads, to be spread. On
    the way to the items' shards, those of a hub are left out, unless the user is a hub as well.
    """
    import pandas as pd

    if side == "item" and hubs["item"]:
        part = part[~np.isin(part["item"], hubs["item"]) | np.isin(part["user"], hubs["user"])]
    rows = part[side].to_numpy()
    shard = np.searchsorted(starts[side], rows, side="right") - 1
    if side == "user" and hubs["user"]:
        spread = np.isin(rows, hubs["user"])
        shard[spread] = part["item"].to_numpy()[spread] % len(keys)
    columns = {name: part[name].to_numpy() for name in ("user", "item", "value")}
    return pd.DataFrame({**columns, KEY: keys[shard]})


def write_block(
    part: Any,
    folder: Folder,
    side: str,
    shard: int,
    starts: dict[str, list[int]],
    hubs: dict[str, list[int]],
) -> dict[str, Any]:
    """Write a shard's block, and its entries of the other side's hubs; return what is known of them."""
    other = OTHER[side]
    first, stop = starts[side][shard : shard + 2]
    rows, columns, values = (part[name].to_numpy() for name in (side, other, "value"))
    own = (rows >= first) & (rows < stop)
    if not (own | np.isin(rows, hubs[side])).all():
        raise RuntimeError(f"rows of other shards than {shard} of the {side}s came to it")
    hub_parts = {}
    for row in hubs[other]:
        at = columns == row
        hub_parts[row] = save_part(folder, other, row, shard, rows[at], values[at])
    if hubs[side]:  # those of the other side's stay: they are in the pieces as well
        kept = ~np.isin(rows, hubs[side])
        rows, columns, values = rows[kept], columns[kept], values[kept]
    count = starts[other][-1]
    if not len(rows):
        import scipy.sparse as sparse

        empty = block_of(sparse.csr_array((stop - first, 1)), np.empty(0, np.int64))
        digest = save_block(folder, side, shard, empty)
        return {"entries": 0, "digest": digest, "hubs": hub_parts}
    block = build_block(rows, columns, values, first, stop - first, count)
    digest = save_block(folder, side, shard, block)
    return {"entries": len(block.indices), "digest": digest, "hubs": hub_parts}


def write_shard_ids(
    folder: Folder, side: str, shard: int, hashed: list[int], starts: list[int], kind: str
) -> None:
    """Write the ids of a shard, from those of the hash shards that overlap it."""
    import pyarrow as pa
    from pyarrow import parquet

    first, stop = starts[shard : shard + 2]
    chunks = []
    for k, (low, high) in enumerate(itertools.pairwise(hashed)):
        begin, end = max(low, first), min(high, stop)
        if begin < end:
            chunks.append(read_hashed(folder, side, k).slice(begin - low, end - begin))
    ids = pa.chunked_array(chunks, arrow_type_of(kind))
    with folder.writing(f"ids/{side}-{shard:05d}.parquet") as file:
        parquet.write_table(pa.table({"id": ids}), file)
