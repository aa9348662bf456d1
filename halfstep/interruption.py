"""Ctrl-C during a fit: the first one ends the fit after the current half-step, the second one at once.

Users often stop a fit by hand, when its loss has converged or time is up, and should not lose hours of
work by that. So the first SIGINT only sets a flag, and the fit returns its model with a whole pair of
factors. This applies only in the main thread and if Python's own handler is installed: a program that
handles SIGINT itself keeps its handler.
"""

from __future__ import annotations

import logging
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any, NoReturn

log = logging.getLogger("halfstep")


class Interruption:
    """A flag: `requested` is whether the fit was asked to end."""

    def __init__(self) -> None:
        self.requested = False

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if self.requested:
            raise KeyboardInterrupt
        self.requested = True
        log.warning("interrupted: ending after this half-step; Ctrl-C again ends at once")


@contextmanager
def interruption() -> Iterator[Interruption]:
    """Yield the flag that the first Ctrl-C sets; the second one raises KeyboardInterrupt."""
    flag = Interruption()
    with _handler(flag._handle, signal.default_int_handler):
        yield flag


@contextmanager
def interrupted_at_once() -> Iterator[None]:
    """Let Ctrl-C raise KeyboardInterrupt inside the block, also during a fit.

    This is for callers that run several fits and cannot use an unfinished one.
    """
    with _handler(_at_once, signal.default_int_handler):
        yield


@contextmanager
def ended_cleanly() -> Iterator[None]:
    """Undo `interrupted_at_once` inside the block: Ctrl-C ends a fit after its half-step again."""
    with _handler(signal.default_int_handler, _at_once):
        yield


@contextmanager
def put_off() -> Iterator[None]:
    """Let Ctrl-C raise KeyboardInterrupt after the block; processes begun inside never hear of it."""
    asked: list[bool] = []
    # A process begins with the mask of the thread that starts it. Windows has none.
    masks = hasattr(signal, "pthread_sigmask")
    if masks:
        from multiprocessing import resource_tracker

        resource_tracker.ensure_running()  # when it begins it lets the signal through again
    with _handler(lambda number, frame: asked.append(True), signal.default_int_handler):
        before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT}) if masks else set()
        try:
            yield
        finally:
            if masks:
                signal.pthread_sigmask(signal.SIG_SETMASK, before)
    if asked:
        raise KeyboardInterrupt


@contextmanager
def terminated_at_once() -> Iterator[None]:
    """Let SIGTERM raise KeyboardInterrupt inside the block, so that what is half-written is removed."""
    with _handler(_at_once, signal.SIG_DFL, signal.SIGTERM):
        yield


@contextmanager
def _handler(
    handler: Callable[[int, FrameType | None], Any],
    instead_of: Any,
    number: signal.Signals = signal.SIGINT,
) -> Iterator[None]:
    """Install `handler` for a signal within the block, if the handler in force is `instead_of`."""
    main = threading.current_thread() is threading.main_thread()
    if not main or signal.getsignal(number) is not instead_of:
        yield
        return
    signal.signal(number, handler)
    try:
        yield
    finally:
        signal.signal(number, instead_of)


def _at_once(number: int, frame: FrameType | None) -> NoReturn:
    raise KeyboardInterrupt
