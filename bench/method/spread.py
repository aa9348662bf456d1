"""Numbers with their spread, as results files keep them."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Spread:
    """Extremes, quartiles and median of repeated measurements of one quantity."""

    lowest: float
    q1: float
    median: float
    q3: float
    highest: float


@dataclass(frozen=True)
class Interval:
    """A mean over users with its bootstrap interval."""

    mean: float
    low: float | None
    high: float | None
