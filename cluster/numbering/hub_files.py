"""The pieces of hubs, made of what the shards of the other side have of their entries."""

from __future__ import annotations

import hashlib
import itertools
from typing import Any

import numpy as np

from halfstep.distributed.arrays import load_arrays
from halfstep.distributed.facts import OTHER, SIDES
from halfstep.distributed.hubs import piece_cuts, save_piece
from halfstep.distributed.numbering.placing import gathered
from halfstep.distributed.storage import Folder
from halfstep.kernels.cpu.high_degree import PIECES


def save_part(folder: Folder, side: str, row: int, shard: int, numbers: Any, values: Any) -> int:
    """Write a hub's entries that one shard of the other side has, summed; return how many."""
    order = np.lexsort((values, numbers))  # sums that do not depend on the rows' order
    there, begins = np.unique(numbers[order], return_index=True)
    summed = np.add.reduceat(values[order], begins) if len(there) else np.empty(0)
    with folder.writing(f"parts/{side}-{row}-{shard:05d}.npz") as file:
        np.savez(file, numbers=there, values=summed)
    return len(there)


def write_hubs(
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
