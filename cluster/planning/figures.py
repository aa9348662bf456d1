"""The figures that a plan on paper is made from: the work and the machines."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from halfstep.distributed.planning.share import bytes_of_row, lognormal_degrees
from halfstep.errors import InputError
from halfstep.types import Floats

# Core seconds of an entry, a side and a factor: that of two threads on music-medium with f = 128 in
# bench/results/xeon-2-cores-threads.json, with which a test compares it.
ENTRY_SECONDS = 0.68e-9


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
    numbering_seconds
        Core seconds of a table's row in the four rounds that number ids and make blocks.
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
    numbering_seconds: float = 0.55e-6
    round_seconds: float = 2e-3

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            least = 1 if name in ("workers", "cores") else 0
            if not (value >= least and value > 0 and value < np.inf):
                raise InputError(
                    f"{name} must be {'at least 1' if least else 'positive'}, got {value}"
                )
        if self.workers > 1_000_000:
            raise InputError(f"workers must be at most 1,000,000, got {self.workers}")

    @property
    def speed(self) -> float:
        """Bytes a second that a worker gets from others."""
        return min(self.network, self.process)
