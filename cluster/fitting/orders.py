"""What the driver tells the workers, and what they answer."""

from __future__ import annotations

from typing import Any, NamedTuple

from halfstep.solvers.gramian import Matrix, Node
from halfstep.solvers.shared import Shared


class Job(NamedTuple):
    """A fit, as its workers need to know it.

    Attributes
    ----------
    name
        Its own name, under which a worker keeps its state.
    folder
        The `Folder` of the fit.
    facts
        The `Facts` of its data.
    solver, settings
        The rung's name and its arguments.
    threads
        For each worker's solver; None means the worker's own number.
    patience
        Seconds after which a worker says that it still waits for rows.
    """

    name: str
    folder: Any
    facts: Any
    solver: str
    settings: dict[str, Any]
    threads: int | None
    patience: float


class Order(NamedTuple):
    """One half-step, for all workers alike.

    Attributes
    ----------
    side, step
        The side to solve, and the half-step's number in the fit: even for users, odd for items.
    attempt
        Counts the times that a worker was lost. An older attempt's orders and requests are dropped.
    shared, omega
        As in `halfstep.solvers.stages`.
    kind
        The dtype of the products in the new factors' Gramian.
    save
        Whether each shard's factors are written to the folder.
    """

    side: str
    step: int
    attempt: int
    shared: Shared
    omega: float
    kind: str
    save: bool


class Solved(NamedTuple):
    """A shard's part of a half-step.

    Attributes
    ----------
    gramian, squares
        The nodes of the tree (`halfstep.solvers.gramian`) that lie in the shard.
    reports
        At most one `HalfStepReport`.
    file
        The name of the file that was written, and None without.
    unwritten
        Why it could not be written, or None.
    """

    gramian: dict[Node, Matrix]
    squares: dict[Node, Any]
    reports: list[Any]
    file: str | None = None
    unwritten: str | None = None


class Clock(NamedTuple):
    """What a worker's half-step took: seconds, and bytes that came from other workers."""

    rotate: float
    gather: float
    solve: float
    gramian: float
    save: float
    received: int

    @property
    def seconds(self) -> float:
        """All of it."""
        return self.rotate + self.gather + self.solve + self.gramian + self.save


class Answer(NamedTuple):
    """A worker's answer to an order: its shards' parts, by number."""

    shards: dict[int, Solved]
    clock: Clock


class Trouble(NamedTuple):
    """An error on a worker that ends the fit: rows that are not finite, a weight that overflows.

    `row` is a number of the whole side, or None.
    """

    kind: str
    reason: str
    side: str
    shard: int
    row: int | None
