"""What the GPU rungs from `gpu_cg_2_whitened` on share: a half-step in the eigenbasis' coordinates."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from halfstep.kernels.cuda.backend import Array, Backend
from halfstep.kernels.cuda.catalogue import real
from halfstep.solvers.gpu import GpuSolver
from halfstep.solvers.gpu_basis import DeviceBasis, basis_of
from halfstep.solvers.gpu_data import blocks_for
from halfstep.solvers.gpu_side import Side
from halfstep.solvers.gpu_tally import Tally
from halfstep.solvers.inputs import check_integers


class Whitened(NamedTuple):
    """What a half-step needs of the fixed side; `start` where rows go further than their solution.

    `tally` is where a fit's half-step adds up how its rows ended.
    """

    Z: Array
    basis: DeviceBasis
    start: Array | None
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
    _way: float = field(init=False, repr=False, default=1.0)

    def check(self) -> None:
        """Raise InputError for an argument that breaks its rule."""
        super().check()
        self._check_steps()

    def _check_steps(self) -> None:
        check_integers(self.get_params(), cg_steps=1)

    def _prepare(self, backend: Backend, side: Side, Y: Array, X: Array) -> tuple[Whitened, Array]:
        wide, scaled = self._storage(X.dtype, side)
        basis = basis_of(backend, side, Y, wide, scaled=scaled)
        Z = self._store(backend, side, backend.product(Y, basis.forward))
        # Rows that nothing regularises leave their start aside.
        relaxes = self._way != 1 and (side.a0 != 0 or side.smallest_lam > 0)
        fixed = Whitened(Z, basis, X if relaxes else None, self._tally(backend, side))
        return fixed, backend.product(X, basis.inward)

    def _advance(self, backend: Backend, side: Side, fixed: Whitened, x: Array) -> None:
        ends = Ends(None, self.cg_steps, 0.0, None)
        self._steps(backend, side, fixed.Z, fixed.basis, x, ends)

    def _finish(self, backend: Backend, fixed: Whitened, x: Array) -> Array:
        solution = backend.product(x, fixed.basis.outward)
        if fixed.start is not None:
            # A row without entries stays zero: its start is, after the first iteration.
            relax(backend, fixed.start, solution, self._way)
        return solution

    def _store(self, backend: Backend, side: Side, Z: Array) -> Array:
        """Return the fixed side as the kernels read it."""
        return Z

    def _storage(self, dtype: object, side: Side) -> tuple[int, bool]:
        """Return what rows are padded to, and whether Z is to fit a float16."""
        return self.factors, False

    def _tally(self, backend: Backend, side: Side) -> Tally | None:
        """Return where the half-step that begins shall add up how its rows ended."""
        return None

    @abstractmethod
    def _steps(
        self, backend: Backend, side: Side, Z: Array, basis: DeviceBasis, x: Array, ends: Ends
    ) -> None:
        """Take the steps for every row of x (rows, wide), in place; rows without entries get zero."""


def relax(backend: Backend, start: Array, x: Array, way: float) -> None:
    """Let every row of x (rows, f) go `way` times as far from its start; in place."""
    dtype = np.dtype(x.dtype)
    backend.launch(
        "relax.cu",
        "relax",
        (real(dtype),),
        (blocks_for(x.size, 256),),
        (256,),
        (start, x, np.int64(x.size), dtype.type(way)),
    )
