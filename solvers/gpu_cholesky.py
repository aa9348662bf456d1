"""GPU rung, gpu_cholesky: every row solved exactly, in the smaller of its two spaces.

The algebra is that of `eigenbasis` with `exact=True`. Once per half-step G = a0 Y'Y = Q L Q' (host,
float64) and Z = Y Q; scaled by (a0 L + lambda_u)^-1/2 the part that all rows share is the identity,
and a row of n entries is a system of f unknowns, or of n where n is smaller. A block of threads forms
it in shared memory, or in global memory where it is larger, and factorises it there; a row of very
many entries is added up by several blocks. `kernels/cholesky_1_block.cu` tells how.

Cost of a row: min(n f^2 + f^3 / 3, n^2 f + n^3 / 3) multiply-adds and n f numbers gathered.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar, NamedTuple

import numpy as np
import numpy.typing as npt

from halfstep.kernels.gpu_backend import Array, Backend
from halfstep.kernels.gpu_catalogue import CHOLESKY_DEPTH, cholesky_defines
from halfstep.solvers.gpu import GpuSolver
from halfstep.solvers.gpu_exact_plan import FILE, Bin, Hubs, Plan, make_plan
from halfstep.solvers.gpu_side import Side

_BLOCKS_PER_MULTIPROCESSOR = 4
_PANEL = 16


class _Coordinates(NamedTuple):
    """Z (columns, f), and what scales it for a row: (base + slope lambda_u)^-1/2; outward (f, f)."""

    Z: Array
    base: Array
    slope: Array
    outward: Array | None


@dataclass(eq=False, repr=False)
class GpuCholesky(GpuSolver):
    """ALS with exact half-steps on a CUDA device.

    Without regularisation the solution is the one of least norm; with confidence `"explicit"` as
    well, where rows share nothing, a row of fewer entries than factors gets one of its solutions.
    """

    name: ClassVar[str] = "gpu_cholesky"
    exact_only: ClassVar[bool] = True
    _plans: list[tuple[Side, Plan]] = field(init=False, repr=False, default_factory=list)

    def _alternate(self, *arguments: Any) -> None:
        try:
            super()._alternate(*arguments)
        finally:
            self._plans = []  # device memory

    def _solve(self, backend: Backend, side: Side, Y: Array, X: Array) -> Array:
        f, dtype = self.factors, X.dtype
        plan = self._plan(backend, side, dtype)
        at = _coordinates(backend, side, Y)
        rotated = backend.empty((side.rows, f), dtype)
        eps = dtype.type(np.finfo(dtype).eps)
        common = (
            side.indptr, side.indices, side.w, side.t, at.Z, at.base, at.slope, side.lam,
            np.int32(f), np.int32(f),
        )  # fmt: skip
        for rows in plan.own_space:
            least = eps * dtype.type(side.a0 or 1.0)
            self._launch(
                backend, "cholesky_own_space", rows, dtype, 2 * rows.order,
                lambda systems, rows=rows, least=least: (
                    *common, rows.rows, np.int32(rows.count), np.int32(rows.order), systems, least,
                    eps, rotated,
                ),
            )  # fmt: skip
        if plan.factor_space is not None:
            rows = plan.factor_space
            self._launch(
                backend, "cholesky_factor_space", rows, dtype, f + 2 * CHOLESKY_DEPTH,
                lambda systems, rows=rows: (
                    *common, rows.rows, np.int32(rows.count), systems, np.int32(f), eps, rotated,
                ),
            )  # fmt: skip
        for hubs in plan.hubs:
            self._solve_hubs(backend, hubs, common, eps, rotated)
        return rotated if at.outward is None else backend.product(rotated, at.outward)

    def _plan(self, backend: Backend, side: Side, dtype: Any) -> Plan:
        for known, plan in self._plans:
            if known is side:
                return plan
        plan = make_plan(backend, side, self.factors, dtype)
        # The two sides of a fit; those of the fit before are let go.
        self._plans = [*self._plans[-1:], (side, plan)]
        return plan

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
        self, backend: Backend, hubs: Hubs, common: tuple[Any, ...], eps: Any, rotated: Array
    ) -> None:
        f, dtype = self.factors, rotated.dtype
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
            (*common, hubs.rows, hubs.first_part, systems, np.int32(f), eps, rotated),
            shared_mem=shared,
        )  # fmt: skip


def _panel(order: int, tile: int) -> int:
    """Return the numbers of shared memory that panel and vectors take turns in."""
    return max(_PANEL, CHOLESKY_DEPTH) * (-(-(order + 1) // tile) * tile)


def _coordinates(backend: Backend, side: Side, Y: Array) -> _Coordinates:
    """Return the coordinates in which what all rows share is diagonal; see `kernels.cpu_basis`."""
    dtype, f = Y.dtype, Y.shape[1]
    gramian: npt.NDArray[np.float64] = backend.to_host(backend.gram(Y))
    eps, smallest = float(np.finfo(dtype).eps), side.smallest_lam
    if side.a0 == 0:
        floor = np.trace(gramian) / max(1, side.columns) * (eps if smallest <= 0 else eps * eps)
        base, slope = np.full(f, floor or 1.0), np.ones(f)
        Z, outward = Y, None
    else:
        L, Q = np.linalg.eigh(side.a0 * gramian)
        L = np.maximum(L, 0)
        known = L + smallest > L[-1] * f * (eps if smallest <= 0 else max(eps * eps, 2.0**-52))
        Q = Q * known
        base, slope = np.where(known, L, 1.0), known.astype(np.float64)
        Z = backend.product(Y, backend.to_device(Q.astype(dtype)))
        outward = backend.to_device(np.ascontiguousarray(Q.T).astype(dtype))
    return _Coordinates(
        Z, backend.to_device(base.astype(dtype)), backend.to_device(slope.astype(dtype)), outward
    )
