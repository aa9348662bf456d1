"""The plan of a fit whose blocks exist: exactly the rows and bytes that its machines exchange."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from halfstep.distributed.blocks import Block, group_cuts, load_block, with_hubs
from halfstep.distributed.facts import OTHER, Facts
from halfstep.distributed.hubs import load_hub, load_pieces
from halfstep.distributed.storage import Folder
from halfstep.errors import InputError
from halfstep.types import Integers


class Received(NamedTuple):
    """What one worker gets in the half-step that solves one side.

    Attributes
    ----------
    rows
        From other workers, whole slices among them.
    needed
        Of these, how many it needs.
    gathered
        All rows that it holds at a time, its own among them; of the largest group.
    slices, lists
        From how many shards of other workers all rows come, and from how many picked ones.
    """

    rows: int
    needed: int
    gathered: int
    slices: int
    lists: int


@dataclass(frozen=True)
class CountedPlan:
    """The rows that workers exchange in an iteration.

    Attributes
    ----------
    facts
        The `Facts` of the data.
    homes
        The worker of each shard.
    row_bytes
        By side to solve, of a row of the other side as it travels.
    received
        By side to solve and worker.
    """

    facts: Facts
    homes: list[str]
    row_bytes: dict[str, int]
    received: dict[tuple[str, str], Received]

    @property
    def bytes_per_iteration(self) -> int:
        """All bytes of rows that go from one worker to another."""
        return sum(self.row_bytes[side] * one.rows for (side, _), one in self.received.items())

    def bytes_of(self, side: str, worker: str) -> int:
        """Return the bytes that a worker receives when `side` is solved."""
        return self.row_bytes[side] * self.received[side, worker].rows

    def share(self, side: str) -> float:
        """Return the mean share of other workers' rows that is needed to solve a side."""
        starts = np.array(self.facts.starts[OTHER[side]])
        counts = np.diff(starts)
        elsewhere = sum(
            int(sum(c for c, home in zip(counts, self.homes, strict=True) if home != worker))
            for worker in set(self.homes)
        )
        needed = sum(one.needed for (s, _), one in self.received.items() if s == side)
        return needed / elsewhere if elsewhere else 0.0


def plan_of(
    folder: Folder,
    row_bytes: Mapping[str, int],
    *,
    homes: Mapping[int, str] | None = None,
    groups: int = 1,
    splits: bool = True,
) -> CountedPlan:
    """Return the rows that a fit on the blocks in `folder` exchanges, by reading which each block needs.

    Parameters
    ----------
    folder
        That of the data: with `facts.json`.
    row_bytes
        By side to solve, the bytes of a row of the other side as it travels; `Solver.row_bytes`.
    homes
        The worker of each shard; None gives each shard one of its own.
    groups
        In how many groups each worker solves its rows.
    splits
        Whether hubs are solved in pieces, as by rungs that take steps; else they belong to their block.

    Raises
    ------
    InputError
        There is no data, or a shard without a worker.
    """
    facts = Facts.read(folder)
    given = {k: f"worker {k}" for k in range(facts.shards)} if homes is None else dict(homes)
    if sorted(given) != list(range(facts.shards)):
        raise InputError(
            f"homes must name a worker for each of {facts.shards} shards, got {sorted(given)}"
        )
    at = [given[k] for k in range(facts.shards)]
    received = {}
    for side in OTHER:
        for worker in sorted(set(at)):
            parts = []
            for k in (k for k, home in enumerate(at) if home == worker):
                block = load_block(folder, side, k)
                if not splits:
                    here = [load_hub(folder, side, u) for u in facts.hubs_of(side, k)]
                    block = with_hubs(block, here, facts.starts[side][k])
                parts.append(_groups(block, groups))
            wanted = [[part[g] for part in parts] for g in range(groups)]
            if splits:
                wanted[0] += _pieces(folder, facts, side, at, worker)
            received[side, worker] = _count(
                [np.unique(np.concatenate(sets)) for sets in wanted],
                facts.starts[OTHER[side]], at, worker,
            )  # fmt: skip
    return CountedPlan(facts, at, dict(row_bytes), received)


def _pieces(folder: Folder, facts: Facts, side: str, at: list[str], worker: str) -> list[Integers]:
    """Return which rows the pieces of hubs need that are on a worker."""
    found: list[Integers] = []
    for (row, _), middles in zip(facts.hubs[side], facts.middles[side], strict=True):
        here = [p for p, m in enumerate(middles) if at[facts.shard_of(OTHER[side], m)] == worker]
        found += [numbers for numbers, _ in load_pieces(folder, side, row, here)]
    return found


def _groups(block: Block, groups: int) -> list[Integers]:
    """Return the rows that each group of a block's rows needs; groups have about as many entries."""
    if groups == 1:
        return [block.needed]
    pointers = np.concatenate([[0], np.cumsum(block.lengths)])
    cuts = pointers[group_cuts(pointers, groups)]
    spans = itertools.pairwise(cuts)
    return [np.unique(block.needed[block.indices[low:high]]) for low, high in spans]


def _count(wanted: list[Integers], starts: list[int], at: list[str], worker: str) -> Received:
    from halfstep.distributed.fitting.gathering import WHOLE

    counts = np.diff(starts)
    rows = needed = gathered = slices = lists = 0
    for numbers in wanted:
        found = np.diff(np.searchsorted(numbers, starts))
        whole = (found >= WHOLE * counts) & (found > 0)
        taken = np.where(whole, counts, found)
        elsewhere = np.array([home != worker for home in at])
        gathered = max(gathered, int(taken.sum()))
        rows += int(taken[elsewhere].sum())
        needed += int(found[elsewhere].sum())
        slices += int(np.count_nonzero(whole & elsewhere))
        lists += int(np.count_nonzero(~whole & elsewhere & (found > 0)))
    return Received(rows, needed, gathered, slices, lists)
