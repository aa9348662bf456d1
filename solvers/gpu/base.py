"""The fit of every GPU solver: data and factors stay on the device from start to end.

`Solver.fit` calls, in this order:

1. `_sides`, once. It copies both sides to the device as `Side`s if they fit (`_plan` counts the bytes).
   Sides that are streamed in blocks or shared by several devices stay on the host as `Stored`s.
2. `_alternate`, once. It calls `_look_ahead` and then runs the iterations: `alternate` of
   `halfstep.solvers.gpu.device.resident` for `Side`s, and of `partition` there for `Stored`s. An
   iteration calls `_begin`, the two half-steps, `_end`. A half-step, of the users or of the items, calls

   * `_prepare`, once on each device: f x f algebra and products of whole factor matrices;
   * `_advance`, which solves rows from their stored entries: all rows of the side in one call, or one
     call for each block of a streamed side;
   * `_finish`, once on each device: the solved rows back to factors.

The monitor of the fit checks each half-step's result, and calls `_loss` after an iteration.

A rung implements the parts of `_prepare`, which `halfstep.solvers.gpu.stages` has, and `_advance`, and
`_finish` if it solves rows in other coordinates. The factors are copied to the host only when they are
read there.
"""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cache, partial
from typing import Any, ClassVar

import numpy as np
from scipy import sparse

from halfstep.errors import DeviceLost, NotFitted
from halfstep.kernels.cpu.border import check_half_step
from halfstep.kernels.cuda.backend import Array, Backend, chosen, current, unavailable
from halfstep.kernels.cuda.catalogue import factor_per_thread
from halfstep.kernels.device.compiling import Variant
from halfstep.kernels.device.options import check_needs
from halfstep.solvers.base import Solver
from halfstep.solvers.fit.monitor import Monitor
from halfstep.solvers.gpu.checks import check_settings
from halfstep.solvers.gpu.compiling import compile_ahead
from halfstep.solvers.gpu.device import partition, resident
from halfstep.solvers.gpu.device.audit import device_objective
from halfstep.solvers.gpu.device.data import sides_of
from halfstep.solvers.gpu.device.failing import blaming_others, explaining
from halfstep.solvers.gpu.device.memory import DeviceSize, MemoryPlan, plan_memory
from halfstep.solvers.gpu.device.queries import Factors, select_on_device
from halfstep.solvers.gpu.device.side import Side
from halfstep.solvers.gpu.device.streaming import stored_sides
from halfstep.solvers.gpu.device.tally import Iteration
from halfstep.solvers.gpu.fallback import falling_back
from halfstep.solvers.gpu.stages import DeviceStages
from halfstep.solvers.model.held import SIDES, Held, check_widths
from halfstep.solvers.problem import Problem
from halfstep.types import Floats, Integers

log = logging.getLogger("halfstep")


