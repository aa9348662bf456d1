"""The two factor matrices of a model: how they are read, assigned, checked and copied.

`held` says what may be assigned, and how long Gramians and norms are kept.
"""

from __future__ import annotations

import copy as copying
import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from halfstep.errors import InputError, NotFitted
from halfstep.solvers.inputs import on_host, row_not_finite, within
from halfstep.solvers.model.held import SIDES, Held, check_widths, storing
from halfstep.types import Floats, Integers

if TYPE_CHECKING:
    import numpy.typing as npt

    from halfstep.solvers.model import FittedModel

Model = TypeVar("Model", bound="FittedModel")

# Half of what a score may be, for the rounding of its sum.
_LARGEST = {np.dtype(kind): float(np.finfo(kind).max) / 2 for kind in (np.float32, np.float64)}
_ROWS = 64  # of a block of scores
_WITHOUT = {
    "user_factors": "fit the model or assign them; partial_fit_users computes them from entries, "
    "and recommend(recalculate_user=True) needs none",
    "item_factors": "fit the model or assign them; partial_fit_items computes them from entries",
}


def item_gramian(model: FittedModel) -> Floats:
    """Gramian Y'Y of the item factors, (f, f).

    Raises
    ------
    NotFitted
        The model has no such factors.

    See Also
    --------
    halfstep.Solver.XtX : That of the user factors.
    """
    return needed(model, "item_factors")[0].gramian()


def user_gramian(model: FittedModel) -> Floats:
    """Gramian X'X of the user factors, (f, f).

    Raises
    ------
    NotFitted
        The model has no such factors.

    See Also
    --------
    halfstep.Solver.YtY : That of the item factors.
    """
    return needed(model, "user_factors")[0].gramian()


def user_norms(model: FittedModel) -> Floats:
    """Euclidean norm of each user's factors, (users,); 1 where they are zero.

    Raises
    ------
    NotFitted
        The model has no such factors.

    See Also
    --------
    halfstep.Solver.item_norms : Those of the items.
    """
    return needed(model, "user_factors")[0].norms()


def item_norms(model: FittedModel) -> Floats:
    """Euclidean norm of each item's factors, (items,); 1 where they are zero.

    Raises
    ------
    NotFitted
        The model has no such factors.

    See Also
    --------
    halfstep.Solver.user_norms : Those of the users.
    """
    return needed(model, "item_factors")[0].norms()


def factors_of(model: FittedModel) -> tuple[Floats, Floats]:
    """Return both factor matrices in the host's memory, checked; see `needed`."""
    X, Y = needed(model, *SIDES)
    return X.array(), Y.array()


def needed(model: FittedModel, *names: str, sparingly: str | None = None) -> tuple[Held, ...]:
    """Return the sides `names`, "user_factors" or "item_factors", after the check of every query.

    The other side may be missing, but what a model has must agree. This takes a microsecond, except
    after an assignment, when the factors are read once. A query calls it once and then uses what it
    returned, so that an assignment in another thread changes the next query.

    Parameters
    ----------
    sparingly
        One of `names` of which the query reads some rows only, by `rows_at`.

    Raises
    ------
    NotFitted
        A side is None; the message names it.
    InputError
        See `halfstep.solvers.model.held`.
    """
    user_side, item_side = map(model.__dict__.get, SIDES)
    held: dict[str, Held | None] = {"user_factors": user_side, "item_factors": item_side}
    shapes = {name: side.shape(name) for name, side in held.items() if side is not None}
    if len(shapes) == 2:
        check_widths(shapes)
    found = []
    for name in names:
        side = held[name]
        if side is None:
            first = "" if shapes else "must be fitted first: "
            raise NotFitted(
                f"{type(model).__name__} {first}{name} is None, and this needs them: "
                f"{_WITHOUT[name]}"
            )
        side.check_finite(name, name == sparingly)
        found.append(side)
    return tuple(found)


def is_fitted(model: FittedModel) -> bool:
    """Return whether the model has factors; scikit-learn's `check_is_fitted` asks."""
    return any(model.__dict__.get(name) is not None for name in SIDES)


