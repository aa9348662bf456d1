"""GPU rung 9, gpu_cg_9_gramian: the longest rows are solved exactly, from one pass over their entries.

From `gpu_cg_8_tensor` only the rows change that shared memory does not keep. Conjugate gradients gather
the entries of such a row once for its residual and once more for each step. Here they are gathered once:
the tensor cores form the row's system D + sum w z z' from them, and a block solves it by Cholesky's
method (`kernels/cuda/exact/gramian.cuh`). So a row of large weights, which takes the most steps, costs
as much as any other. A long row's parts are formed by blocks of their own and added in their order.

To solve a system takes f^3 / 6 multiply-adds, however short the row is. Rows of fewer than f^2 / 16
entries therefore stay with the passes, which by the counts (`docs/gpu-kernels.md`) cost less there. What
it is worth, only a card can show.

A row that is solved so reports one step, which leaves nothing of the objective to lower. With a fixed
number of steps (`cg_steps`) all rows take that number, as in `gpu_cg_8_tensor`.

Cost of a half-step: that of `gpu_cg_8_tensor` for shorter rows, n_u f^2 + f^3 / 3 for longer ones, and
of these n_u f numbers gathered.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import numpy as np
import numpy.typing as npt

from halfstep.kernels.cuda.backend import Array, Backend
from halfstep.kernels.cuda.lanes import MOST_FACTORS_TILES, Systems, systems, wide_tiles
from halfstep.kernels.device.compiling import Variant
from halfstep.solvers.gpu.cg_6_split import hub_bytes
from halfstep.solvers.gpu.cg_8_tensor import GpuCgTensor
from halfstep.solvers.gpu.device.memory import DeviceSize
from halfstep.solvers.gpu.device.side import Side
from halfstep.solvers.gpu.exact_plan import HUB_BYTES, Hubs, bytes_of_hubs, groups_of_hubs
from halfstep.solvers.gpu.whitened import DeviceBasis, Ends

FILE = "cg_9_gramian.cu"
PART = 4096  # entries of a part, of a row that has more
ENTRIES_OF_SOLUTION = 16  # rows of fewer than f^2 / 16 entries cost less by passes


class LongRows(NamedTuple):
    """The rows that are solved exactly.

    Attributes
    ----------
    whole
        int32 on the device: the rows of at most `PART` entries, highest degree first.
    hubs
        The other rows and their parts, in groups.
    """

    whole: Array
    hubs: tuple[Hubs, ...]


@dataclass(eq=False, repr=False)
class GpuCgGramian(GpuCgTensor):
    """ALS with conjugate gradients on tensor cores, and exact solutions of the longest rows.

    The other parameters are those of `halfstep.solvers.gpu.base.GpuSolver`.

    Parameters
    ----------
    storage
        As in `halfstep.solvers.gpu.cg_8_tensor.GpuCgTensor`.
    cg_steps, cg_tolerance, cg_max_steps, relaxation
        See `halfstep.solvers.gpu.by_rule.RuledSolver`. The longest rows are solved exactly unless
        `cg_steps` is given.

    See Also
    --------
    halfstep.solvers.gpu.cg_8_tensor.GpuCgTensor : The rung before.

    Examples
    --------
    >>> import halfstep
    >>> from scipy import sparse
    >>> plays = sparse.csr_matrix([[5, 0, 3, 0], [0, 2, 0, 4], [1, 0, 0, 3]])
    >>> model = halfstep.SOLVERS["gpu_cg_9_gramian"](factors=2, random_state=0)
    >>> model.fit(plays, show_progress=False).user_factors.shape  # doctest: +SKIP
    (3, 2)
    """

    name: ClassVar[str] = "gpu_cg_9_gramian"

    def _variants(self, backend: Backend, side: Side) -> set[Variant]:
        found = super()._variants(backend, side)
        if self._exactly(side) and side.lengths.max(initial=0) > self._longest(backend, side):
            found.add((FILE, self._systems(backend).defines))
        return found

    def _exactly(self, side: Side) -> bool:
        """Return whether the longest rows of the side are solved exactly."""
        return self._by_tiles(self.dtype, side) and self._stopping(side).theta > 0

    def _longest(self, backend: Backend, side: Side) -> int:
        if not self._exactly(side):
            return super()._longest(backend, side)
        _, large = self._tiles(backend, side)
        return max(large.warps * large.kept, wide_tiles(self.factors) ** 2 // ENTRIES_OF_SOLUTION)

    def _systems(self, backend: Backend) -> Systems:
        return systems(self.factors, shared_limit=backend.shared_limit)

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
        if not self._exactly(side):
            super()._step_hubs(backend, side, Z, basis, x, ends, hubs)
            return
        if len(hubs) == 0:
            return
        layout = self._systems(backend)
        size = 4 * layout.numbers
        rows = side.kept.get("long")
        if rows is None:
            most = side.lengths[hubs] <= PART
            rows = side.kept["long"] = LongRows(
                backend.to_device(hubs[most].astype(np.int32)),
                groups_of_hubs(backend, side, hubs[~most], PART, size),
            )
        ended, omega = ends.ended, np.float32(ends.omega)
        of_basis, eps = (basis.base, basis.slope), np.finfo(np.float32).eps
        entries = (side.indices, side.w, side.t)

        def launch(kernel: str, blocks: int, arguments: tuple[object, ...]) -> None:
            backend.launch(
                FILE, kernel, layout.defines, (blocks,), (32 * layout.warps,), arguments,
                shared_mem=layout.shared,
            )  # fmt: skip

        count = len(rows.whole)
        together = max(1, count if layout.inside else HUB_BYTES // size)
        for first in range(0, count, together):
            order = rows.whole[first : first + together]
            room = None if layout.inside else backend.empty((len(order), layout.numbers), x.dtype)
            launch(
                "cg_9_row", len(order),
                (x, Z, *of_basis, side.indptr, *entries, side.lam, order, ended, omega, eps, room),
            )  # fmt: skip
            del room  # before the next one is made
        for group in rows.hubs:
            parts = backend.empty((group.parts, layout.numbers), x.dtype)
            launch("cg_9_part", group.parts, (Z, *entries, group.first, group.stop, parts))
            launch(
                "cg_9_solve", group.count,
                (x, *of_basis, side.lam, group.rows, group.first_part, parts, ended, omega, eps),
            )  # fmt: skip
            del parts

    def _scratch_bytes(self, backend: Backend, size: DeviceSize) -> int:
        """See `GpuSolver._scratch_bytes`; the systems of rows in global memory and of hubs' parts."""
        passes = super()._scratch_bytes(backend, size)
        half = self.storage == "float16" and np.dtype(size.dtype) == np.float32
        if not half or self.cg_steps is not None or size.factors > MOST_FACTORS_TILES:
            return passes  # as the rung before
        layout = self._systems(backend)
        system = 4 * layout.numbers
        rows = 0 if layout.inside else min(max(size.users, size.items), HUB_BYTES // system)
        exact = rows * system + bytes_of_hubs(size, PART, PART, system)
        return passes + max(0, exact - hub_bytes(size))  # the passes over hubs are not in use then
