"""What all GPU solvers share: data and factors stay on the device for the whole fit.

A GPU rung is a `_solve` on device arrays. This class brings the data there, alternates, looks on the
device whether the factors are finite, and copies them to the host when somebody wants to see them.
"""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from halfstep.errors import InputError
from halfstep.kernels.gpu_backend import Array, Backend, current, unavailable
from halfstep.solvers.base import Solver
from halfstep.solvers.gpu_side import Side
from halfstep.solvers.matrix import Floats
from halfstep.solvers.problem import Problem, Weights
from halfstep.solvers.report import Report

MAX_FACTORS = 1024


@dataclass(eq=False, repr=False)
class GpuSolver(Solver, ABC):
    """ALS on a CUDA device. Sums are added in a fixed order: same device, same bits, every run."""

    device: ClassVar[str] = "gpu"

    @classmethod
    def unavailable(cls) -> str | None:
        """Return why no CUDA device can be used here and what to install, or None."""
        return unavailable()

    def check(self) -> None:
        """Raise InputError for an argument that breaks its rule."""
        super().check()
        if self.factors > MAX_FACTORS:
            raise InputError(
                f"factors must be at most {MAX_FACTORS} for {self.name}, got {self.factors}"
            )

    @abstractmethod
    def _solve(self, backend: Backend, side: Side, Y: Array, X: Array) -> Array:
        """Return the rows of `side` solved with Y fixed, from X, which may be written to."""

    def half_step(self, problem: Problem, X: Floats) -> Floats:
        """Solve a side on the device from X (rows, f); everything is copied there and back."""
        if problem.rows == 0 or problem.indptr[-1] == 0:
            return np.zeros_like(X)
        backend = current()
        side = Side.upload(backend, problem)
        Y, start = backend.to_device(problem.Y), backend.to_device(np.array(X))
        solution: Floats = backend.to_host(self._solve(backend, side, Y, start))
        return solution

    def _alternate(self, users: Weights, items: Weights, X: Any, Y: Any, report: Report) -> None:
        backend = current()
        sides = Side.upload(backend, users), Side.upload(backend, items)
        X, Y = backend.to_device(X), backend.to_device(Y)
        for iteration in range(self.iterations):
            start = time.perf_counter()
            X = self._solve(backend, sides[0], Y, X)
            if report.half_step_done(X, Y):
                break
            Y = self._solve(backend, sides[1], X, Y)
            backend.synchronize()
            if report(iteration, time.perf_counter() - start, X, Y):
                break

    def _row_not_finite(self, factors: Array) -> int | None:
        return super()._row_not_finite(current().to_host(factors))

    def _keep(self, iteration: int, X: Array, Y: Array) -> None:
        backend = current()
        super()._keep(iteration, backend.to_host(X), backend.to_host(Y))
