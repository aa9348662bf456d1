"""The half-step in whitened coordinates, shared by the GPU rungs from `gpu_cg_2_whitened` on.

`halfstep.solvers.whitening` explains the coordinates, and `basis` makes them. In these coordinates |z|
is at most a0^-1/2.

A half-step computes Z = Y forward (`_rotated`) and the start X inward (`_start`). `_advance` takes the
steps (by `_steps`, which each rung implements, and which over-relax the rows), and `_finish` multiplies
the solution by outward, or leaves it in these coordinates (option `coordinates`).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import Any, ClassVar, NamedTuple

import numpy as np

from halfstep.errors import InputError
from halfstep.kernels.cuda.backend import Array, Backend
from halfstep.kernels.cuda.lanes import MOST_FACTORS_FLOAT64, STORED, Lanes, lanes
from halfstep.kernels.device.options import enabled
from halfstep.solvers.gpu.base import GpuSolver
from halfstep.solvers.gpu.basis import DeviceBasis as DeviceBasis
from halfstep.solvers.gpu.basis import basis_of as basis_of
from halfstep.solvers.gpu.basis import coordinates_of, diagonal, uploaded
from halfstep.solvers.gpu.device.coordinates import Coordinates, numbers_of
from halfstep.solvers.gpu.device.side import Side
from halfstep.solvers.gpu.device.tally import Iteration, Tally
from halfstep.solvers.gramian import Matrix
from halfstep.solvers.inputs import check_integers
from halfstep.solvers.shared import Shared
from halfstep.solvers.whitening import Basis


class Whitened(NamedTuple):
    """What `_fixed` returns, once per half-step for `_advance` and `_finish`.

    Attributes
    ----------
    Z
        (columns, wide) the fixed side as the kernels read it.
    basis
        The coordinates, and the matrices that lead to them and back.
    omega
        The over-relaxation factor, 1 where the rows are not over-relaxed.
    tally
        Sums over the ended rows of this half-step, or None outside of a fit.
    few_rows
        Whether the whole side has at most 2 f rows.
    kept
        What is computed from Z once in the half-step, by name.
    keeps
        Whether the solution stays in these coordinates.
    into
        The array (rows, f) to write the solution to; None for a new one.
    """

    Z: Array
    basis: DeviceBasis
    omega: float
    tally: Tally | None
    few_rows: bool
    kept: dict[str, Array]
    keeps: bool = False
    into: Array | None = None


class Ends(NamedTuple):
    """When the steps of a row end, and where the row reports them: arguments of `kernels/cuda/cg.cuh`.

    Attributes
    ----------
    least
        (rows,) int32, the least number of steps of each row, and 256 more if it has heavy entries. None:
        every row takes `most` steps.
    most, theta, theta_heavy
        As in `halfstep.solvers.fit.stopping`.
    ended
        (rows, 3): each row's number of steps, by how much they lowered its objective, and the bound on
        what they left. None if the steps are not reported.
    omega
        The over-relaxation factor: a row gets its start + omega (solution - start).
    """

    least: Array | None
    most: int
    theta: float
    theta_heavy: float
    ended: Array | None
    omega: float = 1.0

    def arguments(self, dtype: Any) -> tuple[Any, ...]:
        """Return the kernel arguments in their order, theta and omega in the factors' `dtype`."""
        real = np.dtype(dtype).type
        thetas = real(self.theta), real(self.theta_heavy)
        return self.least, np.int32(self.most), *thetas, self.ended, real(self.omega)


