"""Functions of shards, called one after the other in this process, or as tasks of Dask.

A task reads what it needs from a folder that all see, and what it returns is small. So Dask may repeat
one whose worker died, and keeps nothing when all have ended.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any, TypeVar
from uuid import uuid4

from halfstep.distributed.workers import workers_of
from halfstep.kernels.cpu.threads import cores
from halfstep.progress import count_bar

Result = TypeVar("Result")
# Tasks of each call that this process runs, and what to call when the last of them has ended.
_lock = threading.Lock()
_running: Counter[str] = Counter()
_waiting: dict[str, Callable[[], None]] = {}


def over_shards(
    client: Any,
    function: Callable[..., Result],
    tasks: Sequence[tuple[Any, ...]],
    what: str,
    *,
    num_threads: int | None = None,
    unit: str = "shards",
    show_progress: bool = True,
    forget: Callable[[], None] | None = None,
) -> list[Result]:
    """Return `function(*task, num_threads=...)` of each task, in their order.

    Parameters
    ----------
    client
        Dask's client, on whose workers the tasks run, or None for this process.
    what
        What is done, to how many of which `unit`: the line of progress.
    num_threads
        0 for all cores of a machine, shared by the tasks that run on it at one time; None for a function
        that takes no such argument.
    forget
        Called at the end wherever tasks ran: in each process when its last task has ended, also one
        that still runs when another has failed.

    Raises
    ------
    InputError
        As the function does; the other tasks are given up.
    """
    with count_bar(what, len(tasks), unit, show=show_progress) as advance:
        if client is None:
            try:
                return [_counted(_run(function, task, num_threads), advance) for task in tasks]
            finally:
                if forget is not None:
                    forget()
        share = num_threads if num_threads != 0 else -tasks_at_once(client)
        call, name = uuid4().hex, function.__name__
        futures = [
            client.submit(_run_counted, call, function, task, share, key=f"{name}-{uuid4().hex}")
            for task in tasks
        ]
        try:
            return results_of(client, futures, advance)
        finally:
            if forget is not None:
                client.run(_when_idle, call, forget, on_error="ignore")


def results_of(client: Any, futures: Sequence[Any], advance: Callable[[int], None]) -> list[Any]:
    """Return the results of Dask's futures, in their order; where one fails, give the others up."""
    from distributed import as_completed

    keys = [future.key for future in futures]
    results = {}
    try:
        for future, result in as_completed(futures, with_results=True):
            results[future.key] = result
            future.release()  # or it is done again if its worker dies
            advance(1)
    except BaseException:
        client.cancel(futures)
        raise
    return [results[key] for key in keys]


def places(client: Any) -> tuple[int, int | None]:
    """Return how many tasks run at one time, and the bytes that each has; None without a limit."""
    if client is None:
        return 1, None
    workers = workers_of(client).values()
    rooms = [
        worker["memory_limit"] // worker["nthreads"] for worker in workers if worker["memory_limit"]
    ]
    return max(1, sum(worker["nthreads"] for worker in workers)), min(rooms, default=None)


def tasks_at_once(client: Any) -> int:
    """Return how many tasks the workers of one machine run at one time, at most."""
    on_host: Counter[str] = Counter()
    for worker in workers_of(client).values():
        on_host[worker["host"]] += worker["nthreads"]
    return max(on_host.values(), default=1)


def _run(function: Callable[..., Result], task: tuple[Any, ...], share: int | None) -> Result:
    """Call the function; a negative share of threads is one of so many in all cores."""
    if share is None:
        return function(*task)
    return function(*task, num_threads=share if share >= 0 else max(1, cores(0) // -share))


def _run_counted(
    call: str, function: Callable[..., Result], task: tuple[Any, ...], share: int | None
) -> Result:
    """Run a task of `call`, and what waits for the last one of this process."""
    with _lock:
        _running[call] += 1
    try:
        return _run(function, task, share)
    finally:
        with _lock:
            _running[call] -= 1
            ended = not _running[call]
            if ended:
                del _running[call]
            waiting = _waiting.pop(call, None) if ended else None
        if waiting is not None:
            waiting()


def _when_idle(call: str, forget: Callable[[], None]) -> None:
    """Call `forget` as soon as this process runs no task of `call`: Dask cannot stop one that runs."""
    with _lock:
        if _running[call]:
            _waiting[call] = forget
            return
        del _running[call]
    forget()


def _counted(result: Result, advance: Callable[[int], None]) -> Result:
    advance(1)
    return result
