"""What all GPU solvers share: data and factors stay on the device for the whole fit.

A GPU rung is a `_solve` on device arrays. This class brings the data there, alternates, looks on the
device whether the factors are finite, and copies them to the host when somebody wants to see them.
"""

from __future__ import annotations

import logging
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache, partial
from typing import Any, ClassVar

import numpy as np
from scipy import sparse

from halfstep.errors import InputError, NotFitted
from halfstep.kernels.cuda.backend import Array, Backend, chosen, current, unavailable
from halfstep.solvers.base import Solver
from halfstep.solvers.fit.monitor import Monitor
from halfstep.solvers.gpu.device.audit import device_objective, first_not_finite
from halfstep.solvers.gpu.device.data import sides_of
from halfstep.solvers.gpu.device.memory import DeviceSize, MemoryPlan, plan_memory
from halfstep.solvers.gpu.device.partition import alternate
from halfstep.solvers.gpu.device.queries import Factors, lazily, select_on_device
from halfstep.solvers.gpu.device.side import Side
from halfstep.solvers.gpu.device.streaming import stored_sides
from halfstep.solvers.gpu.device.tally import Iteration
from halfstep.solvers.inputs import check_number
from halfstep.solvers.problem import Problem
from halfstep.types import Floats, Integers

MAX_FACTORS = 1024
log = logging.getLogger("halfstep")


