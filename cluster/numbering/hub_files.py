"""The pieces of hubs, made of what the shards of the other side have of their entries."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np

from halfstep.distributed.blocks import load_block, save_block, with_hubs
from halfstep.distributed.hubs import Hub, piece_cuts, save_piece
from halfstep.distributed.numbering.bundles import packed, read_part, unpacked, write_bundle
from halfstep.distributed.storage import Folder


def part_name(side: str, row: int, shard: int) -> str:
    """Return the name of the file of what a shard of the other side has of a hub's entries."""
    return f"hub-{side}-{row}-{shard:05d}"


def save_part(folder: Folder, side: str, row: int, shard: int, numbers: Any, values: Any) -> int:
    """Write a hub's entries that one shard of the other side has, summed; return how many."""
    order = np.lexsort((values, numbers))  # sums that do not depend on the rows' order
    there, begins = np.unique(numbers[order], return_index=True)
    wide = values[order].astype(np.float64)
    summed = np.add.reduceat(wide, begins) if len(there) else np.empty(0)
    write_bundle(folder, part_name(side, row, shard), [packed(there.astype(np.int64), summed)])
    return len(there)


def read_hub_part(folder: Folder, side: str, row: int, shard: int) -> list[Any]:
    """Return the numbers and values of what a shard of the other side has of a hub's entries."""
    return unpacked(read_part(folder, part_name(side, row, shard), 0), 2)


def pieces_tasks(
    folder: Folder, work: Folder, side: str, row: int, counts: list[int]
) -> list[tuple[Any, ...]]:
    """Return the arguments of `write_piece` for each piece of a hub.

    `counts` are its entries in each shard of the other side.
    """
    cuts = itertools.pairwise(piece_cuts(sum(counts)).tolist())
    return [(folder, work, side, row, piece, counts, *span) for piece, span in enumerate(cuts)]


def write_piece(
    folder: Folder,
    work: Folder,
    side: str,
    row: int,
    piece: int,
    counts: list[int],
    first: int,
    stop: int,
) -> tuple[str, int]:
    """Write a hub's entries from `first` to `stop` - 1; return their digest and the middle's number."""
    numbers, values, begin = [np.empty(0, np.int64)], [np.empty(0)], 0
    for shard, count in enumerate(counts):
        low, high = max(first - begin, 0), min(stop - begin, count)
        if low < high:
            there, weights = read_hub_part(work, side, row, shard)
            numbers.append(there[low:high])
            values.append(weights[low:high])
        begin += count
    whole = np.concatenate(numbers)
    digest = save_piece(folder, side, row, piece, whole, np.concatenate(values))
    return digest, int(whole[len(whole) // 2]) if len(whole) else 0


def put_back(
    folder: Folder, work: Folder, side: str, shard: int, first: int, rows: dict[int, list[int]]
) -> tuple[str, int]:
    """Write a shard's block anew, with rows that are no hubs after all; return its digest and entries.

    `rows` has of each its entries in each shard of the other side.
    """
    hubs = []
    for row, counts in rows.items():
        parts = [read_hub_part(work, side, row, k) for k, count in enumerate(counts) if count]
        hubs.append(Hub(row, *(list(arrays) for arrays in zip(*parts, strict=True))))
    block = with_hubs(load_block(folder, side, shard), hubs, first)
    return save_block(folder, side, shard, block), len(block.indices)
