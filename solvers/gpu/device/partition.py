"""A fit over several devices, or of more entries than a device holds: the same half-steps in parts.

Every device has both factor matrices. Of a side's rows each one solves its share, about as much work
as any other's, from entries that are its own: resident, or streamed in blocks. Then the shares are
copied to all. What is done to whole matrices (rotations in and out) each device does for itself: a
matrix product of other shape might be summed in another order, and the factors would differ from
those of one device in their last bits. So they are the same bits.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Protocol

import numpy as np

from halfstep.kernels.cuda.backend import Array, Backend
from halfstep.solvers.fit.monitor import Monitor
from halfstep.solvers.gpu.device.memory import MemoryPlan
from halfstep.solvers.gpu.device.side import Side
from halfstep.solvers.gpu.device.streaming import Stored, Stream
from halfstep.solvers.gpu.device.tally import Iteration

# What a row costs beside its entries, in entries: its vectors are read, rotated and written.
_ROW = 8


class Rung(Protocol):
    """What is asked of a GPU solver here; `halfstep.solvers.gpu.base` says what each of these does."""

    iterations: int

    def _begin(self, done: int) -> Iteration: ...
    def _prepare(
        self, backend: Backend, side: Side, Y: Array, X: Array, iteration: Iteration
    ) -> tuple[Any, Array]: ...
    def _advance(self, backend: Backend, side: Side, fixed: Any, x: Array) -> None: ...
    def _finish(self, backend: Backend, fixed: Any, x: Array) -> Array: ...
    def _end(self, iteration: Iteration) -> None: ...


class Resident:
    """A share whose entries stay on its device."""

    def __init__(self, backend: Backend, whole: Side, stored: Stored, start: int, stop: int):
        self.start, self.stop = start, stop
        self.side = stored.part(backend, whole, start, stop)

    def __iter__(self) -> Iterator[tuple[int, int, Side]]:
        """Yield (start, stop, side), once."""
        if self.stop > self.start:
            yield self.start, self.stop, self.side


class PartitionedSide:
    """One side of the data over the devices.

    Attributes
    ----------
    whole
        The side without entries.
    cuts
        (devices + 1,) where each device's rows begin; the last one's end.
    shares
        For each device its rows and entries, in blocks.
    """

    def __init__(self, backends: Sequence[Backend], stored: Stored, plans: Sequence[MemoryPlan]):
        self.backends = backends
        self.whole = stored.facts()
        self.cuts = shares_of(stored.indptr, len(backends))
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
        """Return each device's copy of the solved side, given its copies of both sides."""
        begun = [
            solver._prepare(backend, self.whole, y, x, iteration)
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
        # Another device may still read what its owner is about to let go.
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
    """Run the iterations over the devices; `monitor` sees the first device's copies."""
    users, items = (PartitionedSide(backends, side, plans) for side in stored)
    all_X, all_Y = ([backend.to_device(factors) for backend in backends] for factors in (X, Y))
    for iteration in range(solver.iterations):
        start = time.perf_counter()
        now = solver._begin(monitor.done)
        all_X = users.solve(solver, all_Y, all_X, now)
        if monitor.half_step_done(all_X[0], all_Y[0]):
            break
        all_Y = items.solve(solver, all_X, all_Y, now)
        for backend in backends:
            backend.synchronize()
        solver._end(now)
        if monitor(iteration, time.perf_counter() - start, all_X[0], all_Y[0]):
            break


def shares_of(indptr: np.ndarray, devices: int) -> list[int]:
    """Return where each device's rows begin, so that all have about the same work; and the end."""
    work = indptr + _ROW * np.arange(len(indptr))
    wanted = work[-1] * np.arange(1, devices) / devices
    inner = np.searchsorted(work, wanted)
    return [0, *(int(cut) for cut in inner), len(indptr) - 1]
