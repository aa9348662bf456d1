"""`Recommender`: what a model that carries its ids answers, without its data."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from os import PathLike
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.sparse import csr_matrix

from halfstep import defaults
from halfstep.errors import InputError
from halfstep.recommender.answers import Explanation, OwnedItem, ScoredItem, ScoredUser
from halfstep.recommender.attributes import encoded
from halfstep.recommender.new_users import row_of
from halfstep.recommender.stored import StoredModel
from halfstep.solvers.inputs import check_integers
from halfstep.solvers.model.factors import needed

if TYPE_CHECKING:
    import pyarrow as pa

    from halfstep.recommender.writing import Written


class Recommender(StoredModel):
    """A fitted model and its data's users and items; `fit`, `load`, or the constructor make one.

    Users and items go in and out by their external ids, items by their names too.

    Parameters
    ----------
    model
        A fitted solver. It is kept, not copied.
    dataset
        The data that it was fitted to, its rows and columns in the order of the factors.
    history
        Whether to keep what each user has. Without it, what a user has is not left out of the user's
        list, so `recommend`, `recommend_all` and `explain` need `with_history` first.

    Attributes
    ----------
    model, catalogue
        The solver, and the `Catalogue` of ids and names.
    history : csr_matrix or None
        (users, items), what each user has.
    present : ndarray or None
        (users,) bool, which users the data of `with_history` has; None without such data.
    name, fingerprint, provenance
        Those of the data set: see `halfstep.datasets.Dataset`.
    versions : dict
        Of halfstep, numpy and the file's format, as they were at the fit.

    Raises
    ------
    InputError
        The model has no factors, or they are not of the data's users and items; an id occurs twice. The
        factors of one side will do for what needs no others.
    """

    def owned(self, user: object) -> list[OwnedItem]:
        """Return what a user has, the largest values first."""
        return self.catalogue.owned(self.row(user))

    def recommend(
        self, user: object, n: int = defaults.LIST_LENGTH, *, include_owned: bool = False
    ) -> list[ScoredItem]:
        """Return the n items of highest score for a user, best first.

        Parameters
        ----------
        user
            The external id, a number or its text.
        n
            At least 1; fewer items come back where fewer are left.
        include_owned
            Rank the items that the user has too; this needs no histories.

        Raises
        ------
        InputError
            Nobody has this id (the message names similar ones); the model has no histories; or the user
            had no entries in the fit, and so has no factors to rank by.
        """
        row = None if include_owned else self.row(user)
        place, _ = self._user(user)
        ids, scores = self.model.recommend(place, row, n, row is not None)
        return self.catalogue.scored(ids, scores)

    def recommend_new(
        self,
        history: Mapping[Any, float] | Iterable[Any],
        n: int = defaults.LIST_LENGTH,
        *,
        attributes: Mapping[str, Any] | None = None,
    ) -> list[ScoredItem]:
        """Return the n best items for somebody new, whose factors one half-step computes.

        Parameters
        ----------
        history
            Items by id or name: a mapping to their values, or a list, in which each counts what it
            usually does. Items that the model does not know are left out, and the log says so.
        n
            At least 1.
        attributes
            The values of fields of the fit's `user_features`, or lists of tags: {"country": "FR"}. With
            them the history may be empty. What the fit did not see is left out, and the log says so.

        Raises
        ------
        InputError
            Without attributes, the history is empty; none of its items is known; a value is not a
            positive number; or the model was fitted without attributes of users.
        """
        if attributes is None:
            return self.recommend_row(row_of(self.catalogue, history), n)
        if not isinstance(history, str | bytes | Mapping):
            history = list(history)
        nothing = csr_matrix((1, len(self.catalogue.item_ids)))
        row = row_of(self.catalogue, history) if history else nothing
        return self.recommend_row(row, n, attributes=attributes)

    def recommend_row(
        self,
        row: csr_matrix,
        n: int = defaults.LIST_LENGTH,
        *,
        attributes: Mapping[str, Any] | None = None,
    ) -> list[ScoredItem]:
        """Return the n best items for somebody who has the entries of a row (1, items)."""
        given = None if attributes is None else encoded(self.model, "user", attributes)
        ids, scores = self.model.recommend(0, row, n, recalculate_user=True, user_features=given)
        return self.catalogue.scored(ids, scores)

    def recommend_all(
        self, n: int = defaults.LIST_LENGTH, *, users: Iterable[Any] | None = None
    ) -> Iterator[pa.Table]:
        """Yield tables of user, rank, item, name and score, each for a block of users.

        `users` are ids, in the order of the lists; None for all. Users without factors, or whom the data
        of `with_history` does not have, get no list. Memory is bounded by the block.

        Raises
        ------
        InputError
            A user is not known, or the model has no histories.
        """
        from halfstep.recommender.lists import Lists

        return Lists(self, n, self._places(users)).blocks()

    def write_all(
        self,
        path: str | PathLike[str],
        n: int = defaults.LIST_LENGTH,
        *,
        users: Iterable[Any] | None = None,
        show_progress: bool = True,
    ) -> Written:
        """Write the lists of `recommend_all` to a .parquet, .csv or .jsonl, whole or not at all.

        `show_progress` is as in a solver's `fit`.
        """
        from halfstep.recommender.writing import write_all

        return write_all(self, path, n, self._places(users), show_progress)

    def similar_items(self, item: object, n: int = defaults.LIST_LENGTH) -> list[ScoredItem]:
        """Return the n other items whose factors have the highest cosine with an item's (id or name).

        Raises
        ------
        InputError
            There is no such item, or nobody had it in the fit, so that it is like nothing.
        """
        place = self.catalogue.item(item)
        (items,) = needed(self.model, "item_factors")
        if not np.any(items.array()[place]):
            raise InputError(f"nobody had the item {item!r} in the fit, so nothing is like it")
        check_integers({"n": n}, n=1)
        ids, cosines = self.model.similar_items(place, N=n + 1)
        others = ids != place
        return self.catalogue.scored(ids[others][:n], cosines[others][:n])

    def similar_users(self, user: object, n: int = defaults.LIST_LENGTH) -> list[ScoredUser]:
        """Return the n other users whose factors have the highest cosine with a user's."""
        place, _ = self._user(user)
        check_integers({"n": n}, n=1)
        ids, cosines = self.model.similar_users(place, N=n + 1)
        others = ids != place
        found = zip(ids[others][:n].tolist(), cosines[others][:n].tolist(), strict=True)
        return [ScoredUser(self.catalogue.user_id(one), cosine) for one, cosine in found]

    def explain(self, user: object, item: object, n: int = defaults.LIST_LENGTH) -> Explanation:
        """Return what each of a user's items adds to the user's score for an item, n of them at most.

        The score is that of `recommend`. What the items add belongs to the user solved anew from the
        history; the difference is named apart, as `Explanation.unsolved` says.
        """
        from halfstep.recommender.explaining import explained

        return explained(self, user, item, n)