@dataclass(eq=False, repr=False)
class GpuSolver(Solver, ABC):
    """ALS on a CUDA device. Sums are added in a fixed order: same device, same bits, every run.

    Parameters
    ----------
    deterministic
        True is all there is: no sum depends on the order in which threads end, and nothing would be
        faster if one did.
    devices
        Numbers of the devices to share the work, with the same bits as on one; None takes the current
        one.
    memory_limit
        Bytes to use on each device, what is free if None. Where the stored entries do not fit they
        stay on the host and pass through in blocks, with the same bits as when resident.
    """

    device: ClassVar[str] = "gpu"
    deterministic: bool = field(default=True, kw_only=True)
    devices: Sequence[int] | None = field(default=None, kw_only=True)
    memory_limit: float | None = field(default=None, kw_only=True)
    _kept: dict[str, Factors | None] = field(init=False, repr=False, default_factory=dict)

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
        if self.deterministic is not True:
            raise InputError(
                f"deterministic must be True for {self.name}, whose sums have a fixed order, "
                f"got {self.deterministic!r}"
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
    def _prepare(
        self, backend: Backend, side: Side, Y: Array, X: Array, iteration: Iteration
    ) -> tuple[Any, Array]:
        """Return what a half-step with Y fixed needs, and the start in its coordinates.

        Of `side` only what it knows beside its arrays is read; the start is not X itself, which the
        model keeps until the solution is known to be good.
        """

    @abstractmethod
    def _advance(self, backend: Backend, side: Side, fixed: Any, x: Array) -> None:
        """Solve each row of x (rows of `side`, ·) in place; rows without entries get zero.

        What becomes of a row depends on nothing but that row: not on which others are there.
        """

    def _finish(self, backend: Backend, fixed: Any, x: Array) -> Array:
        """Return the solution (rows, f) from the coordinates of `_prepare`."""
        return x

    def _solve(
        self, backend: Backend, side: Side, Y: Array, X: Array, iteration: Iteration
    ) -> Array:
        """Return the rows of `side` solved with Y fixed, from X, which is not written to."""
        fixed, x = self._prepare(backend, side, Y, X, iteration)
        self._advance(backend, side, fixed, x)
        return self._finish(backend, fixed, x)

    def half_step(self, problem: Problem, X: Floats) -> Floats:
        """Solve a side on the device from X (rows, f); everything is copied there and back."""
        backend = current()
        side = Side.upload(backend, problem)
        Y, start = backend.to_device(problem.Y), backend.to_device(np.array(X))
        found = self._solved(backend, side, Y, start, Iteration(problem.omega))
        solution: Floats = backend.to_host(found)
        return solution

    @property
    def device_factors_(self) -> tuple[Array, Array]:
        """User factors and item factors on the device: (users, f) and (items, f), C-contiguous."""
        X, Y = (self._kept.get(side) for side in ("user_factors", "item_factors"))
        if X is None or Y is None:
            raise NotFitted(f"{type(self).__name__} must be fitted first: it has no factors")
        return X.on_device(), Y.on_device()

    def _sides(self, matrix: sparse.csr_matrix) -> Any:
        backends = chosen(self.devices)
        users, items = matrix.shape
        lengths = np.diff(matrix.indptr), np.bincount(matrix.indices, minlength=items)
        longest = max(int(side.max(initial=0)) for side in lengths)
        if len(backends) == 1:
            plan = self._plan(backends[0], (users, items), int(matrix.nnz), longest)
            if plan.block_entries is None:
                with _explaining([plan]):
                    sides = sides_of(backends[0], self, matrix, lengths)
                sides[0].kept["memory"] = plan
                return sides
        # What streams or is shared out stays on the host.
        return stored_sides(self, matrix, cache(lambda: self.weights(matrix)))

    def _alternate(self, users: Any, items: Any, X: Any, Y: Any, monitor: Monitor) -> None:
        backends = chosen(self.devices)
        if isinstance(users, Side):
            with _explaining([users.kept["memory"]]):
                self._look_ahead(backends[0], lambda: (users, items.lam), X, Y)
                self._alternate_resident(backends[0], users, items, X, Y, monitor)
            return
        longest = max(int(np.diff(side.indptr).max(initial=0)) for side in (users, items))
        entries = max(len(users.values) // len(backends), longest)
        shape = (users.rows, items.rows)
        plans = [self._plan(backend, shape, entries, longest) for backend in backends]
        with _explaining(plans):
            first = partial(users.first_rows, backends[0], items)
            self._look_ahead(backends[0], first, X, Y)
            alternate(self, backends, plans, (users, items), X, Y, monitor)

    def _look_ahead(
        self, backend: Backend, first: Callable[[], tuple[Side, Array]], X: Any, Y: Any
    ) -> None:
        """Decide before the fit how it solves; `first` gives first rows of users, lambda of items."""

    def _begin(self, done: int) -> Iteration:
        """Return what the half-steps of an iteration are told, after so many whole ones."""
        return Iteration(self._omega(done))

    def _end(self, iteration: Iteration) -> None:
        """Take what the half-steps of an iteration came to, when they are done on all devices."""
        if iteration.tallies is not None:
            self.report_.append(iteration.tallies.report())

    def _plan(
        self, backend: Backend, shape: tuple[int, int], entries: int, longest: int
    ) -> MemoryPlan:
        """Return how a device runs its share of the fit; in the log unless it is resident."""
        size = DeviceSize(*shape, entries, longest, self.factors, np.dtype(self.dtype))
        free = backend.free_bytes()
        plan = plan_memory(size, min(free, int(self.memory_limit or free)))
        if plan.block_entries is not None:
            log.info("streaming blocks of %d entries through %s", plan.block_entries, plan)
        return plan

    def _alternate_resident(
        self, backend: Backend, users: Side, items: Side, X: Any, Y: Any, monitor: Monitor
    ) -> None:
        X, Y = backend.to_device(X), backend.to_device(Y)
        for iteration in range(self.iterations):
            start = time.perf_counter()
            now = self._begin(monitor.done)
            X = self._solved(backend, users, Y, X, now)
            if monitor.half_step_done(X, Y):
                break
            Y = self._solved(backend, items, X, Y, now)
            backend.synchronize()
            self._end(now)
            if monitor(iteration, time.perf_counter() - start, X, Y):
                break

    def _solved(
        self, backend: Backend, side: Side, Y: Array, X: Array, iteration: Iteration
    ) -> Array:
        if not side.lengths.any():
            return backend.to_device(np.zeros(X.shape, X.dtype))
        return self._solve(backend, side, Y, X, iteration)

    def _loss(self, sides: Any) -> float:
        users, items = sides
        if isinstance(users, Side):
            backend = chosen(self.devices)[0]
            return device_objective(backend, users, items, *self.device_factors_)
        return super()._loss(users.weights())

    def _select(self, *args: Any, **settings: Any) -> tuple[Integers, Floats]:
        return select_on_device(self._kept, *args, **settings)

    def _row_not_finite(self, factors: Array) -> int | None:
        return first_not_finite(chosen(self.devices)[0], factors)


@contextmanager
def _explaining(plans: Sequence[MemoryPlan]) -> Iterator[None]:
    try:
        yield
    except MemoryError as error:
        numbers = "; ".join(f"device {k}: {plan}" for k, plan in enumerate(plans))
        raise MemoryError(f"{error}; the plan was {numbers}") from error


# A copy to the host takes as long as an iteration: only when somebody looks.
for _side in ("user_factors", "item_factors"):
    setattr(GpuSolver, _side, lazily(_side))
