"""GPU rung 6, gpu_cg_6_split: several blocks of threads share the entries of a hub.

From `gpu_cg_5_binned` only the hubs change, the rows of more than 4,096 entries. A row's time is
proportional to its degree, so one block on a row of a million entries still works when the rest of the
device has nothing left to do. Here each part of a hub goes to a block of its own, and a second launch
adds the parts' vectors in their order. So a pass over the hubs is two launches, because blocks cannot
wait for one another within one, and the bits are the same in every run. `kernels/cuda/cg_6_split.cu` has
the kernels.

The device knows which hubs need more steps, but the host, which launches the steps, does not. Reading
the hubs' flags leaves the device idle for the latency of a launch, about ten microseconds; a pair of
launches whose blocks return at once takes about four. On all data measured, hubs took two to five steps,
because the weights of so many entries average out. So the host launches six pairs, after which few hubs
go on, reads the flags, and reads them again after every four pairs. If several devices share the work it
reads nothing, because it would wait for one device before it gives the next one its launches; nor in a
recorded iteration (option `graph`), in which there is nothing to read yet.

Cost of a half-step: that of `gpu_cg_5_binned`, with the longest rows shared by several blocks.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import numpy as np

from halfstep.kernels.cuda.backend import Array, Backend
from halfstep.kernels.device.compiling import Variant
from halfstep.solvers.gpu.by_rule import Bins, RuledSolver
from halfstep.solvers.gpu.cg_5_binned import binned, layouts, step_by_bins, variants_of_bins
from halfstep.solvers.gpu.device.memory import DeviceSize
from halfstep.solvers.gpu.device.side import Side
from halfstep.solvers.gpu.whitened import DeviceBasis, Ends

LONGEST = 4096
_FIRST_PAIRS, _MORE_PAIRS = 6, 4
_PART = 1024  # entries of a part, unless the row would have more than _PARTS parts
_PARTS = 256


@dataclass(eq=False, repr=False)
class GpuCgSplit(RuledSolver):
    """ALS with preconditioned conjugate gradients, rows binned by degree and the largest ones split.

    The other parameters are those of `halfstep.solvers.gpu.base.GpuSolver`.

    Parameters
    ----------
    cg_steps, cg_tolerance, cg_max_steps, relaxation
        See `halfstep.solvers.gpu.by_rule.RuledSolver`.

    See Also
    --------
    halfstep.solvers.gpu.cg_5_binned.GpuCgBinned : The rung before.

    Examples
    --------
    >>> import halfstep
    >>> from scipy import sparse
    >>> plays = sparse.csr_matrix([[5, 0, 3, 0], [0, 2, 0, 4], [1, 0, 0, 3]])
    >>> model = halfstep.SOLVERS["gpu_cg_6_split"](factors=2, random_state=0)
    >>> model.fit(plays, show_progress=False).user_factors.shape  # doctest: +SKIP
    (3, 2)
    """

    name: ClassVar[str] = "gpu_cg_6_split"

    def _variants(self, backend: Backend, side: Side) -> set[Variant]:
        return super()._variants(backend, side) | variants_with_hubs(self, backend, side)

    def _bins(self, backend: Backend, side: Side, x: Array) -> Bins:
        return binned(self, backend, side, x, LONGEST)

    def _steps(
        self, backend: Backend, side: Side, Z: Array, basis: DeviceBasis, x: Array, ends: Ends
    ) -> None:
        step_with_hubs(self, backend, side, Z, basis, x, ends)

    def _scratch_bytes(self, backend: Backend, size: DeviceSize) -> int:
        return hub_bytes(size)


def variants_with_hubs(solver: RuledSolver, backend: Backend, side: Side) -> set[Variant]:
    """Return what `step_with_hubs` launches."""
    return variants_of_bins(solver, backend, side) | variants_of_hubs(solver, backend, side)


def variants_of_hubs(solver: RuledSolver, backend: Backend, side: Side) -> set[Variant]:
    """Return what `step_hubs` launches beside its passes, if the side has hubs."""
    if side.lengths.max(initial=0) <= LONGEST:
        return set()
    _, layout = layouts(solver, backend, side, np.empty(0, np.dtype(solver.dtype)))
    return {("cg_6_split.cu", layout.defines)}


def hub_bytes(size: DeviceSize) -> int:
    """Return the device memory for the sums of hubs' parts, and for hubs' vectors and scalars."""
    hubs = size.entries // (LONGEST + 1) if size.longest > LONGEST else 0
    parts = min(size.parts_of_hubs(LONGEST, _PART), hubs * _PARTS)
    vector = -(-size.factors // 16) * 16 * size.itemsize
    return parts * (vector + 4 + 8 + 4) + hubs * (3 * vector + 5 * size.itemsize + 4 + 8 + 4)


def step_with_hubs(
    solver: RuledSolver,
    backend: Backend,
    side: Side,
    Z: Array,
    basis: DeviceBasis,
    x: Array,
    ends: Ends,
) -> None:
    """Take the steps of all rows: up to `LONGEST` entries by bins, and of hubs, with more, by parts."""
    step_by_bins(solver, backend, side, Z, basis, x, ends, LONGEST)
    _, layout = layouts(solver, backend, side, x)
    passes = Passes("cg_6_split.cu", "cg_6", layout.defines, layout.warps, layout.sums)
    hubs = binned(solver, backend, side, x, LONGEST).hubs
    step_hubs(solver, backend, side, Z, basis, x, ends, hubs, passes)


class Passes(NamedTuple):
    """The kernels that pass over parts: FILE's NAME_residual and NAME_product, and their launch."""

    file: str
    name: str
    defines: tuple[str, ...]
    warps: int
    shared: int


