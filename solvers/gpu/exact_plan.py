"""The launches of an exact half-step on a CUDA device, as `halfstep.solvers.gpu.cholesky` plans them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from halfstep.kernels.cuda.backend import Array


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
