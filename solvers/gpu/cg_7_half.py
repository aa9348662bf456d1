"""GPU rung 7, gpu_cg_7_half: the fixed side is stored in 16 bits; all arithmetic stays in float32.

What bounds `gpu_cg_6_split` is the bytes that it gathers, and these are half as many. Z is rounded once
per half-step (`kernels/cuda/cg_7_half.cu`); in the whitened coordinates its numbers fit float16's range,
and the objective notices the rounding in second order only. With dtype float64, or where rows have no
regularisation (a rounded Y of low rank is none of low rank), Z stays as it is.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

import numpy as np

from halfstep.errors import InputError, NumericalWarning
from halfstep.kernels.cuda.backend import Array, Backend
from halfstep.kernels.cuda.lanes import STORED
from halfstep.kernels.stopping import Stopping
from halfstep.solvers.gpu.cg_6_split import GpuCgSplit
from halfstep.solvers.gpu.device.audit import objective_of_rows
from halfstep.solvers.gpu.device.memory import first_rows
from halfstep.solvers.gpu.device.side import Side

_STORAGES = ("float16", "bfloat16")
MARGIN = 1e-4
_JUDGED = 2


@dataclass(eq=False, repr=False)
class GpuCgHalf(GpuCgSplit):
    """ALS with preconditioned conjugate gradients: the GPU's best.

    Parameters
    ----------
    storage
        "float16" or "bfloat16": what the fixed side's gathered rows are rounded to. Before a fit the
        float64 objective says what that costs on the first rows, up to 4,096; where it is more than a
        ten-thousandth, a `NumericalWarning` says so and float32 is stored instead.
    """

    name: ClassVar[str] = "gpu_cg_7_half"
    storage: str = field(default="float16", kw_only=True)
    _refused: bool = field(init=False, repr=False, default=False)
    _judging: bool = field(init=False, repr=False, default=False)

    def check(self) -> None:
        """Raise InputError for an argument that breaks its rule."""
        super().check()
        if self.storage not in _STORAGES:
            raise InputError(f"storage must be one of {', '.join(_STORAGES)}, got {self.storage!r}")

    def _look_ahead(
        self, backend: Backend, first: Callable[[], tuple[Side, Array]], X: Any, Y: Any
    ) -> None:
        self._refused = False
        cost = self._cost(backend, *first(), X, Y)
        if not cost <= MARGIN:  # NaN is not
            self._refused = True
            warnings.warn(
                f"storage {self.storage} raises the objective by {cost:.1e} of it, more than "
                f"{MARGIN:.0e}: float32 is stored instead",
                NumericalWarning,
                stacklevel=5,
            )

    def _cost(self, backend: Backend, users: Side, item_lam: Array, X: Any, Y: Any) -> float:
        """Return by how much of it the rounding raises the objective, after one half-step of a part."""
        rows = first_rows(users.lengths)
        if not users.lengths[:rows].any() or self._stored(X.dtype, users) not in _STORAGES:
            return 0.0
        t = backend.to_host(users.t[: int(users.lengths[:rows].sum())]).astype(np.float64)
        part = replace(
            users,
            indptr=users.indptr[: rows + 1],
            lam=users.lam[:rows],
            lengths=users.lengths[:rows],
            # As `Weights.constant`, of these rows alone: all rows' would hide what these cost.
            constant=float(np.sum(t * t if self.confidence == "explicit" else t)),
            kept={},
        )
        Y, start = backend.to_device(Y), backend.to_device(X[:rows])
        losses = []
        self._judging = True
        for self._refused in (False, True):
            part.kept.clear()
            solution = self._solve(backend, part, Y, start)
            losses.append(objective_of_rows(backend, part, item_lam, solution, Y))
        self._refused = self._judging = False
        rounded, whole = losses
        return (rounded - whole) / abs(whole) if whole else 0.0

    def _stopping(self, side: Side) -> Stopping:
        stop = super()._stopping(side)
        # A row that the rounding lets end a step earlier would count as the rounding's cost.
        return (
            Stopping(_JUDGED, _JUDGED, 0.0, 0.0)
            if self._judging and self.cg_steps is None
            else stop
        )

    def _stored(self, dtype: Any, side: Side) -> str:
        kept = self._refused or np.dtype(dtype) == np.float64 or side.smallest_lam <= 0
        return str(np.dtype(dtype).name) if kept else self.storage

    def _storage(self, dtype: Any, side: Side) -> tuple[int, bool]:
        return self._lanes(dtype, side).wide, self._stored(dtype, side) == "float16"

    def _store(self, backend: Backend, side: Side, Z: Array) -> Array:
        stored = self._stored(Z.dtype, side)
        if stored not in _STORAGES:
            return Z
        rounded = backend.empty(Z.shape, np.float16 if stored == "float16" else np.uint16)
        pieces = Z.size // 8
        backend.launch(
            "cg_7_half.cu",
            "cg_7_half",
            (f"STORED={STORED[stored][0]}",),
            (min(-(-pieces // 256), 32 * backend.sm_count()),),
            (256,),
            (Z, rounded, np.int64(pieces)),
        )
        return rounded
