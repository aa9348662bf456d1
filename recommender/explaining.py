"""What each of a user's items adds to the user's score for another item."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from halfstep.errors import InputError
from halfstep.recommender.answers import Explanation

if TYPE_CHECKING:
    from halfstep.recommender.histories import WithHistories


def explained(stored: WithHistories, user: object, item: object, n: int) -> Explanation:
    """Answer for `Recommender.explain`."""
    row, catalogue = stored.row(user), stored.catalogue
    place = catalogue.item(item)
    if not row.nnz:
        raise InputError(f"user {user!r} has nothing, so no score can be explained")
    solved, parts, _ = stored.model.explain(0, row, place, N=n)
    score = float(solved)
    if stored.model.user_factors is not None:
        X, Y = stored.model._fitted()
        fitted = X[catalogue.user(user)]
        score = float(fitted @ Y[place]) if np.any(fitted) else score
    ids = np.array([one for one, _ in parts], np.int64)
    top = catalogue.scored(ids, np.array([share for _, share in parts], np.float64))
    item_id, name = catalogue.item_id(place), catalogue.name(place)
    known = stored.model.user_feature_factors is not None
    return Explanation(item_id, name, score, top, row.nnz, score - float(solved), known)
