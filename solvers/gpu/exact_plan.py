"""The launches of an exact half-step on a CUDA device, as `halfstep.solvers.gpu.cholesky` plans them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from halfstep.kernels.cuda.backend import Array, Backend
from halfstep.solvers.gpu.device.side import Side

HUB_BYTES = 256 << 20  # of the parts' systems that are in memory together


@dataclass(frozen=True)
class Bin:
    """Rows whose systems have about the same order, and the size of their launch.

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

    @property
    def threads(self) -> int:
        """Threads per block: about one for each tile of the system."""
        return 64 if self.order <= 32 else 128 if self.order <= 128 else 256

    def tile(self, dtype: Any) -> int:
        """Return the side of a thread's tile; 8 x 8 would leave threads without one in small systems."""
        return 8 if self.order > 64 and np.dtype(dtype) == np.float32 else 4


@dataclass(frozen=True)
class Hubs:
    """A group of hubs and the parts in which their systems are added up.

    Attributes
    ----------
    rows, first_part
        (count,) row numbers, and (count + 1,) where each row's parts begin; int32 on the device.
    row_of_part, first, stop
        (parts,) row number (int32), and positions of the first entry and after the last one (int64), on
        the device.
    """

    rows: Array
    first_part: Array
    row_of_part: Array
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
                row_of_part=backend.to_device(np.repeat(group, counts).astype(np.int32)),
                first=backend.to_device(np.concatenate(first).astype(np.int64)),
                stop=backend.to_device(np.concatenate(stop).astype(np.int64)),
                count=len(group),
                parts=sum(counts),
            )
        )
    return tuple(found)
