"""Who and what a model knows: external ids, items' names, and what items usually count."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from halfstep.datasets.dataset import Dataset
from halfstep.datasets.lookup import item_place, unknown_item, unknown_user
from halfstep.datasets.matching import place, places, repeated, texts
from halfstep.errors import InputError
from halfstep.recommender.named import Named

_WHERE = "that the model knows"


@dataclass(frozen=True, eq=False)
class Catalogue(Named):
    """The users and items of a model, in the order of its factors.

    Parameters
    ----------
    user_ids, item_ids : ndarray
        (users,) and (items,), integers or an object array of str, each id once.
    item_names : ndarray or None
        (items,), object array of str; "" where an item has no name.
    audience : ndarray
        (items,) int64, how many users have each item.
    usual : ndarray
        (items,) float64, the mean value of each item; 1 where nobody has it.

    Raises
    ------
    InputError
        Lengths differ, or an id occurs twice.

    See Also
    --------
    halfstep.Recommender : Has one as `catalogue`.

    Examples
    --------
    >>> from halfstep import Dataset
    >>> from halfstep.recommender import Catalogue
    >>> plays = Dataset.from_arrays(["ann", "bob", "ann"], ["x", "x", "y"], [3, 1, 2])
    >>> catalogue = Catalogue.of(plays)
    >>> catalogue.item("y"), catalogue.usual.tolist()
    (1, [2.0, 2.0])
    """

    audience: NDArray[np.int64]
    usual: NDArray[np.float64]

    def __post_init__(self) -> None:
        for name in ("item_names", "audience", "usual"):
            array = getattr(self, name)
            if array is not None and len(array) != len(self.item_ids):
                raise InputError(f"{name} must have {len(self.item_ids)} rows, got {len(array)}")
        for name in ("user_ids", "item_ids"):
            twice = repeated(getattr(self, name))
            if twice is not None:
                raise InputError(
                    f"{name} must be different from each other, {twice!r} occurs twice"
                )

    @classmethod
    def of(cls, dataset: Dataset) -> Catalogue:
        """Return the catalogue of a data set.

        Parameters
        ----------
        dataset : Dataset

        Returns
        -------
        Catalogue

        See Also
        --------
        halfstep.Recommender.fit : Keeps a data set's catalogue.
        """
        matrix = dataset.interactions
        audience = np.bincount(matrix.indices, minlength=dataset.items).astype(np.int64)
        total = np.bincount(matrix.indices, matrix.data, dataset.items)
        usual = total / np.maximum(audience, 1)
        usual[usual == 0] = 1
        return cls(dataset.user_ids, dataset.item_ids, dataset.item_names, audience, usual)

    def user(self, user: object) -> int:
        """Return a user's row.

        Parameters
        ----------
        user : int or str
            The external id, or its text.

        Returns
        -------
        int

        Raises
        ------
        InputError
            Nobody has this id; the message names the most similar ones.

        See Also
        --------
        users : The rows of many.
        """
        found = place(self.user_ids, user)
        if found is None and isinstance(user, str):
            found = place(self.user_ids, user.strip())
        if found is None:
            raise unknown_user(self.user_ids, user, _WHERE)
        return found

    def item(self, item: object) -> int:
        """Return an item's column by its id, or if it is text by its name or id.

        A name comes before an id, and `id:979` is always an id, as in `halfstep.datasets.lookup`.

        Parameters
        ----------
        item : int or str
            An id, or text.

        Returns
        -------
        int

        Raises
        ------
        InputError
            There is no such item; the message names the most similar ones.

        See Also
        --------
        places_of : The columns of many.
        """
        if isinstance(item, str):
            return item_place(self.item_ids, self.item_names, self.audience, item, _WHERE)
        found = place(self.item_ids, item)
        if found is None:
            raise unknown_item(self.item_ids, self.item_names, self.audience, item, _WHERE)
        return found

    def items(self, column: list[str], by: str | None = None) -> tuple[NDArray[np.int64], str]:
        """Return the columns of a whole table column of items, and how it was read.

        Unknown items are at -1.

        Parameters
        ----------
        column : list of str
            Ids or names.
        by : {"id", "name"}, optional
            None reads the column as whichever fits more of it, so that a name that is also an id is not
            read as another item.

        Returns
        -------
        columns : int64 array, shape (len(column),)
        by : str
            "id" or "name".

        Raises
        ------
        InputError
            The column is to be names, and the model has none.

        See Also
        --------
        places_of : Each item by itself.
        """
        found = {}
        if by != "name":
            found["id"] = places(self.item_ids, np.array(column, object))
        if by != "id" and self.item_names is not None:
            found["name"] = self._by_name(column)
        if not found:
            raise InputError("the model has no names of items: give their ids")
        how = max(found, key=lambda kind: int((found[kind] >= 0).sum()))
        return found[how], how

    def places_of(self, items: list[Any]) -> NDArray[np.int64]:
        """Return the column of each item as `item` finds it, or -1.

        Parameters
        ----------
        items : list
            Ids or names.

        Returns
        -------
        columns : int64 array, shape (len(items),)

        See Also
        --------
        item : One item; raises for one that is not known.
        """
        words = [item for item in items if isinstance(item, str)]
        named = [word.strip() for word in words if not word.startswith("id:")]
        columns = [] if self.item_names is None else self._by_name(named).tolist()
        by_name = {
            word: column for word, column in zip(named, columns, strict=False) if column >= 0
        }
        ids = [item.removeprefix("id:") if isinstance(item, str) else item for item in items]
        by_id = places(self.item_ids, _as_ids(ids))
        found = [
            by_name.get(item.strip(), at) if isinstance(item, str) else at
            for item, at in zip(items, by_id.tolist(), strict=True)
        ]
        return np.array(found, np.int64)

    def users(self, users: list[Any]) -> NDArray[np.int64]:
        """Return the rows of users.

        Parameters
        ----------
        users : list
            External ids.

        Returns
        -------
        rows : int64 array, shape (len(users),)

        Raises
        ------
        InputError
            A user is not known; the message names the first.

        See Also
        --------
        user : The row of one.
        """
        found = places(self.user_ids, _as_ids(users))
        if (found < 0).any():
            raise unknown_user(self.user_ids, users[int(np.argmin(found))], _WHERE)
        return found

    def unknown_item(self, item: object) -> InputError:
        """Return the error that says which items are like one that is not known.

        Parameters
        ----------
        item : object
            What was asked for.

        Returns
        -------
        InputError
            It is not raised.

        See Also
        --------
        item : Raises it.
        """
        return unknown_item(self.item_ids, self.item_names, self.audience, item, _WHERE)

    def _by_name(self, column: list[str]) -> NDArray[np.int64]:
        """Return the columns of names: as written, else without regard to case, the best known first."""
        assert self.item_names is not None
        exact: dict[str, int] = {}
        folded: dict[str, int] = {}
        names = texts(self.item_names)
        for at in np.argsort(-self.audience, kind="stable").tolist():
            if names[at].strip():
                exact.setdefault(names[at].strip(), at)
                folded.setdefault(names[at].strip().casefold(), at)
        found = (exact.get(text, folded.get(text.casefold(), -1)) for text in column)
        return np.fromiter(found, np.int64, len(column))


def _as_ids(wanted: list[Any]) -> NDArray[Any]:
    """Return ids as an array of text, NUL for what is neither text nor a whole number: no id."""
    kinds = (str, int, np.integer)
    texts_ = [
        str(one) if isinstance(one, kinds) and not isinstance(one, bool) else "\0" for one in wanted
    ]
    return np.array(texts_, object)
