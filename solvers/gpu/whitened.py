"""What the GPU rungs from `gpu_cg_2_whitened` on share: a half-step in whitened coordinates.

The coordinates are those of `halfstep.solvers.whitening`. The device forms Y'Y, the f x f algebra is
float64 on the host, and the device multiplies by what comes of it, padded and scaled. In these
coordinates |z| is at most a0^-1/2.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import Any, ClassVar, NamedTuple

import numpy as np
import numpy.typing as npt

from halfstep.errors import InputError
from halfstep.kernels.cuda.backend import Array, Backend
from halfstep.kernels.cuda.catalogue import real
from halfstep.kernels.cuda.lanes import MOST_FACTORS_FLOAT64, Lanes, lanes
from halfstep.solvers.gpu.base import GpuSolver
from halfstep.solvers.gpu.device.data import blocks_for
from halfstep.solvers.gpu.device.side import Side
from halfstep.solvers.gpu.device.tally import Iteration, Tally
from halfstep.solvers.inputs import check_integers
from halfstep.solvers.whitening import unwhitened, whitened

Matrix = npt.NDArray[np.float64]
_LARGEST = 2.0**14  # a quarter of the largest float16


class Whitened(NamedTuple):
    """What a half-step in whitened coordinates needs.

    Attributes
    ----------
    Z
        (columns, wide) the fixed side as the kernels read it.
    start, omega
        Where rows are over-relaxed, their factors before the half-step (rows, f), else None; and by how
        much.
    tally
        Where a fit's half-step adds up how its rows ended, or None.
    """

    Z: Array
    basis: DeviceBasis
    start: Array | None
    omega: float
    tally: Tally | None


class Ends(NamedTuple):
    """When rows end, as `kernels/cuda/cg.cuh` is told, and where they write what they came to.

    Attributes
    ----------
    least
        (rows,) int32: steps that a row takes at least. None: all take `most` steps.
    most, theta
        As in `halfstep.solvers.fit.stopping`.
    ended
        (rows, 3): steps, what they gained, what they left; None where nobody asks.
    """

    least: Array | None
    most: int
    theta: float
    ended: Array | None

    def arguments(self, dtype: Any) -> tuple[Any, ...]:
        """Return the kernels' arguments."""
        return self.least, np.int32(self.most), np.dtype(dtype).type(self.theta), self.ended


@dataclass(eq=False, repr=False)
class WhitenedSolver(GpuSolver, ABC):
    """ALS on a CUDA device with preconditioned conjugate gradient steps.

    Parameters
    ----------
    cg_steps
        Steps per half-step, at least 1.
    """

    cg_steps: int = field(default=2, kw_only=True)
    # In float64 a lane holds no more factors than these.
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
        check_integers(self.get_params(), cg_steps=1)

    def _prepare(
        self, backend: Backend, side: Side, Y: Array, X: Array, iteration: Iteration
    ) -> tuple[Whitened, Array]:
        wide, scaled = self._storage(X.dtype, side)
        basis = basis_of(backend, side, Y, wide, scaled=scaled)
        Z = self._store(backend, side, backend.product(Y, basis.forward))
        # Rows that nothing regularises leave their start aside.
        relaxes = iteration.omega != 1 and (side.a0 != 0 or side.smallest_lam > 0)
        tallies = iteration.tallies
        fixed = Whitened(
            Z,
            basis,
            X if relaxes else None,
            iteration.omega,
            None if tallies is None else tallies.next(backend, side),
        )
        return fixed, backend.product(X, basis.inward)

    def _advance(self, backend: Backend, side: Side, fixed: Whitened, x: Array) -> None:
        ends = Ends(None, self.cg_steps, 0.0, None)
        self._steps(backend, side, fixed.Z, fixed.basis, x, ends)

    def _finish(self, backend: Backend, fixed: Whitened, x: Array) -> Array:
        solution = backend.product(x, fixed.basis.outward)
        if fixed.start is not None:
            # A row without entries stays zero: its start is, after the first iteration.
            over_relax(backend, fixed.start, solution, fixed.omega)
        return solution

    def _store(self, backend: Backend, side: Side, Z: Array) -> Array:
        """Return the fixed side as the kernels read it."""
        return Z

    def _storage(self, dtype: Any, side: Side) -> tuple[int, bool]:
        """Return what rows are padded to, and whether Z is to fit a float16."""
        return self._lanes(dtype, side).wide, False

    def _stored(self, dtype: Any, side: Side) -> str:
        """Return the type of the fixed side, a key of `kernels.cuda.lanes.STORED`."""
        return str(np.dtype(dtype).name)

    def _lanes(self, dtype: Any, side: Side, **more: int) -> Lanes:
        """Return how the lanes of a warp share a row's vectors."""
        return lanes(self.factors, self._stored(dtype, side), diagonal=diagonal(side), **more)

    @abstractmethod
    def _steps(
        self, backend: Backend, side: Side, Z: Array, basis: DeviceBasis, x: Array, ends: Ends
    ) -> None:
        """Take the steps for every row of x (rows, wide), in place; rows without entries get zero."""


