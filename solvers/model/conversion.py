"""Convert a model to another class: for another device, or to and from `implicit`'s ALS.

The two libraries differ in three ways. A fit of this package starts anew without `warm_start`, while a
second `fit` of an `implicit` model continues from the factors that it holds. `implicit`'s `cg_steps`
counts steps without a preconditioner; it is not copied, because the rungs here need another number of
steps for an equal objective. The float16 factors of its GPU model become float32.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from halfstep.errors import InputError, SolverUnavailable
from halfstep.solvers.features.stored import copy_to
from halfstep.solvers.model.factors import present, settings_of
from halfstep.solvers.model.held import SIDES, checked
from halfstep.solvers.model.origin import note_origin, note_set_by_hand, set_by_hand
from halfstep.solvers.registry import SOLVERS, choose, make, shared_parameters
from halfstep.types import Floats

if TYPE_CHECKING:
    from halfstep.solvers.model import FittedModel

_SHARED = ("factors", "regularization", "alpha", "iterations", "calculate_training_loss")


def from_implicit(model: Any, solver: str = "auto") -> Any:
    """Return a model with the settings and factors of `implicit`'s AlternatingLeastSquares.

    Parameters
    ----------
    model
        A CPU or GPU model of `implicit`, fitted or not. Its factors, or those of
        the one side that has any, are copied; `factors` and `dtype` follow them.
    solver
        As in `AlternatingLeastSquares`. With `"auto"`, the choice follows `use_cg` and `use_native`
        of the given model.

    Returns
    -------
    Solver

    Raises
    ------
    InputError
        `model` is another kind of object, or its factors are not two matrices of one width and finite.
    """
    kind = type(model)
    if kind.__name__ != "AlternatingLeastSquares" or not kind.__module__.startswith("implicit."):
        raise InputError(
            f"from_implicit takes implicit's AlternatingLeastSquares, got {kind.__qualname__}"
        )
    names = (*_SHARED, "dtype", "use_cg", "use_native", "num_threads", "random_state")
    values = {k: getattr(model, k) for k in names if hasattr(model, k)}
    factors = checked({side: _from_implicit(getattr(model, side)) for side in SIDES})
    return put(like_implicit({**values, **settings_of(factors)}, solver), factors)


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
        were transformed. `implicit` would then recalculate rows for another objective than the one that
        these factors minimise.
    SolverUnavailable
        `implicit` is not installed.

    See Also
    --------
    halfstep.from_implicit : The other way.
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

    factors = checked(present(model))
    settings = {**model.get_params(), **settings_of(factors)}
    exact = model.exact_only or getattr(model, "exact", False) or not getattr(model, "use_cg", True)
    converted = AlternatingLeastSquares(
        **{k: settings[k] for k in (*_SHARED, "num_threads", "random_state")},
        dtype=np.dtype(settings["dtype"]),
        use_native=model.native,
        use_cg=not exact,
    )
    return put(converted, factors)


def to_cpu(model: FittedModel) -> Any:
    """Return a copy of this model on the CPU, of the CPU's best rung if it is a GPU model.

    See Also
    --------
    halfstep.Solver.to_gpu : The other way.
    """
    return to_device(model, "cpu")


def to_gpu(model: FittedModel) -> Any:
    """Return a copy of this model on the GPU, of the GPU's best rung if it is a CPU model.

    Raises
    ------
    SolverUnavailable
        No GPU can be used here. The message says what is missing.

    See Also
    --------
    halfstep.Solver.to_cpu : The other way.
    """
    return to_device(model, "gpu")


def to_device(model: FittedModel, device: str) -> Any:
    """Return a copy of `model` on `device`.

    It has the class of `model` if that runs there, else the class of the device's best rung.
    """
    chosen: Any = model._rung() if model.device == device else choose(device)
    known = shared_parameters() if chosen is not model._rung() else chosen.parameters()
    factors = checked(present(model))
    settings = {**model._settings(), **settings_of(factors)}
    converted = chosen(**{k: v for k, v in settings.items() if k in known})
    if "exact" in chosen.parameters() and getattr(model, "exact", model.exact_only):
        converted.set_params(exact=True)
    converted.loss_history_, converted.seconds_ = list(model.loss_history_), list(model.seconds_)
    put(converted, factors)
    if set_by_hand(model):
        note_set_by_hand(converted)
    converted._transform, converted._plain = model._transform, model._plain
    copy_to(model, converted)
    return converted


def put(model: Any, factors: Mapping[str, Floats]) -> Any:
    """Set copies of checked factors by name in `model`, in its dtype, and return it."""
    for name, side in factors.items():
        setattr(model, name, np.array(side, dtype=model.dtype, order="C"))
    note_origin(model)
    return model


def _from_implicit(factors: Any) -> Any:
    """Return factors of an `implicit` model; those of its GPU model are copied from the device."""
    if hasattr(factors, "to_numpy"):
        factors = factors.to_numpy()
    return factors.astype(np.float32) if getattr(factors, "dtype", None) == np.float16 else factors
