"""GPU rung 2, gpu_cg_2_whitened: whitened coordinates take the Gramian out of rows and steps.

From `gpu_cg_1_naive` the coordinates change, as in `eigenbasis`. In whitened coordinates the part of a
row's matrix that all rows share, a0 Y'Y + lambda I, is the identity (or diagonal, if each row has its
own lambda):

    A_u p = D p + sum_{i in S_u} w_ui z_i (z_i . p)

This costs 2 n_u f multiply-adds instead of 2 n_u f + f^2. It is faster because rung 1 reads the f^2
numbers of the Gramian for each row and step, which for a row of n_u < f entries is more than the row's
own entries. Whitening also preconditions the system: two steps lower the objective more than three did.

The price is three products of factor matrices with f x f matrices per half-step, at the speed of
cuBLAS. `kernels/cuda/cg_2_whitened.cu` is `cg_1_naive.cu` without the Gramian.

Cost of a half-step: columns f^2 and three products of factors with f x f matrices, then
2 (steps + 1) n_u f per row. Each of the steps + 1 passes gathers n_u f numbers.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from halfstep.kernels.cuda.backend import Array, Backend
from halfstep.kernels.cuda.catalogue import factor_per_thread, threads_for
from halfstep.kernels.device.compiling import Variant
from halfstep.solvers.gpu.checks import MAX_FACTORS
from halfstep.solvers.gpu.device.side import Side
from halfstep.solvers.gpu.whitened import DeviceBasis, Ends, WhitenedSolver

_BLOCKS_PER_MULTIPROCESSOR = 32


@dataclass(eq=False, repr=False)
class GpuCgWhitened(WhitenedSolver):
    """ALS with preconditioned conjugate gradients, a block of threads per row.

    The parameters are those of `halfstep.solvers.gpu.whitened.WhitenedSolver`.

    See Also
    --------
    halfstep.solvers.gpu.cg_1_naive.GpuCgNaive : The rung before.
    halfstep.solvers.gpu.whitened.WhitenedSolver : What the rungs from here on share.

    Examples
    --------
    >>> import halfstep
    >>> from scipy import sparse
    >>> plays = sparse.csr_matrix([[5, 0, 3, 0], [0, 2, 0, 4], [1, 0, 0, 3]])
    >>> model = halfstep.SOLVERS["gpu_cg_2_whitened"](factors=2, random_state=0)
    >>> model.fit(plays, show_progress=False).user_factors.shape  # doctest: +SKIP
    (3, 2)
    """

    name: ClassVar[str] = "gpu_cg_2_whitened"
    # A thread holds one factor, so the registers set no lower limit than MAX_FACTORS.
    _most_factors_float64: ClassVar[int] = MAX_FACTORS

    def _storage(self, dtype: Any, side: Side) -> tuple[int, bool]:
        return self.factors, False

    def _variants(self, backend: Backend, side: Side) -> set[Variant]:
        defines = factor_per_thread(self.factors, self.dtype)
        return super()._variants(backend, side) | {("cg_2_whitened.cu", defines)}

    def _steps(
        self, backend: Backend, side: Side, Z: Array, basis: DeviceBasis, x: Array, ends: Ends
    ) -> None:
        backend.launch(
            "cg_2_whitened.cu",
            "cg_2_whitened",
            factor_per_thread(self.factors, x.dtype),
            (min(side.rows, _BLOCKS_PER_MULTIPROCESSOR * backend.sm_count()),),
            (threads_for(self.factors),),
            (
                x, Z, basis.base, basis.slope, side.indptr, side.indices, side.w, side.t, side.lam,
                np.int64(side.rows), np.int32(ends.most), x.dtype.type(ends.omega),
            ),
        )  # fmt: skip
