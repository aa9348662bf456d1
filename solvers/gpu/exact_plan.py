"""The launches of an exact half-step on a CUDA device, as `halfstep.solvers.gpu.cholesky` plans them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from halfstep.kernels.cuda.backend import Array
from halfstep.kernels.cuda.catalogue import EXACT_BLOCKS, cholesky_defines


PIECES = 2  # of four numbers, that a thread fetches at a time: FOURS of the kernels


class Layout(NamedTuple):
    """How a block solves systems of up to some order.

    Attributes
    ----------
    threads, tile
        Threads of the block, and side of a thread's tile.
    held
        Whether there is a tile for every thread, and the factor in shared memory.
    depth
        Vectors that pass through shared memory at a time.
    shared
        Bytes of shared memory.
    """

    threads: int
    tile: int
    held: bool
    depth: int
    shared: int

    def defines(self, dtype: npt.DTypeLike) -> tuple[str, ...]:
        """Return the definitions to compile the kernels with."""
        return cholesky_defines(dtype, self.threads, self.tile, held=self.held)


def numbers_of(order: int) -> int:
    """Return how many numbers a system takes: its lower triangle, and the right-hand side."""
    return order * (order + 3) // 2


def layout(order: int, beside: int, dtype: npt.DTypeLike, shared_limit: int) -> Layout:
    """Return the block for systems of up to `order`, in as much shared memory as there is.

    `beside` counts the numbers in shared memory beside vectors and factor. The solution of a row has the
    same bits in all layouts.
    """
    kind = np.dtype(dtype)
    blocks = EXACT_BLOCKS[kind.name]
    most, threads, tile = next((block for block in blocks if order <= block[0]), blocks[-1])
    step = -(-(order + 1) // tile) * tile | 4
    for held in (True, False) if order <= most else (False,):
        for depth in (8, 4):
            vectors = max(4 * depth, 16) * step
            shared = (vectors + beside + held * numbers_of(order)) * kind.itemsize
            if depth * (order // 4 + 1) <= PIECES * threads and shared <= shared_limit:
                return Layout(threads, tile, held, depth, shared)
    return Layout(threads, tile, False, 4, shared)


@dataclass(frozen=True)
class Bin:
    """Rows whose systems have about the same order.

    Attributes
    ----------
    rows
        (count,) int32 on the device, row of the largest system first.
    order
        The order of the largest system.
    """

    rows: Array
    count: int
    order: int


@dataclass(frozen=True)
class Hubs:
    """A group of hubs and the parts in which their systems are added up.

    Attributes
    ----------
    rows, first_part
        (count,) row numbers, and (count + 1,) where each row's parts begin; int32 on the device.
    first, stop
        (parts,) positions of the first entry and after the last one, int64 on the device.
    """

    rows: Array
    first_part: Array
    first: Array
    stop: Array
    count: int
    parts: int


@dataclass(frozen=True)
class Plan:
    """The launches of an exact half-step: bins of dual systems, primal systems, hubs."""

    dual: tuple[Bin, ...]
    primal: Bin | None
    hubs: tuple[Hubs, ...]
