"""The plan of a fit from a few numbers: entries, rows, machines.

Each machine has one worker, an equal part of both sides' rows, and a random part of the entries of each.
Times are added up, as if nothing overlapped.
"""

from __future__ import annotations

import itertools
from dataclasses import asdict, dataclass, field
from typing import Any

from halfstep.distributed.facts import OTHER
from halfstep.distributed.planning.figures import Machines, Work
from halfstep.distributed.planning.share import share_needed
from halfstep.solvers.gramian import blocks_of, dyadic

_ROOM = 0.9  # of a machine's memory, the part that a plan uses
_MOST_GROUPS = 64
_INDEX = 4  # bytes; an entry's place among the needed rows
_POINTER = 8
_NUMBER = 8  # bytes of a row's number in a list
_BASES = 3  # f x f float64 matrices that the driver sends a worker: the basis and its inverses
FILED = 12 * 3  # bytes: two numbers and a value, as places, by the users' shards and by the items'


@dataclass(frozen=True)
class SidePlan:
    """A half-step of one side, for one machine.

    Attributes
    ----------
    share
        Of the other side's rows, the share that the machine needs, all groups together.
    whole
        Whether whole slices come, since nearly all rows of each are needed.
    gathered
        Rows that one group gathers, those of the machine itself among them.
    received
        Bytes that come from other machines, of all groups.
    """

    share: float
    whole: bool
    gathered: float
    received: float


@dataclass(frozen=True)
class Plan:
    """What a fit costs: `memory` in bytes and `seconds` of a machine, by what they are for.

    Attributes
    ----------
    groups
        In how many groups each machine solves its rows.
    sides
        For "user" and "item", the half-step that solves it.
    fits
        Whether the memory is enough.
    seconds
        Of an iteration.
    driver_bytes
        That the driver receives and sends in an iteration.
    checkpoint_bytes
        That a machine writes to the shared folder in an iteration.
    list_bytes
        That a machine sends before the first iteration, to say which rows it needs.
    numbering
        Bytes that a machine receives when ids are numbered, and seconds.
    recommend_seconds
        Of lists for all users, from all scores.
    """

    work: Work
    machines: Machines
    groups: int
    sides: dict[str, SidePlan]
    fits: bool
    memory: dict[str, float]
    seconds: dict[str, float]
    driver_bytes: float
    checkpoint_bytes: float
    list_bytes: float
    numbering: dict[str, float]
    recommend_seconds: float
    bytes_per_iteration: float = field(init=False)

    def __post_init__(self) -> None:
        received = sum(side.received for side in self.sides.values())
        object.__setattr__(self, "bytes_per_iteration", received * self.machines.workers)

    @property
    def memory_bytes(self) -> float:
        """Of a machine, all together."""
        return sum(self.memory.values())

    @property
    def iteration_seconds(self) -> float:
        """Of an iteration."""
        return sum(self.seconds.values())

    def as_dict(self) -> dict[str, Any]:
        """Return the plan and its sums for JSON."""
        sums = {"memory_bytes": self.memory_bytes, "iteration_seconds": self.iteration_seconds}
        return {**asdict(self), **sums}


def plan(work: Work, machines: Machines, groups: int | None = None) -> Plan:
    """Return what a fit costs.

    Parameters
    ----------
    groups
        In how many groups each machine solves its rows; None means the fewest that fit the memory.
    """
    if groups is not None:
        return _plan(work, machines, groups)
    first = _plan(work, machines, 1)
    if first.fits:
        return first
    for count in range(2, _MOST_GROUPS + 1):
        found = _plan(work, machines, count)
        if found.fits:
            return found
    return first


def _plan(work: Work, machines: Machines, groups: int) -> Plan:
    W, f = machines.workers, work.factors
    sides = {side: _side(work, W, groups, side) for side in OTHER}
    memory = _memory(work, W, groups, sides)
    own_entries = work.entries / W
    rotations = 4.0 * f * f * (work.users + work.items) / W
    driver = _driver_bytes(work, W)
    received = sum(side.received for side in sides.values())
    seconds = {
        "network": received / machines.speed,
        "solve, cores": 2 * own_entries * f * machines.entry_seconds / machines.cores,
        "solve, memory": 2 * own_entries * work.row_bytes * machines.passes / machines.bandwidth,
        "rotations and Gramians": rotations / (machines.cores * machines.flops),
        "driver": driver / machines.network + 2 * machines.round_seconds,
    }
    filed = 2 * own_entries * FILED  # to the folder and back
    # Half of the work is done piece by piece, by all cores, and half by a task for each shard and side.
    busy = 0.5 / machines.cores + 0.5 / min(machines.cores, 2)
    numbering = {
        "bytes": filed,
        "seconds": filed / machines.speed + own_entries * machines.numbering_seconds * busy,
    }
    # A row is wanted or not: a bit, for each row of the other side that is elsewhere.
    lists = sum(
        0.0 if side.whole else groups * work.rows(OTHER[name]) * (1 - 1 / W) / 8
        for name, side in sides.items()
    )
    return Plan(
        work,
        machines,
        groups,
        sides,
        sum(memory.values()) <= _ROOM * machines.memory,
        memory,
        seconds,
        driver,
        (work.users + work.items) * f * work.itemsize / W,
        lists,
        numbering,
        2.0 * work.users * work.items * f / (W * machines.cores * machines.flops),
    )


def _side(work: Work, workers: int, groups: int, side: str) -> SidePlan:
    from halfstep.distributed.fitting.gathering import WHOLE

    fixed = OTHER[side]
    one = share_needed(work.degrees(fixed), 1 / (workers * groups))
    whole = one >= WHOLE
    gathered = work.rows(fixed) * (1.0 if whole else one)
    received = groups * gathered * (1 - 1 / workers) * work.row_bytes
    return SidePlan(share_needed(work.degrees(fixed), 1 / workers), whole, gathered, received)


def _memory(work: Work, workers: int, groups: int, sides: dict[str, SidePlan]) -> dict[str, float]:
    """Return the bytes of a machine, in the half-step that needs more of them."""
    both = (work.users + work.items) / workers
    kept = {
        "entries": 2 * work.entries / workers * (_INDEX + 4),
        "pointers and lambdas": both * (_POINTER + work.itemsize),
        "factors, now and before": 2 * both * work.factors * work.itemsize,
        # What is needed here and, as much again, what the others need of the rows here.
        "lists": sum(
            groups * side.gathered * _NUMBER * (2 if side.whole else 4) for side in sides.values()
        ),
    }
    halves = []
    for name, side in sides.items():
        halves.append(
            {
                "new factors": work.rows(name) / workers * work.factors * work.itemsize,
                "rotated rows": work.rows(OTHER[name]) / workers * work.row_bytes,
                "gathered rows": side.gathered * work.row_bytes,
                "rows on their way": 2 * side.received / groups,
            }
        )
    return kept | max(halves, key=lambda half: sum(half.values()))


def _driver_bytes(work: Work, workers: int) -> float:
    """Return the bytes to and from the driver in an iteration: nodes of the Gramians' trees, and bases.

    A shard sends the largest nodes of the binary tree over blocks of rows that lie in it.
    """
    node = 8 * (work.factors**2 + 1)
    nodes = 0
    for side in OTHER:
        blocks = blocks_of(work.rows(side))
        cuts = [k * blocks // workers for k in range(workers + 1)]
        nodes += sum(len(dyadic(a, b)) for a, b in itertools.pairwise(cuts))
    return float(nodes * node + 2 * workers * _BASES * 8 * work.factors**2)
