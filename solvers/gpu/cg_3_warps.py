"""GPU rung 3, gpu_cg_3_warps: a row is a warp's, and a thread holds 16-byte pieces of its vectors.

`kernels/cuda/lanes.cuh` says how lanes share vectors, `kernels/cuda/cg_3_warps.cu` what that saves: no
barrier is left, a dot product is mostly multiply-adds within a lane, and loads are as wide as they get.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from halfstep.errors import InputError
from halfstep.kernels.cuda.backend import Array, Backend
from halfstep.kernels.cuda.lanes import MOST_FACTORS_FLOAT64, WARPS, Lanes, lanes
from halfstep.solvers.gpu.device.side import Side
from halfstep.solvers.gpu.whitened import DeviceBasis, Ends, WhitenedSolver, diagonal


@dataclass(eq=False, repr=False)
class GpuCgWarps(WhitenedSolver):
    """ALS with preconditioned conjugate gradients, a warp per row."""

    name: ClassVar[str] = "gpu_cg_3_warps"

    def check(self) -> None:
        """Raise InputError for an argument that breaks its rule."""
        super().check()
        if np.dtype(self.dtype) == np.float64 and self.factors > MOST_FACTORS_FLOAT64:
            raise InputError(
                f"factors must be at most {MOST_FACTORS_FLOAT64} in float64 for {self.name}, "
                f"got {self.factors}"
            )

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
            self._arguments(side, Z, basis, x, ends, None, side.rows),
        )

    def _storage(self, dtype: Any, side: Side) -> tuple[int, bool]:
        return self._lanes(dtype, side).wide, False

    def _stored(self, dtype: Any, side: Side) -> str:
        """Return the type of the fixed side, a key of `STORED`."""
        return str(np.dtype(dtype).name)

    def _lanes(self, dtype: Any, side: Side, **more: int) -> Lanes:
        return lanes(self.factors, self._stored(dtype, side), diagonal=diagonal(side), **more)

    def _arguments(
        self,
        side: Side,
        Z: Array,
        basis: DeviceBasis,
        x: Array,
        ends: Ends,
        order: Array | None,
        count: int,
    ) -> tuple[Any, ...]:
        """Return the kernels' arguments: `count` rows, those of `order` or the first ones."""
        return (
            x, Z, basis.base, basis.slope, side.indptr, side.indices, side.w, side.t, side.lam,
            order, np.int32(count), *ends.arguments(x.dtype),
        )  # fmt: skip
