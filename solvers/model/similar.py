"""Return the items or users that are most similar to others: those of the highest cosine.

The answers have the form of those of `recommend`, whose head says how they differ from `implicit`'s.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy.typing as npt

from halfstep import defaults
from halfstep.solvers.inputs import as_ids, rows_of
from halfstep.solvers.model.factors import rows_at
from halfstep.solvers.model.fold_in import fold_in
from halfstep.solvers.model.queries import Query, nearest
from halfstep.solvers.model.reading import Reading
from halfstep.types import Floats, Integers

if TYPE_CHECKING:
    from halfstep.solvers.model import FittedModel


def similar_items(
    model: FittedModel,
    itemid: int | npt.ArrayLike,
    N: int = defaults.LIST_LENGTH,
    recalculate_item: bool = False,
    item_users: Any = None,
    filter_items: npt.ArrayLike | None = None,
    items: npt.ArrayLike | None = None,
) -> tuple[Integers, Floats]:
    """Return the N items whose factors have the highest cosine with the factors of `itemid`.

    An item is most similar to itself, unless its factors are zero; then all its cosines are 0.

    Parameters
    ----------
    itemid
        One index, or an array of them.
    N
        The number of items to return, at least 1.
    recalculate_item
        Solve for the items' factors from `item_users` instead of using the fitted ones.
    item_users
        Sparse (1 or len(itemid), users): the entries of these items; only with `recalculate_item`.
    filter_items, items
        Leave out these items; choose among these items only.

    Returns
    -------
    ids, scores
        In the shapes and dtypes of `recommend`; scores are cosines, from -1 to 1.

    Raises
    ------
    InputError, UnknownId
    NotFitted
        The model has no item factors, or with `recalculate_item` no user factors.

    See Also
    --------
    halfstep.Solver.similar_users : The same for users.
    halfstep.Solver.export_index : Vectors for an index that finds the neighbours of many items.

    Examples
    --------
    >>> import halfstep
    >>> import numpy as np
    >>> model = halfstep.AlternatingLeastSquares()
    >>> model.item_factors = np.array([[1, 0], [0, 1], [2, 0.1]])
    >>> model.similar_items(0, N=2)[0]
    array([0, 2], dtype=int32)
    """
    sides = ("item_factors", "user_factors") if recalculate_item else ("item_factors",)
    with Reading(model, *sides) as (item_side, *others):
        Y = item_side.array()
        single, ids = as_ids(itemid, "itemid")
        query = Query(single, N, items, filter_items, "items", model.num_threads, model._select)
        if recalculate_item:
            rows = rows_of(item_users, len(ids), len(others[0].array()), "item_users")
            vectors = fold_in(model, rows, others[0], "item").astype(Y.dtype, copy=False)
        else:
            vectors = rows_at(item_side, ids, "itemid", Y.dtype)
        return nearest(query, vectors, Y, item_side.scales())


def similar_users(
    model: FittedModel,
    userid: int | npt.ArrayLike,
    N: int = defaults.LIST_LENGTH,
    filter_users: npt.ArrayLike | None = None,
    users: npt.ArrayLike | None = None,
) -> tuple[Integers, Floats]:
    """Return the N users whose factors have the highest cosine with the factors of `userid`.

    Parameters
    ----------
    userid
        One index, or an array of them.
    N
        The number of users to return, at least 1.
    filter_users, users
        Leave out these users; choose among these users only.

    Returns
    -------
    ids, scores
        In the shapes and dtypes of `recommend`; scores are cosines, from -1 to 1.

    Raises
    ------
    InputError, UnknownId
    NotFitted
        The model has no user factors.

    See Also
    --------
    halfstep.Solver.similar_items : The same for items.
    """
    with Reading(model, "user_factors") as (user_side,):
        X = user_side.array()
        single, ids = as_ids(userid, "userid")
        query = Query(single, N, users, filter_users, "users", model.num_threads, model._select)
        vectors = rows_at(user_side, ids, "userid", X.dtype)
        return nearest(query, vectors, X, user_side.scales())
