"""The fields of a results file that the suites `roofline` and `threads` fill."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from halfstep.kernels.phases import ALGEBRA, REST, STARTING, WAITING

SERIAL = (ALGEBRA, STARTING, REST)


@dataclass(frozen=True)
class Rate:
    """What the machine did where nothing else was to be done, on the threads of its run.

    Attributes
    ----------
    what
        "float32 products", "copy", "gather", or "loops": conjugate gradient steps on rows that stay in
        the first-level cache.
    per_second
        Operations (products, loops) or bytes (copy: those read and those written).
    row_bytes, table_bytes
        Of a gather, the bytes of a row and of the table; of a copy, the bytes copied; 0 where they have
        no meaning.
    """

    what: str
    per_second: float
    row_bytes: int = 0
    table_bytes: int = 0


@dataclass(frozen=True)
class PhaseRecord:
    """One phase of an iteration, both half-steps together.

    Attributes
    ----------
    wall, busy
        For each recorded iteration, the seconds by the clock of the thread that ran the fit, and those
        that all threads together ran on a processor.
    operations, bytes
        What the phase must compute and move, counted; None where nothing is counted.
    at_peak
        Seconds of its operations at the rate of float32 products.
    at_bandwidth
        Seconds of its bytes: of the copy of as many, or of the same gather and nothing else.
    """

    phase: str
    wall: list[float]
    busy: list[float]
    operations: float | None = None
    bytes: float | None = None
    at_peak: float | None = None
    at_bandwidth: float | None = None

    def seconds(self, threads: int) -> float:
        """Return the median seconds of an iteration.

        Of a serial phase by the clock; else on a processor, the threads' mean.
        """
        if self.phase in SERIAL:
            return float(np.median(self.wall))
        return float(np.median(self.busy)) / threads

    def roof(self) -> float | None:
        """Return the seconds that the phase takes at least: the longer of the two bounds."""
        bounds = [bound for bound in (self.at_peak, self.at_bandwidth) if bound is not None]
        return max(bounds, default=None)


@dataclass
class PhaseCell:
    """The iterations of a fit with one number of factors and of threads, phase by phase.

    Attributes
    ----------
    data
        Index into `Results.data`.
    threads
        The number of threads, counted: never 0.
    seconds
        Of each recorded iteration.
    outside
        For each fit, its seconds outside of the iterations: weighing, transposing, drawing the start.
    rounds
        How many of `seconds` belong to one fit.
    steps
        Conjugate gradient steps per row in the last iteration.
    stored_bytes
        Bytes of a number of the rotated fixed side: 2 where it is bfloat16.
    """

    data: int
    factors: int
    threads: int
    seconds: list[float]
    outside: list[float]
    rounds: int
    steps: float
    stored_bytes: int
    phases: list[PhaseRecord] = field(default_factory=list)
    rates: list[Rate] = field(default_factory=list)

    def median(self) -> float:
        """Return the median seconds of an iteration."""
        return float(np.median(self.seconds))

    def phase(self, name: str) -> PhaseRecord | None:
        """Return the phase of that name, if it was recorded."""
        return next((phase for phase in self.phases if phase.phase == name), None)

    def waiting(self) -> float:
        """Return the seconds of an iteration in which a thread does not run, the threads' mean.

        It waits for the others, or other processes have its core.
        """
        return max(0.0, self.median() - self.running())

    def running(self) -> float:
        """Return the seconds of all phases of an iteration, without waiting."""
        return sum(p.seconds(self.threads) for p in self.phases if p.phase != WAITING)

    def of_fit(self) -> list[float]:
        """Return the median seconds of an iteration of each fit."""
        step = self.rounds
        return [
            float(np.median(self.seconds[at : at + step]))
            for at in range(0, len(self.seconds), step)
        ]
