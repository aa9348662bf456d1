"""GPU rung, gpu_cholesky: every row is solved exactly, as a system of f or of n unknowns.

The algebra is that of `eigenbasis` with `exact=True`. In whitened coordinates, where the part of a row's
matrix that all rows share is the identity, a row of n entries is either of two systems:

* primal, f x f:  (I + sum w z z') x = sum t z;
* dual, n x n, by the Woodbury identity:  (I + W^1/2 Z Z' W^1/2) v = W^-1/2 t,  x = Z' W^1/2 v.

A row of few entries takes the dual system, which is smaller. It is fast on a GPU because one block of
threads forms and factorises a row's system, of which each thread holds a tile in registers from the
first entry until the tile's columns are factorised, so that few loads feed many multiply-adds. Systems
of more tiles than threads lie in global memory. The sums of a high-degree row are divided among several
blocks, because a single one would work when the rest of the device has finished. The kernels are in
`kernels/cuda/exact`.

Cost of a half-step: columns f^2 and two products of factors with f x f matrices, then
min(n_u f^2 + f^3 / 3, n_u^2 f + n_u^3 / 3) per row. A row gathers n_u f numbers.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from halfstep.kernels.cuda.backend import Array, Backend
from halfstep.kernels.cuda.catalogue import real
from halfstep.kernels.cuda.lanes import numbers_of
from halfstep.kernels.device.compiling import Variant
from halfstep.solvers.gpu.base import GpuSolver
from halfstep.solvers.gpu.basis import DeviceBasis, basis_of, coordinates_of, uploaded
from halfstep.solvers.gpu.device.memory import DeviceSize
from halfstep.solvers.gpu.device.side import Side
from halfstep.solvers.gpu.device.tally import Iteration
from halfstep.solvers.gpu.exact_plan import (
    DUAL,
    PRIMAL,
    Bin,
    Layout,
    Plan,
    bytes_of_hubs,
    groups_of_hubs,
    layout,
    primal_order,
)
from halfstep.solvers.gramian import Matrix
from halfstep.solvers.shared import Shared
from halfstep.solvers.whitening import Basis

_BLOCKS_PER_MULTIPROCESSOR = 4
# Rows of more than HUB entries are hubs: several blocks add them up, each a part of PART entries.
HUB, PART = 8192, 4096
_BINS = (16, 32, 64, 128, 256, 512, 1024)
# The dual takes weights up to this over the dtype's eps: beside larger ones, the identity that is added
# to its matrix would have too few digits left.
_HUGE = 1e-3
_RANGE_ROWS = 8  # whose smallest and largest weights a block finds, a warp for each


@dataclass(eq=False, repr=False)
class GpuCholesky(GpuSolver):
    """ALS with exact half-steps on a CUDA device.

    Without regularisation a row gets its solution of least norm. The exception is confidence
    `"explicit"`, whose rows share nothing: there a row of fewer entries than factors gets any one of its
    solutions.

    The parameters are those of `halfstep.solvers.gpu.base.GpuSolver`.

    See Also
    --------
    halfstep.solvers.eigenbasis.Eigenbasis : Does the same on the CPU with `exact=True`.
    halfstep.solvers.gpu.base.GpuSolver : The arguments of all GPU rungs.

    Examples
    --------
    >>> import halfstep
    >>> from scipy import sparse
    >>> plays = sparse.csr_matrix([[5, 0, 3, 0], [0, 2, 0, 4], [1, 0, 0, 3]])
    >>> model = halfstep.SOLVERS["gpu_cholesky"](factors=2, random_state=0)
    >>> model.fit(plays, show_progress=False).user_factors.shape  # doctest: +SKIP
    (3, 2)
    """

    name: ClassVar[str] = "gpu_cholesky"
    exact_only: ClassVar[bool] = True

    def _variants(self, backend: Backend, side: Side) -> set[Variant]:
        f, dtype, limit = self.factors, np.dtype(self.dtype), _largest_dual(self.factors)
        # Weights decide which rows are solved by their duals; each row may be.
        orders = {1, *np.unique(side.lengths[side.lengths <= limit]).tolist()}
        layouts = [_dual_layout(backend, order, f, dtype) for order in orders if order]
        found = {(DUAL, each.block.defines(dtype)) for each in layouts}
        found.add((PRIMAL, _primal_layout(backend, f, dtype).block.defines(dtype)))
        return super()._variants(backend, side) | found | {("tally.cu", (real(dtype),))}

    def _basis(
        self, backend: Backend, side: Side, Y: Array, X: Array, iteration: Iteration
    ) -> DeviceBasis:
        return basis_of(backend, side, Y, self.factors, on_card=iteration.on_card)

    def _coordinates(self, side: Side, squared: float, YtY: Matrix | None) -> Basis:
        return coordinates_of(side, np.dtype(self.dtype), self.factors, YtY, squared)

    def _uploaded(self, backend: Backend, side: Side, shared: Shared) -> DeviceBasis:
        assert shared.basis is not None
        dtype = shared.frame.dtype
        return uploaded(backend, side, shared.basis, self.factors, dtype, scaled=False)

    def _rotated(self, backend: Backend, side: Side, basis: DeviceBasis, Y: Array) -> Array:
        return backend.product(Y, basis.forward)

    def _fixed(
        self,
        backend: Backend,
        side: Side,
        Z: Array,
        basis: DeviceBasis,
        iteration: Iteration,
        X: Array,
    ) -> tuple[Array, DeviceBasis]:
        return Z, basis

    def _start(self, backend: Backend, side: Side, basis: DeviceBasis, X: Array) -> Array:
        return backend.empty(X.shape, X.dtype)

    def _advance(
        self, backend: Backend, side: Side, fixed: tuple[Array, DeviceBasis], x: Array
    ) -> None:
        (Z, basis), f, dtype = fixed, self.factors, x.dtype
        plan = side.kept.get("plan")
        if plan is None:
            plan = side.kept["plan"] = make_plan(backend, side, f, dtype)
        eps = np.finfo(dtype).eps
        common = (
            side.indptr, side.indices, side.w, side.t, Z, basis.base, basis.slope, side.lam,
            np.int32(f), np.int32(f),
        )  # fmt: skip
        arguments: tuple[Any, ...]
        for rows in plan.dual:
            least = eps * dtype.type(side.a0 or 1.0)
            size = _dual_layout(backend, rows.order, f, dtype)
            blocks, systems = _systems(backend, rows, size, dtype)
            order, depth = np.int32(rows.order), np.int32(size.depth)
            arguments = (rows.rows, np.int32(rows.count), order, systems, least, depth, eps, x)
            size.launch(backend, "cholesky_dual", dtype, blocks, common + arguments)
        size = _primal_layout(backend, f, dtype)
        depth = np.int32(size.depth)
        if plan.primal is not None:
            rows = plan.primal
            blocks, systems = _systems(backend, rows, size, dtype)
            arguments = (rows.rows, np.int32(rows.count), systems, None, None, depth, eps, x)
            size.launch(backend, "cholesky_primal", dtype, blocks, common + arguments)
        for hubs in plan.hubs:
            # One launch forms the parts' systems, another adds and solves them.
            parts = backend.empty((hubs.parts, numbers_of(primal_order(f))), dtype)
            of_parts = (hubs.first, hubs.stop, parts, depth)
            size.launch(backend, "cholesky_hub_part", dtype, hubs.parts, common + of_parts)
            count = np.int32(hubs.count)
            arguments = (hubs.rows, count, None, hubs.first_part, parts, depth, eps, x)
            size.launch(backend, "cholesky_primal", dtype, hubs.count, common + arguments)
            del parts, of_parts, arguments  # before the next ones are made

    def _finish(self, backend: Backend, fixed: tuple[Array, DeviceBasis], x: Array) -> Array:
        return backend.product(x, fixed[1].outward)

    def _scratch_bytes(self, backend: Backend, size: DeviceSize) -> int:
        """See `GpuSolver._scratch_bytes`: systems in global memory, of rows and of hubs' parts."""
        f = size.factors
        system, rows = numbers_of(primal_order(f)) * size.itemsize, max(size.users, size.items)
        blocks = min(rows, _BLOCKS_PER_MULTIPROCESSOR * backend.sm_count())
        inside = _primal_layout(backend, f, size.dtype).held
        return (0 if inside else blocks * system) + bytes_of_hubs(size, HUB, PART, system)


