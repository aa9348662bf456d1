"""Fold-in: solve rows exactly from new entries after the fit, and store them in the model on request.

The rows are solved exactly, not by conjugate gradient steps, because a new row has no warm start.
Steps that end within 1e-4 of the exact factors took 0.4 to 0.8 of the exact solve's time on logarithmic
weights, but 0.9 to 1.9 of it on raw counts (rows of 20 to 500 entries, f = 32 to 128).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import numpy.typing as npt
from scipy import sparse

from halfstep.errors import InputError, NotEnoughMemory, UnknownId
from halfstep.memory import available, gigabytes
from halfstep.solvers.features.of_model import features_of_rows, prior_of_rows
from halfstep.solvers.features.pulled import pulled
from halfstep.solvers.inputs import MAX_ID, as_ids, rows_of
from halfstep.solvers.model.held import Held, storing
from halfstep.solvers.model.origin import note_set_by_hand
from halfstep.solvers.model.reading import Reading
from halfstep.solvers.registry import SOLVERS
from halfstep.types import Floats, Integers

if TYPE_CHECKING:
    from halfstep.solvers.model import FittedModel
    from halfstep.solvers.problem import Weights

Model = TypeVar("Model", bound="FittedModel")

# From this number of rows on, the compiled exact half-step is faster than NumPy's Cholesky row by row,
# although it multiplies the whole fixed side by an f x f matrix first.
_COMPILED_ROWS = 256


def recalculate_user(
    model: FittedModel,
    userid: int | npt.ArrayLike,
    user_items: Any,
    *,
    user_features: Any = None,
) -> Floats:
    """Return factors solved exactly from entries, attributes or both; the model does not change.

    Parameters
    ----------
    userid
        One index returns a vector, an array of them a matrix. The model need not have these users.
    user_items
        Sparse (1 or len(userid), items). It may have fewer columns than the model has items. None
        stands for users without entries.
    user_features
        (1 or len(userid), p), of a model that was fitted with them. A user without entries gets the
        prior mean of these attributes. None: the user is solved from the entries alone, with a prior
        mean of zero.

    Returns
    -------
    (f,) for one user, (len(userid), f) for several, in the dtype of the item factors; the model needs
    no user factors.
    """
    single, ids = as_ids(userid, "userid")
    with Reading(model, "item_factors") as (items,):
        rows = entries_of(user_items, len(ids), len(items.array()), "user_items", user_features)
        solution = fold_in(model, rows, items, features=user_features)
    return solution[0] if single else solution


def recalculate_item(
    model: FittedModel,
    itemid: int | npt.ArrayLike,
    item_users: Any,
    *,
    item_features: Any = None,
) -> Floats:
    """Return factors solved exactly from `item_users` (1 or len(itemid), users), attributes or both.

    The arguments and the result are as in `recalculate_user`; the model does not change.
    """
    single, ids = as_ids(itemid, "itemid")
    with Reading(model, "user_factors") as (users,):
        rows = entries_of(item_users, len(ids), len(users.array()), "item_users", item_features)
        solution = fold_in(model, rows, users, "item", item_features)
    return solution[0] if single else solution


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
    """Solve for these items from `item_users` (m, users) and store them, as `partial_fit_users` does."""
    ids = _to_store(itemids, "itemids")
    with Reading(model, "user_factors") as (users,):
        rows = entries_of(item_users, len(ids), len(users.array()), "item_users", item_features)
        solution = fold_in(model, rows, users, "item", item_features)
    _store(model, "item_factors", ids, solution, "itemids")
    note_set_by_hand(model, "item_factors")
    _remember(model, "item", ids, rows)
    return model


def fold_in(
    model: FittedModel,
    rows: sparse.csr_matrix,
    other: Held,
    side: str = "user",
    features: Any = None,
) -> Floats:
    """Return the exact solution (m, f) of `rows` (m, n), with the other side's factors (n, f) fixed.

    `side` says whether the rows are of users or of items; `features` (m, p) are their attributes, or
    None. Raises FloatingPointError, with the row, if a solution is not finite.
    """
    F = features_of_rows(model, side, features, rows.shape[0])
    weights = model._weigh(rows, side, other.array().dtype)
    if F is None:
        return solved(model, weights, other)
    prior = prior_of_rows(model, side, weights, F)
    return prior.complete(solved(model, pulled(weights, prior), other))


def entries_of(value: Any, rows: int, columns: int, name: str, features: Any) -> sparse.csr_matrix:
    """Return the entries of rows to fold in; rows with attributes need none."""
    if value is None and features is not None:
        return sparse.csr_matrix((rows, columns))
    return rows_of(value, rows, columns, name)


def solved(model: FittedModel, weights: Weights, other: Held) -> Floats:
    """Return the exact solution (m, f) of rows with these weights, as `fold_in` does."""
    fixed = other.array()
    problem = weights.fixing(fixed, YtY=other.gramian())
    name = "cholesky" if problem.rows < _COMPILED_ROWS else "eigenbasis"
    exactly = {"exact": True} if name == "eigenbasis" else {}
    solver = SOLVERS[name](
        fixed.shape[1], dtype=fixed.dtype, num_threads=model.num_threads, **exactly
    )
    solver._warned_of_ridge = True  # the fit has already warned of it
    solution: Floats = solver.half_step(
        problem, np.zeros((problem.rows, fixed.shape[1]), fixed.dtype)
    )
    finite = np.isfinite(solution).all(axis=1)
    if not finite.all():
        raise FloatingPointError(f"the factors of row {int(np.argmin(finite))} are not finite")
    return solution


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
