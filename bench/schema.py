"""The fields of a results file: these classes are its schema.

A number that does not exist (a metric without users, an unbounded interval) is None, never NaN. A field
whose metadata has `since` may be missing in a file of an earlier schema; it then has its default.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from halfstep.bench.limits.record import PhaseCell
from halfstep.bench.method.spread import Interval, Spread
from halfstep.bench.quality.record import QualityCell

SCHEMA = 4
_LATER: dict[str, Any] = {"since": 2}
_OF_A_CARD: dict[str, Any] = {"since": 3}
_OF_PHASES: dict[str, Any] = {"since": 4}


@dataclass(frozen=True)
class HeldOut:
    """How a held-out metric differs from the reference's: mean, paired bootstrap interval, and margin.

    `ratio` is the contestant's mean over the reference's, with its paired interval; None where the
    reference's mean is 0.
    """

    verdict: str
    difference: float
    low: float | None
    high: float | None
    margin: float
    ratio: Interval | None = field(default=None, metadata=_LATER)


@dataclass(frozen=True)
class Verdict:
    """Whether a row is as good as the reference.

    Attributes
    ----------
    verdict
        The worst of `objective` and of the verdicts in `held_out`.
    objective
        The verdict on the relative gap of the objective; None for a baseline, which minimises nothing.
    held_out
        The comparison of each metric.
    said
        The verdict with the metrics that decide it; "" in files of the first schema.
    """

    verdict: str
    objective: str | None
    held_out: dict[str, HeldOut]
    said: str = field(default="", metadata=_LATER)


@dataclass
class Row:
    """One contestant in one case.

    Attributes
    ----------
    reason
        Why the contestant has no results, or None; all other fields are then empty.
    objectives
        Float64 objective after each iteration of the check; None where it was not looked at.
    objective
        After the case's iterations; None where the check ended before.
    objective_gap
        Relative gap to the reference's objective after the same number of iterations: the case's, or as
        many as were checked.
    relaxed_gap
        Relative gap to the objective of exact half-steps with over-relaxation.
    iterations_to_target, iterations_to_second
        Iterations to the target and to the second target; None where it was not reached.
    seconds
        For each timed fit, the seconds of each iteration's two half-steps.
    setup_seconds
        For each timed fit, all its other seconds: weighting, transposing, copying.
    speed_up
        The reference's seconds over this row's, formed pair by pair within a repeat: seconds to the
        target in a table, seconds per iteration otherwise.
    speed_ups
        The speed-up over each of `halfstep.bench.contestant_names.PEERS` that reached the target; and
        over Spark, to the second target, where Spark sets that.
    peak_memory_bytes
        Peak resident memory of a process that loads the data and fits.
    peak_device_bytes
        Memory that a fit took on the card.
    counted_bytes, counted_flops
        Bytes and operations of an iteration on a card, as `halfstep.bench.gpu.static.counts` counts
        them; None for a solver that it does not count.
    """

    solver: str
    kind: str
    device: str
    reason: str | None = None
    notes: list[str] = field(default_factory=list)
    objectives: list[float | None] = field(default_factory=list)
    objective: float | None = None
    objective_gap: float | None = None
    iterations_to_target: int | None = None
    seconds: list[list[float]] = field(default_factory=list)
    setup_seconds: list[float] = field(default_factory=list)
    seconds_per_iteration: Spread | None = None
    seconds_to_target: Spread | None = None
    speed_up: Spread | None = None
    quality: dict[str, Interval] = field(default_factory=dict)
    judgement: Verdict | None = None
    peak_memory_bytes: int | None = None
    relaxed_gap: float | None = field(default=None, metadata=_LATER)
    iterations_to_second: int | None = field(default=None, metadata=_LATER)
    seconds_to_second: Spread | None = field(default=None, metadata=_LATER)
    speed_ups: dict[str, Spread] = field(default_factory=dict, metadata=_LATER)
    peak_device_bytes: int | None = field(default=None, metadata=_OF_A_CARD)
    counted_bytes: float | None = field(default=None, metadata=_OF_A_CARD)
    counted_flops: float | None = field(default=None, metadata=_OF_A_CARD)


@dataclass
class CaseRecord:
    """One comparison.

    Attributes
    ----------
    data
        Index into `Results.data`.
    target
        The reference's objective after `iterations`; None where the case has no target.
    best
        The lowest objective that any contestant reached in up to twice the iterations.
    order
        For each repeat, the contestants in the order in which they were timed.
    convention
        The weighting's arguments, which all contestants of the case share; empty where they are those
        of the run's settings.
    second, second_target
        The contestant whose objective after `iterations` is a second target, and that objective; ""
        and None where there is no second target.
    """

    data: int
    factors: int
    num_threads: int
    table: bool
    iterations: int
    reference: str
    target: float | None
    best: float | None
    order: list[list[str]]
    rows: list[Row]
    convention: dict[str, Any] = field(default_factory=dict, metadata=_LATER)
    second: str = field(default="", metadata=_LATER)
    second_target: float | None = field(default=None, metadata=_LATER)


@dataclass(frozen=True)
class DataRecord:
    """One data set; `entries` counts the training entries, `content_hash` is of the unsplit data."""

    name: str
    content_hash: str
    users: int
    items: int
    entries: int
    held_out: int
    evaluated_users: int
    split: str
    provenance: dict[str, Any]


@dataclass(frozen=True)
class Environment:
    """The machine and the code; outside a checkout `commit` is "unknown" and `dirty` None."""

    commit: str
    dirty: bool | None
    versions: dict[str, str | None]
    blas: list[str]
    system: str
    cpu: str
    cores: int
    memory_bytes: int | None
    gpu: str | None


@dataclass(frozen=True)
class Method:
    """The numbers behind the verdicts; the tolerances are relative."""

    target_tolerance: float
    objective_tolerance: float
    margin_share: float
    confidence: float
    resamples: int
    second_tolerance: float | None = field(default=None, metadata=_LATER)


@dataclass(frozen=True)
class Measure:
    """Something timed that is no fit: a query, an evaluation, a bound.

    Attributes
    ----------
    group
        The measures that this one is compared with; each group is a table.
    seconds
        The seconds of each repeat.
    reference
        The measure whose seconds `speed_up` is formed with, pair by pair; "" for none.
    x
        Its abscissa in the chart over all groups, or None.
    """

    group: str
    name: str
    seconds: list[float]
    reference: str
    speed_up: Spread | None
    detail: str = ""
    x: float | None = None


@dataclass
class Results:
    """One benchmark run."""

    schema: int
    created: str
    suite: str
    settings: dict[str, Any]
    data: list[DataRecord]
    environment: Environment
    method: Method
    cases: list[CaseRecord]
    left_out: list[str]
    measures: list[Measure] = field(default_factory=list, metadata=_LATER)
    cells: list[QualityCell] = field(default_factory=list, metadata=_LATER)
    phases: list[PhaseCell] = field(default_factory=list, metadata=_OF_PHASES)

    def tables(self) -> list[CaseRecord]:
        """Return the cases that were run by the whole method."""
        return [case for case in self.cases if case.table]
