"""The two factor matrices of a fitted model, and the Gramians and norms that are computed from them.

Each Gramian and each vector of norms is computed once and stored with the factor matrix that it came
from. When a fit or an assignment replaces that matrix, the stored result no longer matches and is
computed again. Code outside this package that writes *into* a factor matrix must assign it again.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from halfstep.errors import NotFitted
from halfstep.solvers.inputs import norms, on_host
from halfstep.types import Floats

if TYPE_CHECKING:
    from halfstep.solvers.model import FittedModel

Model = TypeVar("Model", bound="FittedModel")


def item_gramian(model: FittedModel) -> Floats:
    """Gramian Y'Y of the item factors, (f, f)."""
    return _derived(model, "YtY", factors_of(model)[1], _gramian)


def user_gramian(model: FittedModel) -> Floats:
    """Gramian X'X of the user factors, (f, f)."""
    return _derived(model, "XtX", factors_of(model)[0], _gramian)


def user_norms(model: FittedModel) -> Floats:
    """Euclidean norm of each user's factors, (users,); 1 where they are zero."""
    return _derived(model, "user_norms", factors_of(model)[0], norms)


def item_norms(model: FittedModel) -> Floats:
    """Euclidean norm of each item's factors, (items,); 1 where they are zero."""
    return _derived(model, "item_norms", factors_of(model)[1], norms)


def factors_of(model: FittedModel) -> tuple[Floats, Floats]:
    """Return both factor matrices in the host's memory.

    Factors that a caller assigned from a device or from another library are copied to the host once, by
    `halfstep.solvers.inputs.on_host`, and replaced by the copy. Raises NotFitted before a fit.
    """
    X: Any = model.user_factors
    Y: Any = model.item_factors
    if X is None or Y is None:
        raise NotFitted(f"{type(model).__name__} must be fitted first: it has no factors")
    if not (isinstance(X, np.ndarray) and isinstance(Y, np.ndarray)):
        X, Y = on_host(X, "user_factors"), on_host(Y, "item_factors")
        model.user_factors, model.item_factors = X, Y
    return X, Y


def is_fitted(model: FittedModel) -> bool:
    """Return whether the model has factors; scikit-learn's `check_is_fitted` asks."""
    return model.user_factors is not None or model.item_factors is not None


def forget_derived(model: FittedModel, *what: str) -> None:
    """Drop the stored Gramians and norms named in `what`, or all of them if nothing is named."""
    model._derived = {k: v for k, v in model._derived.items() if what and k not in what}


def copy_of(model: Model) -> Model:
    """Return a copy of the model with copies of its factors, which `partial_fit_users` writes into."""
    copy = type(model).__new__(type(model))
    copy.__dict__.update(model.__getstate__())
    for side in ("user_factors", "item_factors"):
        factors = getattr(model, side)
        setattr(copy, side, None if factors is None else on_host(factors, side).copy())
    copy.__dict__.update({k: v.copy() for k, v in model.__dict__.items() if type(v) is list})
    return copy


def _derived(
    model: FittedModel, what: str, factors: Floats, derive: Callable[[Floats], Floats]
) -> Floats:
    """Return derive(factors), stored under the name `what` for the next call with these `factors`."""
    # The mapping is replaced, never written to: two threads at once compute one result twice at worst.
    stored = model._derived.get(what)
    if stored is None or stored[0] is not factors:
        stored = (factors, derive(factors))
        model._derived = {**model._derived, what: stored}
    return stored[1]


def _gramian(factors: Floats) -> Floats:
    gramian: Floats = factors.T @ factors
    return gramian