def _primal_layout(backend: Backend, factors: int, dtype: npt.DTypeLike) -> Layout:
    """Return the block for primal systems; beside them are the columns' scales and the pivots."""
    order = primal_order(factors)
    return layout(order, 2 * order, dtype, backend.shared_limit)


def _dual_layout(backend: Backend, order: int, factors: int, dtype: npt.DTypeLike) -> Layout:
    """Return the block for dual systems; beside them are pivots, weights, b and the columns' scales."""
    return layout(order, 3 * order + factors + 8, dtype, backend.shared_limit)


def _systems(
    backend: Backend, rows: Bin, size: Layout, dtype: npt.DTypeLike
) -> tuple[int, Array | None]:
    """Return the blocks of a launch, and their systems in global memory if they lie there."""
    if size.held:
        return rows.count, None
    blocks = min(rows.count, _BLOCKS_PER_MULTIPROCESSOR * backend.sm_count())
    return blocks, backend.empty((blocks, numbers_of(rows.order)), dtype)


def _largest_dual(factors: int) -> int:
    """Return the most entries of a row that is solved by its dual."""
    return max(16, factors * 5 // 8)


def make_plan(backend: Backend, side: Side, factors: int, dtype: Any) -> Plan:
    """Return which rows are solved by their dual, by their primal system, and as hubs.

    The dual takes rows of at most 5/8 f entries (at least 16) whose weights are neither negative nor
    huge. Larger duals take longer than the primal system, on the CPU as well, although they need fewer
    multiply-adds up to f entries. An empty row is a dual of order zero. Without regularisation and
    background only empty rows are, because the dual's matrix is singular if a row has more entries than
    its rank.
    """
    low, high = _weight_ranges(backend, side, dtype)
    limit = _largest_dual(factors)
    if side.a0 == 0 and side.smallest_lam <= 0:
        limit = 0
    eps = float(np.finfo(dtype).eps)
    dual = (side.lengths <= limit) & (low >= 0) & (high <= _HUGE / eps)
    hub = ~dual & (side.lengths > HUB)
    bins, smallest = [], -1
    for largest in _BINS:
        members = np.flatnonzero(dual & (side.lengths > smallest) & (side.lengths <= largest))
        if len(members):
            order = int(side.lengths[members].max())
            bins.append(Bin(*_longest_first(backend, side, members), order=max(1, order)))
        smallest = largest
    rest = np.flatnonzero(~dual & ~hub)
    system = numbers_of(primal_order(factors)) * np.dtype(dtype).itemsize
    return Plan(
        dual=tuple(bins),
        primal=Bin(*_longest_first(backend, side, rest), order=primal_order(factors))
        if len(rest)
        else None,
        hubs=groups_of_hubs(backend, side, np.flatnonzero(hub), PART, system),
    )


def _weight_ranges(
    backend: Backend, side: Side, dtype: Any
) -> tuple[npt.NDArray[np.floating[Any]], npt.NDArray[np.floating[Any]]]:
    """Return the smallest and the largest w of each row, two arrays (rows,) on the host."""
    ranges = backend.empty((2, side.rows), dtype)
    backend.launch(
        "tally.cu", "weight_range", (real(dtype),), (-(-side.rows // _RANGE_ROWS),),
        (32 * _RANGE_ROWS,), (side.indptr, side.w, np.int64(side.rows), ranges),
    )  # fmt: skip
    low, high = backend.to_host(ranges)
    return low, high


def _longest_first(backend: Backend, side: Side, rows: npt.NDArray[np.int64]) -> tuple[Array, int]:
    """Return the rows on the device, highest degree first, and their number."""
    order = np.argsort(-side.lengths[rows], kind="stable")
    return backend.to_device(rows[order].astype(np.int32)), len(rows)
