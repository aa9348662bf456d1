"""Convert a model to another class: for another device, or to and from `implicit`'s ALS.

The two libraries differ in three ways. A fit of this package starts anew, while a second `fit` of an
`implicit` model continues from the factors that it holds. `implicit`'s `cg_steps` counts steps without
a preconditioner; it is not copied, because the rungs here need another number of steps for an equal
objective. The float16 factors of its GPU model become float32.
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
        A CPU or GPU model of `implicit`, fitted or not. Its factors are copied.
    solver
        As in `AlternatingLeastSquares`. With `"auto"`, the choice follows `use_cg` and `use_native`
        of the given model.

    Returns
    -------
    Solver

    Raises
    ------
    InputError
        `model` is another kind of object.
    """
    kind = type(model)
    if kind.__name__ != "AlternatingLeastSquares" or not kind.__module__.startswith("implicit."):
        raise InputError(
            f"from_implicit takes implicit's AlternatingLeastSquares, got {kind.__qualname__}"
        )
    names = (*_SHARED, "dtype", "use_cg", "use_native", "num_threads", "random_state")
    converted = like_implicit({k: getattr(model, k) for k in names if hasattr(model, k)}, solver)
    if model.user_factors is not None:
        put(converted, _from_implicit(model.user_factors), _from_implicit(model.item_factors))
    return converted


def like_implicit(values: Mapping[str, Any], solver: str | type[FittedModel] = "auto") -> Any:
    """Return an unfitted model with the settings `values`, which are named as in `implicit`."""
    settings = {k: v for k, v in values.items() if k in (*_SHARED, "num_threads", "random_state")}
    is_float16 = np.dtype(values.get("dtype", np.float32)) == np.float16
    settings["dtype"] = np.float32 if is_float16 else np.dtype(values.get("dtype", np.float32)).type
    if isinstance(solver, type):
        return solver(**settings)
    if solver == "auto":
        # "auto" uses steps and compiled code wherever it can, so True adds nothing; only False counts.
        settings |= {k: False for k in ("use_cg", "use_native") if not values.get(k, True)}
    return make(solver, **settings)


def to_implicit(model: FittedModel) -> Any:
    """Return an `implicit.cpu.als.AlternatingLeastSquares` with these settings and factors.

    The new model's factors are copies. It solves by conjugate gradients unless this model solves
    exactly.

    Raises
    ------
    InputError
        The convention is not `confidence="implicit"` with one regularization for all rows, or the values
        were transformed. `implicit`
        would then recalculate rows for another objective than the one that these factors minimise.
    SolverUnavailable
        `implicit` is not installed.
    """
    if model.confidence != "implicit" or model.regularization_exponent != 0:
        raise InputError(
            "to_implicit needs confidence 'implicit' and regularization_exponent 0, "
            f"got {model.confidence!r} and {model.regularization_exponent}"
        )
    if model.transform is not None or model._transform is not None:
        raise InputError(
            f"to_implicit needs a model without transform, got {model.transform!r}: fit it to "
            "`bm25_weight(user_items.T).T` or `tfidf_weight(user_items.T).T` instead"
        )
    reason = SOLVERS["implicit_cpu"].unavailable()
    if reason:
        raise SolverUnavailable(f"to_implicit: {reason}")
    from implicit.cpu.als import AlternatingLeastSquares

    exact = model.exact_only or getattr(model, "exact", False) or not getattr(model, "use_cg", True)
    converted = AlternatingLeastSquares(
        **{k: getattr(model, k) for k in (*_SHARED, "num_threads", "random_state")},
        dtype=np.dtype(model.dtype),
        use_native=model.native,
        use_cg=not exact,
    )
    if model.user_factors is not None:
        X, Y = factors_of(model)
        converted.user_factors, converted.item_factors = X.copy(), Y.copy()
    return converted


def to_cpu(model: FittedModel) -> Any:
    """Return a copy of this model on the CPU, of the CPU's best rung if it is a GPU model."""
    return to_device(model, "cpu")


def to_gpu(model: FittedModel) -> Any:
    """Return a copy of this model on the GPU, of the GPU's best rung if it is a CPU model.

    Raises
    ------
    SolverUnavailable
        No GPU can be used here. The message says what is missing.
    """
    return to_device(model, "gpu")


def to_device(model: FittedModel, device: str) -> Any:
    """Return a copy of `model` on `device`.

    It has the class of `model` if that runs there, else the class of the device's best rung.
    """
    chosen: Any = type(model) if model.device == device else choose(device)
    known = shared_parameters() if chosen is not type(model) else chosen.parameters()
    converted = chosen(**{k: v for k, v in model.get_params().items() if k in known})
    if "exact" in chosen.parameters() and getattr(model, "exact", model.exact_only):
        converted.set_params(exact=True)
    converted.loss_history_, converted.seconds_ = list(model.loss_history_), list(model.seconds_)
    if model._transform is not None:
        converted._transform = model._transform
    if model.user_factors is not None:
        put(converted, *factors_of(model))
    return converted


def put(model: FittedModel, X: Any, Y: Any) -> None:
    """Set copies of X and Y as the factors of `model`; raise InputError if their shapes do not fit."""
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
    """Return factors of an `implicit` model; those of its GPU model are copied from the device."""
    return factors.to_numpy() if hasattr(factors, "to_numpy") else factors
