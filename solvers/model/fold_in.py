"""Fold-in: solve rows exactly from new entries after the fit; `partial_fit` stores them in the model.

The rows are solved exactly, not by conjugate gradient steps, because a new row has no warm start.
Steps that end within 1e-4 of the exact factors took 0.4 to 0.8 of the exact solve's time on logarithmic
weights, but 0.9 to 1.9 of it on raw counts (rows of 20 to 500 entries, f = 32 to 128).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from scipy import sparse

from halfstep.solvers.features.of_model import features_of_rows, prior_of_rows
from halfstep.solvers.features.pulled import pulled
from halfstep.solvers.inputs import as_ids, rows_of
from halfstep.solvers.model.held import Held
from halfstep.solvers.model.reading import Reading
from halfstep.solvers.registry import SOLVERS
from halfstep.types import Floats

if TYPE_CHECKING:
    from halfstep.solvers.model import FittedModel
    from halfstep.solvers.problem import Weights

# From this number of rows on, the compiled exact half-step is faster than NumPy's Cholesky row by row,
# although it multiplies the whole fixed side by an f x f matrix first.
_COMPILED_ROWS = 256


def recalculate_user(
    model: FittedModel,
    userid: int | npt.ArrayLike,
    user_items: Any,
    *,
    user_features: Any = None,
) -> Floats:
    """Return factors solved exactly from entries, attributes or both; the model does not change.

    Parameters
    ----------
    userid
        One index returns a vector, an array of them a matrix. The model need not have these users.
    user_items
        Sparse (1 or len(userid), items). It may have fewer columns than the model has items. None
        stands for users without entries.
    user_features
        (1 or len(userid), p), of a model that was fitted with them. A user without entries gets the
        prior mean of these attributes. None: the user is solved from the entries alone, with a prior
        mean of zero.

    Returns
    -------
    (f,) for one user, (len(userid), f) for several, in the dtype of the item factors; the model needs
    no user factors.

    Raises
    ------
    InputError, NotFitted
        Bad entries or attributes; the model has no item factors.
    FloatingPointError
        A solution is not finite.

    See Also
    --------
    halfstep.Solver.partial_fit_users : Stores the factors in the model.
    halfstep.Solver.recalculate_item : The same for items.
    halfstep.Solver.recommend : With `recalculate_user` it solves and answers in one call.

    Examples
    --------
    >>> import halfstep
    >>> from scipy import sparse
    >>> plays = sparse.csr_matrix([[5, 0, 3, 1, 0, 2], [0, 2, 0, 0, 4, 0], [1, 0, 0, 3, 0, 0]])
    >>> model = halfstep.AlternatingLeastSquares(2, solver="cholesky", random_state=0)
    >>> model = model.fit(plays, show_progress=False)
    >>> somebody_new = sparse.csr_matrix([[0, 0, 2, 0, 0, 6]])
    >>> model.recalculate_user(3, somebody_new).shape
    (2,)
    """
    single, ids = as_ids(userid, "userid")
    with Reading(model, "item_factors") as (items,):
        rows = entries_of(user_items, len(ids), len(items.array()), "user_items", user_features)
        solution = fold_in(model, rows, items, features=user_features)
    return solution[0] if single else solution


def recalculate_item(
    model: FittedModel,
    itemid: int | npt.ArrayLike,
    item_users: Any,
    *,
    item_features: Any = None,
) -> Floats:
    """Return factors solved exactly from `item_users` (1 or len(itemid), users), attributes or both.

    The model does not change.

    Parameters
    ----------
    itemid
        One index returns a vector, an array of them a matrix. The model need not have these items.
    item_users
        Sparse (1 or len(itemid), users): the entries of these items. None stands for items without.
    item_features
        (1 or len(itemid), q), of a model that was fitted with them.

    Returns
    -------
    (f,) for one item, (len(itemid), f) for several, in the dtype of the user factors; the model needs
    no item factors.

    Raises
    ------
    InputError, NotFitted, FloatingPointError
        As `recalculate_user` does.

    See Also
    --------
    halfstep.Solver.partial_fit_items : Stores the factors in the model.
    halfstep.Solver.recalculate_user : The same for users.
    """
    single, ids = as_ids(itemid, "itemid")
    with Reading(model, "user_factors") as (users,):
        rows = entries_of(item_users, len(ids), len(users.array()), "item_users", item_features)
        solution = fold_in(model, rows, users, "item", item_features)
    return solution[0] if single else solution


def fold_in(
    model: FittedModel,
    rows: sparse.csr_matrix,
    other: Held,
    side: str = "user",
    features: Any = None,
) -> Floats:
    """Return the exact solution (m, f) of `rows` (m, n), with the other side's factors (n, f) fixed.

    `side` says whether the rows are of users or of items; `features` (m, p) are their attributes, or
    None. Raises FloatingPointError, with the row, if a solution is not finite.
    """
    F = features_of_rows(model, side, features, rows.shape[0])
    weights = model._weigh(rows, side, other.array().dtype)
    if F is None:
        return solved(model, weights, other)
    prior = prior_of_rows(model, side, weights, F)
    return prior.complete(solved(model, pulled(weights, prior), other))


def entries_of(value: Any, rows: int, columns: int, name: str, features: Any) -> sparse.csr_matrix:
    """Return the entries of rows to fold in; rows with attributes need none."""
    if value is None and features is not None:
        return sparse.csr_matrix((rows, columns))
    return rows_of(value, rows, columns, name)


def solved(model: FittedModel, weights: Weights, other: Held) -> Floats:
    """Return the exact solution (m, f) of rows with these weights, as `fold_in` does."""
    fixed = other.array()
    problem = weights.fixing(fixed, YtY=other.gramian())
    name = "cholesky" if problem.rows < _COMPILED_ROWS else "eigenbasis"
    exactly = {"exact": True} if name == "eigenbasis" else {}
    solver = SOLVERS[name](
        fixed.shape[1], dtype=fixed.dtype, num_threads=model.num_threads, **exactly
    )
    solver._warned_of_ridge = True  # the fit has already warned of it
    solution: Floats = solver.half_step(
        problem, np.zeros((problem.rows, fixed.shape[1]), fixed.dtype)
    )
    finite = np.isfinite(solution).all(axis=1)
    if not finite.all():
        raise FloatingPointError(f"the factors of row {int(np.argmin(finite))} are not finite")
    return solution
