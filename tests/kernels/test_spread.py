"""Tasks spread over threads that are kept."""

import os
import threading

import pytest

from halfstep.kernels.cpu.threads import spread


def names_of(tasks, threads):
    seen = []
    both = threading.Barrier(threads, timeout=10)

    def prepare():
        both.wait()
        return threading.current_thread()

    spread(range(tasks), threads, prepare, lambda task, thread: seen.append((task, thread)))
    return seen


def test_every_task_is_done_once_by_threads_that_are_kept():
    earlier = {t for t in threading.enumerate() if t.name.startswith("halfstep_")}
    before = names_of(20, 3)
    assert sorted(task for task, _ in before) == list(range(20))
    ours = [thread for thread in threading.enumerate() if thread.name.startswith("halfstep_")]
    assert len(ours) >= 2
    for _ in range(30):
        names_of(5, 3)
    now = [thread for thread in threading.enumerate() if thread.name.startswith("halfstep_")]
    assert set(ours) <= set(now)
    assert len(set(now) - earlier) < 30  # where each would leave two of its own: 60


def test_a_task_may_spread_tasks_of_its_own():
    done = []

    def outer(task, _):
        spread(range(3), 4, lambda: None, lambda inner, _: done.append((task, inner)))

    spread(range(4), 4, lambda: None, outer)
    assert sorted(done) == [(task, inner) for task in range(4) for inner in range(3)]


def test_an_error_in_another_thread_is_raised_here():
    main = threading.current_thread()
    failed = threading.Event()

    def run(task, _):
        if threading.current_thread() is main:
            failed.wait(10)
        else:
            failed.set()
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        spread(range(50), 2, lambda: None, run)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
@pytest.mark.filterwarnings("ignore:.*multi-threaded, use of fork:DeprecationWarning")
def test_a_fork_starts_threads_of_its_own():
    names_of(4, 2)
    child = os.fork()
    if child == 0:
        try:
            ended = len(names_of(4, 2)) == 4
        finally:
            os._exit(0 if ended else 1)
    assert os.waitpid(child, 0)[1] == 0
