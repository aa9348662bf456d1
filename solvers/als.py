"""`AlternatingLeastSquares`: the name to start from, which picks the rung that this machine can run.

`halfstep.solvers.registry` says how it picks.
"""

from __future__ import annotations

import inspect
from abc import ABCMeta
from os import PathLike
from typing import IO, Any

from halfstep.solvers.base import Solver
from halfstep.solvers.registry import USES, make

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
        How to solve, in `implicit`'s words: see `halfstep.solvers.registry`. Not given, or
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
        model: Solver = make(given.pop("solver", "auto"), **given)
        return model

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
