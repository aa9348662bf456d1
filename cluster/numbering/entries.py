"""The blocks of numbered entries: two shuffles, by the users' shards and by the items'."""

from __future__ import annotations

import hashlib
import itertools
from typing import Any

import numpy as np
import numpy.typing as npt

from halfstep.distributed.blocks import block_of, build_block, save_block
from halfstep.distributed.facts import OTHER
from halfstep.distributed.hubs import hub_limit, piece_cuts, save_piece
from halfstep.distributed.numbering.ids import (
    Side,
    checked,
    numbers_in,
    read_hashed,
    shard_of,
)
from halfstep.distributed.numbering.placing import KEY, gathered, keys_of, shuffled
from halfstep.distributed.numbering.table import Columns, Table
from halfstep.distributed.storage import Folder
from halfstep.errors import InputError
from halfstep.kernels.cpu.high_degree import PIECES
from halfstep.solvers.gramian import ROWS

_SMALL_IDS = 1 << 28  # bytes of a side's ids that each worker may hold whole
SIDES = ("user", "item")


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
    found: dict[tuple[str, int], Any] = {}
    for side in SIDES:
        frame = numbered.map_partitions(
            addressed,
            side,
            starts,
            hubs,
            keys_of(shards),
            meta=_meta(key=True),
            enforce_metadata=False,
        )
        build = dask.delayed(write_block, pure=False)
        parts = shuffled(frame, shards)
        calls = [build(part, folder, side, k, starts, hubs) for k, part in enumerate(parts)]
        found |= {(side, k): value for k, value in enumerate(gathered(client, calls))}
    digest, middles, lengths = _hubs(client, folder, hubs, found, shards)
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


def aligned(starts: list[int]) -> list[int]:
    """Return where shards begin: near where the hash shards do, at whole blocks of the Gramian."""
    rows, shards = starts[-1], len(starts) - 1
    if rows < 2 * ROWS * shards:
        return starts
    inner = np.round(np.array(starts[1:-1]) / ROWS).astype(np.int64) * ROWS
    return [0, *inner.tolist(), rows]


def _meta(key: bool = False, ids: tuple[str, str] | None = None) -> Any:
    import pandas as pd

    columns: dict[str, Any] = {
        "user": np.empty(0, np.int64), "item": np.empty(0, np.int64), "value": np.empty(0)
    }  # fmt: skip
    if ids is not None:
        side, kind = ids
        columns[side] = pd.Series([], dtype="int64" if kind == "int64" else "string[pyarrow]")
    if key:
        columns[KEY] = np.empty(0, np.int64)
    return pd.DataFrame(columns)


def _numbered(table: Table, folder: Folder, sides: dict[str, Side], shards: int) -> Any:
    """Return the entries with numbers in place of ids: columns user, item, value."""
    frame = table.frame.map_partitions(
        renamed, table.columns, table.id_types, meta=_meta(), enforce_metadata=False
    )
    for side in SIDES:
        kind, starts = table.id_types[side], sides[side].starts
        if sides[side].text_bytes <= _SMALL_IDS:
            frame = frame.map_partitions(
                with_all_ids, folder, side, kind, starts, meta=_meta(), enforce_metadata=False
            )
            continue
        import dask
        import dask.dataframe as dd

        keyed = frame.map_partitions(
            by_hash,
            side,
            keys_of(shards),
            meta=_meta(key=True, ids=(side, kind)),
            enforce_metadata=False,
        )
        lookup = dask.delayed(with_ids_of, pure=False)
        parts = shuffled(keyed, shards)
        new = [lookup(part, folder, side, kind, starts, k) for k, part in enumerate(parts)]
        frame = dd.from_delayed(new, meta=_meta(), verify_meta=False)
    return frame


def renamed(part: Any, columns: Columns, kinds: dict[str, str]) -> Any:
    """Return a part of the table with columns user, item, value, its values checked."""
    import pandas as pd

    ids = {side: checked(part[columns.of(side)], columns.of(side), kinds[side]) for side in SIDES}
    if columns.value is None:
        values = np.ones(len(part))
    else:
        values = part[columns.value].to_numpy(np.float64, na_value=np.nan)
        bad = ~((values >= 0) & (values < np.inf))
        if bad.any():
            row = int(np.argmax(bad))
            raise InputError(
                f"column {columns.value!r} must be numbers of at least 0, got {values[row]} for "
                f"{columns.user} {ids['user'].iloc[row]!r}, {columns.item} {ids['item'].iloc[row]!r}"
            )
    return pd.DataFrame({**ids, "value": values}).reset_index(drop=True)


def with_all_ids(part: Any, folder: Folder, side: str, kind: str, starts: list[int]) -> Any:
    """Return a part with numbers in place of a side's ids, which are all read here."""
    shards = len(starts) - 1
    column = part[side]
    if shards == 1:
        numbers = numbers_in(column.to_numpy(), read_hashed(folder, side, 0), kind)
        return part.assign(**{side: numbers})
    values = column.to_numpy()
    homes = shard_of(values, shards)
    numbers = np.empty(len(part), np.int64)
    for k in range(shards):
        rows = np.flatnonzero(homes == k)
        if len(rows):
            numbers[rows] = starts[k] + numbers_in(values[rows], read_hashed(folder, side, k), kind)
    return part.assign(**{side: numbers})


