"""GPU rung, gpu_cholesky: every row is solved exactly, as a system of f or of n unknowns.

The algebra is that of `eigenbasis` with `exact=True`. In whitened coordinates, where the part of a row's
matrix that all rows share is the identity, a row of n entries is either of two systems:

* primal, f x f:  (I + sum w z z') x = sum t z;
* dual, n x n, by the Woodbury identity:  (I + W^1/2 Z Z' W^1/2) v = W^-1/2 t,  x = Z' W^1/2 v.

A row of few entries takes the dual system, which is smaller. It is fast on a GPU because one block of
threads forms and factorises a row's system in shared memory (in global memory if it is too large), and
each thread adds to tiles that it holds in registers, so that few loads feed many multiply-adds. The sums
of a high-degree row are divided among several blocks, because a single one would work when the rest of
the device has finished. `kernels/cuda/cholesky_1_block.cu` has the kernels.

Cost of a half-step: columns f^2 and two products of factors with f x f matrices, then
min(n_u f^2 + f^3 / 3, n_u^2 f + n_u^3 / 3) per row. A row gathers n_u f numbers.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from halfstep.kernels.cuda.backend import Array, Backend
from halfstep.kernels.cuda.catalogue import CHOLESKY_DEPTH, cholesky_defines
from halfstep.kernels.device.compiling import Variant
from halfstep.solvers.gpu.base import GpuSolver
from halfstep.solvers.gpu.device.memory import DeviceSize
from halfstep.solvers.gpu.device.side import Side
from halfstep.solvers.gpu.device.tally import Iteration
from halfstep.solvers.gpu.exact_plan import HUB_BYTES, Bin, Hubs, Plan, groups_of_hubs
from halfstep.solvers.gpu.whitened import DeviceBasis, basis_of

_BLOCKS_PER_MULTIPROCESSOR = 4
_PANEL = 16
FILE = "cholesky_1_block.cu"
# Rows of more than HUB entries are hubs: several blocks add them up, each a part of PART entries.
HUB, PART = 8192, 4096
_BINS = (16, 32, 64, 128, 256, 512, 1024)
# The dual takes weights up to this over the dtype's eps: beside larger ones, the identity that is added
# to its matrix would have too few digits left.
_HUGE = 1e-3
_RANGE_THREADS = 128  # of a block that looks for rows' smallest and largest weights


@dataclass(eq=False, repr=False)
class GpuCholesky(GpuSolver):
    """ALS with exact half-steps on a CUDA device.

    Without regularisation a row gets its solution of least norm. The exception is confidence
    `"explicit"`, whose rows share nothing: there a row of fewer entries than factors gets any one of its
    solutions.
    """

    name: ClassVar[str] = "gpu_cholesky"
    exact_only: ClassVar[bool] = True

    def _variants(self, backend: Backend, side: Side) -> set[Variant]:
        dtype, limit = np.dtype(self.dtype), _largest_dual(self.factors)
        # Weights decide which rows are solved by their duals; each row may be.
        orders = {1, self.factors, *np.unique(side.lengths[side.lengths <= limit]).tolist()}
        launches = (Bin(None, 0, order) for order in orders)
        found = {cholesky_defines(dtype, each.threads, each.tile(dtype)) for each in launches}
        found.add(cholesky_defines(dtype, _RANGE_THREADS, 4))
        return super()._variants(backend, side) | {(FILE, defines) for defines in found}

    def _prepare(
        self, backend: Backend, side: Side, Y: Array, X: Array, iteration: Iteration
    ) -> tuple[tuple[Array, DeviceBasis], Array]:
        basis = basis_of(backend, side, Y, self.factors, on_card=iteration.on_card)
        return (backend.product(Y, basis.forward), basis), backend.empty(X.shape, X.dtype)

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
        for rows in plan.dual:
            least = eps * dtype.type(side.a0 or 1.0)
            self._launch(
                backend, "cholesky_dual", rows, dtype, 2 * rows.order,
                lambda systems, rows=rows, least=least: (
                    *common, rows.rows, np.int32(rows.count), np.int32(rows.order), systems, least,
                    eps, x,
                ),
            )  # fmt: skip
        if plan.primal is not None:
            rows = plan.primal
            self._launch(
                backend, "cholesky_primal", rows, dtype, f + 2 * CHOLESKY_DEPTH,
                lambda systems, rows=rows: (
                    *common, rows.rows, np.int32(rows.count), systems, np.int32(f), eps, x,
                ),
            )  # fmt: skip
        for hubs in plan.hubs:
            self._solve_hubs(backend, hubs, common, eps, x)

    def _finish(self, backend: Backend, fixed: tuple[Array, DeviceBasis], x: Array) -> Array:
        return backend.product(x, fixed[1].outward)

    def _launch(
        self, backend: Backend, kernel: str, rows: Bin, dtype: Any, vectors: int, arguments: Any
    ) -> None:
        """Launch a kernel on a bin's rows; its systems are in shared memory if two blocks' fit there.

        `vectors` counts the numbers of shared memory beside panel and system. `arguments` makes the
        kernel's arguments from the array of systems in global memory, or from None.
        """
        size = np.dtype(dtype).itemsize
        shared = (_panel(rows.order, rows.tile(dtype)) + vectors) * size
        system = (rows.order + 1) * rows.order
        grid = min(rows.count, _BLOCKS_PER_MULTIPROCESSOR * backend.sm_count())
        systems = None
        if shared + system * size <= backend.shared_limit // 2:
            shared += system * size
            grid = rows.count  # no block needs global memory, so there may be one for each row
        else:
            systems = backend.empty((grid, system), dtype)
        backend.launch(
            FILE, kernel, cholesky_defines(dtype, rows.threads, rows.tile(dtype)), (grid,),
            (rows.threads,), arguments(systems), shared_mem=shared,
        )  # fmt: skip

    def _solve_hubs(
        self, backend: Backend, hubs: Hubs, common: tuple[Any, ...], eps: Any, x: Array
    ) -> None:
        """Solve a group of hubs: one launch forms the parts' systems, another adds and solves them."""
        f, dtype = self.factors, x.dtype
        launch = Bin(hubs.rows, hubs.count, f)
        defines = cholesky_defines(dtype, launch.threads, launch.tile(dtype))
        shared = (_panel(f, launch.tile(dtype)) + f + 2 * CHOLESKY_DEPTH) * np.dtype(dtype).itemsize
        systems = backend.empty((hubs.parts, (f + 1) * f), dtype)
        backend.launch(
            FILE, "cholesky_hub_part", defines, (hubs.parts,), (launch.threads,),
            (*common, hubs.row_of_part, hubs.first, hubs.stop, systems, np.int32(f)),
            shared_mem=shared,
        )  # fmt: skip
        backend.launch(
            FILE, "cholesky_hub_solve", defines, (hubs.count,), (launch.threads,),
            (*common, hubs.rows, hubs.first_part, systems, np.int32(f), eps, x),
            shared_mem=shared,
        )  # fmt: skip

    def _scratch_bytes(self, backend: Backend, size: DeviceSize) -> int:
        """See `GpuSolver._scratch_bytes`: systems in global memory, of rows and of hubs' parts."""
        f, b = size.factors, size.itemsize
        system, rows = (f + 1) * f * b, max(size.users, size.items)
        beside = (_panel(f, Bin(None, rows, f).tile(size.dtype)) + f + 2 * CHOLESKY_DEPTH) * b
        blocks = min(rows, _BLOCKS_PER_MULTIPROCESSOR * backend.sm_count())
        inside = system + beside <= backend.shared_limit // 2
        parts = size.parts_of_hubs(HUB, PART)
        largest = -(-size.longest // PART)
        together = min(parts, max(largest, HUB_BYTES // system))
        return (0 if inside else blocks * system) + together * system + parts * (4 + 2 * 8 + 8)


def _panel(order: int, tile: int) -> int:
    """Return how many numbers of shared memory the panel needs, which the vectors use in turn."""
    return max(_PANEL, CHOLESKY_DEPTH) * (-(-(order + 1) // tile) * tile)


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
    system = (factors + 1) * factors * np.dtype(dtype).itemsize
    return Plan(
        dual=tuple(bins),
        primal=Bin(*_longest_first(backend, side, rest), order=factors) if len(rest) else None,
        hubs=groups_of_hubs(backend, side, np.flatnonzero(hub), PART, system),
    )


def _weight_ranges(
    backend: Backend, side: Side, dtype: Any
) -> tuple[npt.NDArray[np.floating[Any]], npt.NDArray[np.floating[Any]]]:
    """Return the smallest and the largest w of each row, two arrays (rows,) on the host."""
    ranges = backend.empty((2, side.rows), dtype)
    threads = _RANGE_THREADS
    backend.launch(
        FILE, "weight_range", cholesky_defines(dtype, threads, 4), (-(-side.rows * 32 // threads),),
        (threads,), (side.indptr, side.w, np.int64(side.rows), ranges),
    )  # fmt: skip
    low, high = backend.to_host(ranges)
    return low, high


def _longest_first(backend: Backend, side: Side, rows: npt.NDArray[np.int64]) -> tuple[Array, int]:
    """Return the rows on the device, highest degree first, and their number."""
    order = np.argsort(-side.lengths[rows], kind="stable")
    return backend.to_device(rows[order].astype(np.int32)), len(rows)
