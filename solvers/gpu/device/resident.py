"""The iterations of a fit on one device that holds both sides."""

from __future__ import annotations

import time
from typing import Any

from halfstep.kernels.cuda.backend import Backend
from halfstep.solvers.fit.monitor import Monitor
from halfstep.solvers.gpu.device.replay import Replayable, Replays
from halfstep.solvers.gpu.device.side import Side


def alternate(
    solver: Replayable, backend: Backend, users: Side, items: Side, X: Any, Y: Any, monitor: Monitor
) -> None:
    """Run the iterations; called by `GpuSolver._alternate`.

    An iteration that is replayed (option `graph`) cannot stop between its half-steps, so that Ctrl-C
    ends the fit after it.
    """
    X, Y = backend.to_device(X), backend.to_device(Y)
    replays = Replays(solver, backend, users, items)
    for iteration in range(solver.iterations):
        start = time.perf_counter()
        replayed = replays.iteration(monitor.done, monitor.end, X, Y)
        if replayed is not None:
            now, X, Y, looks = replayed
            monitor.watch("user", looks[0])
            monitor.watch("item", looks[1])
        else:
            now = solver._begin(monitor.done)
            board = now.board(backend)
            X = solver._solved(backend, users, Y, X, now)
            monitor.watch("user", board.look(0, X))
            if monitor.half_step_done(X, Y):
                break
            users.follow(backend, X)
            with monitor.blaming(X):
                Y = solver._solved(backend, items, X, Y, now)
            monitor.watch("item", board.look(1, Y))
            items.follow(backend, Y)
        backend.synchronize()
        solver._end(now)
        if monitor(iteration, time.perf_counter() - start, X, Y):
            break
