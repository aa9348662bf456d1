"""GPU rung 5, gpu_cg_5_binned: rows sorted by their number of entries, a kernel for each size.

From the shortest rows, several to a warp, over a warp each (`gpu_cg_4_shared`) to a block each, with
as much shared memory as the device gives: `kernels/cuda/cg_5_binned.cu`. Rows are sorted once per fit.
From the third iteration on they are over-relaxed, as `halfstep.solvers.eigenbasis` does it:
`kernels/cuda/relax.cu`.

From here on every row takes the steps that it needs (`halfstep.solvers.fit.stopping`). A step forms the
whole A p, and the residual's length after it is known before the next one begins, so the test costs a
few operations a row. A mild row passes over its entries twice in place of three times; where shared
memory does not hold it, that is two gathers in place of three. A heavy one goes on, without another
gather where it is kept. Rows that share a warp wait for the slowest of them: among rows of one length,
those of about the same sum of w lie together.

Which rows have a negative w, and take two steps at least, is found once per fit and looked up by the
kernel when it would stop a row. Found in each half-step's first pass it would take a register more and
a comparison an entry, and in `cg_5_long` a sum over warps; the kernels have no register left.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar

from halfstep.kernels.cuda.backend import Array, Backend
from halfstep.kernels.cuda.lanes import LARGE_WARPS, WARPS, Lanes
from halfstep.kernels.stopping import Stopping
from halfstep.solvers.fit.monitor import Report
from halfstep.solvers.fit.over_relaxation import FEW_STEPS, check_relaxation, way
from halfstep.solvers.fit.stopping import check_stopping, stopping
from halfstep.solvers.gpu_basis import DeviceBasis
from halfstep.solvers.gpu_bins import SHORT, Bins, bins_of
from halfstep.solvers.gpu_cg_4_shared import GpuCgShared
from halfstep.solvers.gpu_side import Side
from halfstep.solvers.gpu_tally import Tallies, Tally
from halfstep.solvers.gpu_whitened import Ends, Whitened
from halfstep.solvers.problem import Problem
from halfstep.types import Floats

_WARP = 64


@dataclass(eq=False, repr=False)
class GpuCgBinned(GpuCgShared):
    """ALS with preconditioned conjugate gradients, rows binned by degree.

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
        From the third iteration of a fit on, go this many times the way from a row's start to its
        solution; between 0 and 2. None means 1.4 with up to three steps, or as many as a row needs, and
        1 otherwise.
    """

    name: ClassVar[str] = "gpu_cg_5_binned"
    _longest: ClassVar[int] = 2**31
    cg_steps: int | None = field(default=None, kw_only=True)  # type: ignore[assignment]
    cg_tolerance: float | None = field(default=None, kw_only=True)
    cg_max_steps: int | None = field(default=None, kw_only=True)
    relaxation: float | None = field(default=None, kw_only=True)
    _tallies: Tallies | None = field(init=False, repr=False, default=None)

    def check(self) -> None:
        """Raise InputError for an argument that breaks its rule."""
        super().check()
        check_relaxation(self.relaxation)

    def _check_steps(self) -> None:
        check_stopping(self.cg_steps, self.cg_tolerance, self.cg_max_steps)

    def _begin(self, done: int) -> None:
        few = self.cg_steps is None or self.cg_steps <= FEW_STEPS
        self._way = way(self.relaxation, few, done)
        self._tallies = Tallies()

    def _end(self) -> None:
        if self._tallies is not None:
            self.report_.append(self._tallies.report())

    def _alternate(self, users: Any, items: Any, X: Any, Y: Any, report: Report) -> None:
        try:
            super()._alternate(users, items, X, Y, report)
        finally:
            self._way, self._tallies = 1.0, None

    def half_step(self, problem: Problem, X: Floats) -> Floats:
        """Return X (rows, f) after their steps, never relaxed: not in a callback either."""
        of_fit = self._way, self._tallies
        self._way, self._tallies = 1.0, None
        try:
            return super().half_step(problem, X)
        finally:
            self._way, self._tallies = of_fit

    def _tally(self, backend: Backend, side: Side) -> Tally | None:
        return None if self._tallies is None else self._tallies.next(backend, side)

    def _stopping(self, side: Side) -> Stopping:
        return stopping(self.cg_steps, self.cg_tolerance, self.cg_max_steps, a0=side.a0)

    def _advance(self, backend: Backend, side: Side, fixed: Whitened, x: Array) -> None:
        stop = self._stopping(side)
        ended = backend.empty((side.rows, 3), x.dtype)
        ends = Ends(self._bins(backend, side, x).least, stop.most, stop.theta, ended)
        self._steps(backend, side, fixed.Z, fixed.basis, x, ends)
        self._note(fixed.tally, ended, stop)

    def _note(self, tally: Tally | None, ended: Array, stop: Stopping) -> None:
        """Take note of how rows ended, (rows, 3)."""
        if tally is not None:
            tally.add(ended, stop)

    def _steps(
        self, backend: Backend, side: Side, Z: Array, basis: DeviceBasis, x: Array, ends: Ends
    ) -> None:
        small, large = self._layouts(backend, side, x)
        short, middle, long, longest = self._bins(backend, side, x).rows
        for rows, layout in ((longest, large), (long, small)):
            if len(rows):
                backend.launch(
                    "cg_5_binned.cu",
                    "cg_5_long",
                    layout.defines,
                    (len(rows),),
                    (32 * layout.warps,),
                    self._arguments(side, Z, basis, x, ends, rows, len(rows)),
                    shared_mem=layout.shared,
                )
        if len(middle):
            self._by_warps(backend, side, Z, basis, x, ends, middle, len(middle))
        if len(short):
            a_block = 32 * WARPS // small.group
            backend.launch(
                "cg_5_binned.cu",
                "cg_5_short",
                small.defines,
                (-(-len(short) // a_block),),
                (32 * WARPS,),
                self._arguments(side, Z, basis, x, ends, short, len(short)),
                shared_mem=small.shared - small.sums,
            )

    def _bins(self, backend: Backend, side: Side, x: Array) -> Bins:
        small, _ = self._layouts(backend, side, x)
        warp = max(_WARP, small.kept)
        limits = (SHORT, warp, max(2 * warp, WARPS * small.kept), self._longest)
        ascending = [min(limit, self._longest) for limit in limits]
        return bins_of(backend, side, ascending, ruled=self._stopping(side).theta > 0)

    def _layouts(self, backend: Backend, side: Side, x: Array) -> tuple[Lanes, Lanes]:
        """Return those of small and of large blocks; two of the latter share a multiprocessor."""
        most = backend.shared_limit // 2 // 1024 * 1024
        return (
            self._lanes(x.dtype, side),
            self._lanes(x.dtype, side, warps=LARGE_WARPS, shared=max(most, 48 * 1024)),
        )