@dataclass(eq=False, repr=False)
class WhitenedSolver(GpuSolver, ABC):
    """ALS on a CUDA device with preconditioned conjugate gradient steps.

    Parameters
    ----------
    cg_steps
        Steps per half-step, at least 1.
    """

    cg_steps: int = field(default=2, kw_only=True)
    # The most factors that the registers of a warp hold in float64.
    _most_factors_float64: ClassVar[int] = MOST_FACTORS_FLOAT64

    def check(self) -> None:
        """Raise InputError for an argument that breaks its rule."""
        super().check()
        self._check_steps()
        most = self._most_factors_float64
        if np.dtype(self.dtype) == np.float64 and self.factors > most:
            raise InputError(
                f"factors must be at most {most} in float64 for {self.name}, got {self.factors}"
            )

    def _check_steps(self) -> None:
        """Raise InputError for a bad number of steps; called by `check`, overridden in `by_rule`."""
        check_integers(self._settings(), cg_steps=1)

    def _basis(
        self, backend: Backend, side: Side, Y: Array, X: Array, iteration: Iteration
    ) -> DeviceBasis:
        """See `DeviceStages._basis`."""
        wide, scaled = self._storage(X.dtype, side)
        keeps, on_card = iteration.coordinates, iteration.on_card
        return basis_of(
            backend, side, Y, wide, scaled=scaled, start=X, keeps=keeps, on_card=on_card
        )

    def _coordinates(self, side: Side, squared: float, YtY: Matrix | None) -> Basis:
        """See `DeviceStages._coordinates`."""
        return coordinates_of(side, np.dtype(self.dtype), self.factors, YtY, squared)

    def _uploaded(self, backend: Backend, side: Side, shared: Shared) -> DeviceBasis:
        """See `DeviceStages._uploaded`."""
        assert shared.basis is not None
        dtype = shared.frame.dtype
        wide, scaled = self._storage(dtype, side)
        return uploaded(backend, side, shared.basis, wide, dtype, scaled=scaled)

    def _travels(self, side: Side) -> tuple[int, np.dtype[Any]]:
        """See `DeviceStages._travels`."""
        stored = self._stored(np.dtype(self.dtype), side)
        kind = np.uint16 if STORED[stored][1] == 2 else stored
        return self._storage(np.dtype(self.dtype), side)[0], np.dtype(kind)

    def _read(self, side: Side, Z: Array) -> Array:
        """See `DeviceStages._read`."""
        return Z.view(np.float16) if self._stored(self.dtype, side) == "float16" else Z

    def _rotated(self, backend: Backend, side: Side, basis: DeviceBasis, Y: Array) -> Array:
        """See `DeviceStages._rotated`."""
        # float16 has no more digits than TF32, and bfloat16 fewer.
        rounded = self._stored(Y.dtype, side) != np.dtype(Y.dtype).name
        tf32 = rounded and enabled("tf32-fixed")
        return self._store(backend, side, backend.product(numbers_of(Y), basis.forward, tf32=tf32))

    def _fixed(
        self,
        backend: Backend,
        side: Side,
        Z: Array,
        basis: DeviceBasis,
        iteration: Iteration,
        X: Array,
    ) -> Whitened:
        """See `DeviceStages._fixed`."""
        # Rows without regularisation and background do not depend on their start (`basis_of`).
        relaxes = iteration.omega != 1 and (side.a0 != 0 or side.smallest_lam > 0)
        tallies = iteration.tallies
        tally = None if tallies is None else tallies.next(backend, side)
        omega, few_rows = iteration.omega if relaxes else 1.0, side.few_rows(self.factors)
        into = X if iteration.in_place and not iteration.coordinates else None
        return Whitened(Z, basis, omega, tally, few_rows, {}, iteration.coordinates, into)

    def _start(self, backend: Backend, side: Side, basis: DeviceBasis, X: Array) -> Array:
        """See `DeviceStages._start`; X in the coordinates of the basis, padded to `wide` columns."""
        return backend.product(numbers_of(X), basis.inward, tf32=enabled("tf32-start"))

    def _advance(self, backend: Backend, side: Side, fixed: Whitened, x: Array) -> None:
        """See `GpuSolver._advance`; every row takes `cg_steps` steps. Overridden in `by_rule`."""
        ends = Ends(None, self.cg_steps, 0.0, 0.0, None, fixed.omega)
        self._steps(backend, side, fixed.Z, fixed.basis, x, ends)

    def _finish(self, backend: Backend, fixed: Whitened, x: Array) -> Array:
        """See `GpuSolver._finish`; the kernels have over-relaxed the rows."""
        if fixed.keeps:
            return Coordinates(backend, x, fixed.basis.outward)
        return backend.product(x, fixed.basis.outward, out=fixed.into)

    def _store(self, backend: Backend, side: Side, Z: Array) -> Array:
        """Return the fixed side as the kernels read it; called by `_rotated`.

        `gpu_cg_7_half` overrides it to round Z to 16 bits.
        """
        return Z

    def _storage(self, dtype: Any, side: Side) -> tuple[int, bool]:
        """Return how many columns rows are padded to, and whether Z must fit a float16.

        Called by `_basis`. Overridden by `gpu_cg_2_whitened`, which does not pad, and `gpu_cg_7_half`.
        """
        return self._lanes(dtype, side).wide, False

    def _stored(self, dtype: Any, side: Side) -> str:
        """Return the type in which Z is stored, a key of `kernels.cuda.lanes.STORED`.

        Called by `_lanes`; `gpu_cg_7_half` overrides it.
        """
        return str(np.dtype(dtype).name)

    def _lanes(self, dtype: Any, side: Side, **more: int) -> Lanes:
        """Return how the lanes of a warp share a row's vectors; called by `_storage` and `_steps`."""
        return lanes(self.factors, self._stored(dtype, side), diagonal=diagonal(side), **more)

    @abstractmethod
    def _steps(
        self, backend: Backend, side: Side, Z: Array, basis: DeviceBasis, x: Array, ends: Ends
    ) -> None:
        """Take the steps of every row of x (rows, wide) in place; rows without entries get zero.

        Called by `_advance`: once per half-step, share or block. This is where each rung differs.
        """


def kernel_arguments(
    side: Side,
    Z: Array,
    basis: DeviceBasis,
    x: Array,
    ends: Ends,
    order: Array | None,
    count: int,
) -> tuple[Any, ...]:
    """Return the arguments that the kernels from rung 3 on share, as `kernels/cuda/cg.cuh` has them.

    The kernel solves the `count` rows listed in `order`, or the first `count` rows if that is None.
    """
    return (
        x, Z, basis.base, basis.slope, side.indptr, side.indices, side.w, side.t, side.lam,
        order, np.int32(count), *ends.arguments(x.dtype),
    )  # fmt: skip
