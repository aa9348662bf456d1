"""Seconds of each phase of a half-step: recorded where somebody asks for them, and free elsewhere.

A thread that runs a half-step calls `lap(PHASE)` at the end of a piece of work, which charges the time
since the thread's last lap to that phase. Without a recording a lap is one comparison, and there are
three of them for each block of about a thousand rows.

A recording keeps two sums for each phase: the seconds by the clock of the thread that began the
recording, which add up to its whole time, and the seconds that all threads together ran on a processor.
The second are the same whatever else the machine does; their ratio is how many threads a phase kept
busy, and 1 for a serial phase. What the first thread waits for the others is a phase of its own.

    with recorded() as phases:
        model.fit(matrix)
    for phase, seconds in phases.taken().items(): ...
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

GRAMIAN = "Gramian"
ALGEBRA = "algebra"
FIXED = "rotate the fixed side"
INWARD = "rotate in"
SOLVE = "gather and solve"
OUTWARD = "rotate out"
LONG = "high-degree rows"
STARTING = "start threads"
SCRATCH = "scratch"
WAITING = "wait for the others"
REST = "rest"
PHASES = (
    *(GRAMIAN, ALGEBRA, FIXED, INWARD, SOLVE, OUTWARD, LONG),
    *(STARTING, SCRATCH, WAITING, REST),
)


class Seconds(NamedTuple):
    """Seconds of a phase: `wall` by the clock of the thread that records, `busy` of all processors."""

    wall: float
    busy: float


class Phases:
    """A recording, of all half-steps of the process; made by `recorded`."""

    def __init__(self) -> None:
        self._local = threading.local()
        self._lock = threading.Lock()
        self._threads: list[dict[str, Seconds]] = []
        self._counts: dict[str, float] = {}
        self._own = self._seconds()

    def _seconds(self) -> dict[str, Seconds]:
        """Return the sums of the thread that calls, whose first lap begins now if it is new."""
        if not hasattr(self._local, "seconds"):
            self._local.seconds, self._local.last = {}, _now()
            with self._lock:
                self._threads.append(self._local.seconds)
        found: dict[str, Seconds] = self._local.seconds
        return found

    def lap(self, phase: str) -> None:
        """See `lap`."""
        seconds, now = self._seconds(), _now()
        sums, last = seconds.get(phase, Seconds(0.0, 0.0)), self._local.last
        seconds[phase] = Seconds(sums.wall + now.wall - last.wall, sums.busy + now.busy - last.busy)
        self._local.last = now

    def begin(self) -> None:
        """See `begin`."""
        if self._seconds() is self._own:
            self.lap(STARTING)
        self._local.last = _now()

    def count(self, what: str, number: float) -> None:
        """See `count`."""
        with self._lock:
            self._counts[what] = self._counts.get(what, 0.0) + number

    def taken(self) -> dict[str, Seconds]:
        """Return the seconds of each phase since the last call; the sums begin anew.

        To be called by the thread that records, while no other thread is in a half-step.
        """
        names = {name for thread in self._threads for name in thread}
        none = Seconds(0.0, 0.0)
        found = {
            name: Seconds(
                self._own.get(name, none).wall,
                sum(thread.get(name, none).busy for thread in self._threads),
            )
            for name in sorted(names, key=PHASES.index)
        }
        for thread in self._threads:
            thread.clear()
        return found

    def counted(self) -> dict[str, float]:
        """Return what was counted since the last call."""
        found, self._counts = self._counts, {}
        return found


def _now() -> Seconds:
    return Seconds(time.perf_counter(), time.thread_time())


_recording: Phases | None = None


def lap(phase: str) -> None:
    """Charge the seconds since this thread's last lap to `phase`, one of PHASES."""
    if (now := _recording) is not None:
        now.lap(phase)


def begin() -> None:
    """Begin this thread's first lap of a piece of work that several threads share."""
    if (now := _recording) is not None:
        now.begin()


def count(what: str, number: float) -> None:
    """Add to a count of the recording, such as the operations of a half-step."""
    if (now := _recording) is not None:
        now.count(what, number)


def recording() -> bool:
    """Whether phases are being recorded."""
    return _recording is not None


@contextmanager
def recorded() -> Iterator[Phases]:
    """Record all half-steps of this process, which should be those of this thread alone.

    Raises
    ------
    RuntimeError
        There is a recording already.
    """
    global _recording
    if _recording is not None:
        raise RuntimeError("phases are being recorded already: end that recording first")
    _recording = phases = Phases()
    try:
        yield phases
    finally:
        _recording = None
