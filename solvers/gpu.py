"""What all GPU solvers share: data and factors stay on the device for the whole fit.

A GPU rung is a `_solve` on device arrays. This class brings the data there, alternates, looks on the
device whether the factors are finite, and copies them to the host when somebody wants to see them.
"""

from __future__ import annotations

import logging
import time
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np

from halfstep.errors import InputError
from halfstep.kernels.gpu_backend import Array, Backend, chosen, current, unavailable
from halfstep.solvers.arguments import check_number
from halfstep.solvers.base import Solver
from halfstep.solvers.gpu_memory import DeviceSize, MemoryPlan, plan_memory
from halfstep.solvers.gpu_partition import alternate
from halfstep.solvers.gpu_queries import DeviceQueries
from halfstep.solvers.gpu_side import Side
from halfstep.solvers.matrix import Floats
from halfstep.solvers.problem import Problem, Weights
from halfstep.solvers.report import Report

MAX_FACTORS = 1024
log = logging.getLogger("halfstep")


@dataclass(eq=False, repr=False)
class GpuSolver(DeviceQueries, Solver, ABC):
    """ALS on a CUDA device. Sums are added in a fixed order: same device, same bits, every run.

    Parameters
    ----------
    devices
        Numbers of the devices to share the work, with the same bits as on one; None takes the current
        one.
    memory_limit
        Bytes to use on each device, what is free if None. Where the stored entries do not fit they
        stay on the host and pass through in blocks, with the same bits as when resident.
    """

    device: ClassVar[str] = "gpu"
    devices: Sequence[int] | None = field(default=None, kw_only=True)
    memory_limit: float | None = field(default=None, kw_only=True)

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
        if self.memory_limit is not None:
            check_number("memory_limit", self.memory_limit)
            if self.memory_limit <= 0:
                raise InputError(f"memory_limit must be positive, got {self.memory_limit}")
        if self.devices is not None:
            given = list(self.devices)
            whole = all(isinstance(k, int | np.integer) and k >= 0 for k in given)
            if not given or not whole or len(set(given)) < len(given):
                raise InputError(f"devices must be different numbers from 0, got {given}")

    @abstractmethod
    def _prepare(self, backend: Backend, side: Side, Y: Array, X: Array) -> tuple[Any, Array]:
        """Return what a half-step with Y fixed needs, and the start in its coordinates.

        Of `side` only what it knows beside its arrays is read; X may become the start.
        """

    @abstractmethod
    def _advance(self, backend: Backend, side: Side, fixed: Any, x: Array) -> None:
        """Solve each row of x (rows of `side`, ·) in place; rows without entries get zero.

        What becomes of a row depends on nothing but that row: not on which others are there.
        """

    def _finish(self, backend: Backend, fixed: Any, x: Array) -> Array:
        """Return the solution (rows, f) from the coordinates of `_prepare`."""
        return x

    def _solve(self, backend: Backend, side: Side, Y: Array, X: Array) -> Array:
        """Return the rows of `side` solved with Y fixed, from X, which may be written to."""
        fixed, x = self._prepare(backend, side, Y, X)
        self._advance(backend, side, fixed, x)
        return self._finish(backend, fixed, x)

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
        backends = chosen(self.devices)
        plans = [self._plan(backend, users, items, len(backends)) for backend in backends]
        try:
            if len(backends) == 1 and plans[0].block_entries is None:
                self._alternate_resident(backends[0], users, items, X, Y, report)
            else:
                alternate(self, backends, plans, (users, items), X, Y, report)
        except MemoryError as error:
            numbers = "; ".join(f"device {k}: {plan}" for k, plan in enumerate(plans))
            raise MemoryError(f"{error}; the plan was {numbers}") from error

    def _plan(self, backend: Backend, users: Weights, items: Weights, devices: int) -> MemoryPlan:
        """Return how the fit runs on one of so many devices; in the log unless it is resident."""
        longest = max(int(np.diff(side.indptr).max(initial=0)) for side in (users, items))
        entries = max(len(users.w) // devices, longest)
        size = DeviceSize(
            users.rows, items.rows, entries, longest, self.factors, np.dtype(self.dtype)
        )
        free = backend.free_bytes()
        plan = plan_memory(size, min(free, int(self.memory_limit or free)))
        if plan.block_entries is not None:
            log.info("streaming blocks of %d entries through %s", plan.block_entries, plan)
        return plan

    def _alternate_resident(
        self, backend: Backend, users: Weights, items: Weights, X: Any, Y: Any, report: Report
    ) -> None:
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