@dataclass(eq=False, repr=False)
class GpuSolver(DeviceStages, Solver, ABC):
    """ALS on a CUDA device. Every sum has a fixed order, so each run on a device gives the same bits.

    Parameters
    ----------
    deterministic
        Must be True: no sum depends on the order in which threads end, and no kernel would be faster if
        one did.
    devices
        Numbers of the devices that share the work. The factors have the same bits as on one device.
        None takes the current device.
    memory_limit
        Bytes to use on each device; None takes all free memory. Stored entries that do not fit stay on
        the host and pass through the device in blocks. The factors have the same bits either way.
    """

    device: ClassVar[str] = "gpu"
    # A copy to the host takes as long as an iteration, so it is made only when factors are read there.
    _holder: ClassVar[type[Held]] = Factors
    # Whether the option `graph` may record iterations.
    _replayable: ClassVar[bool] = False
    deterministic: bool = field(default=True, kw_only=True)
    devices: Sequence[int] | None = field(default=None, kw_only=True)
    memory_limit: float | None = field(default=None, kw_only=True)

    @classmethod
    def unavailable(cls) -> str | None:
        """Return why no CUDA device can be used here and what to install, or None."""
        return unavailable()

    def check(self) -> None:
        """Raise InputError for an argument that breaks its rule."""
        super().check()
        check_settings(self)

    @abstractmethod
    def _advance(self, backend: Backend, side: Side, fixed: Any, x: Array) -> None:
        """Solve each row of x (rows of `side`, ·) in place; rows without entries get zero.

        Called after `_prepare`, which returned `fixed`: once with a device's rows (all rows, if there is
        one device), or once for each block of them if they are streamed. So the solution of a row must
        not depend on which other rows are in the call.
        """

    def _variants(self, backend: Backend, side: Side) -> set[Variant]:
        """Return the kernel files, with their definitions, that half-steps of the side launch.

        Called by `_alternate` for both sides, to compile them before the first iteration. A rung adds
        its own to these, which all fits launch.
        """
        return {("audit.cu", factor_per_thread(self.factors, self.dtype))}

    def _finish(self, backend: Backend, fixed: Any, x: Array) -> Array:
        """Return the solved factors (rows, f) from x, which is in the coordinates of `_prepare`.

        Called once per half-step and device, with all rows, after the last `_advance`.
        """
        return x

    def _solve(
        self, backend: Backend, side: Side, Y: Array, X: Array, iteration: Iteration
    ) -> Array:
        """Return the rows of `side` solved with Y fixed, starting from X, which is not written to.

        A whole half-step on one device, called by `_solved` and by `cg_7_half.cost_of_rounding`.
        """
        fixed, x = self._prepare(backend, side, side.over(backend, Y), X, iteration)
        self._advance(backend, side, fixed, x)
        return self._finish(backend, fixed, x)

    def half_step(self, problem: Problem, X: Floats) -> Floats:
        """Return X (rows, f) solved on the device: uploads the problem and X, downloads the solution.

        A fit does not call this: its data stay on the device.
        """
        check_half_step(problem, X)
        backend = current()
        side = Side.upload(backend, problem)
        Y, start = backend.to_device(side.unshrunk(problem)), backend.to_device(np.array(X))
        solved = self._solved(backend, side, Y, start, Iteration(problem.omega))
        solution: Floats = backend.to_host(solved)
        return solution

    @property
    def device_factors_(self) -> tuple[Array, Array]:
        """User factors and item factors on the device: (users, f) and (items, f), C-contiguous."""
        X, Y = (self.__dict__.get(side) for side in SIDES)
        if X is None or Y is None:
            raise NotFitted(f"{type(self).__name__} must be fitted first: it lacks factors")
        check_widths({side: self.__dict__[side].shape(side) for side in SIDES})
        return X.on_device(), Y.on_device()

    def _sides(self, transformed: sparse.csr_matrix) -> Any:
        """Return users and items, as `Side`s on the device or as `Stored`s on the host.

        Called by `fit` once, before the starting factors are drawn. `Stored`s are cut into streamed
        blocks or shares. Raises NotEnoughMemory if the fit does not fit the device even when streamed.
        """
        check_needs()
        backends = chosen(self.devices)
        lengths = (
            np.diff(transformed.indptr),
            np.bincount(transformed.indices, minlength=transformed.shape[1]),
        )
        longest = max(int(side.max(initial=0)) for side in lengths)
        if len(backends) == 1:
            plan = self._plan(backends[0], *self._size_of(transformed), longest)
            if plan.block_entries is None:
                with explaining("when the stored entries were copied there", [plan]):
                    if self._given:
                        users, items = self._weights(transformed)
                        sides = Side.upload(backends[0], users), Side.upload(backends[0], items)
                    else:
                        sides = sides_of(backends[0], self, transformed, lengths)
                    sides[0].kept["memory"] = plan
                    return sides
        return stored_sides(self, transformed, cache(lambda: self._weights(transformed)))

    def _size_of(self, transformed: sparse.csr_matrix) -> tuple[tuple[int, int], int]:
        """Return the shape and the entries of a fit; rows that attributes pull count twice."""
        users, items = transformed.shape
        more = {
            side: int(np.count_nonzero(np.diff(given.matrix.indptr)))
            for side, given in self._given.items()
        }
        of_users, of_items = more.get("user", 0), more.get("item", 0)
        entries = int(transformed.nnz) + of_users + of_items
        return (users + of_items, items + of_users), entries

    @falling_back
    def _alternate(self, users: Any, items: Any, X: Any, Y: Any, monitor: Monitor) -> None:
        """Run the iterations on the sides that `_sides` returned; called by `fit` once."""
        backends = chosen(self.devices)
        if isinstance(users, Side):
            with explaining(monitor, [users.kept["memory"]]):
                compile_ahead(self, backends[0], (users, items), monitor)
                self._look_ahead(backends[0], lambda: (users, items.lam), X, Y)
                resident.alternate(self, backends[0], users, items, X, Y, monitor)
            return
        longest = max(int(np.diff(side.indptr).max(initial=0)) for side in (users, items))
        entries = max(max(len(users.values), len(items.values)) // len(backends), longest)
        shape = (users.rows + items.pulled, items.rows + users.pulled)
        plans = [self._plan(backend, shape, entries, longest) for backend in backends]
        with explaining(monitor, plans):
            for backend in backends:
                compile_ahead(self, backend, (users.facts(), items.facts()), monitor)
            first = partial(users.first_rows, backends[0], items)
            self._look_ahead(backends[0], first, X, Y)
            partition.alternate(self, backends, plans, (users, items), X, Y, monitor)

    def _look_ahead(
        self, backend: Backend, first: Callable[[], tuple[Side, Array]], X: Any, Y: Any
    ) -> None:
        """Decide how the fit solves its rows; called by `_alternate` before the first iteration.

        `first` returns the users' side, or its first rows, and the lambda of all items, on the device.
        Only `gpu_cg_7_half` overrides this, to choose between its storage and float32.
        """

    def _begin(self, done: int) -> Iteration:
        """Return the settings of the next iteration's two half-steps, after `done` whole iterations.

        Called at the beginning of each iteration. The half-steps' `_prepare` gets the result.
        """
        return Iteration.of_fit(self._omega(done))

    def _end(self, iteration: Iteration) -> None:
        """Append the report of an iteration's half-steps to `report_`, if they were tallied.

        Called when both half-steps have ended on all devices, before the monitor gets the factors.
        """
        if iteration.tallies is not None:
            self.report_.append(iteration.tallies.report())

    def _plan(
        self, backend: Backend, shape: tuple[int, int], entries: int, longest: int
    ) -> MemoryPlan:
        """Return the memory plan of one device's share of the fit; log it if the share is streamed.

        Called by `_sides`, and by `_alternate` for each device if the sides are `Stored`s. The share has
        `entries` stored entries; the longest row or column has `longest`.
        """
        scratch = partial(self._scratch_bytes, backend)
        size = DeviceSize(*shape, entries, longest, self.factors, np.dtype(self.dtype), scratch)
        free = backend.free_bytes()
        with blaming_others(backend):
            plan = plan_memory(size, min(free, int(self.memory_limit or free)))
        if plan.block_entries is not None:
            log.info("streaming blocks of %d entries through %s", plan.block_entries, plan)
        return plan

    def _scratch_bytes(self, backend: Backend, size: DeviceSize) -> int:
        """Return how many bytes `_advance` allocates on the device, for a plan that counts its rows.

        Called by `plan_memory`, for other numbers of factors too. What all rungs need is counted there.
        """
        return 0

    def _solved(
        self, backend: Backend, side: Side, Y: Array, X: Array, iteration: Iteration
    ) -> Array:
        """Return `_solve`'s result, or zeros if the side has no entries.

        Called for each half-step, by `half_step` and in a resident fit.
        """
        if not side.lengths.any():
            return backend.to_device(np.zeros(X.shape, X.dtype))
        return self._solve(backend, side, Y, X, iteration)

    def _loss(self, sides: Any) -> float:
        """Return the objective; called by the monitor after an iteration if the loss was asked for.

        Resident sides compute it on the device, others on the host.
        """
        users, items = sides
        if isinstance(users, Side):
            backend = chosen(self.devices)[0]
            return device_objective(backend, users, items, *self.device_factors_)
        return super()._loss(users.weights())

    def _put_back(self, before: dict[str, Any], error: BaseException) -> None:
        """Give the model what it had before a fit; called when the fit has failed.

        Factors that were on a lost device alone are lost with it.
        """
        super()._put_back(before, error)
        if isinstance(error, DeviceLost) and any(
            side is not None and side.only_on_device for side in map(self.__dict__.get, SIDES)
        ):
            self.user_factors = self.item_factors = None

    def _select(self, *args: Any, **settings: Any) -> tuple[Integers, Floats]:
        """Return each query's best candidates; called by `recommend` and the model's other queries."""
        return select_on_device(map(self.__dict__.get, SIDES), *args, **settings)
