"""`AlternatingLeastSquares`: a model with the best solver for this machine.

`halfstep.solvers.registry` says how the solver is chosen.
"""

from __future__ import annotations

import inspect
from abc import ABCMeta
from os import PathLike
from typing import IO, Any

from halfstep.solvers.base import Solver
from halfstep.solvers.registry import USES, make

# Arguments in the order of implicit 0.7's constructor.
_POSITIONAL = (
    "factors", "regularization", "alpha", "dtype", *USES, "iterations",
    "calculate_training_loss", "num_threads", "random_state",
)  # fmt: skip


class AlternatingLeastSquares(metaclass=ABCMeta):
    """Make an ALS model with the best solver for this machine, or with a named one.

    The arguments of `implicit`'s class of this name have the same order, defaults and meaning here: the
    same objective, and for the same seed the same starting factors.

    Parameters
    ----------
    factors, regularization, alpha, dtype, iterations, calculate_training_loss, num_threads, random_state
        See `halfstep.solvers.Solver`.
    use_native, use_cg, use_gpu
        How to solve, as in `implicit`: see `halfstep.solvers.registry`. None, or no argument, means the
        fastest solver here.
    solver
        `"auto"` for the best rung on any device, `"cpu"` or `"gpu"` for the best on that device, or a
        name in `halfstep.SOLVERS`.
    fallback
        With `solver="gpu"` or `use_gpu=True`, `"cpu"` allows the best CPU rung if no GPU can be used.
    **settings
        Further arguments that all solvers have, and arguments of the chosen solver.

    Returns
    -------
    Solver
        An unfitted model of the chosen solver; `solver_` is its name.

    Raises
    ------
    InputError
        An unknown solver, an argument that the chosen solver does not have, or arguments that
        contradict each other.
    SolverUnavailable
        The named solver cannot run here.
    """

    def __new__(cls, *args: Any, **settings: Any) -> Solver:  # type: ignore[misc]
        """Return a model of the chosen solver's class."""
        arguments = cls.__signature__.bind(*args, **settings).arguments  # type: ignore[attr-defined]
        arguments |= arguments.pop("settings", {})
        model: Solver = make(arguments.pop("solver", "auto"), **arguments)
        return model

    @staticmethod
    def load(fileobj_or_path: str | PathLike[str] | IO[bytes]) -> Solver:
        """Read a saved model, also one of `implicit`; its class is that of the solver that saved it."""
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
    choice = [
        inspect.Parameter("solver", named, default="auto"),
        inspect.Parameter("fallback", named, default=None),
    ]
    settings = inspect.Parameter("settings", inspect.Parameter.VAR_KEYWORD)
    return inspect.Signature([*ordered, *common.values(), *choice, settings])


# `isinstance(model, AlternatingLeastSquares)` is true for every solver, and help() shows the arguments.
AlternatingLeastSquares.register(Solver)  # type: ignore[type-abstract]
AlternatingLeastSquares.__signature__ = _signature()  # type: ignore[attr-defined]