def rows_at(side: Held, ids: Integers, name: str, dtype: npt.DTypeLike) -> Floats:
    """Return the factors of `ids`, (m, f) in `dtype`; `name` is what errors call an id.

    In the dtype of the candidates of a query, its scores are the same for one id and for many, and no
    matrix is converted as a whole.

    Raises
    ------
    UnknownId
        An id outside the model.
    InputError
        The factors of an id are not finite.
    """
    array = side.array()
    vectors = array[within(ids, len(array), name)]
    if array.dtype != dtype:
        with np.errstate(over="ignore"):
            vectors = vectors.astype(dtype)
    if not math.isfinite(np.vdot(vectors, vectors)):
        row = row_not_finite(vectors)
        if row is not None:
            raise InputError(f"the factors of {name} {ids[row]} must be finite in {vectors.dtype}")
    return vectors


def check_scores(vectors: Floats, candidates: Held, name: str) -> None:
    """Raise InputError if a score of `vectors` (m, f) overflows; `name` is what a row is called.

    A bound on all products, from the sums of squares, decides this for all but monstrous factors.
    """
    if math.sqrt(np.vdot(vectors, vectors)) * candidates.length() < _LARGEST[vectors.dtype]:
        return
    for start in range(0, len(vectors), _ROWS):
        with np.errstate(over="ignore", invalid="ignore"):
            scores = vectors[start : start + _ROWS] @ candidates.array().T
        if not np.isfinite(scores).all():
            row, item = np.argwhere(~np.isfinite(scores))[0]
            raise InputError(
                f"scores must be finite, got {scores[row, item]} for {name} {start + row} of the query "
                f"and row {item}: the factors are too large for {vectors.dtype}"
            )


def read(model: FittedModel, name: str) -> Any:
    """Return a side's factors as they were assigned, or their copy on the host; None without any."""
    side = model.__dict__.get(name)
    return None if side is None else side.read()


def assign(model: FittedModel, name: str, factors: Any) -> None:
    """Set a side's factors, and forget what was computed from the ones before.

    Nothing is checked or copied yet, since both sides may be about to change.
    """
    with storing:
        model.__dict__[name] = _held(model, name, factors)


def assign_both(model: FittedModel, X: Any, Y: Any) -> None:
    """Set both sides' factors at one moment, for queries in other threads."""
    given = dict(zip(SIDES, (X, Y), strict=True))
    with storing:
        model.__dict__.update({name: _held(model, name, side) for name, side in given.items()})


def _held(model: FittedModel, name: str, factors: Any) -> Held | None:
    before: Held | None = model.__dict__.get(name)
    held = None if factors is None else model._holder(factors)
    if held is not None and before is not None and before.is_of(factors):
        held.gate = before.gate  # the same array, which queries may be reading
    return held


def present(model: FittedModel) -> dict[str, Any]:
    """Return the factors of each side that has any, by name, as they were assigned."""
    sides = {name: read(model, name) for name in SIDES}
    return {name: factors for name, factors in sides.items() if factors is not None}


def settings_of(factors: Mapping[str, Floats]) -> dict[str, Any]:
    """Return the arguments `factors` and `dtype` as checked factor matrices have them; none of none.

    The arrays may have been assigned, or the arguments changed since the fit.
    """
    if not factors:
        return {}
    dtype = np.result_type(*(side.dtype for side in factors.values()))
    return {"factors": next(iter(factors.values())).shape[1], "dtype": dtype.type}


def forget_derived(model: FittedModel) -> None:
    """Drop the Gramians and norms that are kept."""
    for name in SIDES:
        side = model.__dict__.get(name)
        if side is not None:
            side.forget()


def copy_of(model: Model) -> Model:
    """Return a copy of the model with copies of its factors, which `partial_fit_users` writes into."""
    copy = type(model).__new__(type(model))
    copy.__dict__.update(model.__getstate__())
    for name in SIDES:
        factors = read(model, name)
        setattr(copy, name, None if factors is None else copying.copy(on_host(factors, name)))
    copy.__dict__.update({k: v.copy() for k, v in model.__dict__.items() if type(v) is list})
    return copy
