"""The plan of a fit from a few numbers: entries, rows, machines.

Each machine has one worker, an equal part of both sides' rows, and a random part of the entries of each.
Times are added up, as if nothing overlapped.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from halfstep.distributed.planning.share import bytes_of_row, lognormal_degrees, share_needed
from halfstep.errors import InputError
from halfstep.solvers.gramian import blocks_of, dyadic
from halfstep.types import Floats

SIDES = ("user", "item")
# Core seconds of an entry, a side and a factor: that of two threads on music-medium with f = 128 in
# bench/results/xeon-2-cores-threads.json, with which a test compares it.
ENTRY_SECONDS = 0.68e-9
_ROOM = 0.9  # of a machine's memory, the part that a plan uses
_MOST_GROUPS = 64
_INDEX = 4  # bytes; an entry's place among the needed rows
_POINTER = 8
_NUMBER = 8  # bytes of a row's number in a list
_BASES = 3  # f x f float64 matrices that the driver sends a worker: Gramian, basis, inverse
_SHUFFLES = 3
_SHUFFLED = 24  # bytes: two ids or numbers, and a value


@dataclass(frozen=True)
class Work:
    """What is to be factorised.

    Attributes
    ----------
    users, items, entries, factors
        Their numbers.
    dtype
        Of the factors: "float32" or "float64".
    packed
        Whether rows travel as bfloat16; otherwise in `dtype`.
    user_sigma, item_sigma
        Each side's rows have log-normal numbers of entries: the standard deviation of their logarithms.
    """

    users: int
    items: int
    entries: int
    factors: int = 128
    dtype: str = "float32"
    packed: bool = True
    user_sigma: float = 1.2
    item_sigma: float = 2.0

    def __post_init__(self) -> None:
        for name in ("users", "items", "entries", "factors"):
            if not getattr(self, name) >= 1:
                raise InputError(f"{name} must be at least 1, got {getattr(self, name)}")
        for name in ("user_sigma", "item_sigma"):
            if not 0 <= getattr(self, name) <= 10:
                raise InputError(f"{name} must be from 0 to 10, got {getattr(self, name)}")
        if self.entries > self.users * self.items:
            raise InputError(
                f"entries must be at most users x items, {self.users * self.items}, got {self.entries}"
            )

    def rows(self, side: str) -> int:
        """Return the number of rows of a side."""
        return self.users if side == "user" else self.items

    def degrees(self, side: str) -> Floats:
        """Return numbers of entries that stand for those of a side's rows."""
        sigma = self.user_sigma if side == "user" else self.item_sigma
        return lognormal_degrees(self.entries / self.rows(side), sigma)

    @property
    def row_bytes(self) -> int:
        """The bytes of a row as it travels."""
        return bytes_of_row(self.factors, self.dtype, self.packed)

    @property
    def itemsize(self) -> int:
        """The bytes of a factor."""
        return int(np.dtype(self.dtype).itemsize)


@dataclass(frozen=True)
class Machines:
    """The machines, one worker on each.

    Attributes
    ----------
    workers, cores
        How many, and the cores of each.
    memory
        Bytes of each.
    network
        Bytes a second into each, and out of it at the same time.
    process
        Bytes a second that one process takes from Dask's connections at most.
    bandwidth
        Bytes a second from memory.
    flops
        Operations a second of a core in products of float32 matrices.
    entry_seconds
        Core seconds of an entry, a side and a factor.
    passes
        How often an entry's row is read from memory in a half-step.
    shuffle_seconds
        Core seconds of a table's row in one of the three shuffles that number ids.
    round_seconds
        Of a call of all workers.
    """

    workers: int
    cores: int = 64
    memory: float = 256e9
    network: float = 25e9 / 8
    process: float = 2e9
    bandwidth: float = 300e9
    flops: float = 20e9
    entry_seconds: float = ENTRY_SECONDS
    passes: float = 3.0
    shuffle_seconds: float = 1.4e-6
    round_seconds: float = 2e-3

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            least = 1 if name in ("workers", "cores") else 0
            if not (value >= least and value > 0 and value < np.inf):
                raise InputError(f"{name} must be {'at least 1' if least else 'positive'}, got {value}")
        if self.workers > 1_000_000:
            raise InputError(f"workers must be at most 1,000,000, got {self.workers}")

    @property
    def speed(self) -> float:
        """Bytes a second that a worker gets from others."""
        return min(self.network, self.process)


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
        from dataclasses import asdict

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
    sides = {side: _side(work, W, groups, side) for side in SIDES}
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
    shuffled = _SHUFFLES * own_entries * (1 - 1 / W) * _SHUFFLED
    numbering = {
        "bytes": shuffled,
        "seconds": shuffled / machines.speed
        + _SHUFFLES * own_entries * machines.shuffle_seconds / machines.cores,
    }
    # A row is wanted or not: a bit, for each row of the other side that is elsewhere.
    lists = sum(
        0.0 if side.whole else groups * work.rows(_other(name)) * (1 - 1 / W) / 8
        for name, side in sides.items()
    )
    return Plan(
        work,
        replace(machines),
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


def _other(side: str) -> str:
    return "item" if side == "user" else "user"


def _side(work: Work, workers: int, groups: int, side: str) -> SidePlan:
    from halfstep.distributed.fitting.gathering import WHOLE

    fixed = _other(side)
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
                "rotated rows": work.rows(_other(name)) / workers * work.row_bytes,
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
    for side in SIDES:
        blocks = blocks_of(work.rows(side))
        cuts = [k * blocks // workers for k in range(workers + 1)]
        nodes += sum(len(dyadic(a, b)) for a, b in zip(cuts, cuts[1:], strict=False))
    return float(nodes * node + 2 * workers * _BASES * 8 * work.factors**2)
