"""GPU rung 5, gpu_cg_5_binned: rows sorted by their number of entries, a kernel for each size.

From the shortest rows, several to a warp, over a warp each (`gpu_cg_4_shared`) to a block each, with
as much shared memory as the device gives: `kernels/cg_5_binned.cu`. Rows are sorted once per fit.
From the third iteration on they are over-relaxed, as `halfstep.solvers.eigenbasis` does it:
`kernels/relax.cu`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar

from halfstep.kernels.gpu_backend import Array, Backend
from halfstep.kernels.gpu_lanes import LARGE_WARPS, WARPS, Lanes
from halfstep.solvers.gpu_basis import Basis
from halfstep.solvers.gpu_bins import Bins, bins_of
from halfstep.solvers.gpu_cg_4_shared import GpuCgShared
from halfstep.solvers.gpu_side import Side
from halfstep.solvers.matrix import Floats
from halfstep.solvers.problem import Problem
from halfstep.solvers.relaxation import FEW_STEPS, check_relaxation, way
from halfstep.solvers.report import Report

_SHORT = 16
_WARP = 64


@dataclass(eq=False, repr=False)
class GpuCgBinned(GpuCgShared):
    """ALS with preconditioned conjugate gradients, rows binned by degree.

    Parameters
    ----------
    relaxation
        From the third iteration of a fit on, go this many times the way from a row's start to its
        solution; between 0 and 2. None means 1.4 with up to three steps and 1 otherwise.
    """

    name: ClassVar[str] = "gpu_cg_5_binned"
    _longest: ClassVar[int] = 2**31
    relaxation: float | None = field(default=None, kw_only=True)

    def check(self) -> None:
        """Raise InputError for an argument that breaks its rule."""
        super().check()
        check_relaxation(self.relaxation)

    def _begin(self, done: int) -> None:
        self._way = way(self.relaxation, self.cg_steps <= FEW_STEPS, done)

    def _alternate(self, users: Any, items: Any, X: Any, Y: Any, report: Report) -> None:
        try:
            super()._alternate(users, items, X, Y, report)
        finally:
            self._way = 1.0

    def half_step(self, problem: Problem, X: Floats) -> Floats:
        """Return X (rows, f) after `cg_steps` steps, never relaxed: not in a callback either."""
        way_of_fit, self._way = self._way, 1.0
        try:
            return super().half_step(problem, X)
        finally:
            self._way = way_of_fit

    def _steps(self, backend: Backend, side: Side, Z: Array, basis: Basis, x: Array) -> None:
        small, large = self._layouts(backend, side, x)
        short, middle, long, longest = self._bins(backend, side, small).rows
        for rows, layout in ((longest, large), (long, small)):
            if len(rows):
                backend.launch(
                    "cg_5_binned.cu",
                    "cg_5_long",
                    layout.defines,
                    (len(rows),),
                    (32 * layout.warps,),
                    self._arguments(side, Z, basis, x, rows, len(rows)),
                    shared_mem=layout.shared,
                )
        if len(middle):
            self._by_warps(backend, side, Z, basis, x, middle, len(middle))
        if len(short):
            a_block = 32 * WARPS // small.group
            backend.launch(
                "cg_5_binned.cu",
                "cg_5_short",
                small.defines,
                (-(-len(short) // a_block),),
                (32 * WARPS,),
                self._arguments(side, Z, basis, x, short, len(short)),
                shared_mem=small.shared - small.sums,
            )

    def _bins(self, backend: Backend, side: Side, small: Lanes) -> Bins:
        warp = max(_WARP, small.kept)
        limits = (_SHORT, warp, max(2 * warp, WARPS * small.kept), self._longest)
        return bins_of(backend, side, limits)

    def _layouts(self, backend: Backend, side: Side, x: Array) -> tuple[Lanes, Lanes]:
        """Return those of small and of large blocks; two of the latter share a multiprocessor."""
        most = backend.shared_limit // 2 // 1024 * 1024
        return (
            self._lanes(x.dtype, side),
            self._lanes(x.dtype, side, warps=LARGE_WARPS, shared=max(most, 48 * 1024)),
        )
