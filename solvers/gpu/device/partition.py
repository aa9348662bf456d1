"""A fit on several devices, or of more entries than a device holds: the half-steps are done in parts.

Every device holds both factor matrices. Each one solves a share of a side's rows, of about equal work,
from the stored entries of that share, which are resident or streamed in blocks. Then every share is
copied to all devices. Products of whole factor matrices (`_prepare` and `_finish`) are computed on every
device instead of in shares: a matrix product of another shape might add in another order. So the factors
have the same bits as on one device.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Protocol

import numpy as np

from halfstep.kernels.cuda.backend import Array, Backend
from halfstep.kernels.device.options import enabled
from halfstep.solvers.fit.monitor import Monitor
from halfstep.solvers.gpu.device.memory import MemoryPlan
from halfstep.solvers.gpu.device.replay import OPTION, warn_without
from halfstep.solvers.gpu.device.side import Side
from halfstep.solvers.gpu.device.streaming import Stored, Stream
from halfstep.solvers.gpu.device.tally import Iteration
from halfstep.solvers.shards import cuts


class Rung(Protocol):
    """What `alternate` calls on a GPU solver; `halfstep.solvers.gpu.base` documents each method."""

    iterations: int

    def _begin(self, done: int) -> Iteration: ...
    def _prepare(
        self, backend: Backend, side: Side, Y: Array, X: Array, iteration: Iteration
    ) -> tuple[Any, Array]: ...
    def _advance(self, backend: Backend, side: Side, fixed: Any, x: Array) -> None: ...
    def _finish(self, backend: Backend, fixed: Any, x: Array) -> Array: ...
    def _end(self, iteration: Iteration) -> None: ...


class Resident:
    """A share of a side's rows whose entries stay on the device."""

    def __init__(self, backend: Backend, whole: Side, stored: Stored, start: int, stop: int):
        self.start, self.stop = start, stop
        self.side = stored.part(backend, whole, start, stop)

    def __iter__(self) -> Iterator[tuple[int, int, Side]]:
        """Yield the share as one block (start, stop, side), or nothing if it has no rows."""
        if self.stop > self.start:
            yield self.start, self.stop, self.side


class PartitionedSide:
    """One side of the data, shared by the devices.

    Attributes
    ----------
    whole
        The whole side, without its device arrays.
    cuts
        (devices + 1,) the first row of each device's share, and the number of rows.
    shares
        For each device an iterable over the blocks (start, stop, side) of its share.
    """

    def __init__(self, backends: Sequence[Backend], stored: Stored, plans: Sequence[MemoryPlan]):
        self.backends = backends
        self.whole = stored.facts()
        self.cuts = cuts(np.diff(stored.indptr), len(backends))
        self.shares: list[Iterable[tuple[int, int, Side]]] = []
        for backend, plan, start, stop in zip(
            backends, plans, self.cuts[:-1], self.cuts[1:], strict=True
        ):
            if plan.block_entries is None:
                self.shares.append(Resident(backend, self.whole, stored, start, stop))
            else:
                blocks = Stream(backend, self.whole, stored, start, stop, plan.block_entries)
                self.shares.append(blocks)

    def solve(
        self, solver: Rung, Y: list[Array], X: list[Array], iteration: Iteration
    ) -> list[Array]:
        """Do a half-step and return each device's copy of the solved factors.

        Y and X are each device's copies of the fixed side's factors and of the start. Called by
        `alternate` twice in an iteration.
        """
        begun = [
            solver._prepare(backend, self.whole, self.whole.over(backend, y), x, iteration)
            for backend, y, x in zip(self.backends, Y, X, strict=True)
        ]
        for backend, share, (fixed, x) in zip(self.backends, self.shares, begun, strict=True):
            for start, stop, side in share:
                solver._advance(backend, side, fixed, x[start:stop])
        self._exchange([x for _, x in begun])
        return [
            solver._finish(backend, fixed, x)
            for backend, (fixed, x) in zip(self.backends, begun, strict=True)
        ]

    def _exchange(self, parts: list[Array]) -> None:
        """Copy the rows that each device solved from its array (rows, ·) to those of all others."""
        if len(parts) == 1:
            return
        for backend in self.backends:
            backend.synchronize()
        for source, (start, stop) in enumerate(zip(self.cuts[:-1], self.cuts[1:], strict=True)):
            if start == stop:
                continue
            for target, backend in enumerate(self.backends):
                if target != source:
                    backend.copy(parts[target][start:stop], parts[source][start:stop])
        # Wait again before any of these arrays is freed, because another device may still read it.
        for backend in self.backends:
            backend.synchronize()


def alternate(
    solver: Rung,
    backends: Sequence[Backend],
    plans: Sequence[MemoryPlan],
    stored: tuple[Stored, Stored],
    X: Any,
    Y: Any,
    monitor: Monitor,
) -> None:
    """Run the iterations on the devices; called by `GpuSolver._alternate`.

    The monitor gets the first device's copies of the factors.
    """
    if enabled(OPTION):
        warn_without("the fit is streamed or shared by several devices")
    users, items = (PartitionedSide(backends, side, plans) for side in stored)
    all_X, all_Y = ([backend.to_device(factors) for backend in backends] for factors in (X, Y))
    for iteration in range(solver.iterations):
        start = time.perf_counter()
        now = solver._begin(monitor.done)
        board = now.board(backends[0])
        all_X = users.solve(solver, all_Y, all_X, now)
        monitor.watch("user", board.look(0, all_X[0]))
        if monitor.half_step_done(all_X[0], all_Y[0]):
            break
        users.whole.follow(backends[0], all_X[0])
        with monitor.blaming(all_X[0]):
            all_Y = items.solve(solver, all_X, all_Y, now)
        monitor.watch("item", board.look(1, all_Y[0]))
        items.whole.follow(backends[0], all_Y[0])
        for backend in backends:
            backend.synchronize()
        solver._end(now)
        if monitor(iteration, time.perf_counter() - start, all_X[0], all_Y[0]):
            break
