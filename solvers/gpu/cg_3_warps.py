"""GPU rung 3, gpu_cg_3_warps: a warp per row; each thread holds 16-byte pieces of the row's vectors.

`kernels/cuda/lanes.cuh` says how lanes share vectors, `kernels/cuda/cg_3_warps.cu` what that saves: no
barrier is left, a dot product is mostly multiply-adds within a lane, and loads are as wide as they get.

Cost of a half-step: that of `gpu_cg_2_whitened`, without a barrier.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from halfstep.kernels.cuda.backend import Array, Backend
from halfstep.kernels.cuda.lanes import WARPS
from halfstep.solvers.gpu.device.side import Side
from halfstep.solvers.gpu.whitened import DeviceBasis, Ends, WhitenedSolver, kernel_arguments


@dataclass(eq=False, repr=False)
class GpuCgWarps(WhitenedSolver):
    """ALS with preconditioned conjugate gradients, a warp per row."""

    name: ClassVar[str] = "gpu_cg_3_warps"

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
