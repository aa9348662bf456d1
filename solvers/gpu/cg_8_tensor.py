"""GPU rung 8, gpu_cg_8_tensor: the passes over stored entries run on the tensor cores.

From `gpu_cg_7_half` only the arithmetic of a pass changes. Rung 7 takes 18 to 24 warp instructions for a
stored entry of 128 factors and pass. Here a warp copies 16 entries at a time to shared memory and
multiplies them there, by Z v for the dot products and by Z' g for their sum (`kernels/cuda/tiles.cuh`):
8 to 14 instructions for the same. By the counts (`docs/gpu-kernels.md`) rung 7 is bound by its bytes
already if more than half of the issue slots are used; the slots that are free here are those in which
other warps can wait for memory. What that is worth, only a card can show.

Z is the one of rung 7, in float16. The vectors that it is multiplied by are floats: each is split into
two numbers of 16 bits, which are two columns of the product, so that no digit of float32 is lost.

Rows of at most 16 entries stay with the kernel of rung 5, in which several share a warp. All rows do
where Z is not in float16, and with more than 256 factors. It needs compute capability 8.0.

Cost of a half-step: that of `gpu_cg_7_half`, with about half of its instructions at f = 128.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from halfstep.kernels.cuda.backend import Array, Backend, current
from halfstep.kernels.cuda.catalogue import CATALOGUE
from halfstep.kernels.cuda.lanes import MOST_FACTORS_TILES, Lanes, Tiles, lanes, tiles, wide_tiles
from halfstep.kernels.device.compiling import Variant
from halfstep.kernels.device.options import enabled
from halfstep.solvers.gpu import cg_6_split
from halfstep.solvers.gpu.basis import diagonal
from halfstep.solvers.gpu.by_rule import Bins
from halfstep.solvers.gpu.cg_5_binned import FILE as SHORT_FILE
from halfstep.solvers.gpu.cg_5_binned import (
    SHORT,
    bins_of,
    launch_rows,
    step_short,
    variants_of_rule,
)
from halfstep.solvers.gpu.cg_7_half import GpuCgHalf
from halfstep.solvers.gpu.device.memory import DeviceSize
from halfstep.solvers.gpu.device.side import Side
from halfstep.solvers.gpu.whitened import DeviceBasis, Ends, kernel_arguments

_KEPT, _STREAMED = "cg_8_tensor.cu", "cg_8_stream.cu"


@dataclass(eq=False, repr=False)
class GpuCgTensor(GpuCgHalf):
    """ALS with preconditioned conjugate gradients on tensor cores.

    The other parameters are those of `halfstep.solvers.gpu.base.GpuSolver`.

    Parameters
    ----------
    storage
        As in `halfstep.solvers.gpu.cg_7_half.GpuCgHalf`; "bfloat16" is solved by the kernels of that
        rung.
    cg_steps, cg_tolerance, cg_max_steps, relaxation
        See `halfstep.solvers.gpu.by_rule.RuledSolver`.

    See Also
    --------
    halfstep.solvers.gpu.cg_7_half.GpuCgHalf : The rung before.

    Examples
    --------
    >>> import halfstep
    >>> from scipy import sparse
    >>> plays = sparse.csr_matrix([[5, 0, 3, 0], [0, 2, 0, 4], [1, 0, 0, 3]])
    >>> model = halfstep.SOLVERS["gpu_cg_8_tensor"](factors=2, random_state=0)
    >>> model.fit(plays, show_progress=False).user_factors.shape  # doctest: +SKIP
    (3, 2)
    """

    name: ClassVar[str] = "gpu_cg_8_tensor"
    not_by_default: ClassVar[str | None] = (
        "its tensor core instructions have not run on a card yet; it must be named"
    )

    @classmethod
    def unavailable(cls) -> str | None:
        """Return why no CUDA device can be used here and what to install, or None."""
        reason = super().unavailable()
        if reason is None and current().capability < CATALOGUE[_KEPT].least_architecture:
            found = current().capability / 10
            return f"{cls.name} needs a GPU of compute capability 8.0, this one has {found}"
        return reason

    def _variants(self, backend: Backend, side: Side) -> set[Variant]:
        if not self._by_tiles(self.dtype, side):
            return super()._variants(backend, side)
        found = GpuCgHalf(**self._settings())._variants(backend, side)  # for `cost_of_rounding`
        small, large = self._tiles(backend, side)
        found |= {(_KEPT, small.defines), (_KEPT, large.defines), (_STREAMED, large.defines)}
        short = self._lanes(self.dtype, side)
        found |= {(SHORT_FILE, short.defines), *cg_6_split.variants_of_hubs(self, backend, side)}
        return found | variants_of_rule(self, side, short.wide)

    def _scratch_bytes(self, backend: Backend, size: DeviceSize) -> int:
        """See `GpuSolver._scratch_bytes`; rows are padded to 16 numbers, of which a plan counts 8."""
        more = wide_tiles(size.factors) - -(-size.factors // 8) * 8
        padded = max(size.users, size.items) * more * (2 * size.itemsize + 2)
        if enabled("coordinates"):
            padded += (size.users + size.items) * more * size.itemsize
        return super()._scratch_bytes(backend, size) + padded

    def _by_tiles(self, dtype: Any, side: Side) -> bool:
        """Return whether the rows of the side are solved on tensor cores."""
        return self._stored(dtype, side) == "float16" and self.factors <= MOST_FACTORS_TILES

    def _lanes(self, dtype: Any, side: Side, **more: int) -> Lanes:
        """See `WhitenedSolver._lanes`; for tensor cores rows are padded to whole tiles."""
        if not self._by_tiles(dtype, side):
            return super()._lanes(dtype, side, **more)
        return lanes(wide_tiles(self.factors), "float16", diagonal=diagonal(side), **more)

    def _steps(
        self, backend: Backend, side: Side, Z: Array, basis: DeviceBasis, x: Array, ends: Ends
    ) -> None:
        if not self._by_tiles(x.dtype, side):
            super()._steps(backend, side, Z, basis, x, ends)
            return
        bins = self._bins(backend, side, x)
        small, large = self._tiles(backend, side)
        short, middle, long, longer, longest = bins.rows
        arguments = partial(kernel_arguments, side, Z, basis, x, ends)
        for file, kernel, layout, rows, together in (
            (_STREAMED, "cg_8_stream", large, longest, 1),
            (_KEPT, "cg_8_block", large, longer, 1),
            (_KEPT, "cg_8_block", small, long, 1),
            (_KEPT, "cg_8_warp", small, middle, small.warps),
        ):
            launch_rows(backend, file, kernel, layout, layout.shared, rows, arguments, together)
        step_short(backend, self._lanes(x.dtype, side), short, arguments)
        self._step_hubs(backend, side, Z, basis, x, ends, bins.hubs)

    def _step_hubs(
        self,
        backend: Backend,
        side: Side,
        Z: Array,
        basis: DeviceBasis,
        x: Array,
        ends: Ends,
        hubs: npt.NDArray[np.int64],
    ) -> None:
        """Solve the rows of more entries than `_longest` says; called by `_steps`.

        `gpu_cg_9_gramian` overrides both.
        """
        _, large = self._tiles(backend, side)
        passes = cg_6_split.Passes(_STREAMED, "cg_8", large.defines, large.warps, large.shared)
        cg_6_split.step_hubs(self, backend, side, Z, basis, x, ends, hubs, passes)

    def _longest(self, backend: Backend, side: Side) -> int:
        """Return the most entries of a row that one block solves by passes; called by `_bins`."""
        return cg_6_split.LONGEST

    def _tiles(self, backend: Backend, side: Side) -> tuple[Tiles, Tiles]:
        """Return the layouts of small and of large blocks."""
        small, large = (
            tiles(
                self.factors,
                diagonal=diagonal(side),
                shared_limit=backend.shared_limit,
                large=large,
            )
            for large in (False, True)
        )
        return small, large

    def _bins(self, backend: Backend, side: Side, x: Array) -> Bins:
        """Return the side's rows in five bins: what a group, a warp, a small and a large block keep.

        The rows of the fifth are copied in every pass, and hubs are longer.
        """
        if not self._by_tiles(x.dtype, side):
            return super()._bins(backend, side, x)
        small, large = self._tiles(backend, side)
        limits = [SHORT, small.kept, small.warps * small.kept, large.warps * large.kept]
        for k in range(1, len(limits)):  # ascending
            limits[k] = max(limits[k - 1], limits[k])
        longest = self._longest(backend, side)
        ascending = [min(limit, longest) for limit in (*limits, longest)]
        return bins_of(backend, side, ascending, ruled=self._stopping(side).theta > 0)
