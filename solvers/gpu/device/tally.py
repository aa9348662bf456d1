"""What the stopping rule needs to know about rows before a fit, and the sums of what rows report.

Each row writes what its steps gained when it ends, and `kernels/cuda/tally.cu` adds this up on the
device (`board`). The host reads one small array from each device after the iteration, so no half-step
waits for it. The sums have a fixed order, so a fit that is repeated gives the same report. On several
devices, or streamed, its `gained` and `left` may differ in their last digits.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import numpy.typing as npt

from halfstep.kernels.cuda.backend import Array, Backend
from halfstep.kernels.cuda.catalogue import real
from halfstep.kernels.device.options import enabled
from halfstep.kernels.stopping import Stopping
from halfstep.solvers.fit.stopping import HalfStepReport, IterationReport
from halfstep.solvers.gpu.device.board import BLOCKS, NUMBERS, Board
from halfstep.solvers.gpu.device.side import Side

if TYPE_CHECKING:
    from typing_extensions import Self

_WARPS = 8
TALLY_BYTES = 2 * BLOCKS * NUMBERS * 8
STEPS, GAINED, LEFT = range(3)  # columns of `ended` (rows, 3)


class RowWeights(NamedTuple):
    """Each row's sum of w and its largest w, at least 0, in the factors' dtype, and its least steps.

    All are (rows,); the least number of steps is int32.
    """

    sums: npt.NDArray[np.floating]
    largest: npt.NDArray[np.floating]
    least: npt.NDArray[np.int32]


def row_weights(backend: Backend, side: Side) -> RowWeights:
    """Return the row weights of a side, on the host.

    A row with a negative w takes at least two steps, because the rule's bound does not hold for it.
    """
    sums, largest = (backend.empty(side.rows, side.w.dtype) for _ in range(2))
    least = backend.empty(side.rows, np.int32)
    backend.launch(
        "tally.cu",
        "row_weights",
        (real(side.w.dtype),),
        (-(-side.rows // _WARPS),),
        (32 * _WARPS,),
        (side.indptr, side.w, np.int32(side.rows), sums, largest, least),
    )
    return RowWeights(*map(backend.to_host, (sums, largest, least)))


@dataclass(eq=False)
class Tally:
    """The sums of one half-step on one device.

    Attributes
    ----------
    totals
        (1, blocks, 5) float64 on the device: the sums over the rows that were added so far.
    rows
        Rows with entries of the whole side.
    added
        Whether any rows were added; before that the content of `totals` is undefined.
    """

    backend: Backend
    totals: Array
    rows: int
    added: bool = False

    def add(self, ended: Array, stop: Stopping) -> None:
        """Add what rows reported, (rows, 3): their steps, what these gained, and what they left."""
        dtype = np.dtype(ended.dtype)
        # With a fixed number of steps theta is 0, and no row counts as unsolved.
        theta = stop.theta or np.inf
        self.backend.launch(
            "tally.cu",
            "tally",
            (real(dtype),),
            (BLOCKS,),
            (32,),
            (
                ended, np.int32(len(ended)), np.int32(stop.most), dtype.type(theta),
                np.int32(not self.added), self.totals,
            ),
        )  # fmt: skip
        self.added = True


@dataclass(eq=False)
class Tallies:
    """The tallies of an iteration's two half-steps, on every device that takes part."""

    _of: dict[int, tuple[Board, list[Tally]]] = field(default_factory=dict)

    def next(self, backend: Backend, side: Side) -> Tally:
        """Return the tally of the half-step that begins on this device; `side` is the whole side."""
        board, tallies = self._on(backend)
        half = len(tallies)
        rows = int(np.count_nonzero(side.lengths))
        tallies.append(Tally(backend, board.tallies[half : half + 1], rows))
        return tallies[-1]

    def board(self, backend: Backend) -> Board:
        """Return the device's board of this iteration."""
        return self._on(backend)[0]

    def report(self) -> IterationReport:
        """Return the report of both half-steps; call it when both have ended on all devices."""
        return IterationReport(self.half(0), self.half(1))

    def half(self, half: int) -> HalfStepReport:
        """Return the report of the first half-step (0) or the second (1), which has ended."""
        all_sums, rows = [np.zeros((0, NUMBERS))], 0
        for board, tallies in self._of.values():
            if half >= len(tallies):
                continue
            rows = tallies[half].rows
            if tallies[half].added:  # some rows of this side belong to this device
                all_sums.append(board.sums()[half])
        return _half(rows, np.concatenate(all_sums))

    def _on(self, backend: Backend) -> tuple[Board, list[Tally]]:
        if id(backend) not in self._of:
            self._of[id(backend)] = Board(backend), []
        return self._of[id(backend)]


class Iteration(NamedTuple):
    """What `GpuSolver._begin` gives the half-steps of an iteration.

    Attributes
    ----------
    omega
        The over-relaxation factor.
    tallies
        Where the half-steps add up what their rows report. None outside of a fit, and for rungs whose
        rows report nothing.
    coordinates
        Whether solutions may stay in whitened coordinates, as `Coordinates`.
    on_card
        Whether the device factorises the Gramian.
    in_place
        Whether a half-step writes its solution to the array of its start, unless that stays in
        coordinates.
    """

    omega: float = 1.0
    tallies: Tallies | None = None
    coordinates: bool = False
    on_card: bool = False
    in_place: bool = False

    @classmethod
    def of_fit(cls, omega: float) -> Self:
        """Return the settings of an iteration of a fit, with the options that are on."""
        return cls(omega, coordinates=enabled("coordinates"), on_card=enabled("factor-on-card"))

    def board(self, backend: Backend) -> Board:
        """Return the iteration's board on a device; a new one where nothing is tallied."""
        return (self.tallies or Tallies()).board(backend)


def _half(rows: int, sums: npt.NDArray[np.float64]) -> HalfStepReport:
    """Return the report of a half-step from the sums (blocks, 5) of all devices."""
    steps, most, unsolved, gained, left = sums.sum(axis=0)
    if len(sums):
        most = sums[:, 1].max()
    return HalfStepReport(
        rows, rows, int(steps), int(most), int(unsolved), float(gained), float(left)
    )
