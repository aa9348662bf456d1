"""What a fitted model is for: recommendation, similarity, folding in, and files.

All of it works on the two factor matrices alone, so every solver and the baseline inherit it.
"""

from __future__ import annotations

from os import PathLike
from typing import IO, TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from scipy import sparse

from halfstep.errors import InputError, NotFitted, UnknownId
from halfstep.solvers.matrix import Floats, Integers, as_csr
from halfstep.solvers.topk import top_k

if TYPE_CHECKING:
    from typing_extensions import Self

    from halfstep.solvers.problem import Weights


class Recommender:
    """Queries on user factors (users, f) and item factors (items, f)."""

    user_factors: Floats | None
    item_factors: Floats | None
    _user_norms: Floats | None = None
    _item_norms: Floats | None = None

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
            Solve for the users' factors from `user_items` in place of using the fitted ones.
        items
            Choose among these items only.

        Returns
        -------
        ids, scores
            (k,) for one user: k < N when fewer are left. (len(userid), k) for several, where a row
            with fewer left ends in id -1 and score -inf.

        Raises
        ------
        InputError, UnknownId
        """
        X, Y = self._fitted()
        single, users = _ids(userid, "userid")
        if filter_items is not None and items is not None:
            raise InputError("filter_items and items exclude each other, got both")
        if filter_already_liked_items or recalculate_user:
            liked = self._rows(user_items, len(users), len(Y), "user_items")
        if recalculate_user:
            queries = np.atleast_2d(self.recalculate_user(users, user_items))
        else:
            queries = X[_within(users, len(X), "userid")]
        excluded = liked if filter_already_liked_items else None
        return _answer(single, queries, Y, N, excluded, filter_items, items, None)

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

        An item is most similar to itself. Shapes and masked tails are those of `recommend`;
        `item_users` (1 or len(itemid), users) is needed to recalculate only.
        """
        _, Y = self._fitted()
        single, ids = _ids(itemid, "itemid")
        if recalculate_item:
            queries = np.atleast_2d(self.recalculate_item(ids, item_users))
        else:
            queries = Y[_within(ids, len(Y), "itemid")]
        if self._item_norms is None:
            self._item_norms = _norms(Y)
        return _similar(single, queries, Y, self._item_norms, N, filter_items, items)

    def similar_users(
        self,
        userid: int | npt.ArrayLike,
        N: int = 10,
        filter_users: npt.ArrayLike | None = None,
        users: npt.ArrayLike | None = None,
    ) -> tuple[Integers, Floats]:
        """Return the N users whose factors have the highest cosine with those of `userid`."""
        X, _ = self._fitted()
        single, ids = _ids(userid, "userid")
        if self._user_norms is None:
            self._user_norms = _norms(X)
        queries = X[_within(ids, len(X), "userid")]
        return _similar(single, queries, X, self._user_norms, N, filter_users, users)

    def recalculate_user(self, userid: int | npt.ArrayLike, user_items: Any) -> Floats:
        """Return factors solved exactly from `user_items` (1 or len(userid), items); nothing is stored.

        Returns
        -------
        (f,) for one user, (len(userid), f) for several.
        """
        _, Y = self._fitted()
        single, ids = _ids(userid, "userid")
        return self._fold_in(single, self._rows(user_items, len(ids), len(Y), "user_items"), Y)

    def recalculate_item(self, itemid: int | npt.ArrayLike, item_users: Any) -> Floats:
        """Return factors solved exactly from `item_users` (1 or len(itemid), users), unstored."""
        X, _ = self._fitted()
        single, ids = _ids(itemid, "itemid")
        return self._fold_in(single, self._rows(item_users, len(ids), len(X), "item_users"), X)

    def save(self, file: str | PathLike[str] | IO[bytes]) -> None:
        """Write constructor arguments and factors to one `.npz` without pickle; see `load`."""
        from halfstep.solvers.storage import save_model

        save_model(self, file)

    @classmethod
    def load(cls, file: str | PathLike[str] | IO[bytes]) -> Self:
        """Read a model that any solver saved.

        Called on a solver's class, the model is of that solver; called on `Solver` or
        `AlternatingLeastSquares`, of the one that saved it.

        Raises
        ------
        InputError
            No such file, or not a model.
        """
        from halfstep.solvers.storage import load_model

        return load_model(cls, file)

    def _fold_in(self, single: bool, rows: sparse.csr_matrix, fixed: Floats) -> Floats:
        from halfstep.solvers.cholesky import solve_rows

        solution, _ = solve_rows(self._weigh(rows).fixing(fixed), fixed.dtype)
        return solution[0] if single else solution

    def _weigh(self, matrix: sparse.csr_matrix) -> Weights:
        raise NotImplementedError

    def _fitted(self) -> tuple[Floats, Floats]:
        if self.user_factors is None or self.item_factors is None:
            raise NotFitted(f"{type(self).__name__} must be fitted first: it has no factors")
        return self.user_factors, self.item_factors

    def _forget_norms(self) -> None:
        self._user_norms = self._item_norms = None

    @staticmethod
    def _rows(matrix: Any, rows: int, columns: int, name: str) -> sparse.csr_matrix:
        if rows == 1 and sparse.issparse(matrix) and len(matrix.shape) == 1:
            matrix = sparse.coo_array(matrix).reshape(1, -1)  # one row of a csr_array
        csr = as_csr(matrix, name)
        if csr.shape != (rows, columns):
            raise InputError(
                f"{name} must have one row for each id and one column for each row of the fixed "
                f"side, ({rows}, {columns}), got {csr.shape}"
            )
        return csr