def step_hubs(
    solver: RuledSolver,
    backend: Backend,
    side: Side,
    Z: Array,
    basis: DeviceBasis,
    x: Array,
    ends: Ends,
    rows: np.ndarray,
    passes: Passes,
) -> None:
    """Take the steps of the hubs, whose row numbers are `rows`, by parts."""
    parts = _parts(backend, side, rows)
    if parts is None:
        return
    _, layout = layouts(solver, backend, side, x)
    hubs, count = len(parts.hub_row), len(parts.part_row)
    sums = backend.empty((count, layout.wide), x.dtype)
    S, R, P = (backend.empty((hubs, layout.wide), x.dtype) for _ in range(3))
    scalars, going = backend.empty((hubs, 5), x.dtype), backend.empty(hubs, np.int32)

    def over_parts(mode: str, *args: Any) -> None:
        backend.launch(
            passes.file,
            f"{passes.name}_{mode}",
            passes.defines,
            (count,),
            (32 * passes.warps,),
            args,
            shared_mem=passes.shared,
        )

    def over_hubs(kernel: str) -> None:
        backend.launch(
            "cg_6_split.cu",
            kernel,
            layout.defines,
            (hubs,),
            (32 * layout.warps,),
            state,
            shared_mem=layout.sums,
        )

    entries = (
        Z, side.indices, side.w, side.t, parts.part_row, parts.part_first, parts.part_count,
        going, sums,
    )  # fmt: skip
    state = (
        x, basis.base, basis.slope, side.lam, parts.hub_row, parts.hub_part, sums, S, R, P,
        scalars, going, *ends.arguments(x.dtype),
    )  # fmt: skip
    over_parts("residual", x, parts.hub_row, *entries)
    over_hubs("cg_6_begin")
    alone = solver.devices is None or len(solver.devices) == 1
    looks = ends.least is not None and alone and not backend.recording
    for step in range(ends.most):
        late = step - _FIRST_PAIRS
        if looks and late >= 0 and late % _MORE_PAIRS == 0 and not backend.to_host(going).any():
            break
        over_parts("product", P, None, *entries)
        over_hubs("cg_6_advance")


class Parts(NamedTuple):
    """Hubs and their parts, on the device; see `kernels/cuda/cg_6_split.cu`.

    Attributes
    ----------
    hub_row
        (hubs,) int64, row number of each hub.
    hub_part
        (hubs + 1,) int32, where each hub's parts begin; the last one's end.
    part_row, part_first, part_count
        (parts,) int32, int64 and int32: the part's place among the hubs, the position of its first
        entry, its number of entries.
    """

    hub_row: Array
    hub_part: Array
    part_row: Array
    part_first: Array
    part_count: Array


def _parts(backend: Backend, side: Side, hubs: np.ndarray) -> Parts | None:
    """Return the hubs, each cut into at most `_PARTS` parts of about equal size; None without hubs."""
    if len(hubs) == 0:
        return None
    kept = side.kept.get("parts")
    if kept is None:
        lengths = side.lengths[hubs]
        number = np.minimum(-(-lengths // _PART), _PARTS)
        ends = np.concatenate([[0], np.cumsum(number)])
        row = np.repeat(np.arange(len(hubs)), number)
        place = np.arange(ends[-1]) - ends[row]
        begin = lengths[row] * place // number[row]
        end = lengths[row] * (place + 1) // number[row]
        first = side.starts[hubs][row] + begin
        arrays = (
            hubs.astype(np.int64),
            ends.astype(np.int32),
            row.astype(np.int32),
            first.astype(np.int64),
            (end - begin).astype(np.int32),
        )
        kept = side.kept["parts"] = Parts(*(backend.to_device(array) for array in arrays))
    return kept
