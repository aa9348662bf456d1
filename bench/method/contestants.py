"""Who takes part, and against whom everybody is measured."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from halfstep.bench.contestant_names import EXACT, WHOLE, default_entrants, entrant
from halfstep.bench.settings import BenchSettings
from halfstep.bench.suites import Case
from halfstep.errors import InputError, SolverUnavailable
from halfstep.solvers import Solver
from halfstep.types import Floats

Start = tuple[Floats, Floats]

REFERENCES = (EXACT, "cholesky")
# What a contestant may fail with while the others go on. A TypeError is a bug and ends the run.
FAILURES = (
    InputError,
    SolverUnavailable,
    ArithmeticError,
    np.linalg.LinAlgError,
    MemoryError,
    RuntimeError,
)


@dataclass(frozen=True)
class Contestant:
    """One solver with the arguments that all contestants of a case share, and its own.

    Attributes
    ----------
    arguments
        What all contestants share.
    name
        What it is called in tables: see `halfstep.bench.contestant_names`.
    own
        Its own settings, which come before the shared ones.
    """

    solver: type[Solver]
    arguments: dict[str, Any]
    name: str = ""
    own: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "name", self.name or self.solver.name)

    @property
    def whole(self) -> bool:
        """Whether it fits only as a whole: from its own start, with factors at the end alone."""
        return self.solver.name in WHOLE

    @property
    def baseline(self) -> bool:
        """Whether this is no ALS: it has neither an objective nor iterations to time."""
        return self.solver.kind == "baseline"

    def model(self, iterations: int, start: Start | None = None) -> Solver:
        """Return an unfitted model that begins at `start`."""
        settings = {**self.arguments, "iterations": iterations, "init_factors": start, **self.own}
        return self.solver(**settings)


def contestant(name: str, arguments: dict[str, Any]) -> Contestant:
    """Return the contestant of that name."""
    solver, own = entrant(name)
    return Contestant(solver, arguments, name, own)


def contestants(settings: BenchSettings, case: Case) -> list[Contestant]:
    """Return the case's contestants, the reference first."""
    arguments = {
        **(case.convention or settings.convention(case.data)),
        "factors": case.factors,
        "num_threads": case.num_threads,
        "dtype": np.float32,
    }
    reference = settings.reference or choose_reference(arguments)
    names = settings.solvers or default_entrants(settings.suite, to_read=case.to_read)
    if not case.table:
        names = tuple(name for name in names if entrant(name)[0].kind != "baseline")
    others = (name for name in names if name != reference)
    return [contestant(name, arguments) for name in (reference, *others)]


def choose_reference(arguments: dict[str, Any]) -> str:
    """Return the first reference that runs here and knows the convention."""
    refused = []
    for name in REFERENCES:
        solver, own = entrant(name)
        reason = solver.unavailable()
        if reason is None:
            try:
                solver(**arguments, **own)
            except InputError as error:
                reason = str(error)
            else:
                return name
        refused.append(f"{name}: {reason}")
    raise InputError(f"no reference can run: {'; '.join(refused)}")


def rotated(names: Sequence[str], repeat: int) -> list[str]:
    """Return `names` beginning one place later in each repeat, so that nobody always goes first."""
    if not names:
        return []
    shift = repeat % len(names)
    return [*names[shift:], *names[:shift]]