def _ids(value: int | npt.ArrayLike, name: str) -> tuple[bool, Integers]:
    """Return whether one id was asked for, and the ids as an array."""
    ids = np.asarray(value)
    if ids.ndim > 1 or (ids.size and ids.dtype.kind not in "iu"):
        raise InputError(f"{name} must be an index or a list of indices, got {value!r}")
    return ids.ndim == 0, np.atleast_1d(ids).astype(np.int64)


def _within(ids: Integers, rows: int, name: str) -> Integers:
    outside = (ids < 0) | (ids >= rows)
    if outside.any():
        raise UnknownId(f"{name} must be from 0 to {rows - 1}, got {ids[np.argmax(outside)]}")
    return ids


def _answer(
    single: bool,
    queries: Floats,
    candidates: Floats,
    N: int,
    excluded: sparse.csr_matrix | None,
    without: npt.ArrayLike | None,
    among: npt.ArrayLike | None,
    scale: Floats | None,
) -> tuple[Integers, Floats]:
    if N < 1:
        raise InputError(f"N must be at least 1, got {N}")
    chosen = filtered = None
    if among is not None:
        chosen = np.unique(_within(_ids(among, "items")[1], len(candidates), "items"))
    elif without is not None:
        ids_without = _within(_ids(without, "filter_items")[1], len(candidates), "filter_items")
        filtered = np.unique(ids_without)
    ids, scores = top_k(
        queries, candidates, N, scale=scale, excluded=excluded, among=chosen, without=filtered
    )
    if single:
        found = ids[0] >= 0
        return ids[0][found], scores[0][found]
    return ids, scores


def _similar(
    single: bool,
    queries: Floats,
    candidates: Floats,
    norms: Floats,
    N: int,
    without: npt.ArrayLike | None,
    among: npt.ArrayLike | None,
) -> tuple[Integers, Floats]:
    directions = queries / _norms(queries)[:, None]
    return _answer(single, directions, candidates, N, None, without, among, 1 / norms)


def _norms(factors: Floats) -> Floats:
    """Return the length of each row, 1 for a row of zeros: its cosine with anything is then 0."""
    norms: Floats = np.linalg.norm(factors, axis=1)
    return np.where(norms == 0, norms.dtype.type(1), norms)
