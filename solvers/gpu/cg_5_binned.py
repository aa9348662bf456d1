"""GPU rung 5, gpu_cg_5_binned: rows sorted by degree, with a kernel for each range of degrees.

From `gpu_cg_4_shared` two things change.

**Bins.** The shortest rows share a warp, rows of medium degree have a warp each (`gpu_cg_4_shared`),
and rows of high degree have a block each, with as much shared memory as the device gives. It is faster
because a whole warp on a row of three entries leaves most of its lanes idle, and a single warp on a row
of a thousand entries still works when the rest of the device has finished. Rows are sorted once per
fit. The rows of a shared warp go on until the slowest of them has enough steps. The number of steps
grows with a row's weights, so short rows of one degree are sorted by their sum of weights, in classes
of half an octave. The solution of a row does not depend on its neighbours in any bit.
`kernels/cuda/cg_5_binned.cu` has the kernels.

**Steps by rule.** From this rung on every row takes the steps that it needs
(`halfstep.solvers.gpu.by_rule`). A step computes the whole product A p, so the residual's length is
known when it ends, and the test costs a few operations per row. A row of small weights passes over its
entries twice instead of three times, which saves one of three gathers if shared memory does not hold
the row. A row of large weights takes more steps, without another gather if shared memory holds it.

Rows with a negative w take at least two steps. They are found once per fit, and the kernel looks them up
when the rule would end a row. To find them in the first pass of each half-step would take one more
register, of which the kernels have none left, a comparison per entry, and in `cg_5_long` a sum over
warps.

Cost of a half-step: that of `gpu_cg_4_shared`, with one step for mild rows.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from halfstep.kernels.cuda.backend import Array, Backend
from halfstep.kernels.cuda.catalogue import heavy_defines, real
from halfstep.kernels.cuda.lanes import LARGE_WARPS, WARPS, Lanes, Tiles
from halfstep.kernels.device.compiling import Variant
from halfstep.solvers.gpu.by_rule import Bins, RuledSolver
from halfstep.solvers.gpu.cg_4_shared import step_by_warps
from halfstep.solvers.gpu.device.side import Side
from halfstep.solvers.gpu.device.tally import row_weights
from halfstep.solvers.gpu.whitened import DeviceBasis, Ends, kernel_arguments

FILE = "cg_5_binned.cu"
NO_LIMIT = 2**31
_WARP = 64
_LONGEST = np.iinfo(np.uint16).max
SHORT = 16  # entries of the longest row that shares a warp
_CLASSES = 256
_HALF_OCTAVE = 22  # a float32 without this many bits: its exponent and one digit
_SMALLEST = np.float32(2.0**-32).view(np.uint32) >> _HALF_OCTAVE


@dataclass(eq=False, repr=False)
class GpuCgBinned(RuledSolver):
    """ALS with preconditioned conjugate gradients, rows binned by degree.

    The other parameters are those of `halfstep.solvers.gpu.base.GpuSolver`.

    Parameters
    ----------
    cg_steps, cg_tolerance, cg_max_steps, relaxation
        See `halfstep.solvers.gpu.by_rule.RuledSolver`.

    See Also
    --------
    halfstep.solvers.gpu.cg_4_shared.GpuCgShared : The rung before.
    halfstep.solvers.gpu.by_rule.RuledSolver : The rule that ends each row's steps.

    Examples
    --------
    >>> import halfstep
    >>> from scipy import sparse
    >>> plays = sparse.csr_matrix([[5, 0, 3, 0], [0, 2, 0, 4], [1, 0, 0, 3]])
    >>> model = halfstep.SOLVERS["gpu_cg_5_binned"](factors=2, random_state=0)
    >>> model.fit(plays, show_progress=False).user_factors.shape  # doctest: +SKIP
    (3, 2)
    """

    name: ClassVar[str] = "gpu_cg_5_binned"

    def _variants(self, backend: Backend, side: Side) -> set[Variant]:
        return super()._variants(backend, side) | variants_of_bins(self, backend, side)

    def _bins(self, backend: Backend, side: Side, x: Array) -> Bins:
        return binned(self, backend, side, x, NO_LIMIT)

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
    """Take the steps of all rows of at most `longest` entries, with one launch for each bin.

    The rows of highest degree are launched first, so that the blocks that run last are short.
    """
    small, large = layouts(solver, backend, side, x)
    short, middle, long, longer = binned(solver, backend, side, x, longest).rows
    arguments = partial(kernel_arguments, side, Z, basis, x, ends)
    for rows, layout in ((longer, large), (long, small)):
        launch_rows(backend, FILE, "cg_5_long", layout, layout.shared, rows, arguments)
    if len(middle):
        step_by_warps(backend, small, len(middle), arguments(middle, len(middle)))
    step_short(backend, small, short, arguments)


def step_short(
    backend: Backend, layout: Lanes, rows: Array, arguments: Callable[[Array, int], tuple[Any, ...]]
) -> None:
    """Take the steps of the shortest rows, of which several share a warp."""
    shared, together = layout.shared - layout.sums, 32 * layout.warps // layout.group
    launch_rows(backend, FILE, "cg_5_short", layout, shared, rows, arguments, together)


def launch_rows(
    backend: Backend,
    file: str,
    kernel: str,
    layout: Lanes | Tiles,
    shared: int,
    rows: Array,
    arguments: Callable[[Array, int], tuple[Any, ...]],
    together: int = 1,
) -> None:
    """Take the steps of a bin's rows, if it has any, by one launch.

    Parameters
    ----------
    shared
        Bytes of shared memory for a block.
    arguments
        Returns the kernel's arguments for rows and their number.
    together
        Rows that a block takes.
    """
    if len(rows):
        backend.launch(
            file,
            kernel,
            layout.defines,
            (-(-len(rows) // together),),
            (32 * layout.warps,),
            arguments(rows, len(rows)),
            shared_mem=shared,
        )


def variants_of_bins(solver: RuledSolver, backend: Backend, side: Side) -> set[Variant]:
    """Return what `step_by_bins` launches, and what the rule does."""
    dtype = np.dtype(solver.dtype)
    small, large = layouts(solver, backend, side, np.empty(0, dtype))
    found: set[Variant] = {
        ("cg_4_shared.cu", small.defines),
        (FILE, small.defines),
        (FILE, large.defines),
    }
    return found | variants_of_rule(solver, side, small.wide)


def variants_of_rule(solver: RuledSolver, side: Side, wide: int) -> set[Variant]:
    """Return what tells the rule of rows, before the steps and after; `wide` as in `Lanes`."""
    dtype, stop = np.dtype(solver.dtype), solver._stopping(side)
    found: set[Variant] = {("tally.cu", (real(dtype),))}
    if stop.theta > stop.theta_heavy:
        found.add(("heavy.cu", heavy_defines(dtype, solver._stored(dtype, side), wide)))
    return found


def binned(solver: RuledSolver, backend: Backend, side: Side, x: Array, longest: int) -> Bins:
    """Return the side's rows of at most `longest` entries in four bins, and the others as hubs.

    The limits are `SHORT`, what a warp keeps in shared memory (at least 64 entries), and what a small
    block keeps (at least twice as much); the fourth bin is for large blocks.
    """
    small, _ = layouts(solver, backend, side, x)
    warp = max(_WARP, small.kept)
    limits = (SHORT, warp, max(2 * warp, WARPS * small.kept), longest)
    ascending = [min(limit, longest) for limit in limits]
    return bins_of(backend, side, ascending, ruled=solver._stopping(side).theta > 0)


def layouts(solver: RuledSolver, backend: Backend, side: Side, x: Array) -> tuple[Lanes, Lanes]:
    """Return the layouts of small and of large blocks; two large blocks share a multiprocessor."""
    most = backend.shared_limit // 2 // 1024 * 1024
    return (
        solver._lanes(x.dtype, side),
        solver._lanes(x.dtype, side, warps=LARGE_WARPS, shared=max(most, 48 * 1024)),
    )


def bins_of(backend: Backend, side: Side, limits: Sequence[int], *, ruled: bool) -> Bins:
    """Return the side's rows in bins with these limits, ascending; sorted once and kept in the side.

    Parameters
    ----------
    ruled
        Whether the stopping rule ends each row. If not, all rows take one fixed number of steps.
    """
    key = (ruled, *limits)
    kept = side.kept.get(key)
    if kept is None:
        weights = row_weights(backend, side) if ruled else None
        # NumPy sorts 16-bit numbers in linear time. Rows of more than 61,000 entries compare as equal,
        # but their order matters little.
        order = np.argsort(
            _LONGEST - _rank(side.lengths, weights.sums if weights else None), kind="stable"
        )
        shortest_first = side.lengths[order][::-1] if len(order) else side.lengths
        # `order` is descending in the lengths up to 61,000, and all limits but `NO_LIMIT` are smaller.
        cuts = [int(np.searchsorted(shortest_first, limit, side="right")) for limit in limits]
        ends = [0, *cuts]
        numbers = order.astype(np.int32)  # uploaded together with `least`, in one copy
        device = backend.to_device(np.concatenate([numbers, weights.least]) if weights else numbers)
        rows = len(order)
        parts = tuple(device[rows - ends[k + 1] : rows - ends[k]] for k in range(len(limits)))
        kept = side.kept[key] = Bins(
            parts,
            order[: rows - cuts[-1]].astype(np.int64),
            device[rows:] if weights else None,
            float(weights.largest.max(initial=0)) if weights else 0.0,
        )
    return kept


def _rank(
    lengths: npt.NDArray[np.int64], weights: npt.NDArray[np.floating] | None
) -> npt.NDArray[np.uint16]:
    """Return the number to sort each row by: by length, and short rows also by class of weight."""
    if weights is None:
        return np.minimum(lengths, _LONGEST).astype(np.uint16)
    with np.errstate(over="ignore"):  # an infinite sum belongs to the last class
        sums = np.maximum(weights, 0).astype(np.float32)
    halves = (sums.view(np.uint32) >> _HALF_OCTAVE).astype(np.int64)
    classes = np.clip(halves - int(_SMALLEST), 0, _CLASSES - 1)
    longer = lengths + (_CLASSES - 1) * (SHORT + 1)
    rank = np.where(lengths <= SHORT, lengths * _CLASSES + classes, longer)
    return np.minimum(rank, _LONGEST).astype(np.uint16)