def kernel_arguments(
    side: Side,
    Z: Array,
    basis: DeviceBasis,
    x: Array,
    ends: Ends,
    order: Array | None,
    count: int,
) -> tuple[Any, ...]:
    """Return the arguments of the kernels by warps: `count` rows, those of `order` or the first ones."""
    return (
        x, Z, basis.base, basis.slope, side.indptr, side.indices, side.w, side.t, side.lam,
        order, np.int32(count), *ends.arguments(x.dtype),
    )  # fmt: skip


def over_relax(backend: Backend, start: Array, x: Array, omega: float) -> None:
    """Replace every row of x (rows, f) by start + omega (x - start), in place."""
    dtype = np.dtype(x.dtype)
    backend.launch(
        "relax.cu",
        "relax",
        (real(dtype),),
        (blocks_for(x.size, 256),),
        (256,),
        (start, x, np.int64(x.size), dtype.type(omega)),
    )


class DeviceBasis(NamedTuple):
    """Z = Y forward, x~ = x inward, x = x~ outward; coordinate k scaled by base + slope lambda_u.

    Matrices (f, wide), (f, wide), (wide, f) and vectors (wide,), on the device in the factors' dtype.
    """

    forward: Array
    inward: Array
    outward: Array
    base: Array
    slope: Array


def diagonal(side: Side) -> bool:
    """Return whether `basis_of` gives a scale of its own to each coordinate and row."""
    return bool(side.a0 and not 0 < side.smallest_lam == side.largest_lam)


def basis_of(
    backend: Backend, side: Side, Y: Array, wide: int, *, scaled: bool = False
) -> DeviceBasis:
    """Return the coordinates for a half-step with Y fixed.

    Parameters
    ----------
    wide
        What rows are padded to, with zeros.
    scaled
        Multiply Z by a power of two that brings its largest number near the largest of a float16.
    """
    f, dtype = Y.shape[1], np.dtype(Y.dtype)
    eps, smallest = float(np.finfo(dtype).eps), side.smallest_lam
    gramian: Matrix = backend.to_host(backend.gram(Y))
    if side.a0 == 0:
        size = float(np.trace(gramian)) / max(1, side.columns)
        basis = unwhitened(f, size, smallest, eps)
        bound = float(np.sqrt(gramian.diagonal().max()))
    else:
        basis = whitened(side.a0 * gramian, smallest, eps, one_lambda=not diagonal(side))
        bound = side.a0**-0.5
    forward, inward, outward = (
        np.eye(f) if matrix is None else matrix
        for matrix in (basis.forward, basis.inward, basis.outward)
    )
    if side.a0 == 0 and smallest <= 0:  # a row keeps what its start has in its null space
        inward = np.zeros((f, f))
    scale = 2.0 ** np.floor(np.log2(_LARGEST / bound)) if scaled and bound > 0 else 1.0

    def padded(array: Matrix, shape: tuple[int, ...], beyond: float = 0.0) -> Array:
        whole = np.full(shape, beyond)
        whole[tuple(map(slice, array.shape))] = array
        return backend.to_device(whole.astype(dtype))

    return DeviceBasis(
        padded(forward * scale, (f, wide)),
        padded(inward / scale, (f, wide)),
        padded(outward * scale, (wide, f)),
        padded(basis.base * scale**2, (wide,), 1.0),
        padded(basis.slope * scale**2, (wide,)),
    )
