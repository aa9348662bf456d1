"""Plan a fit's memory on the device: count its bytes by part before it starts.

There are three results. If everything fits, all of it stays on the device (resident). Otherwise both
factor matrices stay, and the stored entries pass through in blocks of rows (streamed). If that does not
fit either, the error says which smaller fit would.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from halfstep.errors import NotEnoughMemory
from halfstep.kernels.device.dense import GRAM_ROWS
from halfstep.kernels.device.options import enabled
from halfstep.memory import gigabytes
from halfstep.solvers.fit.memory import most_factors
from halfstep.solvers.gpu.device.tally import TALLY_BYTES

# Fraction of the memory, and bytes, for what is not counted: the CUDA context, cuBLAS's workspace, the
# allocator's rounding.
_HEADROOM = 0.1
_FIXED = 64 << 20
SLOTS = 2  # blocks of each side on the device: one is solved while the next one is uploaded
# With blocks of fewer entries than this the device would wait for launches.
_SMALLEST_BLOCK = 1 << 16
_FIRST_ROWS = 4096


@dataclass(frozen=True)
class DeviceSize:
    """The numbers that determine how much memory a fit needs on one device.

    Attributes
    ----------
    users, items
        Shape of the matrix.
    entries
        Stored entries of each side that this device solves.
    longest
        Entries of the longest row or column, which no block cuts in two.
    factors, dtype
        As in the model.
    scratch
        Returns the bytes that the solver of the rows allocates beside what all solvers have, for a size.
    """

    users: int
    items: int
    entries: int
    longest: int
    factors: int
    dtype: Any
    scratch: Callable[[DeviceSize], int] = lambda _: 0

    @property
    def itemsize(self) -> int:
        """Bytes of one number."""
        return int(np.dtype(self.dtype).itemsize)

    @property
    def bytes_per_entry(self) -> int:
        """Bytes of one entry of one side: a 32-bit index and two weights."""
        return 4 + 2 * self.itemsize

    def parts_of_hubs(self, hub: int, part: int) -> int:
        """Return at most how many parts of `part` entries the rows of more than `hub` entries have."""
        if self.longest <= hub:
            return 0
        return self.entries // part + self.entries // (hub + 1)


@dataclass(frozen=True)
class MemoryPlan:
    """How a fit runs on one device.

    Attributes
    ----------
    block_entries
        The most entries of a streamed block, or None if the fit is resident.
    parts
        Bytes of each part of what will be on the device, by name.
    available
        Bytes that the fit may use.
    """

    block_entries: int | None
    parts: Mapping[str, int]
    available: int

    @property
    def needed(self) -> int:
        """Bytes of all parts together."""
        return sum(self.parts.values())

    def __str__(self) -> str:
        parts = ", ".join(f"{name} {gigabytes(size)}" for name, size in self.parts.items())
        return f"{gigabytes(self.needed)} of {gigabytes(self.available)} ({parts})"


def parts_of(size: DeviceSize, block_entries: int | None = None) -> dict[str, int]:
    """Return the bytes of each part of a resident fit, or of a fit streamed in blocks of that size.

    A half-step holds the fixed side in whitened coordinates, its copy as float16 or bfloat16, the side
    being solved in whitened coordinates, the solution beside the factors that it replaces, what each row
    reports, and what tells heavy entries: a number for each row of either side. With the option
    `coordinates` both sides are held in whitened coordinates, and formed if they are read. With the
    option `graph` there are three copies of the factors: where they are recorded, of this iteration, and
    of the one before.
    """
    f, b = size.factors, size.itemsize
    wide = -(-f // 8) * 8  # the kernels pad rows
    rows = size.users + size.items
    largest = max(size.users, size.items)
    copies = 3 if enabled("graph") else 1
    held = 2 * (size.entries if block_entries is None else SLOTS * block_entries)
    together = size.entries if block_entries is None else min(block_entries, size.entries)
    return {
        "stored entries": held * size.bytes_per_entry + rows * (8 + b + 20),
        "factors": rows * (f + (wide if enabled("coordinates") else 0)) * b * copies,
        "half-step": largest * (wide * (2 * b + 2) + f * b + 3 * b)
        + rows * b
        + -(-largest // GRAM_ROWS) * f * f * b
        + TALLY_BYTES,
        "rows being solved": size.scratch(replace(size, entries=together)),
        "fixed": _FIXED,
    }


def first_rows(lengths: npt.NDArray[np.int64]) -> int:
    """Return how many of the first rows fit the device before a fit, whether it is streamed or not.

    They have fewer entries than the blocks that are on the device later; or they are a single row.
    """
    ends = np.cumsum(lengths[:_FIRST_ROWS])
    fitting = int(np.searchsorted(ends, 2 * SLOTS * _SMALLEST_BLOCK, side="right"))
    return min(max(1, fitting), len(lengths))


def transposing(size: DeviceSize) -> int:
    """Return the bytes that transposing takes in a resident fit, before its factors are on the device.

    They are the matrix, the column, row and value of each entry before and after a pass of the sort, and
    the counts of digits.
    """
    b = size.itemsize
    return size.entries * ((4 + b) + 2 * (8 + b) + 1) + _FIXED


def plan_memory(size: DeviceSize, available: int) -> MemoryPlan:
    """Return how the fit runs in `available` bytes.

    Raises
    ------
    NotEnoughMemory
        The fit does not fit even if it is streamed. The message says how much each part needs, and which
        smaller fit would run.
    """
    room = int(available * (1 - _HEADROOM))
    whole = MemoryPlan(None, parts_of(size), available)
    if max(whole.needed, transposing(size)) <= room:
        return whole
    least = max(size.longest, min(_SMALLEST_BLOCK, size.entries), 1)
    smallest = MemoryPlan(least, parts_of(size, least), available)
    if smallest.needed > room:
        raise NotEnoughMemory(
            f"the device's memory must hold both factor matrices: this fit needs {smallest}; "
            + _what_fits(size, room)
        )
    spare = (room - smallest.needed) // (2 * SLOTS * size.bytes_per_entry)
    block = min(least + spare, max(size.entries // 8, least))
    while block > least and sum(parts_of(size, block).values()) > room:
        block = max(least, block * 7 // 8)  # larger blocks need more for the rows being solved
    return MemoryPlan(block, parts_of(size, block), available)


def _what_fits(size: DeviceSize, room: int) -> str:
    """Return the end of the error message: which smaller fit would run."""

    def fits(other: DeviceSize) -> bool:
        least = max(other.longest, min(_SMALLEST_BLOCK, other.entries), 1)
        return sum(parts_of(other, least).values()) <= room

    if np.dtype(size.dtype) == np.float64 and fits(replace(size, dtype=np.float32)):
        return "dtype float32 would fit"
    most = most_factors(lambda factors: fits(replace(size, factors=factors)), size.factors)
    if most == 0:
        return "no number of factors would fit: more memory, or a CPU solver, is needed"
    return f"factors={most} would fit"
