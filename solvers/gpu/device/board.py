"""What an iteration's launches leave for the host, in one small array that it reads once.

A copy to the host waits for all launches before it. So what each half-step has to say waits in the
board until the iteration has ended: the sums of `tally`, and the first row that is not finite.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from halfstep.kernels.cuda.backend import Array, Backend
from halfstep.solvers.gpu.device.audit import NONE, launch_look, look_blocks
from halfstep.solvers.gpu.device.coordinates import Coordinates, numbers_of

BLOCKS = 128  # of one warp each: on a large side a lane adds up some dozens of rows
NUMBERS = 5  # sums of a block: steps, most steps, unsolved rows, gained, left
_TALLIES = 2 * BLOCKS * NUMBERS


class Board:
    """The board of an iteration on one device.

    Attributes
    ----------
    tallies
        (2, BLOCKS, NUMBERS) float64 on the device: what `tally` adds up in each half-step.
    """

    def __init__(self, backend: Backend) -> None:
        self.backend = backend
        most = look_blocks(None)
        self._whole = backend.empty(_TALLIES + 2 * most, np.float64)
        self.tallies = self._whole[:_TALLIES].reshape(2, BLOCKS, NUMBERS)
        self._lowest = [
            self._whole[_TALLIES + half * most : _TALLIES + (half + 1) * most].view(np.int64)
            for half in range(2)
        ]
        self._read: npt.NDArray[np.float64] | None = None

    def look(self, half: int, factors: Array | Coordinates) -> Callable[[], int | None]:
        """Begin to look for the first row of factors (rows, ·) that is not finite; return what tells it.

        `half` is 0 for the user factors and 1 for the item factors.
        """
        factors = numbers_of(factors)
        rows = len(factors)
        blocks = look_blocks(rows)
        self._read = None  # what was read before does not have this
        if rows:
            launch_look(self.backend, factors, None, self._lowest[half])

        def row() -> int | None:  # does not keep the factors
            lowest = self._host()[_TALLIES:].view(np.int64).reshape(2, -1)[half, :blocks]
            first = int(lowest.min()) if rows else NONE
            return None if first == NONE else first

        return row

    def forget(self) -> None:
        """Read the board again when it is next asked: its launches are about to be replayed."""
        self._read = None

    def sums(self) -> npt.NDArray[np.float64]:
        """Return a copy of `tallies` on the host."""
        sums: npt.NDArray[np.float64] = self._host()[:_TALLIES].reshape(2, BLOCKS, NUMBERS).copy()
        return sums

    def _host(self) -> npt.NDArray[np.float64]:
        if self._read is None:
            self._read = np.asarray(self.backend.to_host(self._whole), np.float64)
        return self._read
