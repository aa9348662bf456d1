"""GPU rung 4, gpu_cg_4_shared: a row's entries are gathered once and kept in shared memory.

k steps pass over a row's entries k + 1 times. In `gpu_cg_3_warps` each pass gathers the vectors z_i from
the second-level cache or from memory, because those of all running warps together do not fit the
first-level cache. Here the first pass keeps them in shared memory, on the multiprocessor itself, and the
later passes read them there. Entries beyond what a warp may keep are gathered again in each pass.

`kernels/cuda/cg_4_shared.cu` counts the bytes. The arithmetic is that of rung 3.

Cost of a half-step: that of `gpu_cg_3_warps`, with n_u f numbers gathered once, not steps + 1 times.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from halfstep.kernels.cuda.backend import Array, Backend
from halfstep.kernels.cuda.lanes import WARPS, Lanes
from halfstep.kernels.device.compiling import Variant
from halfstep.solvers.gpu.device.side import Side
from halfstep.solvers.gpu.whitened import DeviceBasis, Ends, WhitenedSolver, kernel_arguments


@dataclass(eq=False, repr=False)
class GpuCgShared(WhitenedSolver):
    """ALS with preconditioned conjugate gradients, a warp per row, each row gathered once.

    The parameters are those of `halfstep.solvers.gpu.whitened.WhitenedSolver`.

    See Also
    --------
    halfstep.solvers.gpu.cg_3_warps.GpuCgWarps : The rung before.

    Examples
    --------
    >>> import halfstep
    >>> from scipy import sparse
    >>> plays = sparse.csr_matrix([[5, 0, 3, 0], [0, 2, 0, 4], [1, 0, 0, 3]])
    >>> model = halfstep.SOLVERS["gpu_cg_4_shared"](factors=2, random_state=0)
    >>> model.fit(plays, show_progress=False).user_factors.shape  # doctest: +SKIP
    (3, 2)
    """

    name: ClassVar[str] = "gpu_cg_4_shared"

    def _variants(self, backend: Backend, side: Side) -> set[Variant]:
        defines = self._lanes(self.dtype, side).defines
        return super()._variants(backend, side) | {("cg_4_shared.cu", defines)}

    def _steps(
        self, backend: Backend, side: Side, Z: Array, basis: DeviceBasis, x: Array, ends: Ends
    ) -> None:
        layout = self._lanes(x.dtype, side)
        arguments = kernel_arguments(side, Z, basis, x, ends, None, side.rows)
        step_by_warps(backend, layout, side.rows, arguments)


def step_by_warps(backend: Backend, layout: Lanes, count: int, arguments: tuple[Any, ...]) -> None:
    """Take the steps of `count` rows, one warp each; shared memory keeps what the first pass gathers."""
    backend.launch(
        "cg_4_shared.cu",
        "cg_4_shared",
        layout.defines,
        (-(-count // WARPS),),
        (32 * WARPS,),
        arguments,
        shared_mem=layout.shared - layout.sums,
    )
