"""Does a fit have room on the device? Counted before it starts, by part, in bytes.

Three answers: everything stays on the device (resident); both factor matrices stay and the stored
entries pass through in blocks of rows (streamed); or neither fits, and the error says what would.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from halfstep.errors import NotEnoughMemory
from halfstep.memory import gigabytes
from halfstep.solvers.fit.memory import most_factors
from halfstep.solvers.gpu.device.tally import TALLY_BYTES

# Beside what is counted: the context's own, cuBLAS's workspace, the allocator's rounding.
_HEADROOM = 0.1
_FIXED = 64 << 20
_GRAM_ROWS = 4096
SLOTS = 2  # blocks of each side on the device: one is solved while the next one comes
# A block with fewer entries than this leaves the device waiting for launches, not for work.
_SMALLEST_BLOCK = 1 << 16
_FIRST_ROWS = 4096


@dataclass(frozen=True)
class DeviceSize:
    """What a fit is about, as far as memory is concerned.

    Attributes
    ----------
    users, items, entries
        Of the matrix.
    longest
        Entries of the longest row or column: a row is not cut in two.
    factors, dtype
        Of the model.
    """

    users: int
    items: int
    entries: int
    longest: int
    factors: int
    dtype: Any

    @property
    def itemsize(self) -> int:
        """Bytes of one number."""
        return int(np.dtype(self.dtype).itemsize)

    @property
    def bytes_per_entry(self) -> int:
        """Of one side: a 32-bit index and two weights."""
        return 4 + 2 * self.itemsize


@dataclass(frozen=True)
class MemoryPlan:
    """How a fit runs on one device.

    Attributes
    ----------
    block_entries
        Stored entries of a block that passes through, or None when everything is resident.
    parts
        Bytes by part of what will be on the device.
    available
        Bytes that may be used.
    """

    block_entries: int | None
    parts: Mapping[str, int]
    available: int

    @property
    def needed(self) -> int:
        """All parts together, bytes."""
        return sum(self.parts.values())

    def __str__(self) -> str:
        parts = ", ".join(f"{name} {gigabytes(size)}" for name, size in self.parts.items())
        return f"{gigabytes(self.needed)} of {gigabytes(self.available)} ({parts})"


def parts_of(size: DeviceSize, block_entries: int | None = None) -> dict[str, int]:
    """Return the bytes by part of a resident fit, or of one that is streamed in such blocks.

    A half-step holds the rotated fixed side (and its copy in 16 bits), the solved side in the same
    coordinates, and its result beside the factors that it replaces.
    """
    f, b = size.factors, size.itemsize
    wide = -(-f // 8) * 8  # as kernels pad them
    rows = size.users + size.items
    largest = max(size.users, size.items)
    held = 2 * (size.entries if block_entries is None else SLOTS * block_entries)
    return {
        "stored entries": held * size.bytes_per_entry + rows * (8 + b + 20),
        "factors": rows * f * b,
        "half-step": largest * (wide * (2 * b + 2) + f * b + 3 * b)
        + -(-largest // _GRAM_ROWS) * f * f * b
        + TALLY_BYTES,
        "fixed": _FIXED,
    }


def first_rows(lengths: npt.NDArray[np.int64]) -> int:
    """Return how many of the first rows can be looked at before a fit, however it is planned.

    They have fewer entries than the blocks that are on the device later, or it is one row.
    """
    ends = np.cumsum(lengths[:_FIRST_ROWS])
    fitting = int(np.searchsorted(ends, 2 * SLOTS * _SMALLEST_BLOCK, side="right"))
    return min(max(1, fitting), len(lengths))


def transposing(size: DeviceSize) -> int:
    """Return the bytes while a resident fit transposes, before its factors are there.

    The matrix, index, row and value of two stages, and the counts of digits.
    """
    b = size.itemsize
    return size.entries * ((4 + b) + 2 * (8 + b) + 1) + _FIXED


def plan_memory(size: DeviceSize, available: int) -> MemoryPlan:
    """Return how the fit runs in `available` bytes.

    Raises
    ------
    NotEnoughMemory
        Not even streamed; the line says by part what is needed, and what would fit.
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
    return MemoryPlan(block, parts_of(size, block), available)


def _what_fits(size: DeviceSize, room: int) -> str:
    """Say which smaller fit would run."""

    def fits(other: DeviceSize) -> bool:
        least = max(other.longest, min(_SMALLEST_BLOCK, other.entries), 1)
        return sum(parts_of(other, least).values()) <= room

    if np.dtype(size.dtype) == np.float64 and fits(replace(size, dtype=np.float32)):
        return "dtype float32 would fit"
    most = most_factors(lambda factors: fits(replace(size, factors=factors)), size.factors)
    if most == 0:
        return "no number of factors would fit: more memory, or a CPU solver, is needed"
    return f"factors={most} would fit"
