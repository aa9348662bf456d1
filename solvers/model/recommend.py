"""What a fitted model is for: the best items for a user, and what resembles what.

All of it works on the two factor matrices alone, so every solver and the baseline can do it. Names,
order of arguments, defaults, shapes and dtypes are those of `implicit` 0.7.3. Other than there,

* what is masked or missing is never padded with an id that exists: one query returns fewer, a row of
  several ends in id -1 and score -inf;
* ids outside the model, negative ones too, raise `UnknownId` (an IndexError and a ValueError);
* matrices may be in any sparse form, unsorted, with 64-bit indices, and have fewer columns than a
  model that has grown;
* ties come in the order of their index, and `items` counts an id once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from halfstep.solvers.inputs import as_ids, rows_of, within
from halfstep.solvers.model.factors import (
    factors_of,
    item_gramian,
    item_norms,
    user_gramian,
    user_norms,
)
from halfstep.solvers.model.fold_in import fold_in
from halfstep.solvers.model.queries import Asked, answer, nearest
from halfstep.types import Floats, Integers

if TYPE_CHECKING:
    from halfstep.solvers.model import FittedModel


def recommend(
    model: FittedModel,
    userid: int | npt.ArrayLike,
    user_items: Any,
    N: int = 10,
    filter_already_liked_items: bool = True,
    filter_items: npt.ArrayLike | None = None,
    recalculate_user: bool = False,
    items: npt.ArrayLike | None = None,
) -> tuple[Integers, Floats]:
    """Return the N best items for one user or for several.

    Parameters
    ----------
    userid
        One index, or an array of them.
    user_items
        Sparse (1 or len(userid), items): what these users already have. None is fine when it is
        neither filtered by nor used to recalculate.
    N
        How many, at least 1.
    filter_already_liked_items
        Leave out what is stored in `user_items`.
    filter_items
        Leave these items out for everybody.
    recalculate_user
        Solve for the users' factors from `user_items` in place of using the fitted ones; the
        users need not be in the model then.
    items
        Choose among these items only.

    Returns
    -------
    ids, scores
        (k,) for one user: k < N when fewer are left. (len(userid), N) for several, where a row
        with fewer left ends in id -1 and score -inf. Ids are int32, or of the dtype of `items`;
        scores are in the model's dtype.

    Raises
    ------
    InputError, UnknownId
    """
    X, Y = factors_of(model)
    single, users = as_ids(userid, "userid")
    asked = Asked(single, N, items, filter_items, "items", model.num_threads, model._select)
    liked = None
    if filter_already_liked_items or recalculate_user:
        liked = rows_of(user_items, len(users), len(Y), "user_items")
    if recalculate_user and liked is not None:
        queries = fold_in(model, liked, Y, item_gramian(model))
    else:
        queries = X[within(users, len(X), "userid")]
    excluded = liked if filter_already_liked_items else None
    return answer(asked, queries, Y, excluded=excluded)


def rank_items(
    model: FittedModel,
    userid: int | npt.ArrayLike,
    user_items: Any,
    selected_items: npt.ArrayLike,
    recalculate_user: bool = False,
) -> tuple[Integers, Floats]:
    """Return the given items, best first, and their scores: all of them, liked ones too.

    `implicit` has it as a deprecated form of `recommend(items=...)`, which since 0.5 stops after
    ten. `user_items` may be None unless the user is recalculated.
    """
    count = len(np.unique(as_ids(selected_items, "selected_items")[1]))
    return recommend(
        model,
        userid,
        user_items,
        N=max(1, count),
        filter_already_liked_items=False,
        recalculate_user=recalculate_user,
        items=selected_items,
    )


def recommend_all(
    model: FittedModel,
    user_items: Any,
    N: int = 10,
    recalculate_user: bool = False,
    filter_already_liked_items: bool = True,
    filter_items: npt.ArrayLike | None = None,
    users_items_offset: int = 0,
) -> Integers:
    """Return the N best items, (rows, N), for the users of all rows of `user_items`.

    Row r is user r + `users_items_offset`. The scores, and users by id, are `recommend`'s.
    """
    rows = getattr(user_items, "shape", (0,))[0]
    users = np.arange(rows, dtype=np.int64) + users_items_offset
    ids, _ = recommend(
        model, users, user_items, N, filter_already_liked_items, filter_items, recalculate_user
    )
    return ids


def similar_items(
    model: FittedModel,
    itemid: int | npt.ArrayLike,
    N: int = 10,
    recalculate_item: bool = False,
    item_users: Any = None,
    filter_items: npt.ArrayLike | None = None,
    items: npt.ArrayLike | None = None,
) -> tuple[Integers, Floats]:
    """Return the N items whose factors have the highest cosine with those of `itemid`.

    An item is most similar to itself, except one without factors, whose cosines are all 0.
    Shapes, dtypes and masked tails are those of `recommend`; `item_users` (1 or len(itemid),
    users) is needed to recalculate only.
    """
    X, Y = factors_of(model)
    single, ids = as_ids(itemid, "itemid")
    asked = Asked(single, N, items, filter_items, "items", model.num_threads, model._select)
    if recalculate_item:
        rows = rows_of(item_users, len(ids), len(X), "item_users")
        queries = fold_in(model, rows, X, user_gramian(model))
    else:
        queries = Y[within(ids, len(Y), "itemid")]
    return nearest(asked, queries, Y, item_norms(model))


def similar_users(
    model: FittedModel,
    userid: int | npt.ArrayLike,
    N: int = 10,
    filter_users: npt.ArrayLike | None = None,
    users: npt.ArrayLike | None = None,
) -> tuple[Integers, Floats]:
    """Return the N users whose factors have the highest cosine with those of `userid`."""
    X, _ = factors_of(model)
    single, ids = as_ids(userid, "userid")
    asked = Asked(single, N, users, filter_users, "users", model.num_threads, model._select)
    queries = X[within(ids, len(X), "userid")]
    return nearest(asked, queries, X, user_norms(model))
