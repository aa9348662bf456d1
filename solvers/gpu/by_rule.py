"""Stopping by rule, shared by the GPU rungs from `gpu_cg_5_binned` on: a row takes the steps it needs.

`halfstep.solvers.fit.stopping` states the rule. From the third iteration on, the rows are over-relaxed
(`halfstep.solvers.fit.over_relaxation`) by the kernels, which still hold where each row began. Each row
also writes how many steps it took and what they gained; the tally of the half-step adds these up on the
device for `report_`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field

from halfstep.kernels.cuda.backend import Array, Backend
from halfstep.kernels.stopping import Stopping
from halfstep.solvers.fit.over_relaxation import FEW_STEPS, check_relaxation, over_relaxation
from halfstep.solvers.fit.stopping import check_stopping, stopping
from halfstep.solvers.gpu.device.side import Side
from halfstep.solvers.gpu.device.tally import Iteration, Tallies, Tally
from halfstep.solvers.gpu.whitened import Ends, Whitened, WhitenedSolver


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
        The over-relaxation factor omega from the third iteration of a fit on; between 0 and 2. None
        means 1.4 if the rule ends rows or `cg_steps` is at most 3, and 1 otherwise.
    """

    cg_steps: int | None = field(default=None, kw_only=True)  # type: ignore[assignment]
    cg_tolerance: float | None = field(default=None, kw_only=True)
    cg_max_steps: int | None = field(default=None, kw_only=True)
    relaxation: float | None = field(default=None, kw_only=True)

    def check(self) -> None:
        """Raise InputError for an argument that breaks its rule."""
        super().check()
        check_relaxation(self.relaxation)

    def _check_steps(self) -> None:
        """Raise InputError for a bad number of steps or tolerance; called by `check`."""
        check_stopping(self.cg_steps, self.cg_tolerance, self.cg_max_steps)

    def _omega(self, done: int) -> float:
        """Return the over-relaxation factor after `done` iterations; called by `_begin`."""
        few = self.cg_steps is None or self.cg_steps <= FEW_STEPS
        return over_relaxation(self.relaxation, few, done)

    def _begin(self, done: int) -> Iteration:
        """See `GpuSolver._begin`; the iteration has tallies, which `_end` makes a report of."""
        return super()._begin(done)._replace(tallies=Tallies())

    def _stopping(self, side: Side) -> Stopping:
        """Return the stopping rule's numbers for this side; called by `_advance` and `binned`."""
        return stopping(self.cg_steps, self.cg_tolerance, self.cg_max_steps, a0=side.a0)

    def _advance(self, backend: Backend, side: Side, fixed: Whitened, x: Array) -> None:
        """See `GpuSolver._advance`; the rule ends each row, and the tally gets what the rows report."""
        stop = self._stopping(side)
        ended = backend.empty((side.rows, 3), x.dtype)
        least = self._least_steps(backend, side, x)
        ends = Ends(least, stop.most, stop.theta, ended, fixed.omega)
        self._steps(backend, side, fixed.Z, fixed.basis, x, ends)
        self._note(fixed.tally, ended, stop)

    @abstractmethod
    def _least_steps(self, backend: Backend, side: Side, x: Array) -> Array | None:
        """Return the least number of steps of each row, (rows,) int32; None if their number is fixed.

        Called by `_advance` before `_steps`.
        """

    def _note(self, tally: Tally | None, ended: Array, stop: Stopping) -> None:
        """Add what the rows reported, (rows, 3), to the tally; called by `_advance` after `_steps`.

        Outside of a fit there is no tally.
        """
        if tally is not None:
            tally.add(ended, stop)
