"""The records of the suite `quality` in a results file, one for each cell."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from halfstep.bench.method.spread import Interval, Spread


@dataclass
class Standing:
    """One contestant in a cell.

    Attributes
    ----------
    reason
        Why the contestant has no results, or None; all other fields are then empty.
    to_exact, to_relaxed
        For each seed that the contestant was fitted from, its float64 objective after the cell's
        iterations over that of exact ALS, and over that of exact ALS with over-relaxation, from the same
        start.
    quality
        Mean of each held-out metric over those seeds.
    ratios, relaxed_ratios
        Each metric over that of exact ALS, and over that of exact ALS with over-relaxation: ratios of
        sums over the seeds, with paired intervals over users.
    iterations_to_target
        Iterations from the first seed until the objective is within the tolerance of exact ALS's; None
        where it was not reached.
    checked
        Number of iterations that were checked for the target.
    seconds
        For each timed fit, the seconds of each iteration's half-steps.
    fit_time
        Seconds of a fit of the cell's iterations over those of exact ALS, pair by pair.
    sooner
        Seconds of this contestant to the target over those of `eigenbasis`, pair by pair.
    """

    solver: str
    reason: str | None = None
    notes: list[str] = field(default_factory=list)
    to_exact: list[float] = field(default_factory=list)
    to_relaxed: list[float] = field(default_factory=list)
    quality: dict[str, float] = field(default_factory=dict)
    ratios: dict[str, Interval] = field(default_factory=dict)
    relaxed_ratios: dict[str, Interval] = field(default_factory=dict)
    iterations_to_target: int | None = None
    checked: int = 0
    seconds: list[list[float]] = field(default_factory=list)
    fit_time: Spread | None = None
    sooner: Spread | None = None


@dataclass(frozen=True)
class Bar:
    """A bar of a cell: an upper or lower `limit` of `value`, and whether the cell meets it.

    Where there is no number `value` is None, and so is `met`, unless a contestant that never reaches the
    target decides the bar: it is missed if that is ours, and met if it is the peer.
    """

    name: str
    limit: float
    value: float | None
    met: bool | None


@dataclass
class QualityCell:
    """One data set with one weighting at one size.

    Attributes
    ----------
    name
        The name that `--cells` matches, the same in every run.
    data
        Index into `Results.data`.
    seeds
        Seeds of the splits and starts. All numbers but the times are over these seeds.
    overfitting
        NDCG@10 of exact ALS after the cell's iterations over its NDCG@10 after five, pooled over the
        seeds; None where it was not measured.
    commit, created, wall_seconds
        The code that measured the cell, the time of day, and the seconds that it took.
    """

    name: str
    data: int
    weighting: str
    factors: int
    iterations: int
    convention: dict[str, Any]
    seeds: list[int]
    standings: list[Standing]
    bars: list[Bar]
    overfitting: Interval | None
    notes: list[str]
    commit: str
    created: str
    wall_seconds: float

    @property
    def overfits(self) -> bool:
        """Whether exact ALS itself ranks worse after all iterations than after five."""
        found = self.overfitting
        return found is not None and found.high is not None and found.high < 1

    def standing(self, solver: str) -> Standing | None:
        """Return a contestant's results, or None where it did not take part."""
        return next((s for s in self.standings if s.solver == solver), None)
