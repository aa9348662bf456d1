"""Factors for an external nearest-neighbour index.

A recommendation is the item of largest inner product x.y, and an index that searches by inner
product takes the factors as they are. Most indexes search by angle or distance instead, and neither
gives the order of the inner product, which grows with an item's length |y|. One more coordinate makes
the orders agree (Bachrach et al., RecSys 2014). With M the largest |y| of all items,

    y~ = (y, sqrt(M^2 - |y|^2)),    x~ = (x, 0):    x~.y~ = x.y,  |y~| = M for every item

so cosine and distance give the order of the inner product:

    cos(x~, y~) = x.y / (|x| M),    |x~ - y~|^2 = |x|^2 + M^2 - 2 x.y

Queries for similar items or users compare by cosine. For them all rows are scaled to length 1, and then
all three metrics give the same order.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from halfstep.errors import InputError
from halfstep.solvers.model.factors import needed
from halfstep.types import Floats

if TYPE_CHECKING:
    from halfstep.solvers.model import FittedModel

METRICS = ("inner_product", "cosine", "l2")
QUERIES = ("recommend", "similar_items", "similar_users")


class Neighbours(NamedTuple):
    """The vectors to index and the queries to search with; their row numbers are the model's ids.

    Attributes
    ----------
    vectors
        (n, d) C-contiguous, in the model's dtype: the items (or users) to search among.
    queries
        (m, d): row u searches for the neighbours of user (or item) u.
    """

    vectors: Floats
    queries: Floats


def neighbours(X: Floats, Y: Floats, metric: str) -> Neighbours:
    """Return vectors and queries to recommend by, of factors X (users, f) and Y (items, f)."""
    # In the items' dtype, as the model's own answers are.
    X = X.astype(Y.dtype, copy=False)
    if metric == "inner_product":
        return Neighbours(Y.copy(), X.copy())
    # In float64, because M^2 - |y|^2 subtracts nearly equal numbers where |y| is near M.
    squared = np.square(Y, dtype=np.float64).sum(axis=1)
    last = np.sqrt(np.maximum(squared.max(initial=0) - squared, 0))
    return Neighbours(
        np.column_stack([Y, last.astype(Y.dtype)]),
        np.column_stack([X, np.zeros(len(X), X.dtype)]),
    )


def export_index(
    model: FittedModel, metric: str = "inner_product", query: str = "recommend"
) -> Neighbours:
    """Return what an external nearest-neighbour index needs to give this model's answers.

    Parameters
    ----------
    metric
        What the index compares by: `"inner_product"`, `"cosine"` or `"l2"`.
    query
        `"recommend"` (items for users), `"similar_items"` or `"similar_users"`.

    Returns
    -------
    Neighbours
        The `vectors` to index and the `queries` to search with.

    Raises
    ------
    InputError
        An unknown metric or query.
    NotFitted
        A side that the query needs is None: both to recommend, else the one that is compared.

    See Also
    --------
    halfstep.Solver.recommend : The exact answers.

    Notes
    -----
    Bachrach et al., Speeding Up the Xbox Recommender System Using a Euclidean Transformation for
    Inner-Product Spaces (RecSys 2014), for the coordinate that `"cosine"` and `"l2"` add.

    Examples
    --------
    >>> import halfstep
    >>> import numpy as np
    >>> model = halfstep.AlternatingLeastSquares()
    >>> model.user_factors, model.item_factors = np.ones((2, 3)), np.ones((5, 3))
    >>> index = model.export_index("l2")
    >>> index.vectors.shape, index.queries.shape
    ((5, 4), (2, 4))
    """
    if metric not in METRICS:
        raise InputError(f"metric must be one of {', '.join(METRICS)}, got {metric!r}")
    if query not in QUERIES:
        raise InputError(f"query must be one of {', '.join(QUERIES)}, got {query!r}")
    if query != "recommend":
        (side,) = needed(model, "item_factors" if query == "similar_items" else "user_factors")
        unit = side.array() / side.norms()[:, None]
        return Neighbours(unit, unit)
    users, items = needed(model, "user_factors", "item_factors")
    return neighbours(users.array(), items.array(), metric)
