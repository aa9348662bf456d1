"""What each user of a stored model has, and which users and items are like others."""

from __future__ import annotations

import copy
import logging
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from halfstep import defaults
from halfstep.datasets.dataset import Dataset
from halfstep.errors import InputError, NotFitted
from halfstep.recommender.answers import OwnedItem, ScoredItem, ScoredUser
from halfstep.recommender.matching import match
from halfstep.recommender.stored import StoredModel
from halfstep.solvers.inputs import check_integers
from halfstep.solvers.model.factors import needed
from halfstep.types import Floats

if TYPE_CHECKING:
    from typing_extensions import Self

log = logging.getLogger("halfstep")


class WithHistories(StoredModel):
    """A stored model with what each user has; `Recommender` answers."""

    def is_of(self, dataset: Dataset) -> bool:
        """Return whether the model was fitted to just these users, items, pairs and values.

        Parameters
        ----------
        dataset : Dataset

        Returns
        -------
        bool

        See Also
        --------
        with_history : Takes what users have from other data.
        """
        return dataset.fingerprint == self.fingerprint

    def with_history(self, dataset: Dataset) -> Self:
        """Return a copy that takes what each user has from other data, matched by id.

        The log says how many users, items and entries the model does not know, and how many of its users
        the data does not have; these get no lists then. The factors stay those of the fit.

        Parameters
        ----------
        dataset : Dataset

        Returns
        -------
        Recommender

        Raises
        ------
        InputError
            The model knows none of the users or none of the items.

        See Also
        --------
        is_of : Whether the data are those of the fit.
        """
        matched = match(self.catalogue, dataset)
        if said := matched.said(dataset.name):
            log.warning("%s", said)
        changed = copy.copy(self)
        changed.history, changed.present = matched.history, matched.present
        return changed

    def row(self, user: object) -> csr_matrix:
        """Return what a user has, by the model's columns.

        Parameters
        ----------
        user : int or str
            The external id.

        Returns
        -------
        csr_matrix, shape (1, items)

        Raises
        ------
        InputError
            The user is not known, or what users have is not.

        See Also
        --------
        owned : The same by ids and names.
        """
        place = self.catalogue.user(user)
        history = self.histories()
        if self.present is not None and not self.present[place]:
            raise InputError(
                f"the model knows the user {user!r}, the data that was given does not: "
                "leave that data out to go by what the model carries"
            )
        return history[[place]]

    def histories(self) -> csr_matrix:
        """Return `history`.

        Returns
        -------
        csr_matrix, shape (users, items)

        Raises
        ------
        InputError
            The model was saved without.

        See Also
        --------
        with_history : Gives other histories.
        """
        if self.history is None:
            raise InputError(
                f"the model of {self.name} was saved without what each user has: "
                "give that data (--data, or Recommender.with_history)"
            )
        return self.history

    def owned(self, user: object) -> list[OwnedItem]:
        """Return what a user has, the largest values first.

        Parameters
        ----------
        user : int or str
            The external id.

        Returns
        -------
        list of OwnedItem

        See Also
        --------
        recommend : What the user does not have.
        """
        return self.catalogue.owned(self.row(user))

    def similar_items(self, item: object, n: int = defaults.LIST_LENGTH) -> list[ScoredItem]:
        """Return the n other items whose factors have the highest cosine with an item's (id or name).

        Parameters
        ----------
        item : int or str
            Id or name.
        n : int
            At least 1.

        Returns
        -------
        list of ScoredItem
            The scores are cosines.

        Raises
        ------
        InputError
            There is no such item, or nobody had it in the fit, so that it is like nothing.

        See Also
        --------
        similar_users : The same for users.
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
        """Return the n other users whose factors have the highest cosine with a user's.

        Parameters
        ----------
        user : int or str
            The external id.
        n : int
            At least 1.

        Returns
        -------
        list of ScoredUser

        Raises
        ------
        InputError
            Nobody has this id, or the user had no entries in the fit.

        See Also
        --------
        similar_items : The same for items.
        """
        place, _ = self._user(user)
        check_integers({"n": n}, n=1)
        ids, cosines = self.model.similar_users(place, N=n + 1)
        others = ids != place
        found = zip(ids[others][:n].tolist(), cosines[others][:n].tolist(), strict=True)
        return [ScoredUser(self.catalogue.user_id(one), cosine) for one, cosine in found]

    def factors_of_users(self) -> Floats:
        """Return the user factors.

        Returns
        -------
        array, shape (users, factors)

        Raises
        ------
        NotFitted
            There are none; the message says what else to ask.

        See Also
        --------
        similar_users : Compares them.
        """
        try:
            (users,) = needed(self.model, "user_factors")
        except NotFitted as error:
            raise NotFitted(
                f"the model of {self.name} has no user factors, so it cannot rank for its own users or "
                "compare them: give a history (--history, or Recommender.recommend_new), or fit again"
            ) from error
        return users.array()

    def _user(self, user: object) -> tuple[int, Floats]:
        """Return a user's row and factors; raise InputError if the fit had nothing to make them from."""
        place = self.catalogue.user(user)
        factors = self.factors_of_users()[place]
        if not np.any(factors):
            raise InputError(
                f"user {user!r} had no entries in the fit, so the model has nothing to go by: "
                "give a history (--history, or Recommender.recommend_new)"
            )
        return place, factors

    def _places(self, users: Iterable[Any] | None) -> NDArray[np.int64] | None:
        if users is None:
            return None
        return self.catalogue.users(list(users))
