"""The parts of `make gpu` beside its tables: each has a time limit, and its failure stops no other."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, NamedTuple

from halfstep.bench.gpu import half, queries, streaming


@dataclass(frozen=True)
class Setting:
    """The setting in which a part runs.

    Attributes
    ----------
    quick, emulate
        As on the command line.
    first
        Returns the data of the first table, a canonical CSR matrix.
    """

    quick: bool
    emulate: bool
    first: Callable[[], Any]


class Part(NamedTuple):
    """One part of the run.

    Attributes
    ----------
    name
        Its key in the results file.
    least, most
        The seconds that it needs, and those that it may take.
    work
        `work(setting, seconds)` returns what to record.
    full
        Whether it belongs only to full runs on a card.
    """

    name: str
    least: float
    most: float
    work: Callable[[Setting, float], dict[str, Any]]
    full: bool = False


def _queries(setting: Setting, seconds: float) -> dict[str, Any]:
    return queries.measure(setting.first(), 8 if setting.emulate else 128, seconds)


def _streaming(setting: Setting, seconds: float) -> dict[str, Any]:
    shape = "tiny" if setting.emulate else "streamed-quick" if setting.quick else "streamed"
    factors = 8 if setting.emulate else 128
    return streaming.limited(shape, factors, setting.emulate, seconds)


def _half(setting: Setting, seconds: float) -> dict[str, Any]:
    if setting.emulate:
        return half.cost("tiny", 8, 3, seconds)
    return half.cost("small", 64 if setting.quick else 128, 10, seconds)


def _billion(setting: Setting, seconds: float) -> dict[str, Any]:
    return streaming.billion("billion", 128, seconds)


PARTS = (
    Part("queries", 10, 60, _queries),
    Part("streaming", 15, 60, _streaming),
    Part("half", 5, 40, _half),
    Part("billion", 90, 180, _billion, full=True),
)


def wanted(quick: bool) -> float:
    """Return the seconds to keep back for all parts, about half of those that they may take."""
    return sum(part.least * (0.5 if quick else 1) for part in PARTS if not (quick and part.full))


def run(part: Part, setting: Setting, left: float) -> dict[str, Any]:
    """Return the findings of a part, or `cannot_run` with the reason.

    Parameters
    ----------
    left
        Seconds that this part and the parts after it may take.
    """
    if part.full and (setting.quick or setting.emulate):
        return {"cannot_run": "left out: in a full run on a card only"}
    least = 0.0 if setting.emulate else part.least * (0.5 if setting.quick else 1)
    seconds = min(left, part.most * (0.4 if setting.quick else 1))
    if seconds < least:
        return {"cannot_run": f"left out: {left:.0f} s were left, it needs {least:.0f}"}
    try:
        with at_most(seconds):
            return part.work(setting, seconds)
    except Exception as error:  # one part's failure must not take the others' results
        return {"cannot_run": f"{type(error).__name__}: {error}"[:300]}


@contextmanager
def at_most(seconds: float) -> Iterator[None]:
    """Raise TimeoutError inside the `with` after so many seconds, where the system has SIGALRM."""
    possible = hasattr(signal, "SIGALRM")
    if not possible or threading.current_thread() is not threading.main_thread():
        yield
        return

    def late(*_: Any) -> None:
        raise TimeoutError(f"it took more than {seconds:.0f} s")

    before = signal.signal(signal.SIGALRM, late)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
