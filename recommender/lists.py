"""The lists of many users, ranked a block of users at a time, so that memory does not grow with them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from halfstep.datasets.matching import texts
from halfstep.solvers.inputs import check_integers
from halfstep.solvers.model.factors import needed

if TYPE_CHECKING:
    from halfstep.recommender.histories import WithHistories

# Users in a block, enough to spread over the cores and to pack the items seldom; places in its lists.
_USERS = 16384
_ENTRIES = 1 << 20


class Lists:
    """The lists of a model's users.

    Parameters
    ----------
    stored
        A model with histories.
    n
        Items in a list, at least 1.
    places
        (m,) rows of the users, in the order of their lists; None for all.

    Attributes
    ----------
    users
        How many users are asked for.
    written
        Of those that were ranked so far, how many got a list.
    without : Counter
        How many got none, by reason.
    short
        How many lists have fewer than n items, because no more are left.

    Raises
    ------
    InputError
        `n` is not an integer of at least 1, or the model has no histories.
    """

    def __init__(
        self, stored: WithHistories, n: int, places: NDArray[np.int64] | None = None
    ) -> None:
        check_integers({"n": n}, n=1)
        catalogue = stored.catalogue
        self._stored, self._histories = stored, stored.histories()
        self.n = min(int(n), len(catalogue.item_ids))
        self._places = places
        self.users = len(catalogue.user_ids) if places is None else len(places)
        self.written, self.short = 0, 0
        self.without: Counter[str] = Counter()
        self._user_ids, self._item_ids = _arrow(catalogue.user_ids), _arrow(catalogue.item_ids)
        names = catalogue.item_names
        self._names = pa.array([""] * len(catalogue.item_ids) if names is None else texts(names))
        stored.factors_of_users()
        scores = needed(stored.model, "item_factors")[0].array().dtype
        self.schema = pa.schema(
            [
                ("user", self._user_ids.type),
                ("rank", pa.int32()),
                ("item", self._item_ids.type),
                ("name", pa.string()),
                ("score", pa.from_numpy_dtype(scores)),
            ]
        )

    def blocks(self) -> Iterator[pa.Table]:
        """Yield the table of each block's lists: user, rank from 1, item, name and score."""
        step = max(1, min(_USERS, _ENTRIES // self.n))
        for first in range(0, self.users, step):
            last = min(first + step, self.users)
            if self._places is None:
                yield self._block(np.arange(first, last))
            else:
                yield self._block(self._places[first:last])

    def _block(self, users: NDArray[np.int64]) -> pa.Table:
        X = self._stored.factors_of_users()
        has_factors = np.any(X[users], axis=1)
        here = np.ones(len(users), bool)
        if self._stored.present is not None:
            here = self._stored.present[users]
        self._leave_out("are not in the data", int((~here).sum()))
        self._leave_out("had no entries in the fit", int((here & ~has_factors).sum()))
        users = users[here & has_factors]
        if not len(users):
            return self.schema.empty_table()
        items, scores = self._stored.model.recommend(users, self._histories[users], self.n)
        there = items >= 0
        counts = there.sum(axis=1)
        self._leave_out("have every item already", int((counts == 0).sum()))
        self.written += int((counts > 0).sum())
        self.short += int(((counts > 0) & (counts < self.n)).sum())
        chosen = pa.array(items[there].astype(np.int64))
        owners = pa.array(np.repeat(users, counts))
        ranks = np.broadcast_to(np.arange(1, items.shape[1] + 1, dtype=np.int32), items.shape)
        columns = [
            self._user_ids.take(owners),
            pa.array(ranks[there]),
            self._item_ids.take(chosen),
            self._names.take(chosen),
            pa.array(scores[there]),
        ]
        return pa.Table.from_arrays(columns, schema=self.schema)

    def _leave_out(self, reason: str, count: int) -> None:
        if count:
            self.without[reason] += count


def _arrow(ids: NDArray[Any]) -> pa.Array:
    if ids.dtype.kind in "iu":
        return pa.array(ids)
    # Half of a surrogate pair is no text that any file could hold.
    return pa.array([text.encode("utf-8", "replace").decode("utf-8") for text in texts(ids)])
