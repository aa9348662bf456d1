"""The external ids and names of rows and columns, and answers that have them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from halfstep.recommender.answers import Id, OwnedItem, ScoredItem
from halfstep.types import Floats, Integers


@dataclass(frozen=True, eq=False)
class Named:
    """The ids of users and items, and the items' names; `Catalogue` finds them."""

    user_ids: NDArray[Any]
    item_ids: NDArray[Any]
    item_names: NDArray[Any] | None

    def item_id(self, item: int) -> Id:
        """Return the external id of a column.

        Parameters
        ----------
        item : int
            The column.

        Returns
        -------
        int or str

        See Also
        --------
        item : The way back.
        """
        return _external(self.item_ids[item])

    def user_id(self, user: int) -> Id:
        """Return the external id of a row.

        Parameters
        ----------
        user : int
            The row.

        Returns
        -------
        int or str

        See Also
        --------
        user : The way back.
        """
        return _external(self.user_ids[user])

    def name(self, item: int) -> str:
        """Return the name of a column, "" if it has none.

        Parameters
        ----------
        item : int
            The column.

        Returns
        -------
        str

        See Also
        --------
        item : The column of a name.
        """
        return "" if self.item_names is None else str(self.item_names[item])

    def scored(self, items: Integers, scores: Floats) -> list[ScoredItem]:
        """Return answers for columns and their scores, in this order.

        Parameters
        ----------
        items : int array, shape (n,)
            Columns.
        scores : array, shape (n,)

        Returns
        -------
        list of ScoredItem

        See Also
        --------
        owned : Answers for a row of the data.
        """
        pairs = zip(items.tolist(), scores.tolist(), strict=True)
        return [ScoredItem(self.item_id(at), self.name(at), score) for at, score in pairs]

    def owned(self, row: csr_matrix) -> list[OwnedItem]:
        """Return the items of a row (1, items), the largest values first.

        Parameters
        ----------
        row : csr_matrix, shape (1, items)

        Returns
        -------
        list of OwnedItem

        See Also
        --------
        scored : Answers for columns with scores.
        """
        order = np.argsort(-row.data, kind="stable")
        pairs = zip(row.indices[order].tolist(), row.data[order].tolist(), strict=True)
        return [OwnedItem(self.item_id(at), self.name(at), value) for at, value in pairs]


def _external(one: Any) -> Id:
    return one if isinstance(one, str) else int(one)
