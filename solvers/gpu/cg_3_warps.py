"""GPU rung 3, gpu_cg_3_warps: a warp per row; each thread holds 16-byte pieces of the row's vectors.

From `gpu_cg_2_whitened` a row moves from a block of threads to a single warp, and a thread holds several
factors instead of one (`kernels/cuda/lanes.cuh`). It is faster for three reasons:

* the lanes of a warp run together and exchange sums by shuffles, so no barrier is left, and while one
  warp waits for memory the others compute;
* most of a dot product is multiply-adds within a lane, with log2(lanes) shuffles at its end;
* a 16-byte load, the widest there is, moves four times as much per instruction as a 4-byte load.

The arithmetic is that of rung 2. `kernels/cuda/cg_3_warps.cu` counts registers and bytes.

Cost of a half-step: that of `gpu_cg_2_whitened`, without a barrier.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from halfstep.kernels.cuda.backend import Array, Backend
from halfstep.kernels.cuda.lanes import WARPS
from halfstep.kernels.device.compiling import Variant
from halfstep.solvers.gpu.device.side import Side
from halfstep.solvers.gpu.whitened import DeviceBasis, Ends, WhitenedSolver, kernel_arguments


@dataclass(eq=False, repr=False)
class GpuCgWarps(WhitenedSolver):
    """ALS with preconditioned conjugate gradients, a warp per row.

    The parameters are those of `halfstep.solvers.gpu.whitened.WhitenedSolver`.

    See Also
    --------
    halfstep.solvers.gpu.cg_2_whitened.GpuCgWhitened : The rung before.

    Examples
    --------
    >>> import halfstep
    >>> from scipy import sparse
    >>> plays = sparse.csr_matrix([[5, 0, 3, 0], [0, 2, 0, 4], [1, 0, 0, 3]])
    >>> model = halfstep.SOLVERS["gpu_cg_3_warps"](factors=2, random_state=0)
    >>> model.fit(plays, show_progress=False).user_factors.shape  # doctest: +SKIP
    (3, 2)
    """

    name: ClassVar[str] = "gpu_cg_3_warps"

    def _variants(self, backend: Backend, side: Side) -> set[Variant]:
        defines = self._lanes(self.dtype, side).defines
        return super()._variants(backend, side) | {("cg_3_warps.cu", defines)}

    def _steps(
        self, backend: Backend, side: Side, Z: Array, basis: DeviceBasis, x: Array, ends: Ends
    ) -> None:
        layout = self._lanes(x.dtype, side)
        backend.launch(
            "cg_3_warps.cu",
            "cg_3_warps",
            layout.defines,
            (-(-side.rows // WARPS),),
            (32 * WARPS,),
            kernel_arguments(side, Z, basis, x, ends, None, side.rows),
        )
