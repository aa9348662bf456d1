"""What a fitted model is for: the best items for a user, and what resembles what.

All of it works on the two factor matrices alone, so every solver and the baseline inherit it. Names,
order of arguments, defaults, shapes and dtypes are those of `implicit` 0.7.3. Other than there,

* what is masked or missing is never padded with an id that exists: one query returns fewer, a row of
  several ends in id -1 and score -inf;
* ids outside the model, negative ones too, raise `UnknownId` (an IndexError and a ValueError);
* matrices may be in any sparse form, unsorted, with 64-bit indices, and have fewer columns than a
  model that has grown;
* ties come in the order of their index, and `items` counts an id once.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import sparse

from halfstep.errors import InputError
from halfstep.solvers.arguments import check_integers
from halfstep.solvers.explanation import Explaining
from halfstep.solvers.folding import Folding
from halfstep.solvers.ids import as_ids, lengths, rows_of, within
from halfstep.solvers.matrix import Floats, Integers
from halfstep.solvers.topk import top_k


class Recommender(Folding, Explaining):
    """Queries on user factors (users, f) and item factors (items, f)."""

    def recommend(
        self,
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
        X, Y = self._fitted()
        single, users = as_ids(userid, "userid")
        _exclusive(filter_items, items, "filter_items", "items")
        liked = None
        if filter_already_liked_items or recalculate_user:
            liked = rows_of(user_items, len(users), len(Y), "user_items")
        if recalculate_user and liked is not None:
            queries = self._fold_in(liked, Y, self.YtY)
        else:
            queries = X[within(users, len(X), "userid")]
        excluded = liked if filter_already_liked_items else None
        return _answer(single, queries, Y, N, excluded, filter_items, items, None, "items", self.num_threads)

    def rank_items(
        self,
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
        return self.recommend(
            userid,
            user_items,
            N=max(1, count),
            filter_already_liked_items=False,
            recalculate_user=recalculate_user,
            items=selected_items,
        )

    def recommend_all(
        self,
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
        ids, _ = self.recommend(
            users, user_items, N, filter_already_liked_items, filter_items, recalculate_user
        )
        return ids

    def similar_items(
        self,
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
        X, Y = self._fitted()
        single, ids = as_ids(itemid, "itemid")
        _exclusive(filter_items, items, "filter_items", "items")
        if recalculate_item:
            rows = rows_of(item_users, len(ids), len(X), "item_users")
            queries = self._fold_in(rows, X, self.XtX)
        else:
            queries = Y[within(ids, len(Y), "itemid")]
        return _similar(single, queries, Y, self.item_norms, N, filter_items, items, "items", self.num_threads)

    def similar_users(
        self,
        userid: int | npt.ArrayLike,
        N: int = 10,
        filter_users: npt.ArrayLike | None = None,
        users: npt.ArrayLike | None = None,
    ) -> tuple[Integers, Floats]:
        """Return the N users whose factors have the highest cosine with those of `userid`."""
        X, _ = self._fitted()
        single, ids = as_ids(userid, "userid")
        _exclusive(filter_users, users, "filter_users", "users")
        queries = X[within(ids, len(X), "userid")]
        return _similar(single, queries, X, self.user_norms, N, filter_users, users, "users", self.num_threads)


def _exclusive(without: Any, among: Any, without_name: str, among_name: str) -> None:
    if without is not None and among is not None and np.size(without):
        raise InputError(f"{without_name} and {among_name} exclude each other, got both")


def _answer(
    single: bool,
    queries: Floats,
    candidates: Floats,
    N: int,
    excluded: sparse.csr_matrix | None,
    without: npt.ArrayLike | None,
    among: npt.ArrayLike | None,
    scale: Floats | None,
    what: str,
    num_threads: int,
) -> tuple[Integers, Floats]:
    check_integers({"N": N}, N=1)
    N = int(N)
    chosen = filtered = None
    dtype: np.dtype[Any] = np.dtype(np.int32)
    if among is not None:
        chosen = np.unique(within(as_ids(among, what)[1], len(candidates), what))
        given = np.asarray(among).dtype
        dtype = given if given.kind == "i" else np.dtype(np.int64)
    elif without is not None:
        name = f"filter_{what}"
        filtered = np.unique(within(as_ids(without, name)[1], len(candidates), name))
    found, best = top_k(
        queries,
        candidates,
        N,
        scale=scale,
        excluded=excluded,
        among=chosen,
        without=filtered,
        num_threads=int(num_threads),
    )
    if single:
        kept = found[0] >= 0
        return found[0][kept].astype(dtype), best[0][kept]
    ids = np.full((len(queries), N), -1, dtype)
    scores = np.full((len(queries), N), -np.inf, best.dtype)
    ids[:, : found.shape[1]], scores[:, : found.shape[1]] = found, best
    return ids, scores


def _similar(
    single: bool,
    queries: Floats,
    candidates: Floats,
    norms: Floats,
    N: int,
    without: npt.ArrayLike | None,
    among: npt.ArrayLike | None,
    what: str,
    num_threads: int,
) -> tuple[Integers, Floats]:
    directions = queries / lengths(queries)[:, None]
    return _answer(
        single, directions, candidates, N, None, without, among, 1 / norms, what, num_threads
    )
