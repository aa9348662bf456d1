"""`AlternatingLeastSquares`: the name to start from, which picks the rung that this machine can run.

A named solver that cannot run here is an error that says what to install. `solver="auto"` takes the
fastest rung that can, and the log says which and why. `solver="gpu"` is an error without a GPU,
unless `fallback="cpu"` allows the CPU's best rung, with a warning: never in silence.
"""

from __future__ import annotations

import inspect
import logging
import warnings
from abc import ABCMeta
from os import PathLike
from typing import IO, Any

from halfstep.errors import InputError, SolverUnavailable
from halfstep.solvers.base import Solver

log = logging.getLogger("halfstep")


class AlternatingLeastSquares(metaclass=ABCMeta):
    """Make an ALS model with the best solver for this machine, or with a named one.

    Parameters
    ----------
    solver
        `"auto"`, `"cpu"` or `"gpu"` for the best rung anywhere or on that device, or a name in
        `halfstep.SOLVERS`.
    fallback
        With `solver="gpu"`, `"cpu"` allows the CPU's best rung where no GPU can be used.
    *args, **settings
        The arguments of every solver (`halfstep.solvers.Solver`) and those of the chosen one.

    Returns
    -------
    Solver
        An unfitted model of the chosen solver; `solver_` is its name.

    Raises
    ------
    InputError
        An unknown solver, or an argument that the chosen one does not have.
    SolverUnavailable
        The solver was asked for and cannot run here.
    """

    def __new__(  # type: ignore[misc]
        cls, *args: Any, solver: str = "auto", fallback: str | None = None, **settings: Any
    ) -> Solver:
        """Return a model of the chosen solver's class."""
        return make(solver, *args, fallback=fallback, **settings)

    @staticmethod
    def load(file: str | PathLike[str] | IO[bytes]) -> Solver:
        """Read a saved model; it is of the solver that saved it."""
        return Solver.load(file)


def _signature() -> inspect.Signature:
    common = list(inspect.signature(Solver).parameters.values())
    own = [
        inspect.Parameter("solver", inspect.Parameter.KEYWORD_ONLY, default="auto"),
        inspect.Parameter("fallback", inspect.Parameter.KEYWORD_ONLY, default=None),
    ]
    settings = inspect.Parameter("settings", inspect.Parameter.VAR_KEYWORD)
    return inspect.Signature([*common, *own, settings])


# `isinstance(model, AlternatingLeastSquares)` holds for every solver, and help() shows arguments.
AlternatingLeastSquares.register(Solver)  # type: ignore[type-abstract]
AlternatingLeastSquares.__signature__ = _signature()  # type: ignore[attr-defined]


def make(solver: str, *args: Any, fallback: str | None = None, **settings: Any) -> Solver:
    """Return an unfitted model; see `AlternatingLeastSquares`."""
    chosen: Any = choose(solver, fallback)
    known = inspect.signature(chosen).parameters
    for name in settings:
        if name not in known:
            raise InputError(
                f"solver {chosen.name!r} has no argument {name!r}; it has {', '.join(known)}"
            )
    model: Solver = chosen(*args, **settings)
    return model


def choose(solver: str = "auto", fallback: str | None = None) -> type[Solver]:
    """Return the class that `AlternatingLeastSquares(solver=solver, fallback=fallback)` uses."""
    from halfstep.solvers import SOLVERS

    if fallback not in (None, "cpu") or (fallback and solver != "gpu"):
        raise InputError(
            f"fallback must be None, or 'cpu' with solver 'gpu', got {fallback!r} with {solver!r}"
        )
    if solver in SOLVERS:
        reason = SOLVERS[solver].unavailable()
        if reason:
            raise SolverUnavailable(f"solver {solver!r} cannot run here: {reason}")
        return SOLVERS[solver]
    if solver not in ("auto", "cpu", "gpu"):
        raise InputError(
            f"solver must be one of auto, cpu, gpu, {', '.join(SOLVERS)}, got {solver!r}"
        )
    devices = {"auto": ("gpu", "cpu"), "cpu": ("cpu",), "gpu": ("gpu",)}[solver]
    refused = []
    for device in devices:
        found, reasons = _best(device)
        refused += reasons
        if found is not None:
            because = f" ({'; '.join(refused)})" if refused else ""
            log.info("solver %r: %r is the fastest that runs here%s", solver, found.name, because)
            return found
    reason = "; ".join(refused)
    if fallback == "cpu":
        found, _ = _best("cpu")
        if found is not None:
            warnings.warn(
                f"no GPU solver can run here ({reason}): falling back to {found.name!r}",
                RuntimeWarning,
                stacklevel=4,
            )
            return found
    raise SolverUnavailable(f"solver {solver!r} cannot run here: {reason}")


def _best(device: str) -> tuple[type[Solver] | None, list[str]]:
    """Return the last rung of the ladder that runs on `device`, and why those above it do not."""
    from halfstep.solvers import SOLVERS

    rungs = [s for s in SOLVERS.values() if s.kind == "rung" and s.device == device]
    reasons = [] if rungs else [f"this version has no {device} rung"]
    for rung in reversed(rungs):
        reason = rung.unavailable()
        if reason is None:
            return rung, reasons
        reasons.append(f"{rung.name}: {reason}")
    return None, reasons
