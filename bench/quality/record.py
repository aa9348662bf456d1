"""What a results file holds of the suite `quality`: one record for each cell."""

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
        Why there is nothing else here, or None.
    to_exact, to_relaxed
        Of each seed that it was fitted with, its float64 objective after the cell's iterations over that
        of exact ALS, and of exact ALS over-relaxed, from the same start.
    quality
        Each held-out metric's mean, over those seeds.
    ratios, relaxed_ratios
        Each metric over exact ALS's, and over that of exact over-relaxed: of the sums over the seeds,
        with the paired interval over users.
    iterations_to_target
        Iterations to within the tolerance of exact's objective, first seed; None where not reached.
    checked
        Iterations in which it was looked for.
    seconds
        For each timed fit of so many iterations, or of the cell's, the seconds of its half-steps.
    fit_time
        A fit of the cell's iterations over one of exact ALS's, pair by pair.
    sooner
        Its seconds to the target over those of the contestant that the cell is about, pair by pair.
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
    """One thing that a cell must reach: `value` at most or at least `limit`, and whether it does.

    `value` is None where there is no number: `met` is then None, too, unless who never gets to the
    target decides it, ours (False) or a peer (True).
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
        What `--cells` looks at, the same in every run.
    data
        Index into `Results.data`.
    seeds
        Of the split and the start of each fit; all numbers but times are over these.
    overfitting
        NDCG@10 of exact ALS after the cell's iterations over that after five, pooled as all others;
        None where it was not measured.
    commit, created, wall_seconds
        Which code measured the cell, when, and for how long.
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
        """Whether a better-solved objective ranks worse here, whoever solves it."""
        found = self.overfitting
        return found is not None and found.high is not None and found.high < 1

    def standing(self, solver: str) -> Standing | None:
        """Return a contestant's results, None where it did not take part."""
        return next((s for s in self.standings if s.solver == solver), None)
