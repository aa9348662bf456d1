"""What attributes gave to a score, and what history gave: on the user's side, and on the item's.

The user's side. A row solves A_u x_u = sum_j t_uj y_j + lambda_u W'f_u, so that the score of item i is

    x_u . y_i = sum_j t_uj y_i'A_u^-1 y_j  +  sum_k lambda_u f_uk y_i'A_u^-1 w_k
                what the entries gave          what attribute k gave

The item's side. y_i is its prior mean V'g_i and what its own entries have moved it by, so that

    x_u . y_i = x_u . (y_i - V'g_i)  +  sum_k g_ik x_u . v_k

An item without entries has the second part alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from scipy import sparse
from scipy.linalg import cho_solve

from halfstep import defaults
from halfstep.solvers.features.of_model import features_of_rows
from halfstep.solvers.inputs import check_integers
from halfstep.solvers.model.explain import entries_and_factor, one_id
from halfstep.solvers.model.reading import Reading

if TYPE_CHECKING:
    from halfstep.solvers.model import FittedModel


class Parts(NamedTuple):
    """How one side's attributes and history add up to a score.

    Attributes
    ----------
    history, attributes
        What either gave; their sum is the score.
    top
        (column, contribution) of the attributes, the largest absolute ones first.
    """

    history: float
    attributes: float
    top: list[tuple[int, float]]


class FeatureExplanation(NamedTuple):
    """A score, and its parts by each side whose attributes were given; None for the other."""

    score: float
    user: Parts | None
    item: Parts | None


def explain_features(
    model: FittedModel,
    userid: int,
    user_items: Any,
    itemid: int,
    user_features: Any = None,
    item_features: Any = None,
    N: int = defaults.LIST_LENGTH,
) -> FeatureExplanation:
    """Return what attributes and what history gave to the score of an item for a user.

    The user is solved anew from the entries and attributes given, as by `recommend` with
    `recalculate_user`.

    Parameters
    ----------
    userid, user_items, itemid
        As in `explain`. `user_items` may be None: a user without entries.
    user_features, item_features
        The attributes of this user (1, p) and of this item (1, q), or of all users and items.
    N
        The largest number of attributes to name, at least 0.

    Returns
    -------
    FeatureExplanation
        `score`, and its `Parts` by the user's and by the item's attributes, `user` and `item`: `history`
        and `attributes`, which add up to the score, and `top`, the (column, contribution) of the
        attributes. None for a side whose attributes were not given.

    Raises
    ------
    InputError, UnknownId
        Also if the model was fitted without attributes of a side that are given here.

    See Also
    --------
    halfstep.Solver.explain : What each of the user's entries gave to a score.
    """
    check_integers({"N": N}, N=0)
    item = one_id(itemid, np.iinfo(np.int64).max, "itemid")
    for given, one, name in (
        (user_items, userid, "userid"),
        (user_features, userid, "userid"),
        (item_features, item, "itemid"),
    ):
        rows = 1 if given is None else np.shape(getattr(given, "matrix", given))[0]
        if rows != 1:
            one_id(one, rows, name)
    with Reading(model, "item_factors") as (items,):
        one_id(item, len(items.array()), "itemid")
    user_features = _row_of(user_features, userid)
    item_features = _row_of(item_features, item)
    f = None if user_features is None else features_of_rows(model, "user", user_features, 1)
    g = None if item_features is None else features_of_rows(model, "item", item_features, 1)
    x = np.asarray(
        model.recalculate_user(0, _row_of(user_items, userid), user_features=user_features),
        np.float64,
    )
    with Reading(model, "item_factors") as (items,):
        y = items.array()[item].astype(np.float64)
        of_user = None
        if f is not None:
            of_user = _of_user(model, user_items, userid, items, f, y)
    score = float(x @ y)
    return FeatureExplanation(
        score,
        None if of_user is None else _parts(score, *of_user, N),
        None if g is None else _parts(score, g.indices, _of_item(model, g, x), N),
    )


def _of_user(
    model: FittedModel, user_items: Any, userid: int, items: Any, f: Any, y: Any
) -> tuple[Any, Any]:
    W: Any = model.user_feature_factors
    at, strength = f.indices, f.data.astype(np.float64)
    row = _row_of(user_items, userid)
    if row is None or not row.nnz:  # the prior mean itself
        return at, strength * (W[at].astype(np.float64) @ y)
    problem, factor = entries_and_factor(model, row, items)
    weighted = cho_solve(factor, y)
    return at, float(problem.lam[0]) * strength * (W[at].astype(np.float64) @ weighted)


def _of_item(model: FittedModel, g: Any, x: Any) -> Any:
    V: Any = model.item_feature_factors
    return g.data.astype(np.float64) * (V[g.indices].astype(np.float64) @ x)


def _parts(score: float, columns: Any, given: Any, most: int) -> Parts:
    order = np.argsort(-np.abs(given), kind="stable")[:most]
    total = float(given.sum())
    return Parts(score - total, total, [(int(columns[k]), float(given[k])) for k in order])


def _row_of(matrix: Any, row: int) -> Any:
    """Return a matrix's row as a matrix of one row; one that has one row, and None, as they are."""
    if matrix is None:
        return None
    matrix = getattr(matrix, "matrix", matrix)
    matrix = sparse.csr_matrix(matrix) if sparse.issparse(matrix) else np.asarray(matrix)
    return matrix if np.shape(matrix)[0] == 1 else matrix[[int(row)]]
