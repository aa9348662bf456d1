"""Fits whose half-steps are recorded phase by phase."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any

from scipy import sparse

from halfstep.kernels.phases import REST, Seconds, recorded
from halfstep.solvers import SOLVERS

SOLVER = "eigenbasis"
WARMING = (
    3  # iterations before the first that is recorded: the over-relaxation factor is then settled
)


@dataclass
class Recorded:
    """The recorded iterations of one fit, whose model is `model`; `outside` as in `PhaseCell`."""

    model: Any
    outside: float = 0.0
    seconds: list[float] = field(default_factory=list)
    phases: list[dict[str, Seconds]] = field(default_factory=list)
    operations: float = 0.0  # of the last iteration's solve

    def steps(self) -> float:
        """Return the conjugate gradient steps per row in the last iteration."""
        last = self.model.report_[-1]
        return float(sum(half.steps for half in last) / max(1, sum(half.rows for half in last)))


def fit(
    train: sparse.csr_matrix,
    factors: int,
    threads: int,
    iterations: int,
    seed: int,
    convention: dict[str, Any],
) -> Recorded:
    """Fit, and record `iterations` iterations after the first `WARMING`.

    What the fit does between two half-steps, such as looking for factors that are not finite, counts
    with the phase `rest`, and in the iteration's seconds.
    """
    model: Any = SOLVERS[SOLVER](
        **convention,
        factors=factors,
        iterations=WARMING + iterations,
        num_threads=threads,
        random_state=seed,
    )
    found = Recorded(model)
    with recorded() as phases:

        def after(iteration: int, seconds: float, loss: float | None) -> None:
            phases.lap(REST)
            taken, counted = phases.taken(), phases.counted()
            if iteration >= WARMING:
                found.seconds.append(sum(each.wall for each in taken.values()))
                found.phases.append(taken)
                found.operations = counted["operations"]

        began = time.perf_counter()
        model.fit(train, show_progress=False, callback=after)
        whole = time.perf_counter() - began
    found.outside = whole - sum(model.seconds_)
    return found
