"""GPU rung 5, gpu_cg_5_binned: rows sorted by degree, with a kernel for each range of degrees.

From the shortest rows, several to a warp, over a warp each (`gpu_cg_4_shared`) to a block each, with
as much shared memory as the device gives: `kernels/cuda/cg_5_binned.cu`. Rows are sorted once per fit.
Short rows share a warp, which goes on until the slowest of them has enough steps. How many steps a row
takes grows with its weights, so rows of one length are sorted by the sum of theirs, in classes of half
an octave. What becomes of a row does not depend on its neighbours: no bit of it changes.

From here on every row takes the steps that it needs (`halfstep.solvers.gpu.by_rule`). A step forms the
whole A p, and the residual's length after it is known before the next one begins, so the test costs a
few operations a row. A mild row passes over its entries twice in place of three times; where shared
memory does not hold it, that is two gathers in place of three. A heavy one goes on, without another
gather where it is kept.

Which rows have a negative w, and take two steps at least, is found once per fit and looked up by the
kernel when it would stop a row. Found in each half-step's first pass it would take a register more and
a comparison an entry, and in `cg_5_long` a sum over warps; the kernels have no register left.

Cost of a half-step: that of `gpu_cg_4_shared`, with one step for mild rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import numpy as np
import numpy.typing as npt

from halfstep.kernels.cuda.backend import Array, Backend
from halfstep.kernels.cuda.lanes import LARGE_WARPS, WARPS, Lanes
from halfstep.solvers.gpu.by_rule import RuledSolver
from halfstep.solvers.gpu.cg_4_shared import step_by_warps
from halfstep.solvers.gpu.device.side import Side
from halfstep.solvers.gpu.device.tally import row_weights
from halfstep.solvers.gpu.whitened import DeviceBasis, Ends, kernel_arguments

NO_LIMIT = 2**31
_WARP = 64
_LONGEST = np.iinfo(np.uint16).max
SHORT = 16
_CLASSES = 256
_HALF_OCTAVE = 22  # a float32 without this many bits: its exponent and one digit
_SMALLEST = np.float32(2.0**-32).view(np.uint32) >> _HALF_OCTAVE


@dataclass(eq=False, repr=False)
class GpuCgBinned(RuledSolver):
    """ALS with preconditioned conjugate gradients, rows binned by degree.

    Parameters
    ----------
    cg_steps, cg_tolerance, cg_max_steps, relaxation
        See `halfstep.solvers.gpu.by_rule.RuledSolver`.
    """

    name: ClassVar[str] = "gpu_cg_5_binned"

    def _least_steps(self, backend: Backend, side: Side, x: Array) -> Array | None:
        return binned(self, backend, side, x, NO_LIMIT).least

    def _steps(
        self, backend: Backend, side: Side, Z: Array, basis: DeviceBasis, x: Array, ends: Ends
    ) -> None:
        step_by_bins(self, backend, side, Z, basis, x, ends, NO_LIMIT)


def step_by_bins(
    solver: RuledSolver,
    backend: Backend,
    side: Side,
    Z: Array,
    basis: DeviceBasis,
    x: Array,
    ends: Ends,
    longest: int,
) -> None:
    """Take the steps of all rows of at most `longest` entries, a kernel for each bin."""
    small, large = layouts(solver, backend, side, x)
    short, middle, long, longer = binned(solver, backend, side, x, longest).rows
    for rows, layout in ((longer, large), (long, small)):
        if len(rows):
            backend.launch(
                "cg_5_binned.cu",
                "cg_5_long",
                layout.defines,
                (len(rows),),
                (32 * layout.warps,),
                kernel_arguments(side, Z, basis, x, ends, rows, len(rows)),
                shared_mem=layout.shared,
            )
    if len(middle):
        arguments = kernel_arguments(side, Z, basis, x, ends, middle, len(middle))
        step_by_warps(backend, small, len(middle), arguments)
    if len(short):
        a_block = 32 * WARPS // small.group
        backend.launch(
            "cg_5_binned.cu",
            "cg_5_short",
            small.defines,
            (-(-len(short) // a_block),),
            (32 * WARPS,),
            kernel_arguments(side, Z, basis, x, ends, short, len(short)),
            shared_mem=small.shared - small.sums,
        )


def binned(solver: RuledSolver, backend: Backend, side: Side, x: Array, longest: int) -> Bins:
    """Return the side's rows of at most `longest` entries in four bins; longer ones are hubs."""
    small, _ = layouts(solver, backend, side, x)
    warp = max(_WARP, small.kept)
    limits = (SHORT, warp, max(2 * warp, WARPS * small.kept), longest)
    ascending = [min(limit, longest) for limit in limits]
    return bins_of(backend, side, ascending, ruled=solver._stopping(side).theta > 0)


def layouts(solver: RuledSolver, backend: Backend, side: Side, x: Array) -> tuple[Lanes, Lanes]:
    """Return those of small and of large blocks; two of the latter share a multiprocessor."""
    most = backend.shared_limit // 2 // 1024 * 1024
    return (
        solver._lanes(x.dtype, side),
        solver._lanes(x.dtype, side, warps=LARGE_WARPS, shared=max(most, 48 * 1024)),
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
