"""GPU rung 1, gpu_cg_1_naive: conjugate gradients, a block of threads per row and a thread per factor.

The algorithm is `conjugate_gradient` without its preconditioner, as Takács, Pilászy and Tikk describe
it (RecSys 2011): three steps from the x_u of the last iteration, each with one product

    A_u p = (a0 Y'Y + lambda_u I) p + sum_{i in S_u} w_ui y_i (y_i . p)

of 2 n_u f + f^2 multiply-adds. Each thread of the block holds one factor. So every y_i . p is a sum over
all threads, which wait for one another at two barriers for each stored entry and step, and every step
reads the whole f x f Gramian for each row. `kernels/cuda/cg_1_naive.cu` counts what this costs. The
rungs that follow each remove one of these costs.

Cost of a half-step: columns f^2 once, then (steps + 1) (2 n_u f + f^2) per row. Each of the steps + 1
passes gathers n_u f numbers.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar, NamedTuple

import numpy as np

from halfstep.kernels.cuda.backend import Array, Backend
from halfstep.kernels.cuda.catalogue import factor_per_thread, threads_for
from halfstep.kernels.device.compiling import Variant
from halfstep.solvers.gpu.base import GpuSolver
from halfstep.solvers.gpu.device.side import Side
from halfstep.solvers.gpu.device.tally import Iteration
from halfstep.solvers.inputs import check_integers
from halfstep.solvers.shared import Rows, Shared
from halfstep.solvers.stages import Stages
from halfstep.types import Floats

_BLOCKS_PER_MULTIPROCESSOR = 32


class Own(NamedTuple):
    """The factors' own coordinates: a0 Y'Y, and what a start is multiplied by, (f, f), if it is."""

    G: Array
    projection: Array | None


@dataclass(eq=False, repr=False)
class GpuCgNaive(GpuSolver):
    """ALS with conjugate gradient steps, a block of threads per row and a thread per factor.

    The other parameters are those of `halfstep.solvers.gpu.base.GpuSolver`.

    Parameters
    ----------
    cg_steps
        Steps per half-step, at least 1.

    See Also
    --------
    halfstep.solvers.conjugate_gradient.ConjugateGradient : The algorithm on the CPU, preconditioned.
    halfstep.solvers.gpu.base.GpuSolver : The arguments of all GPU rungs.

    Notes
    -----
    Takács, Pilászy and Tikk (RecSys 2011).

    Examples
    --------
    >>> import halfstep
    >>> from scipy import sparse
    >>> plays = sparse.csr_matrix([[5, 0, 3, 0], [0, 2, 0, 4], [1, 0, 0, 3]])
    >>> model = halfstep.SOLVERS["gpu_cg_1_naive"](factors=2, random_state=0)
    >>> model.fit(plays, show_progress=False).user_factors.shape  # doctest: +SKIP
    (3, 2)
    """

    name: ClassVar[str] = "gpu_cg_1_naive"
    cg_steps: int = field(default=3, kw_only=True)

    def check(self) -> None:
        """Raise InputError for an argument that breaks its rule."""
        super().check()
        check_integers(self._settings(), cg_steps=1)

    def _variants(self, backend: Backend, side: Side) -> set[Variant]:
        defines = factor_per_thread(self.factors, self.dtype)
        return super()._variants(backend, side) | {("cg_1_naive.cu", defines)}

    def _basis(self, backend: Backend, side: Side, Y: Array, X: Array, iteration: Iteration) -> Own:
        counted = Y[: side.counted] if side.pulled else Y
        return self._own(backend, side, backend.to_host(backend.gram(counted)), X.dtype)

    def _uploaded(self, backend: Backend, side: Side, shared: Shared) -> Own:
        f = self.factors
        gramian = np.zeros((f, f)) if shared.gramian is None else shared.gramian
        return self._own(backend, side, gramian, shared.frame.dtype)

    def _own(
        self, backend: Backend, side: Side, gramian: np.ndarray[Any, Any], dtype: np.dtype[Any]
    ) -> Own:
        G = backend.to_device((side.a0 * gramian).astype(dtype))
        if side.smallest_lam > 0:
            return Own(G, None)
        # No step changes the part of a start that lies in the null space of Y, so it is removed. Without
        # a background every row has a null space of its own; a start from zero has no part in any of
        # them.
        projection = _range(gramian, dtype) if side.a0 else np.zeros(gramian.shape, dtype)
        return Own(G, backend.to_device(projection))

    def rotate(self, Y: Floats, shared: Shared) -> Rows:
        """See `Stages`: the rows are not rotated."""
        return Stages.rotate(self, Y, shared)

    def _rotated(self, backend: Backend, side: Side, basis: Own, Y: Array) -> Array:
        return Y

    def _fixed(
        self,
        backend: Backend,
        side: Side,
        Z: Array,
        basis: Own,
        iteration: Iteration,
        X: Array,
    ) -> tuple[Array, Array]:
        return Z, basis.G

    def _start(self, backend: Backend, side: Side, basis: Own, X: Array) -> Array:
        if basis.projection is not None:
            return backend.product(X, basis.projection)
        start = backend.empty(X.shape, X.dtype)
        backend.copy(start, X)  # the model keeps X until the solution is known to be finite
        return start

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
    """Return the projection (f, f) onto the directions in which Y is not zero to working precision."""
    eigenvalues, Q = np.linalg.eigh(gramian)
    directions = Q[:, eigenvalues > eigenvalues[-1] * len(Q) * np.finfo(dtype).eps]
    projection: np.ndarray = (directions @ directions.T).astype(dtype)
    return projection