def by_hash(part: Any, side: str, keys: npt.NDArray[np.int64]) -> Any:
    """Return a part with the key of the hash shard of each row's id."""
    return part.assign(**{KEY: keys[shard_of(part[side].to_numpy(), len(keys))]})


def with_ids_of(part: Any, folder: Folder, side: str, kind: str, starts: list[int], k: int) -> Any:
    """Return the rows of a hash shard with numbers in place of ids."""
    numbers = starts[k] + numbers_in(part[side].to_numpy(), read_hashed(folder, side, k), kind)
    return part.assign(**{side: numbers})[["user", "item", "value"]]


def addressed(
    part: Any,
    side: str,
    starts: dict[str, list[int]],
    hubs: dict[str, list[int]],
    keys: npt.NDArray[np.int64],
) -> Any:
    """Return the rows that a side's shards get, with the key of each row's shard.

    The entries of a hub are left out, unless both of their rows are hubs.
    """
    if hubs[side]:
        own = np.isin(part[side], hubs[side]) & ~np.isin(part[OTHER[side]], hubs[OTHER[side]])
        part = part[~own]
    shard = np.searchsorted(starts[side], part[side].to_numpy(), side="right") - 1
    return part.assign(**{KEY: keys[shard]})


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
    if len(rows) and not (first <= rows.min() and rows.max() < stop):
        raise RuntimeError(f"rows of other shards than {shard} of the {side}s came to it")
    hub_parts = {}
    for row in hubs[other]:
        at = columns == row
        hub_parts[row] = save_part(folder, other, row, shard, rows[at], values[at], first, stop)
    if hubs[side] or hubs[other]:
        kept = ~(np.isin(rows, hubs[side]) | np.isin(columns, hubs[other]))
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


def save_part(
    folder: Folder,
    side: str,
    row: int,
    shard: int,
    numbers: Any,
    values: Any,
    first: int,
    stop: int,
) -> int:
    """Write a hub's entries with the rows of one shard of the other side, summed; return how many."""
    summed = np.bincount(numbers - first, weights=np.asarray(values), minlength=stop - first)
    there = np.flatnonzero(np.bincount(numbers - first, minlength=stop - first))
    with folder.writing(f"parts/{side}-{row}-{shard:05d}.npz") as file:
        np.savez(file, numbers=there + first, values=summed[there])
    return len(there)


def _hubs(
    client: Any,
    folder: Folder,
    hubs: dict[str, list[int]],
    found: dict[tuple[str, int], Any],
    shards: int,
) -> tuple[Any, dict[str, list[list[int]]], dict[str, list[list[int]]]]:
    """Write the pieces of all hubs; return their digest, and of each its middles and length."""
    import dask

    digest = hashlib.sha256()
    middles: dict[str, list[list[int]]] = {"user": [], "item": []}
    lengths: dict[str, list[list[int]]] = {"user": [], "item": []}
    write = dask.delayed(write_piece, pure=False)
    for side in SIDES:
        for row in hubs[side]:
            counts = [found[OTHER[side], k]["hubs"][row] for k in range(shards)]
            pieces = itertools.pairwise(piece_cuts(sum(counts)).tolist())
            calls = [
                write(folder, side, row, piece, counts, first, stop)
                for piece, (first, stop) in enumerate(pieces)
            ]
            done = gathered(client, calls)
            assert len(done) == PIECES
            digest.update("".join(text for text, _ in done).encode())
            middles[side].append([middle for _, middle in done])
            lengths[side].append([row, sum(counts)])
    return digest, middles, lengths


def write_piece(
    folder: Folder, side: str, row: int, piece: int, counts: list[int], first: int, stop: int
) -> tuple[str, int]:
    """Write a hub's entries from `first` to `stop` - 1; return their digest and the middle's number."""
    from halfstep.distributed.arrays import load_arrays

    numbers, values, begin = [], [], 0
    for shard, count in enumerate(counts):
        low, high = max(first - begin, 0), min(stop - begin, count)
        if low < high:
            name = f"parts/{side}-{row}-{shard:05d}.npz"
            arrays = load_arrays(folder, name, ("numbers", "values"))
            numbers.append(arrays["numbers"][low:high])
            values.append(arrays["values"][low:high])
        begin += count
    whole = np.concatenate(numbers) if numbers else np.empty(0, np.int64)
    weights = np.concatenate(values) if values else np.empty(0)
    digest = save_piece(folder, side, row, piece, whole, weights)
    return digest, int(whole[len(whole) // 2]) if len(whole) else 0


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
    ids = pa.chunked_array(chunks, pa.int64() if kind == "int64" else pa.string())
    with folder.writing(f"ids/{side}-{shard:05d}.parquet") as file:
        parquet.write_table(pa.table({"id": ids}), file)
