"""What a worker's thread does for a fit, and when: the phases that Dask's dashboard shows.

The times are of one clock for the whole fit, so that no phase begins before the last one ends: Dask's
estimate of the difference from the scheduler's clock jumps by milliseconds from heartbeat to heartbeat.
"""

from __future__ import annotations

import threading
import time
from collections import defaultdict
from typing import Any, NamedTuple

from distributed.metrics import time as now

ABANDONED = "abandoned"
RECOVER = "recover"
# What a method of `Home` does, where it has no phases of its own.
_METHODS = {
    "measure": "gramian",
    "save_all": "model",
    "roll_back": RECOVER,
    "redraw": RECOVER,
}
_HAS_PHASES = ("half_step", "loss")


class Phase(NamedTuple):
    """One phase.

    Attributes
    ----------
    name
        A key of `halfstep.distributed.watching.task_stream.PHASES`.
    of
        "users" or "items", whose half-step it is; "loss"; or nothing.
    step
        The half-step's number, or -1.
    start, stop
        Seconds since the epoch by the scheduler's clock, as near as Dask knows it.
    """

    name: str
    of: str
    step: int
    start: float
    stop: float


class Told(NamedTuple):
    """What a method returns, and the phases of its thread since the last answer, by their end."""

    found: Any
    thread: int
    phases: list[Phase]


class Phases:
    """Notes the phases of the one thread of a fit on a worker.

    Parameters
    ----------
    delay
        Seconds by which the scheduler's clock is ahead of this machine's.

    Attributes
    ----------
    seconds
        By phase, since `begin`.
    """

    def __init__(self, delay: float) -> None:
        self._epoch = now() + delay - time.perf_counter()
        self._noted: list[Phase] = []
        self.begin()

    def begin(self, of: str = "", step: int = -1) -> None:
        """Begin a half-step, or another thing that consists of phases."""
        self.seconds: dict[str, float] = defaultdict(float)
        self._of, self._step = of, step
        self._last = time.perf_counter()

    def lap(self, name: str) -> None:
        """Note that the time since the last call was a phase, or more of the last one."""
        start, stop = self._last, time.perf_counter()
        self._last = stop
        self.seconds[name] += stop - start
        phase = Phase(name, self._of, self._step, self._epoch + start, self._epoch + stop)
        last = self._noted[-1] if self._noted else None
        if last is not None and last[:3] == phase[:3] and last.stop == phase.start:
            self._noted[-1] = last._replace(stop=phase.stop)
        else:
            self._noted.append(phase)

    def take(self) -> list[Phase]:
        """Return what was noted since the last call of this."""
        noted, self._noted = self._noted, []
        return noted


def told(home: Any, method: str, *args: Any) -> Told:
    """Return what a method of a `Home` returns, with the phases; on the fit's thread of the worker.

    Where it raises, its phases come with the next answer.
    """
    phases: Phases = home.phases
    phases.begin()
    try:
        found = getattr(home, method)(*args)
    except BaseException:
        phases.lap(ABANDONED)
        raise
    if method not in _HAS_PHASES:
        opening = "open" if home.exchange.attempt == 0 else RECOVER
        phases.lap(_METHODS.get(method, opening))
    return Told(found, threading.get_ident(), phases.take())
