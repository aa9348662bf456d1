"""GPU rung 1, gpu_cg_1_naive: conjugate gradients, a block of threads per row and a thread per factor.

The algorithm is that of `conjugate_gradient` without its preconditioner, as Takács, Pilászy and Tikk
have it: A_u p costs n_u f + f^2, and three steps go from the last iteration's x_u. A block of threads
takes a row and a thread one factor, so each y . p is a sum over threads, at a barrier, once per stored
entry and step. `kernels/cuda/cg_1_naive.cu` counts what that costs; every later rung removes one of its
costs.

Cost of a half-step: columns f^2 once, then (steps + 1) (2 n_u f + f^2) per row. Each of the steps + 1
passes gathers n_u f numbers.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np

from halfstep.kernels.cuda.backend import Array, Backend
from halfstep.kernels.cuda.catalogue import factor_per_thread, threads_for
from halfstep.solvers.gpu.base import GpuSolver
from halfstep.solvers.gpu.device.side import Side
from halfstep.solvers.gpu.device.tally import Iteration
from halfstep.solvers.inputs import check_integers

_BLOCKS_PER_MULTIPROCESSOR = 32


@dataclass(eq=False, repr=False)
class GpuCgNaive(GpuSolver):
    """ALS with conjugate gradient steps, a block of threads per row and a thread per factor.

    Parameters
    ----------
    cg_steps
        Steps per half-step, at least 1.
    """

    name: ClassVar[str] = "gpu_cg_1_naive"
    cg_steps: int = field(default=3, kw_only=True)

    def check(self) -> None:
        """Raise InputError for an argument that breaks its rule."""
        super().check()
        check_integers(self.get_params(), cg_steps=1)

    def _prepare(
        self, backend: Backend, side: Side, Y: Array, X: Array, iteration: Iteration
    ) -> tuple[tuple[Array, Array], Array]:
        dtype = X.dtype
        gramian = backend.to_host(backend.gram(Y))
        G = backend.to_device((side.a0 * gramian).astype(dtype))
        known = _range(gramian, dtype) if side.smallest_lam <= 0 else None
        if known is not None:
            # What the start has in the null space of Y would stay; rows that share nothing have a
            # null space of their own, which a start from zero never enters.
            known = known if side.a0 else np.zeros_like(known)
            return (Y, G), backend.product(X, backend.to_device(known))
        start = backend.empty(X.shape, dtype)
        backend.copy(start, X)  # X stays what the model has until the solution is known to be good
        return (Y, G), start

    def _advance(self, backend: Backend, side: Side, fixed: tuple[Array, Array], x: Array) -> None:
        backend.launch(
            "cg_1_naive.cu",
            "cg_1_naive",
            factor_per_thread(self.factors, x.dtype),
            (min(side.rows, _BLOCKS_PER_MULTIPROCESSOR * backend.sm_count()),),
            (threads_for(self.factors),),
            (
                x, *fixed, side.indptr, side.indices, side.w, side.t, side.lam,
                np.int64(side.rows), np.int32(self.cg_steps),
            ),
        )  # fmt: skip


def _range(gramian: np.ndarray, dtype: np.dtype) -> np.ndarray:
    """Return the projection (f, f) on the directions in which Y is not zero to working precision."""
    eigenvalues, Q = np.linalg.eigh(gramian)
    kept = Q[:, eigenvalues > eigenvalues[-1] * len(Q) * np.finfo(dtype).eps]
    projection: np.ndarray = (kept @ kept.T).astype(dtype)
    return projection
