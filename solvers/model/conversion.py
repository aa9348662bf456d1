"""The same model under another class: on another device, or as `implicit`'s own.

What the two libraries do not share. A fit here starts anew; there a second one goes on from the
factors that are set. Its `cg_steps` counts plain conjugate gradient steps and is not taken over: the
rungs here need another number for the same objective. Its 16-bit GPU factors become float32.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from halfstep.errors import InputError, SolverUnavailable
from halfstep.solvers.inputs import on_host
from halfstep.solvers.model.factors import factors_of
from halfstep.solvers.registry import SOLVERS, choose, make, shared_parameters

if TYPE_CHECKING:
    from halfstep.solvers.model import FittedModel

_SHARED = ("factors", "regularization", "alpha", "iterations", "calculate_training_loss")


def from_implicit(model: Any, solver: str = "auto") -> Any:
    """Return a model with the settings and factors of `implicit`'s AlternatingLeastSquares.

    Parameters
    ----------
    model
        Its CPU or GPU model, fitted or not. Factors are copied.
    solver
        As in `AlternatingLeastSquares`; with `"auto"` its `use_cg` and `use_native` are followed.

    Returns
    -------
    Solver

    Raises
    ------
    InputError
        Another kind of object.
    """
    kind = type(model)
    if kind.__name__ != "AlternatingLeastSquares" or not kind.__module__.startswith("implicit."):
        raise InputError(
            f"from_implicit takes implicit's AlternatingLeastSquares, got {kind.__qualname__}"
        )
    names = (*_SHARED, "dtype", "use_cg", "use_native", "num_threads", "random_state")
    made = like_implicit({k: getattr(model, k) for k in names if hasattr(model, k)}, solver)
    if model.user_factors is not None:
        put(made, _from_implicit(model.user_factors), _from_implicit(model.item_factors))
    return made


def like_implicit(values: Mapping[str, Any], solver: str | type[FittedModel] = "auto") -> Any:
    """Return an unfitted model with what `implicit` calls its settings."""
    settings = {k: v for k, v in values.items() if k in (*_SHARED, "num_threads", "random_state")}
    narrow = np.dtype(values.get("dtype", np.float32)) == np.float16
    settings["dtype"] = np.float32 if narrow else np.dtype(values.get("dtype", np.float32)).type
    if isinstance(solver, type):
        return solver(**settings)
    if solver == "auto":
        # True is what auto does anyway, wherever it can; only what the owner turned off is followed.
        settings |= {k: False for k in ("use_cg", "use_native") if not values.get(k, True)}
    return make(solver, **settings)


def to_implicit(model: FittedModel) -> Any:
    """Return an `implicit.cpu.als.AlternatingLeastSquares` with these settings and factors.

    Its factors are copies. It solves by conjugate gradients unless this model solves exactly.

    Raises
    ------
    InputError
        Another convention than `confidence="implicit"` with one regularization for all rows: its
        recalculations would minimise another objective than these factors.
    SolverUnavailable
        `implicit` is not installed.
    """
    if model.confidence != "implicit" or model.regularization_exponent != 0:
        raise InputError(
            "to_implicit needs confidence 'implicit' and regularization_exponent 0, "
            f"got {model.confidence!r} and {model.regularization_exponent}"
        )
    reason = SOLVERS["implicit_cpu"].unavailable()
    if reason:
        raise SolverUnavailable(f"to_implicit: {reason}")
    from implicit.cpu.als import AlternatingLeastSquares

    exact = model.exact_only or getattr(model, "exact", False) or not getattr(model, "use_cg", True)
    made = AlternatingLeastSquares(
        **{k: getattr(model, k) for k in (*_SHARED, "num_threads", "random_state")},
        dtype=np.dtype(model.dtype),
        use_native=model.native,
        use_cg=not exact,
    )
    if model.user_factors is not None:
        X, Y = factors_of(model)
        made.user_factors, made.item_factors = X.copy(), Y.copy()
    return made


def to_cpu(model: FittedModel) -> Any:
    """Return this model on the CPU: a copy of one that is there, else of the best rung there."""
    return to_device(model, "cpu")


def to_gpu(model: FittedModel) -> Any:
    """Return this model on the GPU: a copy of one that is there, else of the best rung there.

    Raises
    ------
    SolverUnavailable
        No GPU can be used here; the message says what is missing.
    """
    return to_device(model, "gpu")


def to_device(model: FittedModel, device: str) -> Any:
    """Return a copy of `model` on `device`, of the same class where that runs there."""
    chosen: Any = type(model) if model.device == device else choose(device)
    known = shared_parameters() if chosen is not type(model) else chosen.parameters()
    made = chosen(**{k: v for k, v in model.get_params().items() if k in known})
    if "exact" in chosen.parameters() and getattr(model, "exact", model.exact_only):
        made.set_params(exact=True)
    made.loss_history_, made.seconds_ = list(model.loss_history_), list(model.seconds_)
    if model.user_factors is not None:
        put(made, *factors_of(model))
    return made


def put(model: FittedModel, X: Any, Y: Any) -> None:
    """Give `model` copies of these factors; raise InputError where they are not of its shape."""
    X, Y = on_host(X, "user_factors"), on_host(Y, "item_factors")
    for name, factors in (("user_factors", X), ("item_factors", Y)):
        if np.ndim(factors) != 2 or np.shape(factors)[1] != model.factors:
            raise InputError(
                f"{name} must have {model.factors} columns, one for each factor, "
                f"got shape {np.shape(factors)}"
            )
    model.user_factors = np.array(X, dtype=model.dtype, order="C")
    model.item_factors = np.array(Y, dtype=model.dtype, order="C")


def _from_implicit(factors: Any) -> Any:
    """Return factors of implicit's: of its GPU matrices, a copy from the device."""
    return factors.to_numpy() if hasattr(factors, "to_numpy") else factors
