"""GPU rung 7, gpu_cg_7_half: the fixed side is stored in float16 or bfloat16, all arithmetic in float32.

From `gpu_cg_6_split` only the type of Z changes, the fixed side in whitened coordinates. It is faster
because the gathered bytes bound rung 6, and here they are half as many; shared memory and the
second-level cache also hold twice as many rows of Z. Z is rounded once per half-step
(`kernels/cuda/cg_7_half.cu`). In whitened coordinates its numbers fit the range of float16, and the
rounding changes the objective only in second order, because the steps minimise it for the rounded Z.

Z is not rounded with dtype float64, nor if a row has no regularisation: the exact solution then depends
on the rank of Y, which rounding raises.

Cost of a half-step: that of `gpu_cg_6_split`, with half the bytes gathered.
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
from halfstep.kernels.device.compiling import Variant
from halfstep.solvers.gpu import cg_6_split
from halfstep.solvers.gpu.by_rule import Bins, RuledSolver
from halfstep.solvers.gpu.cg_5_binned import binned
from halfstep.solvers.gpu.device.audit import objective_of_rows
from halfstep.solvers.gpu.device.memory import DeviceSize, first_rows
from halfstep.solvers.gpu.device.side import Side
from halfstep.solvers.gpu.device.tally import Iteration
from halfstep.solvers.gpu.whitened import DeviceBasis, Ends

_STORAGES = ("float16", "bfloat16")
MARGIN = 1e-4
_STEPS = 2


@dataclass(eq=False, repr=False)
class GpuCgHalf(RuledSolver):
    """ALS with preconditioned conjugate gradients: the GPU's best.

    The other parameters are those of `halfstep.solvers.gpu.base.GpuSolver`.

    Parameters
    ----------
    storage
        "float16" or "bfloat16": the type to which the fixed side is rounded. Before a fit, one half-step
        of the first rows, up to 4,096, measures by how much the rounding raises their objective. If it
        is by more than a ten-thousandth, a `NumericalWarning` says so and the fit stores float32. A fit
        on several machines does not measure this: it stores float32 with confidence `"explicit"` alone.
    cg_steps, cg_tolerance, cg_max_steps, relaxation
        See `halfstep.solvers.gpu.by_rule.RuledSolver`.

    See Also
    --------
    halfstep.solvers.gpu.cg_6_split.GpuCgSplit : The rung before, in float32.

    Examples
    --------
    >>> import halfstep
    >>> from scipy import sparse
    >>> plays = sparse.csr_matrix([[5, 0, 3, 0], [0, 2, 0, 4], [1, 0, 0, 3]])
    >>> model = halfstep.SOLVERS["gpu_cg_7_half"](factors=2, random_state=0)
    >>> model.fit(plays, show_progress=False).user_factors.shape  # doctest: +SKIP
    (3, 2)
    """

    name: ClassVar[str] = "gpu_cg_7_half"
    storage: str = field(default="float16", kw_only=True)
    # Whether the last fit stored float32, because `storage` would have raised the objective too much.
    _refused: bool = field(init=False, repr=False, default=False)

    def check(self) -> None:
        """Raise InputError for an argument that breaks its rule."""
        super().check()
        if self.storage not in _STORAGES:
            raise InputError(f"storage must be one of {', '.join(_STORAGES)}, got {self.storage!r}")

    def _look_ahead(
        self, backend: Backend, first: Callable[[], tuple[Side, Array]], X: Any, Y: Any
    ) -> None:
        self._refused = False
        cost = cost_of_rounding(self, backend, *first(), X, Y)
        if not cost <= MARGIN:  # true for NaN as well
            self._refused = True
            warnings.warn(
                f"storage {self.storage} raises the objective by {cost:.1e} of it, more than "
                f"{MARGIN:.0e}: float32 is stored instead",
                NumericalWarning,
                stacklevel=5,
            )

    def _variants(self, backend: Backend, side: Side) -> set[Variant]:
        found = super()._variants(backend, side)
        found |= cg_6_split.variants_with_hubs(self, backend, side)
        stored = self._stored(self.dtype, side)
        if stored in _STORAGES:
            # `cost_of_rounding` compares with rung 6.
            found.add(("cg_7_half.cu", (f"STORED={STORED[stored][0]}",)))
            found |= _exact(self)._variants(backend, side)
        return found

    def _bins(self, backend: Backend, side: Side, x: Array) -> Bins:
        return binned(self, backend, side, x, cg_6_split.LONGEST)

    def _scratch_bytes(self, backend: Backend, size: DeviceSize) -> int:
        return cg_6_split.hub_bytes(size)

    def _steps(
        self, backend: Backend, side: Side, Z: Array, basis: DeviceBasis, x: Array, ends: Ends
    ) -> None:
        cg_6_split.step_with_hubs(self, backend, side, Z, basis, x, ends)

    def _stored(self, dtype: Any, side: Side) -> str:
        exact = self._refused or np.dtype(dtype) == np.float64 or side.smallest_lam <= 0
        if side.frame is not None and side.a0 == 0:
            exact = True  # which nothing bounds, and of which no machine has the first rows
        return str(np.dtype(dtype).name) if exact else self.storage

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


def cost_of_rounding(
    model: GpuCgHalf, backend: Backend, users: Side, item_lam: Array, X: Any, Y: Any
) -> float:
    """Return the fraction by which the model's storage raises the objective after a half-step.

    The half-step is done twice on the first rows of the users, by this rung and by `gpu_cg_6_split`.
    Both take two steps, or the model's fixed number. If the stopping rule ended the rows instead, a row
    that the rounding lets end one step earlier would count as a cost of the rounding.

    Parameters
    ----------
    users, item_lam
        The users' side, or at least its first rows, and the items' lambda, on the device.
    X, Y
        Starting factors (users, f) and (items, f).
    """
    rows = first_rows(users.lengths)
    if not users.lengths[:rows].any() or model._stored(X.dtype, users) not in _STORAGES:
        return 0.0
    t = backend.to_host(users.t[: int(users.lengths[:rows].sum())]).astype(np.float64)
    part = replace(
        users,
        indptr=users.indptr[: rows + 1],
        lam=users.lam[:rows],
        lengths=users.lengths[:rows],
        # `Weights.constant` of these rows alone: with that of all rows the fraction would be too small.
        constant=float(np.sum(t * t if model.confidence == "explicit" else t)),
        kept={},
    )
    settings = model._settings()
    if model.cg_steps is None:
        settings |= {"cg_steps": _STEPS, "cg_tolerance": None, "cg_max_steps": None}
    rounding, exact = GpuCgHalf(**settings), _exact(model, settings)
    Y, start = backend.to_device(Y), backend.to_device(X[:rows])
    losses = []
    for solver in (rounding, exact):
        part.kept.clear()
        solution = solver._solve(backend, part, Y, start, Iteration())
        losses.append(objective_of_rows(backend, part, item_lam, solution, Y))
    rounded, whole = losses
    return (rounded - whole) / abs(whole) if whole else 0.0


def _exact(model: GpuCgHalf, settings: dict[str, Any] | None = None) -> cg_6_split.GpuCgSplit:
    """Return the rung that stores float32, with the model's settings unless others are given."""
    settings = dict(settings or model._settings())
    del settings["storage"]
    return cg_6_split.GpuCgSplit(**settings)
