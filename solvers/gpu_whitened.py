"""What the GPU rungs from `gpu_cg_2_whitened` on share: a half-step in the eigenbasis' coordinates."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field

from halfstep.kernels.gpu_backend import Array, Backend
from halfstep.solvers.arguments import check_integers
from halfstep.solvers.gpu import GpuSolver
from halfstep.solvers.gpu_basis import Basis, basis_of
from halfstep.solvers.gpu_side import Side


@dataclass(eq=False, repr=False)
class WhitenedSolver(GpuSolver, ABC):
    """ALS on a CUDA device with preconditioned conjugate gradient steps.

    Parameters
    ----------
    cg_steps
        Steps per half-step, at least 1.
    """

    cg_steps: int = field(default=2, kw_only=True)

    def check(self) -> None:
        """Raise InputError for an argument that breaks its rule."""
        super().check()
        check_integers(self.get_params(), cg_steps=1)

    def _prepare(
        self, backend: Backend, side: Side, Y: Array, X: Array
    ) -> tuple[tuple[Array, Basis], Array]:
        wide, scaled = self._storage(X.dtype, side)
        basis = basis_of(backend, side, Y, wide, scaled=scaled)
        Z = self._store(backend, side, backend.product(Y, basis.forward))
        return (Z, basis), backend.product(X, basis.inward)

    def _advance(self, backend: Backend, side: Side, fixed: tuple[Array, Basis], x: Array) -> None:
        self._steps(backend, side, *fixed, x)

    def _finish(self, backend: Backend, fixed: tuple[Array, Basis], x: Array) -> Array:
        return backend.product(x, fixed[1].outward)

    def _store(self, backend: Backend, side: Side, Z: Array) -> Array:
        """Return the fixed side as the kernels read it."""
        return Z

    def _storage(self, dtype: object, side: Side) -> tuple[int, bool]:
        """Return what rows are padded to, and whether Z is to fit a float16."""
        return self.factors, False

    @abstractmethod
    def _steps(self, backend: Backend, side: Side, Z: Array, basis: Basis, x: Array) -> None:
        """Take the steps for every row of x (rows, wide), in place; rows without entries get zero."""
