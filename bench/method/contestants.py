"""The contestants of a case, and the reference that all of them are compared with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from halfstep.bench.contestant_names import EXACT, WHOLE, default_contestants, solver_and_settings
from halfstep.bench.settings import BenchSettings
from halfstep.bench.suites import Case
from halfstep.errors import InputError, SolverUnavailable
from halfstep.solvers import Solver
from halfstep.solvers.als_wr import als_wr
from halfstep.types import Floats

Start = tuple[Floats, Floats]

REFERENCES = (EXACT, "cholesky")
# Failures of one contestant that do not end the run. A TypeError is a bug, and ends it.
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
        The arguments that all contestants of the case share.
    name
        The name in tables: see `halfstep.bench.contestant_names`.
    settings
        The contestant's own arguments, which override the shared ones.
    als_wr
        Whether rows are regularised as in `halfstep.solvers.als_wr`.
    """

    solver: type[Solver]
    arguments: dict[str, Any]
    name: str = ""
    settings: dict[str, Any] = field(default_factory=dict)
    als_wr: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "name", self.name or self.solver.name)

    @property
    def whole(self) -> bool:
        """Whether it has no half-steps: it runs whole fits, from a start of its own."""
        return self.solver.name in WHOLE

    @property
    def baseline(self) -> bool:
        """Whether it is no ALS solver: it has neither an objective nor iterations to time."""
        return self.solver.kind == "baseline"

    def model(self, iterations: int, start: Start | None = None) -> Solver:
        """Return an unfitted model that starts from `start`; None for a random start of its own."""
        fit: dict[str, Any] = {"iterations": iterations, "init_factors": start}
        return scaled(self.solver, self.als_wr)(**{**self.arguments, **fit, **self.settings})


def scaled(solver: type[Solver], by_als_wr: bool) -> type[Solver]:
    """Return the solver's class; with ALS-WR, the one whose rows are regularised so.

    Raises
    ------
    InputError
        The solver has no ALS-WR.
    """
    return als_wr(solver) if by_als_wr else solver


def contestant(name: str, arguments: dict[str, Any]) -> Contestant:
    """Return the contestant of that name; `arguments` may have `als_wr` among them."""
    solver, settings = solver_and_settings(name)
    shared = dict(arguments)
    by_als_wr = shared.pop("als_wr", False)
    return Contestant(solver, shared, name, settings, by_als_wr)


def contestants(settings: BenchSettings, case: Case) -> list[Contestant]:
    """Return the case's contestants, the reference first."""
    arguments = {
        **(case.convention or settings.convention(case.data)),
        "factors": case.factors,
        "num_threads": case.num_threads,
        "dtype": np.float32,
    }
    reference = settings.reference or choose_reference(arguments)
    names = settings.solvers or default_contestants(settings.suite, to_read=case.to_read)
    if not case.table:
        names = tuple(name for name in names if solver_and_settings(name)[0].kind != "baseline")
    others = (name for name in names if name != reference)
    return [contestant(name, arguments) for name in (reference, *others)]


def choose_reference(arguments: dict[str, Any]) -> str:
    """Return the first of `REFERENCES` that runs here and accepts these arguments."""
    refused = []
    shared = dict(arguments)
    by_als_wr = shared.pop("als_wr", False)
    for name in REFERENCES:
        solver, settings = solver_and_settings(name)
        reason = solver.unavailable()
        if reason is None:
            try:
                scaled(solver, by_als_wr)(**shared, **settings)
            except InputError as error:
                reason = str(error)
            else:
                return name
        refused.append(f"{name}: {reason}")
    raise InputError(f"no reference can run: {'; '.join(refused)}")


def rotated(names: Sequence[str], repeat: int) -> list[str]:
    """Return `names` beginning one place later in each repeat, so that no name is always first."""
    if not names:
        return []
    shift = repeat % len(names)
    return [*names[shift:], *names[:shift]]
