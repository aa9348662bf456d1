"""`Recommender`: what a model that carries its ids answers, without its data."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from os import PathLike
from typing import TYPE_CHECKING, Any

from scipy.sparse import csr_matrix

from halfstep import defaults
from halfstep.recommender.answers import Explanation, ScoredItem
from halfstep.recommender.attributes import encoded
from halfstep.recommender.histories import WithHistories
from halfstep.recommender.new_users import row_of

if TYPE_CHECKING:
    import pyarrow as pa

    from halfstep.recommender.writing import Written


class Recommender(WithHistories):
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
        Those of the data set: see `halfstep.Dataset`.
    versions : dict
        Of halfstep, numpy and the file's format, as they were at the fit.

    Raises
    ------
    InputError
        The model has no factors, or they are not of the data's users and items; an id occurs twice. The
        factors of one side will do for what needs no others.

    See Also
    --------
    halfstep.load_data : Reads the data.
    halfstep.AlternatingLeastSquares : The model inside, by numbers of rows and columns.

    Examples
    --------
    >>> from halfstep import Dataset, Recommender
    >>> plays = Dataset.from_arrays(
    ...     ["ann", "ann", "bob", "bob", "cy", "cy"], ["x", "y", "x", "y", "y", "z"], [3, 2, 4, 1, 2, 5]
    ... )
    >>> shop = Recommender.fit(plays, factors=2, iterations=5, random_state=0, show_progress=False)
    >>> [found.item for found in shop.recommend("ann")]
    ['z']
    >>> [found.item for found in shop.recommend_new({"z": 5}, n=1)]
    ['y']
    """

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

        Returns
        -------
        list of ScoredItem

        Raises
        ------
        InputError
            Nobody has this id (the message names similar ones); the model has no histories; or the user
            had no entries in the fit, and so has no factors to rank by.

        See Also
        --------
        recommend_new : For somebody whom the fit did not see.
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

        Returns
        -------
        list of ScoredItem

        Raises
        ------
        InputError
            Without attributes, the history is empty; none of its items is known; a value is no
            finite number; or the model was fitted without attributes of users.

        See Also
        --------
        recommend : For a user of the fit.
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
        """Return the n best items for somebody who has the entries of a row.

        Parameters
        ----------
        row : csr_matrix, shape (1, items)
            Its columns are in the model's order.
        n, attributes
            As in `recommend_new`.

        Returns
        -------
        list of ScoredItem

        See Also
        --------
        recommend_new : Takes ids or names.
        """
        given = None if attributes is None else encoded(self.model, "user", attributes)
        ids, scores = self.model.recommend(0, row, n, recalculate_user=True, user_features=given)
        return self.catalogue.scored(ids, scores)

    def recommend_all(
        self, n: int = defaults.LIST_LENGTH, *, users: Iterable[Any] | None = None
    ) -> Iterator[pa.Table]:
        """Yield tables of user, rank, item, name and score, each for a block of users.

        Users without factors, or whom the data of `with_history` does not have, get no list. Memory is
        bounded by the block.

        Parameters
        ----------
        n : int
            At least 1.
        users : iterable, optional
            Ids, in the order of the lists; None for all.

        Yields
        ------
        pyarrow.Table

        Raises
        ------
        InputError
            A user is not known, or the model has no histories.

        See Also
        --------
        halfstep.Recommender.write_all : Writes them to a file.
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

        Parameters
        ----------
        path : str or path
        n, users
            As in `recommend_all`.
        show_progress : bool
            As in a solver's `fit`.

        Returns
        -------
        Written
            How many users have a list, the rows, and why others have none.

        Raises
        ------
        InputError
            The file has another ending or cannot be written, or as in `recommend_all`.

        See Also
        --------
        halfstep.Recommender.recommend_all : Yields them.
        """
        from halfstep.recommender.writing import write_all

        return write_all(self, path, n, self._places(users), show_progress)

    def explain(self, user: object, item: object, n: int = defaults.LIST_LENGTH) -> Explanation:
        """Return what each of a user's items adds to the user's score for an item, n of them at most.

        The score is that of `recommend`. What the items add belongs to the user solved anew from the
        history; the difference is named apart, as `Explanation.unsolved` says.

        Parameters
        ----------
        user, item : int or str
            External ids; an item by its name too.
        n : int
            At most so many of the user's items are named.

        Returns
        -------
        Explanation

        Raises
        ------
        InputError
            The user or the item is not known, or the user has nothing.

        See Also
        --------
        recommend : The scores of all items.
        """
        from halfstep.recommender.explaining import explained

        return explained(self, user, item, n)
