"""Return the best items for users; `similar` returns what is most similar to items or users.

These functions use the two factor matrices only, so they work for every solver and for the popularity
baseline. Names, order of arguments, defaults, shapes and dtypes are those of `implicit` 0.7.3. The
functions differ from `implicit`'s in four ways:

* A list that is too short is never filled with ids of existing items. A single query returns fewer
  than N; a row of several queries ends in id -1 and score -inf.
* Ids outside the model, also negative ones, raise `UnknownId` (an IndexError and a ValueError).
* Matrices may have any sparse format, unsorted or 64-bit indices, and fewer columns than the model has
  items or users.
* Equal scores come in ascending order of their ids, and a repeated id in `items` counts once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from halfstep import defaults
from halfstep.errors import InputError
from halfstep.solvers.inputs import as_ids
from halfstep.solvers.model.factors import check_scores, rows_at
from halfstep.solvers.model.fold_in import entries_of, fold_in
from halfstep.solvers.model.queries import Query, answer
from halfstep.solvers.model.reading import Reading
from halfstep.types import Floats, Integers

if TYPE_CHECKING:
    from halfstep.solvers.model import FittedModel


def recommend(
    model: FittedModel,
    userid: int | npt.ArrayLike,
    user_items: Any,
    N: int = defaults.LIST_LENGTH,
    filter_already_liked_items: bool = True,
    filter_items: npt.ArrayLike | None = None,
    recalculate_user: bool = False,
    items: npt.ArrayLike | None = None,
    *,
    user_features: Any = None,
) -> tuple[Integers, Floats]:
    """Return the N best items for one user or for several.

    A score is the dot product of the user's and the item's factors.

    Parameters
    ----------
    userid
        One index, or an array of them.
    user_items
        Sparse (1 or len(userid), items): the entries of these users. May be None if
        `filter_already_liked_items` and `recalculate_user` are both False.
    N
        The number of items to return, at least 1.
    filter_already_liked_items
        Leave out the items that `user_items` stores for the user.
    filter_items
        Leave out these items for all users.
    recalculate_user
        Solve for the users' factors from `user_items` instead of using the fitted ones. The users
        then need not be in the model.
    items
        Choose among these items only.
    user_features
        (1 or len(userid), p): with `recalculate_user`, solve from these attributes too, or from them
        alone where `user_items` is None.

    Returns
    -------
    ids, scores
        (k,) for one user, where k < N if fewer items are left. (len(userid), N) for several, where a
        row with fewer items left ends in id -1 and score -inf. Ids are int32, or have the dtype of
        `items`; scores have the dtype of the item factors.

    Raises
    ------
    InputError, UnknownId
    NotFitted
        A side that the query needs is None: the items, and the users unless they are recalculated.

    See Also
    --------
    halfstep.recommend_all : The ids of the best items for all rows of a matrix.
    halfstep.Solver.similar_items : Items for an item.
    halfstep.Solver.explain : Why an item has its score.
    halfstep.Recommender : Answers by your own ids, and with names.

    Examples
    --------
    A user who has all items but two gets these two, however many are asked for:

    >>> import halfstep
    >>> from scipy import sparse
    >>> plays = sparse.csr_matrix([[5, 0, 3, 1, 0, 2], [0, 2, 0, 0, 4, 0], [1, 0, 0, 3, 0, 0]])
    >>> model = halfstep.AlternatingLeastSquares(2, solver="cholesky", random_state=0)
    >>> model = model.fit(plays, show_progress=False)
    >>> ids, scores = model.recommend(0, plays[0], N=3)
    >>> sorted(ids.tolist())
    [1, 4]
    >>> ids, scores = model.recommend([0, 1], plays[[0, 1]], N=3)
    >>> ids.shape, int(ids[0, 2]), float(scores[0, 2])
    ((2, 3), -1, -inf)
    """
    sides = ("item_factors",) if recalculate_user else ("item_factors", "user_factors")
    with Reading(model, *sides, sparingly="user_factors") as (item_side, *others):
        Y = item_side.array()
        single, users = as_ids(userid, "userid")
        query = Query(single, N, items, filter_items, "items", model.num_threads, model._select)
        liked = None
        if user_features is not None and not recalculate_user:
            raise InputError("user_features needs recalculate_user=True")
        if filter_already_liked_items or recalculate_user:
            liked = entries_of(user_items, len(users), len(Y), "user_items", user_features)
        if recalculate_user and liked is not None:
            vectors = fold_in(model, liked, item_side, features=user_features)
        else:
            vectors = rows_at(others[0], users, "userid", Y.dtype)
        check_scores(vectors, item_side, "user")
        excluded = liked if filter_already_liked_items else None
        return answer(query, vectors, Y, excluded=excluded)


def rank_items(
    model: FittedModel,
    userid: int | npt.ArrayLike,
    user_items: Any,
    selected_items: npt.ArrayLike,
    recalculate_user: bool = False,
) -> tuple[Integers, Floats]:
    """Return all of `selected_items`, best first, and their scores; items in `user_items` included.

    In `implicit` this is a deprecated form of `recommend(items=...)`, which since version 0.5 returns
    ten items at most.

    Parameters
    ----------
    userid, user_items, recalculate_user
        As in `recommend`. `user_items` may be None if `recalculate_user` is False.
    selected_items
        (k,) the ids to rank, each counted once.

    Returns
    -------
    ids, scores
        (k,) for one user, (len(userid), k) for several.

    Raises
    ------
    InputError, UnknownId, NotFitted
        As `recommend` does.

    See Also
    --------
    halfstep.Solver.recommend : The best of all items, or of some.
    """
    count = len(np.unique(as_ids(selected_items, "selected_items")[1]))
    return model.recommend(
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
    N: int = defaults.LIST_LENGTH,
    recalculate_user: bool = False,
    filter_already_liked_items: bool = True,
    filter_items: npt.ArrayLike | None = None,
    users_items_offset: int = 0,
) -> Integers:
    """Return the ids of the N best items, (rows, N), for the users of all rows of `user_items`.

    A method `recommend` of the model gives the scores too, and takes users by their numbers.

    Parameters
    ----------
    model : Solver
        A fitted model.
    user_items : sparse matrix, shape (rows, items)
        What the users have; row r belongs to user r + `users_items_offset`.
    N : int
        The number of items to return, at least 1.
    recalculate_user : bool
        Solve for the users' factors from `user_items` instead of using the fitted ones.
    filter_already_liked_items : bool
        Leave out the items that `user_items` stores for the user.
    filter_items : array_like, optional
        Leave out these items for all users.
    users_items_offset : int
        The user of the first row.

    Returns
    -------
    ids : int32 array, shape (rows, N)
        Best first; a row with fewer items left ends in -1.

    Raises
    ------
    InputError, UnknownId
        The matrix has other shapes than the model, or a user is not in it.
    NotFitted
        The model has no factors.

    See Also
    --------
    halfstep.Recommender.recommend_all : Lists with external ids and names, a block of users at a time.

    Examples
    --------
    >>> from halfstep import AlternatingLeastSquares, recommend_all
    >>> from scipy.sparse import csr_matrix
    >>> plays = csr_matrix([[5, 0, 1, 0, 2, 0], [0, 3, 0, 1, 0, 4], [1, 0, 7, 0, 0, 2],
    ...                     [0, 2, 0, 3, 1, 0], [4, 0, 2, 0, 3, 0]])
    >>> model = AlternatingLeastSquares(factors=2, iterations=5, random_state=0)
    >>> _ = model.fit(plays, show_progress=False)
    >>> ids = recommend_all(model, plays, N=2)
    >>> ids.shape
    (5, 2)
    >>> set(ids[0].tolist()) <= {1, 3, 5}  # not items that user 0 has
    True
    """
    rows = getattr(user_items, "shape", (0,))[0]
    users = np.arange(rows, dtype=np.int64) + users_items_offset
    ids, _ = model.recommend(
        users, user_items, N, filter_already_liked_items, filter_items, recalculate_user
    )
    return ids
