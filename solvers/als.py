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
from collections.abc import Mapping
from os import PathLike
from typing import IO, Any

from halfstep.errors import InputError, SolverUnavailable
from halfstep.solvers.base import Solver
from halfstep.solvers.implicit_arguments import USES, check_uses, settings_for, suits

log = logging.getLogger("halfstep")

# The order in which implicit 0.7's constructor takes them.
_POSITIONAL = (
    "factors", "regularization", "alpha", "dtype", *USES, "iterations",
    "calculate_training_loss", "num_threads", "random_state",
)  # fmt: skip


class AlternatingLeastSquares(metaclass=ABCMeta):
    """Make an ALS model with the best solver for this machine, or with a named one.

    The arguments of `implicit`'s class of this name, in its order and with its defaults, mean here
    what they mean there: the same objective, from the same start for the same seed.

    Parameters
    ----------
    factors, regularization, alpha, dtype, iterations, calculate_training_loss, num_threads, random_state
        See `halfstep.solvers.Solver`.
    use_native, use_cg, use_gpu
        How to solve, in `implicit`'s words: see `halfstep.solvers.implicit_arguments`. Not given, or
        None: whatever is fastest here.
    solver
        `"auto"`, `"cpu"` or `"gpu"` for the best rung anywhere or on that device, or a name in
        `halfstep.SOLVERS`.
    fallback
        With `solver="gpu"` or `use_gpu=True`, `"cpu"` allows the CPU's best rung where no GPU can be
        used.
    **settings
        The other arguments of every solver and those of the chosen one.

    Returns
    -------
    Solver
        An unfitted model of the chosen solver; `solver_` is its name.

    Raises
    ------
    InputError
        An unknown solver, an argument that the chosen one does not have, or arguments that contradict
        each other.
    SolverUnavailable
        The solver was asked for and cannot run here.
    """

    def __new__(cls, *args: Any, **settings: Any) -> Solver:  # type: ignore[misc]
        """Return a model of the chosen solver's class."""
        given = cls.__signature__.bind(*args, **settings).arguments  # type: ignore[attr-defined]
        given |= given.pop("settings", {})
        return make(given.pop("solver", "auto"), **given)

    @staticmethod
    def load(fileobj_or_path: str | PathLike[str] | IO[bytes]) -> Solver:
        """Read a saved model, `implicit`'s too; it is of the solver that saved it."""
        return Solver.load(fileobj_or_path)


def _signature() -> inspect.Signature:
    common = dict(inspect.signature(Solver).parameters)
    uses = {"use_native": True, "use_cg": True, "use_gpu": None}
    either, named = inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY
    ordered = [
        inspect.Parameter(name, either, default=uses[name])
        if name in uses
        else common.pop(name).replace(kind=either)
        for name in _POSITIONAL
    ]
    own = [
        inspect.Parameter("solver", named, default="auto"),
        inspect.Parameter("fallback", named, default=None),
    ]
    settings = inspect.Parameter("settings", inspect.Parameter.VAR_KEYWORD)
    return inspect.Signature([*ordered, *common.values(), *own, settings])


# `isinstance(model, AlternatingLeastSquares)` holds for every solver, and help() shows arguments.
AlternatingLeastSquares.register(Solver)  # type: ignore[type-abstract]
AlternatingLeastSquares.__signature__ = _signature()  # type: ignore[attr-defined]


def make(solver: str, *, fallback: str | None = None, **settings: Any) -> Solver:
    """Return an unfitted model; see `AlternatingLeastSquares`."""
    uses = {name: settings.pop(name) for name in USES if name in settings}
    chosen = choose(solver, fallback, uses)
    settings = settings_for(chosen, uses, settings)
    known = chosen.parameters()
    for name in settings:
        if name not in known:
            raise InputError(
                f"solver {chosen.name!r} has no argument {name!r}; it has {', '.join(known)}"
            )
    return chosen(**settings)


def choose(
    solver: str = "auto", fallback: str | None = None, uses: Mapping[str, Any] | None = None
) -> type[Solver]:
    """Return the class that `AlternatingLeastSquares` uses for these arguments."""
    from halfstep.solvers import SOLVERS

    uses = {k: v for k, v in (uses or {}).items() if v is not None}
    check_uses(uses)
    use_gpu = uses.get("use_gpu")
    if solver == "auto" and use_gpu is not None:
        solver = "gpu" if use_gpu else "cpu"
    if fallback not in (None, "cpu") or (fallback and solver != "gpu"):
        raise InputError(
            f"fallback must be None, or 'cpu' with solver 'gpu', got {fallback!r} with {solver!r}"
        )
    if solver in SOLVERS:
        contradiction = suits(SOLVERS[solver], uses)
        if contradiction:
            raise InputError(f"solver={solver!r} contradicts {contradiction}")
        reason = SOLVERS[solver].unavailable()
        if reason:
            raise SolverUnavailable(f"solver {solver!r} cannot run here: {reason}")
        return SOLVERS[solver]
    if solver not in ("auto", "cpu", "gpu"):
        raise InputError(
            f"solver must be one of auto, cpu, gpu, {', '.join(SOLVERS)}, got {solver!r}"
        )
    if use_gpu is not None and solver != ("gpu" if use_gpu else "cpu"):
        raise InputError(f"solver={solver!r} contradicts use_gpu={use_gpu}")
    devices = {"auto": ("gpu", "cpu"), "cpu": ("cpu",), "gpu": ("gpu",)}[solver]
    refused = []
    for device in devices:
        found, reasons = _best(device, uses)
        refused += reasons
        if found is not None:
            because = f" ({'; '.join(refused)})" if refused else ""
            log.info("solver %r: %r is the fastest that runs here%s", solver, found.name, because)
            return found
    reason = "; ".join(refused)
    rungs = [s for s in SOLVERS.values() if s.kind == "rung" and s.device in devices]
    if rungs and all(suits(rung, uses) for rung in rungs):
        raise InputError(f"solver={solver!r} has no rung that suits all of {dict(uses)}: {reason}")
    if fallback == "cpu":
        found, _ = _best("cpu", {k: v for k, v in uses.items() if k != "use_gpu"})
        if found is not None:
            warnings.warn(
                f"no GPU solver can run here ({reason}): falling back to {found.name!r}",
                RuntimeWarning,
                stacklevel=4,
            )
            return found
    raise SolverUnavailable(f"solver {solver!r} cannot run here: {reason}")


def _best(device: str, uses: Mapping[str, Any]) -> tuple[type[Solver] | None, list[str]]:
    """Return the last rung of the ladder that runs on `device`, and why those above it do not."""
    from halfstep.solvers import SOLVERS

    rungs = [s for s in SOLVERS.values() if s.kind == "rung" and s.device == device]
    reasons = [] if rungs else [f"this version has no {device} rung"]
    for rung in reversed(rungs):
        reason = suits(rung, uses) or rung.unavailable()
        if reason is None:
            return rung, reasons
        reasons.append(f"{rung.name}: {reason}")
    return None, reasons
