"""One piece of work that is going on: how far it is, and the words for that."""

from __future__ import annotations

import time

BYTES = "bytes"


class Task:
    """Work of `total` things, or of an unknown number of them.

    Parameters
    ----------
    description
        What is being done.
    total
        The number of things; None if it is not known.
    unit
        What many of them are called, or `BYTES`.
    done
        How many of them were done before.
    """

    def __init__(
        self, description: str, total: int | None, unit: str = "", done: float = 0
    ) -> None:
        self.description = self._own = description
        self.total, self.unit, self.done = total, unit, done
        self.note = ""
        self._before = done
        self._began = self._counted = time.monotonic()
        self._held: float | None = None
        self._lost = 0.0

    def update(
        self,
        advance: float = 0,
        loss: str | None = None,
        description: str | None = None,
        done: float | None = None,
        total: float | None = None,
    ) -> None:
        """Change what is given; `loss` is a note that stands after the numbers.

        While the description is another one, something else is being done than what is counted: that
        time has no part in the forecast.
        """
        now = time.monotonic()
        if total is not None:
            self.total = int(total)
        if advance or done is not None:
            self.done = self.done + advance if done is None else done
            self._counted = now
        if loss is not None:
            self.note = loss
        if description is not None:
            if self._held is not None:
                self._lost += now - self._held
            self._held = None if description == self._own else now
            self.description = description

    @property
    def share(self) -> float | None:
        """The share that is done, 0 to 1, or None if it is not known."""
        return min(1.0, self.done / self.total) if self.total else None

    @property
    def seconds(self) -> float:
        """Seconds since this work began, or since it does what its description says."""
        return time.monotonic() - (self._began if self._held is None else self._held)

    @property
    def seconds_left(self) -> float | None:
        """Seconds until the rest is done, at the pace so far; None before anything is, and after all."""
        done = self.done - self._before
        if not self.total or done <= 0 or self.done >= self.total or self._held is not None:
            return None
        pace = max(0.0, self._counted - self._began - self._lost) / done
        since = time.monotonic() - self._counted
        return max(1.0, (self.total - self.done) * pace - since)

    def words(self) -> str:
        """Return how far the work is: "7 of 15 iterations, loss 0.5, about 40 s left"."""
        parts = [self._numbers(), self.note]
        left = self.seconds_left
        if left:
            parts.append(f"about {duration(left)} left")
        elif self.seconds >= 1:
            parts.append(f"{duration(self.seconds)} so far")
        return ", ".join(part for part in parts if part)

    def line(self) -> str:
        """Return the description and how far the work is."""
        words = self.words()
        return f"{self.description}: {words}" if words else self.description

    def _numbers(self) -> str:
        if self.unit == BYTES:
            done = size(self.done)
            return f"{done} of {size(self.total)}" if self.total else done
        if self.total is None or (self._held is not None and self.done == self._before):
            return ""
        return f"{self.done:,.0f} of {self.total:,} {self.unit}".rstrip()


def duration(seconds: float) -> str:
    """Return seconds as "40 s", "3 min" or "1 h 20 min"."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    if minutes < 60:
        return f"{minutes} min"
    return f"{minutes // 60} h {minutes % 60} min" if minutes % 60 else f"{minutes // 60} h"


def size(count: float) -> str:
    """Return a number of bytes as "120 MB" or "1.2 GB", in powers of ten."""
    for unit in ("B", "kB", "MB", "GB"):
        if count < 999.5 or unit == "GB":
            break
        count /= 1000
    return f"{count:.1f} {unit}" if count < 9.95 and unit != "B" else f"{count:,.0f} {unit}"
