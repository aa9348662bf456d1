"""What the GPU rungs from `gpu_cg_5_binned` on share: every row takes the steps that it needs.

The rule is that of `halfstep.solvers.fit.stopping`. From the third iteration on, rows are over-relaxed
as in `halfstep.solvers.eigenbasis`: `kernels/cuda/relax.cu`.
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
    """ALS on a CUDA device, with preconditioned conjugate gradient steps until a row is done.

    Parameters
    ----------
    cg_steps
        Steps per half-step: exactly so many, at least 1. None lets every row take those that it needs.
    cg_tolerance
        A row ends when what it may still gain is at most this part of what it has gained; between 0 and
        1. None means 0.05, and 0.005 with confidence `"explicit"`.
    cg_max_steps
        It ends after so many steps all the same, at least 1. None means 64.
    relaxation
        The over-relaxation factor omega from the third iteration of a fit on; between 0 and 2. None
        means 1.4 with up to three steps, or as many as a row needs, and 1 otherwise.
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
        check_stopping(self.cg_steps, self.cg_tolerance, self.cg_max_steps)

    def _omega(self, done: int) -> float:
        few = self.cg_steps is None or self.cg_steps <= FEW_STEPS
        return over_relaxation(self.relaxation, few, done)

    def _begin(self, done: int) -> Iteration:
        return Iteration(self._omega(done), Tallies())

    def _stopping(self, side: Side) -> Stopping:
        return stopping(self.cg_steps, self.cg_tolerance, self.cg_max_steps, a0=side.a0)

    def _advance(self, backend: Backend, side: Side, fixed: Whitened, x: Array) -> None:
        stop = self._stopping(side)
        ended = backend.empty((side.rows, 3), x.dtype)
        ends = Ends(self._least_steps(backend, side, x), stop.most, stop.theta, ended)
        self._steps(backend, side, fixed.Z, fixed.basis, x, ends)
        self._note(fixed.tally, ended, stop)

    @abstractmethod
    def _least_steps(self, backend: Backend, side: Side, x: Array) -> Array | None:
        """Return the steps that each row takes at least, (rows,) int32; None for a fixed number."""

    def _note(self, tally: Tally | None, ended: Array, stop: Stopping) -> None:
        """Take note of how rows ended, (rows, 3)."""
        if tally is not None:
            tally.add(ended, stop)
