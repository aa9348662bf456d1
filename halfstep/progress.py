"""Progress of what takes longer: a bar on a terminal or in a notebook, elsewhere a line now and then.

    with count_bar("judging users", 50_000) as advance:
        advance(100)

All of it goes to stderr, so that output can be piped. Work that is soon done shows nothing, and imports
nothing: `progress_faces` has the three ways to show, and says when each begins. A fit shows its progress
unless it is told not to; everything else does inside `shown`, which the commands set. The environment
variable HALFSTEP_PROGRESS=off silences all.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

from halfstep.progress_faces import Face, face
from halfstep.progress_task import BYTES, Task

_LONGEST_WAIT = 2.0  # seconds, for a terminal that does not take what is written to it


@contextmanager
def shown() -> Iterator[None]:
    """Show the progress of all work inside the `with`, as a program does whose user waits for it."""
    with _wanted(True):
        yield


@contextmanager
def hidden() -> Iterator[None]:
    """Undo `shown` inside the `with`: nothing may be drawn while something is timed."""
    with _wanted(False):
        yield


def wanted() -> bool:
    """Return whether this is inside `shown`: what to pass to a fit as `show_progress`."""
    return _screen.wanted


def showing() -> bool:
    """Return whether this is inside `shown`, or some work's progress is being shown."""
    return _screen.wanted or bool(_screen.tasks)


@contextmanager
def bytes_bar(
    description: str, total: int | None, done: int = 0, show: bool | None = None
) -> Iterator[Callable[[int], None]]:
    """Yield a function to call with each number of bytes read or received.

    `show` None, here and below, means `wanted()`.
    """
    with _shown(Task(description, total, BYTES, done), show) as task:
        yield lambda count: task.update(advance=count)


@contextmanager
def count_bar(
    description: str, total: int, unit: str = "", show: bool | None = None
) -> Iterator[Callable[[int], None]]:
    """Yield a function to call with each number of things done; `unit` is what many are called."""
    with _shown(Task(description, total, unit), show) as task:
        yield lambda count: task.update(advance=count)


def task_bar(task: Task, show: bool | None = None) -> AbstractContextManager[Task]:
    """Show a task that the caller keeps up to date."""
    return _shown(task, show)


def stage(description: str, show: bool | None = None) -> AbstractContextManager[Task]:
    """Show that work inside the `with` goes on, where nothing says how much of it is done."""
    return _shown(Task(description, None), show)


class Advance:
    """The progress of a fit, to call after each iteration with the loss, or None.

    Parameters
    ----------
    update
        Changes the bar's line: `advance` by so many steps, its `loss` and its `description`.
    description
        What stands before the bar.
    """

    def __init__(
        self, update: Callable[..., None] = lambda **change: None, description: str = ""
    ) -> None:
        self._update, self._description = update, description

    def __call__(self, loss: float | None, note: str = "") -> None:
        """Note that an iteration has ended; `note` is what else is to be said of it."""
        said = [note] if note else []
        if loss is not None:
            said.insert(0, f"loss {loss:.6g}")
        self._update(advance=1, loss=", ".join(said))

    @contextmanager
    def doing(self, what: str) -> Iterator[None]:
        """Say inside the `with` what keeps the next iteration from beginning."""
        self._update(description=f"{self._description}: {what}")
        try:
            yield
        finally:
            self._update(description=self._description)


@contextmanager
def progress_bar(total: int, show: bool, description: str) -> Iterator[Advance]:
    """Yield an `Advance` to call after each of `total` iterations with the loss, or None."""
    with _shown(Task(description, total, "iterations"), show) as task:
        yield Advance(task.update, description) if show else Advance()


@contextmanager
def _shown(task: Task, show: bool | None) -> Iterator[Task]:
    if not (_screen.wanted if show is None else show):
        yield task
        return
    try:
        _screen.add(task)
        yield task
    finally:
        _screen.remove(task)


@contextmanager
def _wanted(wish: bool) -> Iterator[None]:
    before = _screen.wanted, _screen.since
    _screen.wanted, _screen.since = wish, time.monotonic()
    try:
        yield
    finally:
        _screen.wanted, _screen.since = before


class _Screen:
    """What is going on in this process, and the thread that shows it.

    The thread alone calls the face: the work never waits for a terminal, and no lock is held where
    a signal's handler might want it.
    """

    def __init__(self) -> None:
        self.wanted = False
        self.since: float | None = None  # when the command began, if one did
        self.tasks: tuple[Task, ...] = ()
        self.said = float("-inf")  # when the last line was written
        self._lock = threading.Lock()
        self._painter: tuple[threading.Thread, threading.Event] | None = None

    def add(self, task: Task) -> None:
        with self._lock:
            self.tasks = (*self.tasks, task)
            if self._painter is None and (shows := face()) is not None:
                ended = threading.Event()
                painter = threading.Thread(
                    target=self._paint, args=(shows, ended), name="halfstep-progress", daemon=True
                )
                self._painter = painter, ended
                painter.start()

    def remove(self, task: Task) -> None:
        with self._lock:
            self.tasks = tuple(other for other in self.tasks if other is not task)
            if self.tasks or self._painter is None:
                return
            (painter, ended), self._painter = self._painter, None
        ended.set()
        painter.join(_LONGEST_WAIT)

    def _paint(self, shows: Face, ended: threading.Event) -> None:
        began = time.monotonic()
        since = began if self.since is None else min(self.since, began)
        due = max(since + shows.first, began + shows.least)
        if shows.sparse:
            due = max(due, self.said + shows.every)
        try:
            try:
                while not ended.wait(max(0.0, due - time.monotonic())):
                    self.said = time.monotonic()
                    shows.draw(self.tasks)
                    due = self.said + shows.every
            finally:
                shows.end()
        except Exception:  # a closed pipe, a broken terminal: no reason to lose the work
            pass


_screen = _Screen()
