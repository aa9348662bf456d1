"""GPU rung 6, gpu_cg_6_split: several blocks of threads share the entries of a hub.

A row of a million entries is a million times a row of one, and one block on it keeps the rest of the
device waiting. `kernels/cuda/cg_6_split.cu` gives each part of it to a block and adds the parts' vectors
in their order: two launches a pass, and the same bits every run.

How many steps the hubs need the device knows and the host, which launches them, does not. A read back
leaves the device idle for the latency of a launch, some ten microseconds; a pair of launches whose
blocks return at once takes about four. Hubs took two to five steps on all data that was looked at (a
mean over so many entries is mild). So the host launches six pairs, which seldom leaves a hub that goes
on, reads the hubs' flags, and again after every four. Where several devices share the work it reads
nothing: the host would wait for one device before it gives the next one anything to do.

Cost of a half-step: that of `gpu_cg_5_binned`, with the longest rows shared by several blocks.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import numpy as np

from halfstep.kernels.cuda.backend import Array, Backend
from halfstep.solvers.gpu.by_rule import RuledSolver
from halfstep.solvers.gpu.cg_5_binned import binned, layouts, step_by_bins
from halfstep.solvers.gpu.device.side import Side
from halfstep.solvers.gpu.whitened import DeviceBasis, Ends

LONGEST = 4096
_FIRST_PAIRS, _MORE_PAIRS = 6, 4
_PART = 1024
_PARTS = 256


@dataclass(eq=False, repr=False)
class GpuCgSplit(RuledSolver):
    """ALS with preconditioned conjugate gradients, rows binned and the longest ones split.

    Parameters
    ----------
    cg_steps, cg_tolerance, cg_max_steps, relaxation
        See `halfstep.solvers.gpu.by_rule.RuledSolver`.
    """

    name: ClassVar[str] = "gpu_cg_6_split"

    def _least_steps(self, backend: Backend, side: Side, x: Array) -> Array | None:
        return binned(self, backend, side, x, LONGEST).least

    def _steps(
        self, backend: Backend, side: Side, Z: Array, basis: DeviceBasis, x: Array, ends: Ends
    ) -> None:
        step_with_hubs(self, backend, side, Z, basis, x, ends)


def step_with_hubs(
    solver: RuledSolver,
    backend: Backend,
    side: Side,
    Z: Array,
    basis: DeviceBasis,
    x: Array,
    ends: Ends,
) -> None:
    """Take the steps of all rows: by bins up to `LONGEST` entries, and hubs, longer ones, by parts."""
    step_by_bins(solver, backend, side, Z, basis, x, ends, LONGEST)
    _, layout = layouts(solver, backend, side, x)
    parts = _parts(backend, side, binned(solver, backend, side, x, LONGEST).hubs)
    if parts is None:
        return
    hubs, count = len(parts.hub_row), len(parts.part_row)
    sums = backend.empty((count, layout.wide), x.dtype)
    R, P = (backend.empty((hubs, layout.wide), x.dtype) for _ in range(2))
    scalars, going = backend.empty((hubs, 5), x.dtype), backend.empty(hubs, np.int32)

    def launch(kernel: str, blocks: int, *args: Any) -> None:
        backend.launch(
            "cg_6_split.cu",
            kernel,
            layout.defines,
            (blocks,),
            (32 * layout.warps,),
            args,
            shared_mem=layout.sums,
        )

    entries = (
        Z, side.indices, side.w, side.t, parts.part_row, parts.part_first, parts.part_count,
        going, sums,
    )  # fmt: skip
    state = (
        x, basis.base, basis.slope, side.lam, parts.hub_row, parts.hub_part, sums, R, P, scalars,
        going, *ends.arguments(x.dtype),
    )  # fmt: skip
    launch("cg_6_residual", count, x, parts.hub_row, *entries)
    launch("cg_6_begin", hubs, *state)
    looks = ends.least is not None and (solver.devices is None or len(solver.devices) == 1)
    for step in range(ends.most):
        late = step - _FIRST_PAIRS
        if looks and late >= 0 and late % _MORE_PAIRS == 0 and not backend.to_host(going).any():
            break
        launch("cg_6_product", count, P, None, *entries)
        launch("cg_6_advance", hubs, *state)


class Parts(NamedTuple):
    """Hub rows and their parts, on the device: see `kernels/cuda/cg_6_split.cu`."""

    hub_row: Array
    hub_part: Array
    part_row: Array
    part_first: Array
    part_count: Array


def _parts(backend: Backend, side: Side, hubs: np.ndarray) -> Parts | None:
    """Return the hub rows cut into parts of equal size, at most `_PARTS` each."""
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
