"""What the stopping rule needs to know of a side's rows, and what an iteration's rows came to.

`kernels/cuda/tally.cu` adds up on the device what every row writes at its end, and the host reads one
small array of each device after the iteration: no half-step waits for it. Sums have a fixed order, so
the same fit says the same; split over devices, or streamed, it may differ in the last digits of `gained`
and `left`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from halfstep.kernels.cuda.backend import Array, Backend
from halfstep.kernels.cuda.catalogue import real
from halfstep.kernels.stopping import Stopping
from halfstep.solvers.fit.stopping import HalfStepReport, IterationReport
from halfstep.solvers.gpu.device.side import Side

_WARPS = 8
_BLOCKS = 128  # a warp each: of a large side some dozens of rows for each lane
_NUMBERS = 5
TALLY_BYTES = 2 * _BLOCKS * _NUMBERS * 8
STEPS, GAINED, LEFT = range(3)  # what `ended` (rows, 3) holds of a row


class RowWeights(NamedTuple):
    """Of each row its sum of w, and its least number of steps: (rows,) floats, (rows,) int32."""

    sums: npt.NDArray[np.floating]
    least: npt.NDArray[np.int32]


def row_weights(backend: Backend, side: Side) -> RowWeights:
    """Return them, on the host. Two steps where a w is negative: the rule's bound is none there."""
    sums = backend.empty(side.rows, side.w.dtype)
    least = backend.empty(side.rows, np.int32)
    backend.launch(
        "tally.cu",
        "row_weights",
        (real(side.w.dtype),),
        (-(-side.rows // _WARPS),),
        (32 * _WARPS,),
        (side.indptr, side.w, np.int32(side.rows), sums, least),
    )
    return RowWeights(backend.to_host(sums), backend.to_host(least))


@dataclass(eq=False)
class Tally:
    """A half-step's sums on one device, (blocks, 5) float64: of the rows that were added so far."""

    backend: Backend
    totals: Array
    rows: int
    added: bool = False

    def add(self, ended: Array, stop: Stopping) -> None:
        """Add what rows wrote at their end, (rows, 3): steps, gained and left."""
        dtype = np.dtype(ended.dtype)
        # With a fixed number of steps nobody asked for more: no row is unsolved.
        theta = stop.theta or np.inf
        self.backend.launch(
            "tally.cu",
            "tally",
            (real(dtype),),
            (_BLOCKS,),
            (32,),
            (
                ended, np.int32(len(ended)), np.int32(stop.most), dtype.type(theta),
                np.int32(not self.added), self.totals,
            ),
        )  # fmt: skip
        self.added = True


@dataclass(eq=False)
class Tallies:
    """The tallies of one iteration's two half-steps, on each device that takes part."""

    _of: dict[int, tuple[Array, list[Tally]]] = field(default_factory=dict)

    def next(self, backend: Backend, side: Side) -> Tally:
        """Return that of the half-step which begins on this device; `side` is the whole one."""
        new = id(backend) not in self._of
        if new:
            self._of[id(backend)] = backend.empty((2, _BLOCKS, _NUMBERS), np.float64), []
        whole, tallies = self._of[id(backend)]
        half = len(tallies)
        rows = int(np.count_nonzero(side.lengths))
        tallies.append(Tally(backend, whole[half : half + 1], rows))
        return tallies[-1]

    def report(self) -> IterationReport:
        """Return what the rows of both half-steps came to, when both are done."""
        found = np.zeros((2, 0, _NUMBERS))
        rows = [0, 0]
        for whole, tallies in self._of.values():
            sums = tallies[0].backend.to_host(whole)
            for half, tally in enumerate(tallies):
                rows[half] = tally.rows
                if not tally.added:  # a device without rows
                    sums[half] = 0
            found = np.concatenate([found, sums], axis=1)
        return IterationReport(*(_half(rows[half], found[half]) for half in range(2)))


class Iteration(NamedTuple):
    """What a half-step is told of the iteration that it belongs to.

    Attributes
    ----------
    omega
        The over-relaxation factor.
    tallies
        Where rows that end by the stopping rule are added up; None where nobody asks, as outside of a
        fit.
    """

    omega: float = 1.0
    tallies: Tallies | None = None


def _half(rows: int, sums: npt.NDArray[np.float64]) -> HalfStepReport:
    steps, most, unsolved, gained, left = sums.sum(axis=0)
    if len(sums):
        most = sums[:, 1].max()
    return HalfStepReport(
        rows, rows, int(steps), int(most), int(unsolved), float(gained), float(left)
    )
