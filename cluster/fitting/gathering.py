"""What a worker gathers in a half-step: which rows of the fixed side, from where, and to which place.

A worker may have several shards of the side to solve. A row of the fixed side that some of them need
comes once. The gathered rows of one shard of the fixed side stand together, by their numbers; if nearly
all of them are needed, the whole slice comes, which the sender need not pick rows for.

Where the gathered rows would not fit the worker's memory, it solves its rows in groups, one after the
other, each with a gathering of its own.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from halfstep.distributed.fitting.sides import Part
from halfstep.types import Integers

# Of a shard's rows, the share from which on all of them come. To pick rows costs the sender more than
# the receiver's network saves.
WHOLE = 0.9


class Source(NamedTuple):
    """The rows that come from one shard of the fixed side.

    Attributes
    ----------
    shard
        The shard's number.
    rows
        Which of its rows come, rising, (·,) int64; None for all.
    first, stop
        The places of the gathered rows that they take.
    needed
        How many of them are needed.
    """

    shard: int
    rows: Integers | None
    first: int
    stop: int
    needed: int


@dataclass(frozen=True)
class Gathering:
    """The rows that one group of a worker's rows needs; `parts` are its rows, by shard.

    The pieces of hubs that live on the worker are parts by (row, piece).
    """

    sources: list[Source]
    parts: dict[Any, Part]

    def shards(self) -> Iterator[tuple[int, Part]]:
        """Yield the shards' own parts, without the pieces of hubs."""
        for key, part in self.parts.items():
            if isinstance(key, int):
                yield key, part

    @property
    def room(self) -> int:
        """The number of rows that are gathered."""
        return self.sources[-1].stop if self.sources else 0


def gathering_of(parts: dict[Any, Part], counts: list[int]) -> Gathering:
    """Return what a worker gathers for one group, a part of each of its shards.

    The parts' indices then count the gathered rows. `counts` are the rows of each shard of the fixed
    side.
    """
    sources: list[Source] = []
    first = 0
    for k, count in enumerate(counts):
        rows = union([part.needed[k] for part in parts.values()])
        if not len(rows):
            continue
        all_of_it = len(rows) >= WHOLE * count
        stop = first + (count if all_of_it else len(rows))
        sources.append(Source(k, None if all_of_it else rows, first, stop, len(rows)))
        first = stop
    for part in parts.values():
        part.count_in(places(part, sources), first)
    return Gathering(sources, parts)


def union(sets: list[Integers]) -> Integers:
    """Return the union of rising sets of rows, rising."""
    if len(sets) == 1:
        return sets[0]
    return np.unique(np.concatenate(sets)) if sets else np.empty(0, np.int64)


def places(part: Part, sources: list[Source]) -> Integers:
    """Return at which places a part's needed rows are gathered, (·,) int64, in their order."""
    found = [
        source.first
        + (
            part.needed[source.shard]
            if source.rows is None
            else np.searchsorted(source.rows, part.needed[source.shard])
        )
        for source in sources
    ]
    return np.concatenate(found) if found else np.empty(0, np.int64)
