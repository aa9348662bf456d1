"""Fold-in with a memory: solve rows exactly from new entries, and store them in the model.

`fold_in` solves the rows. Here they become rows of `user_factors` or of `item_factors`, in place where
that is possible, while other threads may query the model.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import numpy.typing as npt
from scipy import sparse

from halfstep.errors import InputError, NotEnoughMemory, UnknownId
from halfstep.memory import available, gigabytes
from halfstep.solvers.inputs import MAX_ID, as_ids
from halfstep.solvers.model.fold_in import entries_of, fold_in
from halfstep.solvers.model.held import Held, storing
from halfstep.solvers.model.origin import note_set_by_hand
from halfstep.solvers.model.reading import Reading
from halfstep.types import Floats, Integers

if TYPE_CHECKING:
    from halfstep.solvers.model import FittedModel

Model = TypeVar("Model", bound="FittedModel")


def partial_fit_users(
    model: Model, userids: npt.ArrayLike, user_items: Any, *, user_features: Any = None
) -> Model:
    """Solve for these users from `user_items` and store the result in `user_factors`.

    Parameters
    ----------
    userids
        (m,) ids. If an id occurs twice, its last row is stored. An id beyond the last user enlarges the
        model; the users in between get zero factors, as users without entries have.
    user_items
        Sparse (m, items): all entries of these users, not only the new ones.
    user_features
        As in `recalculate_user`.

    Returns
    -------
    The model. The rows of users that it already had are written in place, in the array that a caller
    may have assigned, so that the cost does not
    grow with the number of users; an array that is read-only, as a file that is mapped into memory may
    be, and one that another thread's query is reading, is copied first. A model that has item factors
    only gets user factors. Other threads may query the model meanwhile.

    Raises
    ------
    InputError, NotFitted, FloatingPointError
        As `recalculate_user` does.
    NotEnoughMemory
        An id is so large that the factors up to it do not fit.

    See Also
    --------
    halfstep.Solver.recalculate_user : Leaves the model as it is.
    halfstep.Solver.partial_fit_items : The same for items.
    """
    ids = _to_store(userids, "userids")
    with Reading(model, "item_factors") as (items,):
        rows = entries_of(user_items, len(ids), len(items.array()), "user_items", user_features)
        solution = fold_in(model, rows, items, features=user_features)
    _store(model, "user_factors", ids, solution, "userids")
    note_set_by_hand(model, "user_factors")
    _remember(model, "user", ids, rows)
    return model


def partial_fit_items(
    model: Model, itemids: npt.ArrayLike, item_users: Any, *, item_features: Any = None
) -> Model:
    """Solve for these items from `item_users` (m, users) and store them in `item_factors`.

    Parameters
    ----------
    itemids
        (m,) ids. An id beyond the last item enlarges the model.
    item_users
        Sparse (m, users): all entries of these items, not only the new ones.
    item_features
        As in `recalculate_item`.

    Returns
    -------
    The model, changed as by `partial_fit_users`.

    Raises
    ------
    InputError, NotFitted, FloatingPointError, NotEnoughMemory
        As `partial_fit_users` does.

    See Also
    --------
    halfstep.Solver.recalculate_item : Leaves the model as it is.
    halfstep.Solver.partial_fit_users : The same for users.
    """
    ids = _to_store(itemids, "itemids")
    with Reading(model, "user_factors") as (users,):
        rows = entries_of(item_users, len(ids), len(users.array()), "item_users", item_features)
        solution = fold_in(model, rows, users, "item", item_features)
    _store(model, "item_factors", ids, solution, "itemids")
    note_set_by_hand(model, "item_factors")
    _remember(model, "item", ids, rows)
    return model


def _remember(model: FittedModel, side: str, ids: Integers, rows: sparse.csr_matrix) -> None:
    """Keep what a later row of the other side needs of the rows that were stored."""
    if model._transform is not None:
        model._transform = model._transform.with_rows(side, ids, rows)


def _to_store(value: npt.ArrayLike, name: str) -> Integers:
    """Return a list of ids, of which none may be negative or too large for a model; else raise."""
    single, ids = as_ids(value, name)
    if single:
        raise InputError(f"{name} must be a list of ids, got {value!r}")
    wrong = (ids < 0) | (ids > MAX_ID)
    if wrong.any():
        raise UnknownId(f"{name} must be from 0 to {MAX_ID}, got {ids[np.argmax(wrong)]}")
    return ids


def _store(model: FittedModel, side: str, ids: Integers, rows: Floats, name: str) -> None:
    """Write finite `rows` at `ids` of a side's factors and assign them, or make them if it has none."""
    with storing:
        held = model.__dict__.get(side)
        if held is None:
            held = Held(np.empty((0, rows.shape[1]), rows.dtype))
        factors = held.array(side)
        if ids.max(initial=-1) < len(factors):
            with held.gate.lock:
                if not held.gate.readers:
                    _put(model, side, held, _stored(factors, ids, rows, name), rows)
                    return
            factors = factors.copy()
        _put(model, side, held, _stored(factors, ids, rows, name), rows)


def _put(model: FittedModel, side: str, before: Held, factors: Floats, rows: Floats) -> None:
    """Make `factors`, those of `before` but for `rows`, the side's factors."""
    held = model._holder(factors)
    held.follow(before, rows, side)  # so that the next query need not read all factors
    model.__dict__[side] = held


def _stored(factors: Floats, ids: Integers, rows: Floats, name: str) -> Floats:
    """Return `factors` with `rows` written at `ids`: in place if no id is new, else in a larger copy."""
    size = int(ids.max(initial=-1)) + 1
    if size > len(factors):
        free = available()
        need = size * factors.shape[1] * factors.itemsize
        if free is not None and need > free:
            raise NotEnoughMemory(
                f"{name}: factors for ids up to {size - 1} need {gigabytes(need)}, "
                f"and {gigabytes(free)} of memory are free"
            )
        grown = np.zeros((size, factors.shape[1]), factors.dtype)
        grown[: len(factors)] = factors
        factors = grown
    elif not factors.flags.writeable:
        factors = factors.copy()
    factors[ids] = rows
    return factors
