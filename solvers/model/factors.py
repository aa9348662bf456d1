"""The two factor matrices of a fitted model, and what is derived from them once.

What is derived is kept beside the array that it came from: factors that are replaced, by a fit or by an
assignment, never get an answer that belongs to the old ones. After writing *into* a factor matrix from
outside, assign it again.
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

    Factors that a caller assigned from a device or from another library are read once, as
    `halfstep.solvers.inputs.on_host` does, and stay on the host.
    """
    X: Any = model.user_factors
    Y: Any = model.item_factors
    if X is None or Y is None:
        raise NotFitted(f"{type(model).__name__} must be fitted first: it has no factors")
    if not (isinstance(X, np.ndarray) and isinstance(Y, np.ndarray)):
        X, Y = on_host(X, "user_factors"), on_host(Y, "item_factors")
        model.user_factors, model.item_factors = X, Y
    return X, Y


def forget_derived(model: FittedModel, *what: str) -> None:
    """Forget what is named of Gramians and norms, or all of it."""
    model._derived = {k: v for k, v in model._derived.items() if what and k not in what}


def copy_of(model: Model) -> Model:
    """Return a copy with factors of its own: `partial_fit_users` writes into them."""
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
    # The mapping is replaced, never written to: at worst, two threads at once derive the same thing.
    kept = model._derived.get(what)
    if kept is None or kept[0] is not factors:
        kept = (factors, derive(factors))
        model._derived = {**model._derived, what: kept}
    return kept[1]


def _gramian(factors: Floats) -> Floats:
    gramian: Floats = factors.T @ factors
    return gramian
