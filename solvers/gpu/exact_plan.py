"""The launches of an exact half-step on a CUDA device, as `halfstep.solvers.gpu.cholesky` plans them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from halfstep.kernels.cuda.backend import Array, Backend
from halfstep.kernels.cuda.catalogue import EXACT_BLOCKS, ExactBlock
from halfstep.kernels.cuda.lanes import CORNER, numbers_of, step_of
from halfstep.solvers.gpu.device.memory import DeviceSize
from halfstep.solvers.gpu.device.side import Side

HUB_BYTES = 256 << 20  # of the parts' systems that are in memory together
PRIMAL, DUAL = "cholesky_1_primal.cu", "cholesky_1_dual.cu"


class Layout(NamedTuple):
    """How blocks solve systems of up to some order.

    Attributes
    ----------
    block
        The block of threads.
    depth
        Vectors that pass through shared memory at a time.
    shared
        Bytes of shared memory.
    """

    block: ExactBlock
    depth: int
    shared: int

    def launch(
        self,
        backend: Backend,
        kernel: str,
        dtype: npt.DTypeLike,
        blocks: int,
        arguments: tuple[Any, ...],
    ) -> None:
        """Launch a kernel: the solve by duals, or one of those for primal systems."""
        file = DUAL if kernel == "cholesky_dual" else PRIMAL
        defines, threads = self.block.defines(dtype), self.block.threads
        backend.launch(
            file, kernel, defines, (blocks,), (threads,), arguments, shared_mem=self.shared
        )

    @property
    def held(self) -> bool:
        """Whether the systems are in registers and shared memory, and not in global memory."""
        return self.block.most > 0


def primal_order(factors: int) -> int:
    """Return the order of primal systems: the kernels fetch factors by fours."""
    return -(-factors // 4) * 4


def layout(order: int, beside: int, dtype: npt.DTypeLike, shared_limit: int) -> Layout:
    """Return the block for systems of up to `order`, in as much shared memory as there is.

    `beside` counts the numbers in shared memory beside vectors and factor. The solution of a row has the
    same bits in all layouts.
    """
    kind = np.dtype(dtype)
    *blocks, large = EXACT_BLOCKS[kind.name]
    smallest = [block for block in blocks if order <= block.most][:1]
    for block in (*smallest, large):
        step = step_of(order, block.tile)
        system = numbers_of(order) if block.most else 0
        for depth in (8, 4):
            shared = (max(4 * depth, 2 * block.tile, 16) * step + beside + system) * kind.itemsize
            whole = depth * (order // 4 + 1) <= block.fours * block.threads
            if whole and shared + CORNER * kind.itemsize <= shared_limit:
                return Layout(block, depth, shared)
    return Layout(large, depth, shared)


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


def bytes_of_hubs(size: DeviceSize, hub: int, part: int, system: int) -> int:
    """Return the device memory of `groups_of_hubs`, and of the systems of a group, at most.

    Hubs are rows of more than `hub` entries.
    """
    parts = size.parts_of_hubs(hub, part)
    together = min(parts, max(-(-size.longest // part), HUB_BYTES // system))
    return together * system + parts * (2 * 8 + 8)


def groups_of_hubs(
    backend: Backend, side: Side, rows: npt.NDArray[np.int64], part: int, system: int
) -> tuple[Hubs, ...]:
    """Return the hubs, cut into parts of `part` entries, in groups.

    The systems of a group's parts, of `system` bytes each, take at most `HUB_BYTES` together, unless a
    single hub's take more.
    """
    together = max(1, HUB_BYTES // system)
    starts = np.concatenate([[0], np.cumsum(side.lengths)])
    groups: list[list[int]] = []
    held = 0
    for u in rows:
        parts = -(-int(side.lengths[u]) // part)
        if not groups or held + parts > together:
            groups.append([])
            held = 0
        groups[-1].append(int(u))
        held += parts
    found = []
    for group in groups:
        first = [np.arange(starts[u], starts[u + 1], part) for u in group]
        stop = [np.minimum(f + part, starts[u + 1]) for f, u in zip(first, group, strict=True)]
        counts = [len(f) for f in first]
        found.append(
            Hubs(
                rows=backend.to_device(np.array(group, np.int32)),
                first_part=backend.to_device(np.cumsum([0, *counts]).astype(np.int32)),
                first=backend.to_device(np.concatenate(first).astype(np.int64)),
                stop=backend.to_device(np.concatenate(stop).astype(np.int64)),
                count=len(group),
                parts=sum(counts),
            )
        )
    return tuple(found)
