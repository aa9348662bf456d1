"""Where the time of an iteration goes: every launch, product and copy of a fit's last iteration, timed.

The card's time of a call is taken by events before and after it on its stream, the host's by a clock;
where the host's is the longer one, the card waits for Python. On the emulator both are the clock's.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

from halfstep.kernels.cuda.backend import Array, Backend, current, using
from halfstep.solvers import SOLVERS

ITERATIONS = 4
_SETTINGS = {"confidence": "log", "regularization": 20.0}


class Span(NamedTuple):
    """One call: what it was, the host's seconds, and how to ask for the card's once it is idle."""

    label: str
    host: float
    card: Callable[[], float]


class Spent(NamedTuple):
    """What all calls of one kind came to: their number, and milliseconds of the card and of the host."""

    calls: int
    card_ms: float
    host_ms: float


class WatchedBackend:
    """A backend that notes every launch, product and copy, and leaves all work to another one."""

    def __init__(self, backend: Backend) -> None:
        self.backend = backend
        self.spans: list[Span] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self.backend, name)

    def launch(self, file: str, kernel: str, *arguments: Any, **named: Any) -> None:
        """See `Backend`."""
        with self._span(kernel):
            self.backend.launch(file, kernel, *arguments, **named)

    def product(self, A: Array, B: Array, **named: Any) -> Array:
        """See `Backend`."""
        with self._span(f"product {A.shape} {B.shape}"):
            return self.backend.product(A, B, **named)

    def gram(self, Y: Array) -> Array:
        """See `Backend`."""
        with self._span(f"gram {Y.shape}"):
            return self.backend.gram(Y)

    def to_host(self, array: Array) -> Any:
        """See `Backend`."""
        with self._span(f"to_host {array.shape}"):
            return self.backend.to_host(array)

    def to_device(self, array: Any) -> Array:
        """See `Backend`."""
        with self._span("to_device"):
            return self.backend.to_device(array)

    @contextmanager
    def _span(self, label: str) -> Iterator[None]:
        cupy: Any = getattr(self.backend, "cupy", None)
        marks = [cupy.cuda.Event() for _ in range(2)] if cupy else []
        began = time.perf_counter()
        if marks:
            marks[0].record()
        yield
        if marks:
            marks[1].record()
        host = time.perf_counter() - began

        def card() -> float:
            return float(cupy.cuda.get_elapsed_time(*marks)) / 1e3 if marks else host

        self.spans.append(Span(label, host, card))


def timeline(matrix: Any, factors: int, name: str) -> tuple[list[float], dict[str, Spent]]:
    """Return the seconds of a fit's iterations, and what its last one spent on what, the most first."""
    watched = WatchedBackend(current())
    solver: Any = SOLVERS[name]
    model = solver(factors=factors, iterations=ITERATIONS, random_state=0, **_SETTINGS)
    ends: list[int] = []

    def note(*_: Any) -> None:
        ends.append(len(watched.spans))

    with using(watched):
        model.fit(matrix, show_progress=False, callback=note)
        watched.synchronize()
    by_label: dict[str, list[Span]] = {}
    for span in watched.spans[ends[-2] : ends[-1]]:
        by_label.setdefault(span.label, []).append(span)
    spent = {
        label: Spent(
            len(spans),
            round(1e3 * sum(span.card() for span in spans), 3),
            round(1e3 * sum(span.host for span in spans), 3),
        )
        for label, spans in by_label.items()
    }
    return list(model.seconds_), dict(sorted(spent.items(), key=lambda item: -item[1].card_ms))
