"""What a results file holds: these classes are its schema, field by field.

A number that does not exist (a metric without users, an unbounded interval) is None, never NaN. A field
with `since` in its metadata may be missing in files of an earlier schema, and has its default then.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from halfstep.bench.method.spread import Interval, Spread
from halfstep.bench.quality.record import QualityCell

SCHEMA = 3
_LATER: dict[str, Any] = {"since": 2}
_OF_A_CARD: dict[str, Any] = {"since": 3}


@dataclass(frozen=True)
class HeldOut:
    """A metric's mean difference to the reference, its paired bootstrap interval, and the margin.

    `ratio` is that of the two means, with its own paired interval; None where the reference's is 0.
    """

    verdict: str
    difference: float
    low: float | None
    high: float | None
    margin: float
    ratio: Interval | None = field(default=None, metadata=_LATER)


@dataclass(frozen=True)
class Judgement:
    """Whether a row is as good as the reference.

    `verdict` is the worst of `objective` (relative gap against its tolerance; None for a baseline,
    which minimises nothing) and of those in `held_out`, one per metric. `said` is the word with the
    metrics that it is owed to; "" in files from before there was one.
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
        Why there is nothing else here, or None.
    objectives
        Float64 objective after each iteration of the check.
    objective
        After the case's iterations; None where the check ended before.
    objective_gap
        Relative to the reference after the same number of iterations: the case's, or those checked.
    relaxed_gap
        The same, relative to exact half-steps that are over-relaxed.
    iterations_to_target, iterations_to_second
        Iterations that the target, and the second one, took; None where it was not reached.
    seconds
        For each timed fit, the seconds of each iteration's two half-steps.
    setup_seconds
        For each timed fit, all its other seconds: weighting, transposing, copying.
    speed_up
        Pair by pair within a repeat: the reference's seconds over this row's, to the target in a
        table, per iteration otherwise.
    speed_ups
        The same against each of `halfstep.bench.contestant_names.PEERS` that reached the target.
    peak_memory_bytes
        Peak resident memory of a process that loads the data and fits.
    peak_device_bytes
        Memory that a fit took on the card.
    counted_bytes, counted_flops
        What an iteration must move and calculate on a card, as `halfstep.bench.gpu.static.counts` counts
        it; None for solvers that it does not count.
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
    judgement: Judgement | None = None
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
        The reference's objective after `iterations`; None where none was set.
    best
        Lowest objective that anybody reached in up to twice the iterations.
    order
        Who was timed in each repeat, in this order.
    convention
        The arguments of the weighting that the case's contestants shared; empty where they are the
        run's settings.
    second, second_target
        Whose objective after `iterations` is a second target, and the objective; "" and None for none.
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
    """One data set; `entries` are those that are fitted, `content_hash` that of the unsplit data."""

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
    """Where it was measured; `commit` is "unknown" outside a checkout, `dirty` then None."""

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
    """Something else that was timed: a query, an evaluation, a bound.

    Attributes
    ----------
    group
        What it is compared within: one table each.
    seconds
        Of each repeat.
    reference
        Whose seconds `speed_up` is formed with, pair by pair; "" for none.
    x
        Where it stands in a chart of its group's kind.
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

    def tables(self) -> list[CaseRecord]:
        """Return the cases that were run by the whole method."""
        return [case for case in self.cases if case.table]
