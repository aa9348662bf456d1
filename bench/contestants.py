"""Who takes part, and against whom everybody is measured."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from halfstep.bench.settings import BenchSettings
from halfstep.bench.suites import Case
from halfstep.errors import InputError, SolverUnavailable
from halfstep.solvers import SOLVERS, Solver
from halfstep.solvers.matrix import Floats

Start = tuple[Floats, Floats]

REFERENCES = ("implicit_cpu", "conjugate_gradient")
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
    """One solver with the arguments that all contestants of a case share."""

    solver: type[Solver]
    arguments: dict[str, Any]

    @property
    def name(self) -> str:
        """Name in `halfstep.SOLVERS`."""
        return self.solver.name

    @property
    def baseline(self) -> bool:
        """Whether this is no ALS: it has neither an objective nor iterations to time."""
        return self.solver.kind == "baseline"

    def model(self, iterations: int, start: Start | None = None) -> Solver:
        """Return an unfitted model that begins at `start`."""
        return self.solver(**self.arguments, iterations=iterations, init_factors=start)


def contestants(settings: BenchSettings, case: Case) -> list[Contestant]:
    """Return the case's contestants, the reference first."""
    arguments = {
        **settings.convention(),
        "factors": case.factors,
        "num_threads": case.num_threads,
        "dtype": np.float32,
    }
    reference = choose_reference(arguments)
    names = settings.solvers or tuple(SOLVERS)
    if not case.table:
        names = tuple(name for name in names if SOLVERS[name].kind != "baseline")
    others = (name for name in names if name != reference)
    return [Contestant(SOLVERS[name], arguments) for name in (reference, *others)]


def choose_reference(arguments: dict[str, Any]) -> str:
    """Return the first reference that runs here and knows the convention."""
    refused = []
    for name in REFERENCES:
        reason = SOLVERS[name].unavailable()
        if reason is None:
            try:
                SOLVERS[name](**arguments)
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
