"""Tasks spread over threads.

The compiled loops release the GIL, so Python's threads are enough. Numba's own `prange` is not: its
fallback layer aborts the process when two threads call it, and its OpenMP layer does not survive a fork.
Tasks are handed out in order, each to the next thread that is free. No result depends on which thread
that is. The threads are kept: to start one takes as long as a half-step on little data.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import Any, TypeVar

from halfstep.kernels import nodes, phases

Task = TypeVar("Task")
State = TypeVar("State")
# Only as many are started as work at one time. With more wanted than this, some tasks wait.
_MOST = 1024
_pools: list[ThreadPoolExecutor] = []


def cores(num_threads: int) -> int:
    """Return the number of threads to run: `num_threads`, or for 0 all cores this process may use."""
    if num_threads:
        return num_threads
    affinity: Any = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity else os.cpu_count() or 1


def spread(
    tasks: Iterable[Task],
    threads: int,
    prepare: Callable[[], State],
    run: Callable[[Task, State], None],
) -> None:
    """Call `run(task, state)` for each task; `prepare()` makes one `state` for each thread."""
    # Its popleft is atomic, so there is no lock that an interruption could leave held.
    queue = deque(tasks)
    threads = min(threads, len(queue))

    may = nodes.allowed() if threads > 1 else None

    def work(worker: int = 0) -> None:
        if worker:  # the caller's own thread stays where it is
            nodes.settle(worker, may)
        phases.begin()
        state = prepare()
        phases.lap(phases.SCRATCH)
        while True:
            try:
                task = queue.popleft()
            except IndexError:
                return
            run(task, state)

    if threads <= 1:
        work()
        return
    others: list[Future[None]] = []
    try:
        pool = _pool()
        for worker in range(1, threads):
            others.append(pool.submit(work, worker))
        work()
        for other in others:
            # One that has not begun by now has nothing left to do. Were it waited for, a task that
            # spreads tasks of its own could wait for itself.
            if not other.cancel():
                other.result()
        phases.lap(phases.WAITING)
    except BaseException:  # Ctrl-C too: the other threads finish their current task and end
        queue.clear()
        wait([other for other in others if not other.cancel()])
        raise


def _pool() -> ThreadPoolExecutor:
    # Two threads that come here at once make a pool each at worst.
    if not _pools:
        _pools.append(ThreadPoolExecutor(_MOST, thread_name_prefix="halfstep"))
    return _pools[-1]


if hasattr(os, "register_at_fork"):
    # A fork has none of its parent's threads.
    os.register_at_fork(after_in_child=_pools.clear)
