"""Stopping by rule, shared by the GPU rungs from `gpu_cg_5_binned` on: a row takes the steps it needs.

`halfstep.solvers.fit.stopping` states the rule. From the second iteration on, the rows are over-relaxed
(`halfstep.solvers.fit.over_relaxation`) by the kernels, which still hold where each row began. Each row
also writes how many steps it took and what they gained; the tally of the half-step adds these up on the
device for `report_`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import ClassVar, NamedTuple

import numpy as np

from halfstep.kernels.cuda.backend import Array, Backend
from halfstep.kernels.cuda.catalogue import heavy_defines
from halfstep.kernels.stopping import HEAVY, Stopping
from halfstep.solvers.fit.over_relaxation import Relaxation, check_relaxation, omega_of, settled
from halfstep.solvers.fit.stopping import check_stopping, stopping
from halfstep.solvers.gpu.basis import diagonal
from halfstep.solvers.gpu.device.heavy import rules_of, squared_norms
from halfstep.solvers.gpu.device.side import Side
from halfstep.solvers.gpu.device.tally import Iteration, Tallies, Tally
from halfstep.solvers.gpu.whitened import Ends, Whitened, WhitenedSolver


class Bins(NamedTuple):
    """The rows of each bin, and the rows that are in none.

    Attributes
    ----------
    rows
        Row numbers of each bin, int32 on the device. Bin k holds the rows whose degree is above limit
        k - 1 and at most limit k, highest degree first, and short rows of one degree by descending sum
        of weights.
    hubs
        (·,) int64 on the host: the rows whose degree is above the last limit, highest degree first.
    least
        (rows,) int32 on the device, the least number of steps of each row. None if the number of steps
        is fixed.
    largest
        The largest w of these rows; 0 if the number of steps is fixed.
    """

    rows: tuple[Array, ...]
    hubs: np.ndarray
    least: Array | None
    largest: float


@dataclass(eq=False, repr=False)
class RuledSolver(WhitenedSolver, ABC):
    """ALS on a CUDA device, with preconditioned conjugate gradient steps until each row has enough.

    Parameters
    ----------
    cg_steps
        The fixed number of steps of every row per half-step, at least 1. None lets the stopping rule end
        each row.
    cg_tolerance
        The rule ends a row when more steps could lower the objective by at most this fraction of what
        its steps have lowered it by; between 0 and 1. None means 0.05, or 0.005 with confidence
        `"explicit"`.
    cg_max_steps
        The largest number of steps that the rule lets a row take, at least 1. None means 64.
    relaxation
        The over-relaxation factor omega from the third iteration of a fit on, between 0 and 2, or a
        sequence with that of each iteration, whose last one goes on. None means 1 with more than three
        fixed steps, and 1.4 with up to three; otherwise omega follows what the iterations gain:
        `fit.over_relaxation`.
    """

    cg_steps: int | None = field(default=None, kw_only=True)  # type: ignore[assignment]
    cg_tolerance: float | None = field(default=None, kw_only=True)
    cg_max_steps: int | None = field(default=None, kw_only=True)
    relaxation: Relaxation = field(default=None, kw_only=True)
    _replayable: ClassVar[bool] = True
    _tallied: ClassVar[bool] = True

    def check(self) -> None:
        """Raise InputError for an argument that breaks its rule."""
        super().check()
        check_relaxation(self.relaxation)

    def _check_steps(self) -> None:
        """Raise InputError for a bad number of steps or tolerance; called by `check`."""
        check_stopping(self.cg_steps, self.cg_tolerance, self.cg_max_steps)

    def _omega(self, done: int) -> float:
        """Return the over-relaxation factor after `done` iterations; called by `_begin`."""
        relaxation = settled(self.relaxation, self.cg_steps)
        return omega_of(relaxation, done, self.relaxation_, self._gains)

    def _begin(self, done: int) -> Iteration:
        """See `GpuSolver._begin`; the iteration has tallies, which `_end` makes a report of."""
        return super()._begin(done)._replace(tallies=Tallies())

    def _stopping(self, side: Side, few_rows: bool = False) -> Stopping:
        """Return the stopping rule's numbers for this side; called by `_advance` and `binned`.

        `few_rows` says whether the whole side has at most 2 f rows; it changes no bin.
        """
        return stopping(
            self.cg_steps,
            self.cg_tolerance,
            self.cg_max_steps,
            a0=side.a0,
            few_rows=few_rows,
            by_last_step=True,
        )

    def _rules(
        self, backend: Backend, side: Side, fixed: Whitened, x: Array, stop: Stopping
    ) -> Array | None:
        """Return the least number of steps of each row, and 256 more for rows with heavy entries.

        None if the number of steps is fixed. Called by `_advance` before `_steps`.
        """
        bins = self._bins(backend, side, x)
        # |z|^2 is at most 1 / a0, so if no w is above HEAVY a0, no entry is heavy.
        if bins.least is None or stop.theta <= stop.theta_heavy or bins.largest <= HEAVY * side.a0:
            return bins.least
        defines = heavy_defines(x.dtype, self._stored(x.dtype, side), fixed.Z.shape[1])
        if "norms" not in fixed.kept:
            fixed.kept["norms"] = squared_norms(backend, fixed.Z, defines, x.dtype)
        coordinates = self.factors if diagonal(side) else 1
        norms = fixed.kept["norms"]
        return rules_of(backend, side, norms, fixed.basis, coordinates, defines, bins.least)

    def _advance(self, backend: Backend, side: Side, fixed: Whitened, x: Array) -> None:
        """See `GpuSolver._advance`; the rule ends each row, and the tally gets what the rows report."""
        stop = self._stopping(side, fixed.few_rows)
        ended = backend.empty((side.rows, 3), x.dtype)
        least = self._rules(backend, side, fixed, x, stop)
        ends = Ends(least, stop.most, stop.theta, stop.theta_heavy, ended, fixed.omega)
        self._steps(backend, side, fixed.Z, fixed.basis, x, ends)
        self._note(fixed.tally, ended, stop)

    @abstractmethod
    def _bins(self, backend: Backend, side: Side, x: Array) -> Bins:
        """Return the side's rows by the kernels that solve them, and what the rule asks of each."""

    def _note(self, tally: Tally | None, ended: Array, stop: Stopping) -> None:
        """Add what the rows reported, (rows, 3), to the tally; called by `_advance` after `_steps`.

        Outside of a fit there is no tally.
        """
        if tally is not None:
            tally.add(ended, stop)
