"""GPU rung 5, gpu_cg_5_binned: rows sorted by their number of entries, a kernel for each size.

From the shortest rows, several to a warp, over a warp each (`gpu_cg_4_shared`) to a block each, with
as much shared memory as the device gives: `kernels/cuda/cg_5_binned.cu`. Rows are sorted once per fit.
Short rows share a warp, which goes on until the slowest of them has enough steps. How many steps a row
takes grows with its weights, so rows of one length are sorted by the sum of theirs, in classes of half
an octave. What becomes of a row does not depend on its neighbours: no bit of it changes.

From the third iteration on they are over-relaxed, as `halfstep.solvers.eigenbasis` does it:
`kernels/cuda/relax.cu`.

From here on every row takes the steps that it needs (`halfstep.solvers.fit.stopping`). A step forms the
whole A p, and the residual's length after it is known before the next one begins, so the test costs a
few operations a row. A mild row passes over its entries twice in place of three times; where shared
memory does not hold it, that is two gathers in place of three. A heavy one goes on, without another
gather where it is kept.

Which rows have a negative w, and take two steps at least, is found once per fit and looked up by the
kernel when it would stop a row. Found in each half-step's first pass it would take a register more and
a comparison an entry, and in `cg_5_long` a sum over warps; the kernels have no register left.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, NamedTuple

import numpy as np
import numpy.typing as npt

from halfstep.kernels.cuda.backend import Array, Backend
from halfstep.kernels.cuda.lanes import LARGE_WARPS, WARPS, Lanes
from halfstep.kernels.stopping import Stopping
from halfstep.solvers.fit.monitor import Monitor
from halfstep.solvers.fit.over_relaxation import FEW_STEPS, check_relaxation, way
from halfstep.solvers.fit.stopping import check_stopping, stopping
from halfstep.solvers.gpu.cg_4_shared import GpuCgShared
from halfstep.solvers.gpu.device.side import Side
from halfstep.solvers.gpu.device.tally import Tallies, Tally, row_weights
from halfstep.solvers.gpu.whitened import DeviceBasis, Ends, Whitened
from halfstep.solvers.problem import Problem
from halfstep.types import Floats

_WARP = 64
_LONGEST = np.iinfo(np.uint16).max
SHORT = 16
_CLASSES = 256
_HALF_OCTAVE = 22  # a float32 without this many bits: its exponent and one digit
_SMALLEST = np.float32(2.0**-32).view(np.uint32) >> _HALF_OCTAVE


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

    def _alternate(self, users: Any, items: Any, X: Any, Y: Any, monitor: Monitor) -> None:
        try:
            super()._alternate(users, items, X, Y, monitor)
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


class Bins(NamedTuple):
    """The rows of each bin on the device, and the longest ones' numbers on the host.

    Attributes
    ----------
    rows
        Per bin, int32, longest row first, and of short rows of one length the heaviest: bin k holds
        rows of more entries than limit k - 1, and at most limit k.
    hubs
        (·,) int64: rows of more entries than the last limit, longest first.
    least
        (rows,) int32, on the device: how many steps a row takes at least; None where their number is
        fixed.
    """

    rows: tuple[Array, ...]
    hubs: np.ndarray
    least: Array | None


def bins_of(backend: Backend, side: Side, limits: Sequence[int], *, ruled: bool) -> Bins:
    """Return the side's rows in bins with these limits, ascending.

    Parameters
    ----------
    ruled
        Whether each row takes the steps that it needs; else all take the same number.
    """
    key = (ruled, *limits)
    kept = side.kept.get(key)
    if kept is None:
        weights = row_weights(backend, side) if ruled else None
        # Sixteen bits sort in linear time; the order among longer rows than that matters little.
        order = np.argsort(
            _LONGEST - _rank(side.lengths, weights.sums if weights else None), kind="stable"
        )
        shortest_first = side.lengths[order][::-1] if len(order) else side.lengths
        # `order` is descending in the lengths as far as 16 bits go: limits are below that.
        cuts = [int(np.searchsorted(shortest_first, limit, side="right")) for limit in limits]
        ends = [0, *cuts]
        sent = order.astype(np.int32)  # and with it what else a row has to be told: one copy
        device = backend.to_device(np.concatenate([sent, weights.least]) if weights else sent)
        rows = len(order)
        parts = tuple(device[rows - ends[k + 1] : rows - ends[k]] for k in range(len(limits)))
        kept = side.kept[key] = Bins(
            parts,
            order[: rows - cuts[-1]].astype(np.int64),
            device[rows:] if weights else None,
        )
    return kept


def _rank(
    lengths: npt.NDArray[np.int64], weights: npt.NDArray[np.floating] | None
) -> npt.NDArray[np.uint16]:
    """Return what rows are sorted by: short ones by length and class of weight, others by length."""
    if weights is None:
        return np.minimum(lengths, _LONGEST).astype(np.uint16)
    with np.errstate(over="ignore"):  # an infinite sum is in the last class, as it should be
        sums = np.maximum(weights, 0).astype(np.float32)
    halves = (sums.view(np.uint32) >> _HALF_OCTAVE).astype(np.int64)
    classes = np.clip(halves - int(_SMALLEST), 0, _CLASSES - 1)
    longer = lengths + (_CLASSES - 1) * (SHORT + 1)
    rank = np.where(lengths <= SHORT, lengths * _CLASSES + classes, longer)
    return np.minimum(rank, _LONGEST).astype(np.uint16)
