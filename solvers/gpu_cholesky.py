"""GPU rung, gpu_cholesky: every row solved exactly, in the smaller of its two spaces.

The algebra is that of `eigenbasis` with `exact=True`: in coordinates where the part that all rows
share is the identity a row of n entries is a system of f unknowns, or of n where n is smaller. A
block of threads forms it in shared memory, or in global memory where it is larger, and factorises it
there; a row of very many entries is added up by several blocks. `kernels/cuda/cholesky_1_block.cu` tells
how.

Cost of a row: min(n f^2 + f^3 / 3, n^2 f + n^3 / 3) multiply-adds and n f numbers gathered.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from halfstep.kernels.cuda.backend import Array, Backend
from halfstep.kernels.cuda.catalogue import CHOLESKY_DEPTH, cholesky_defines
from halfstep.solvers.gpu import GpuSolver
from halfstep.solvers.gpu_basis import DeviceBasis, basis_of
from halfstep.solvers.gpu_exact_plan import FILE, Bin, Hubs, make_plan
from halfstep.solvers.gpu_side import Side

_BLOCKS_PER_MULTIPROCESSOR = 4
_PANEL = 16


@dataclass(eq=False, repr=False)
class GpuCholesky(GpuSolver):
    """ALS with exact half-steps on a CUDA device.

    Without regularisation the solution is the one of least norm; with confidence `"explicit"` as
    well, where rows share nothing, a row of fewer entries than factors gets one of its solutions.
    """

    name: ClassVar[str] = "gpu_cholesky"
    exact_only: ClassVar[bool] = True

    def _prepare(
        self, backend: Backend, side: Side, Y: Array, X: Array
    ) -> tuple[tuple[Array, DeviceBasis], Array]:
        basis = basis_of(backend, side, Y, self.factors)
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
        for rows in plan.own_space:
            least = eps * dtype.type(side.a0 or 1.0)
            self._launch(
                backend, "cholesky_own_space", rows, dtype, 2 * rows.order,
                lambda systems, rows=rows, least=least: (
                    *common, rows.rows, np.int32(rows.count), np.int32(rows.order), systems, least,
                    eps, x,
                ),
            )  # fmt: skip
        if plan.factor_space is not None:
            rows = plan.factor_space
            self._launch(
                backend, "cholesky_factor_space", rows, dtype, f + 2 * CHOLESKY_DEPTH,
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
        size = np.dtype(dtype).itemsize
        shared = (_panel(rows.order, rows.tile(dtype)) + vectors) * size
        system = (rows.order + 1) * rows.order
        grid = min(rows.count, _BLOCKS_PER_MULTIPROCESSOR * backend.sm_count())
        systems = None
        if shared + system * size <= backend.shared_limit // 2:
            shared += system * size
            grid = rows.count  # nothing is kept per block
        else:
            systems = backend.empty((grid, system), dtype)
        backend.launch(
            FILE, kernel, cholesky_defines(dtype, rows.threads, rows.tile(dtype)), (grid,),
            (rows.threads,), arguments(systems), shared_mem=shared,
        )  # fmt: skip

    def _solve_hubs(
        self, backend: Backend, hubs: Hubs, common: tuple[Any, ...], eps: Any, x: Array
    ) -> None:
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


def _panel(order: int, tile: int) -> int:
    """Return the numbers of shared memory that panel and vectors take turns in."""
    return max(_PANEL, CHOLESKY_DEPTH) * (-(-(order + 1) // tile) * tile)
