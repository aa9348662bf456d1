"""The third round: a piece's entries with numbers for ids, by the shards of either side."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import numpy.typing as npt

from halfstep.distributed.facts import OTHER, SIDES
from halfstep.distributed.numbering.bundles import (
    packed,
    read_part,
    read_parts,
    unpacked,
    write_bundle,
)
from halfstep.distributed.numbering.encoding import codes_name
from halfstep.distributed.numbering.ids import ranks_name
from halfstep.distributed.storage import Folder
from halfstep.types import Integers


def entries_name(side: str, piece: int) -> str:
    """Return the name of the file of a piece's entries by a side's shards, a part for each."""
    return f"entries-{side}-{piece:06d}"


def cut(
    folder: Folder,
    piece: int,
    hashed: dict[str, list[int]],
    starts: dict[str, list[int]],
    hubs: dict[str, list[int]],
) -> None:
    """Write the entries of a piece, with numbers in place of ids, for the shards of both sides.

    Parameters
    ----------
    hashed, starts
        For each side the first number of each hash shard, and of each shard.
    hubs
        For each side the numbers of its hubs, rising.
    """
    *codes, values = unpacked(read_part(folder, codes_name(piece), 0), 3)
    numbers = {
        side: numbers_of(folder, side, piece, hashed[side])[places]
        for side, places in zip(SIDES, codes, strict=True)
    }
    hub = {side: among(numbers[side], hubs[side]) for side in SIDES}
    for side in SIDES:
        mine, others = hub[side], hub[OTHER[side]]
        columns: tuple[npt.NDArray[Any], ...] = (numbers[side], numbers[OTHER[side]], values)
        if mine is not None:  # left out, but for the pieces of the other side's hubs
            kept = ~mine if others is None else ~mine | others
            columns = tuple(column[kept] for column in columns)
        write_bundle(folder, entries_name(side, piece), by_shard(columns, starts[side]))


def numbers_of(folder: Folder, side: str, piece: int, hashed: list[int]) -> Integers:
    """Return the numbers of a piece's distinct ids, in their order."""
    kind = np.int32 if hashed[-1] <= np.iinfo(np.int32).max else np.int64
    parts = []
    which = [(ranks_name(side, shard), piece) for shard in range(len(hashed) - 1)]
    for first, part in zip(hashed[:-1], read_parts(folder, which), strict=True):
        (ranks,) = unpacked(part, 1)
        parts.append(ranks.astype(kind, copy=False) + kind(first))
    whole: Integers = np.concatenate(parts)
    return whole


def among(numbers: Integers, some: list[int]) -> npt.NDArray[np.bool_] | None:
    """Return which numbers are some that rise, or None if there are none of these."""
    if not some:
        return None
    rising = np.array(some)
    places = np.searchsorted(rising, numbers)
    places[places == len(rising)] = 0
    found: npt.NDArray[np.bool_] = rising[places] == numbers
    return found


def by_shard(columns: tuple[Any, ...], starts: list[int]) -> list[memoryview]:
    """Return for each shard its entries, of columns whose first has the numbers that are cut."""
    shards = len(starts) - 1
    if shards == 1:
        return [packed(*columns)]
    # Few shards have small numbers, which NumPy sorts by their digits.
    kind = np.uint8 if shards <= 1 << 8 else np.uint16 if shards <= 1 << 16 else np.int64
    shard = (np.searchsorted(starts, columns[0], side="right") - 1).astype(kind)
    order = np.argsort(shard, kind="stable")
    cuts = [0, *np.cumsum(np.bincount(shard, minlength=shards)).tolist()]
    columns = tuple(column[order] for column in columns)
    return [
        packed(*(column[first:stop] for column in columns))
        for first, stop in itertools.pairwise(cuts)
    ]
