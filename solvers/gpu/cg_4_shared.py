"""GPU rung 4, gpu_cg_4_shared: a row's entries are gathered once and kept in shared memory.

k steps pass over a row's entries k + 1 times. `kernels/cuda/cg_4_shared.cu` goes to memory for the first
pass only, as long as a row fits what its warp may keep.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from halfstep.kernels.cuda.backend import Array, Backend
from halfstep.kernels.cuda.lanes import WARPS
from halfstep.solvers.gpu.cg_3_warps import GpuCgWarps
from halfstep.solvers.gpu.device.side import Side
from halfstep.solvers.gpu.whitened import DeviceBasis, Ends


@dataclass(eq=False, repr=False)
class GpuCgShared(GpuCgWarps):
    """ALS with preconditioned conjugate gradients, a warp per row, each row gathered once."""

    name: ClassVar[str] = "gpu_cg_4_shared"

    def _steps(
        self, backend: Backend, side: Side, Z: Array, basis: DeviceBasis, x: Array, ends: Ends
    ) -> None:
        self._by_warps(backend, side, Z, basis, x, ends, None, side.rows)

    def _by_warps(
        self,
        backend: Backend,
        side: Side,
        Z: Array,
        basis: DeviceBasis,
        x: Array,
        ends: Ends,
        order: Array | None,
        count: int,
    ) -> None:
        layout = self._lanes(x.dtype, side)
        backend.launch(
            "cg_4_shared.cu",
            "cg_4_shared",
            layout.defines,
            (-(-count // WARPS),),
            (32 * WARPS,),
            self._arguments(side, Z, basis, x, ends, order, count),
            shared_mem=layout.shared - layout.sums,
        )
