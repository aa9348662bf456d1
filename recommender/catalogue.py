"""Who and what a model knows: external ids, items' names, and what items usually count."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from halfstep.datasets.dataset import Dataset
from halfstep.datasets.lookup import item_place, unknown_item, unknown_user
from halfstep.datasets.matching import place, places, repeated, texts
from halfstep.errors import InputError
from halfstep.recommender.answers import Id, OwnedItem, ScoredItem
from halfstep.types import Floats, Integers

_WHERE = "that the model knows"


@dataclass(frozen=True, eq=False)
class Catalogue:
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
    """

    user_ids: NDArray[Any]
    item_ids: NDArray[Any]
    item_names: NDArray[Any] | None
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
        """Return the catalogue of a data set."""
        matrix = dataset.interactions
        audience = np.bincount(matrix.indices, minlength=dataset.items).astype(np.int64)
        total = np.bincount(matrix.indices, matrix.data, dataset.items)
        usual = total / np.maximum(audience, 1)
        usual[usual == 0] = 1
        return cls(dataset.user_ids, dataset.item_ids, dataset.item_names, audience, usual)

    def user(self, user: object) -> int:
        """Return a user's row; raise InputError with the most similar ids if there is none."""
        found = place(self.user_ids, user)
        if found is None and isinstance(user, str):
            found = place(self.user_ids, user.strip())
        if found is None:
            raise unknown_user(self.user_ids, user, _WHERE)
        return found

    def item(self, item: object) -> int:
        """Return an item's column by its id, or if it is text by its name or id.

        A name comes before an id, and `id:979` is always an id, as in `halfstep.datasets.lookup`.
        """
        if isinstance(item, str):
            return item_place(self.item_ids, self.item_names, self.audience, item, _WHERE)
        found = place(self.item_ids, item)
        if found is None:
            raise unknown_item(self.item_ids, self.item_names, self.audience, item, _WHERE)
        return found

    def items(self, column: list[str], by: str | None = None) -> tuple[NDArray[np.int64], str]:
        """Return the columns of a whole table column of items, -1 for unknown ones, and how it was read.

        Parameters
        ----------
        column
            Ids or names.
        by
            "id" or "name"; None reads the column as whichever fits more of it, so that a name that is
            also an id is not read as another item.
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
        """Return the column of each item as `item` finds it, or -1."""
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
        """Return the rows of users; raise InputError for the first who is not known."""
        found = places(self.user_ids, _as_ids(users))
        if (found < 0).any():
            raise unknown_user(self.user_ids, users[int(np.argmin(found))], _WHERE)
        return found

    def unknown_item(self, item: object) -> InputError:
        """Return the error that says which items are like one that is not known."""
        return unknown_item(self.item_ids, self.item_names, self.audience, item, _WHERE)

    def item_id(self, item: int) -> Id:
        """Return the external id of a column."""
        return _external(self.item_ids[item])

    def user_id(self, user: int) -> Id:
        """Return the external id of a row."""
        return _external(self.user_ids[user])

    def name(self, item: int) -> str:
        """Return the name of a column, "" if it has none."""
        return "" if self.item_names is None else str(self.item_names[item])

    def scored(self, items: Integers, scores: Floats) -> list[ScoredItem]:
        """Return answers for columns and their scores, both (n,), in this order."""
        pairs = zip(items.tolist(), scores.tolist(), strict=True)
        return [ScoredItem(self.item_id(at), self.name(at), score) for at, score in pairs]

    def owned(self, row: csr_matrix) -> list[OwnedItem]:
        """Return the items of a row (1, items), the largest values first."""
        order = np.argsort(-row.data, kind="stable")
        pairs = zip(row.indices[order].tolist(), row.data[order].tolist(), strict=True)
        return [OwnedItem(self.item_id(at), self.name(at), value) for at, value in pairs]

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


def _external(one: Any) -> Id:
    return one if isinstance(one, str) else int(one)
