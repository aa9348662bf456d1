"""Explain a recommendation: split an item's score into what each of the user's entries adds to it.

The factors of user u solve A_u x_u = sum_{j in S_u} t_uj y_j, so the score of item i is a sum over
the user's entries (Hu, Koren, Volinsky 2008, section 5):

    x_u . y_i = sum_{j in S_u} t_uj y_i' A_u^-1 y_j
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import numpy.typing as npt
from scipy import sparse
from scipy.linalg import LinAlgError, cho_factor, cho_solve

from halfstep import defaults
from halfstep.errors import InputError
from halfstep.solvers.inputs import as_ids, check_integers, rows_of, within
from halfstep.solvers.model.reading import Reading
from halfstep.solvers.problem import Problem

if TYPE_CHECKING:
    from halfstep.solvers.model import FittedModel

UserWeights: TypeAlias = tuple[npt.NDArray[np.float64], bool]


def explain(
    model: FittedModel,
    userid: int,
    user_items: Any,
    itemid: int,
    user_weights: UserWeights | None = None,
    N: int = defaults.LIST_LENGTH,
) -> tuple[np.float64, list[tuple[np.int32, np.float64]], UserWeights]:
    """Return what each of the user's entries adds to the score of an item.

    Parameters
    ----------
    userid
        The row of `user_items` that belongs to the user.
    user_items
        Sparse (users, items), or the user's row alone (1, items).
    itemid
        The item whose score is explained.
    user_weights
        What an earlier call returned for this user and these entries. Saves the factorisation.
    N
        The largest number of contributions to return, at least 0.

    Returns
    -------
    total_score
        The score of the user solved anew, which `recommend(recalculate_user=True)` gives the item. The
        plain `recommend` scores by the fitted user factors. They differ by some per cent, because the
        items moved after the users' last half-step, and because a fit by few steps or with
        over-relaxation ends near the users' solutions. `user_factors[userid] @ item_factors[itemid]`
        less `total_score` is what the fit left unsolved.
    top_contributions
        (item, contribution), largest first. The contributions of all entries add up to `total_score`.
    user_weights
        Cholesky factor of the user's matrix A_u in float64, as `scipy.linalg.cho_solve` takes it.

    Raises
    ------
    InputError, UnknownId
    NotFitted
        The model has no item factors; user factors are not needed.

    See Also
    --------
    halfstep.Solver.explain_features : What attributes gave to a score.
    halfstep.Solver.recommend : The scores.

    Notes
    -----
    Hu, Koren and Volinsky, Collaborative Filtering for Implicit Feedback Datasets (ICDM 2008), section
    5.

    Examples
    --------
    >>> import halfstep
    >>> from scipy import sparse
    >>> plays = sparse.csr_matrix([[5, 0, 3, 1, 0, 2], [0, 2, 0, 0, 4, 0], [1, 0, 0, 3, 0, 0]])
    >>> model = halfstep.AlternatingLeastSquares(2, solver="cholesky", random_state=0)
    >>> model = model.fit(plays, show_progress=False)
    >>> score, parts, _ = model.explain(0, plays, itemid=3)
    >>> sorted(int(item) for item, _ in parts)
    [0, 2, 3, 5]
    >>> bool(abs(score - sum(part for _, part in parts)) < 1e-9)
    True
    """
    check_integers({"N": N}, N=0)
    with Reading(model, "item_factors") as (items,):
        Y = items.array()
        item = one_id(itemid, len(Y), "itemid")
        problem = model._weigh(_row_of(userid, user_items, len(Y)), dtype=Y.dtype).fixing(Y)
        Y_u, y = Y[problem.indices].astype(np.float64), Y[item].astype(np.float64)
        if user_weights is None:
            user_weights = _factorise(problem, Y_u, items.gramian())
    if np.shape(user_weights[0]) != (len(y), len(y)):
        raise InputError(
            f"user_weights must be what explain returned for these factors, a matrix of {len(y)} "
            f"columns first, got shape {np.shape(user_weights[0])}"
        )
    weighted = cho_solve(user_weights, y)
    contributions = problem.t * (Y_u @ weighted)
    counted = np.flatnonzero(problem.t)
    order = counted[np.argsort(-contributions[counted], kind="stable")][:N]
    top = [(np.int32(problem.indices[k]), contributions[k]) for k in order]
    return np.float64(contributions.sum()), top, user_weights


def entries_and_factor(
    model: FittedModel, row: sparse.csr_matrix, items: Any
) -> tuple[Problem, UserWeights]:
    """Return a user's row (1, items) as a problem, and the Cholesky factor of its matrix."""
    Y = items.array()
    problem = model._weigh(rows_of(row, 1, len(Y), "user_items"), dtype=Y.dtype).fixing(Y)
    return problem, _factorise(problem, Y[problem.indices].astype(np.float64), items.gramian())


def _row_of(userid: int, user_items: Any, columns: int) -> sparse.csr_matrix:
    """Return the user's row as a canonical matrix (1, columns)."""
    shape: tuple[int, ...] = getattr(user_items, "shape", ())
    if len(shape) == 2 and shape[0] != 1 and sparse.issparse(user_items):
        row = one_id(userid, shape[0], "userid")
        # Only this row is checked: to check the whole matrix would take longer than the explanation.
        user_items = sparse.csr_array(user_items)[[row]]
    else:
        one_id(userid, np.iinfo(np.int64).max, "userid")
    return rows_of(user_items, 1, columns, "user_items")


def one_id(value: int, rows: int, name: str) -> int:
    """Return `value` as an index below `rows`; raise InputError if it is a list of indices."""
    single, ids = as_ids(value, name)
    if not single:
        raise InputError(f"{name} must be one index, got {value!r}")
    return int(within(ids, rows, name)[0])


def _factorise(problem: Problem, Y_u: npt.NDArray[np.float64], gramian: Any) -> UserWeights:
    """Return the Cholesky factor of the row's matrix.

    A singular matrix gets a ridge, doubled until the factorisation succeeds.
    """
    A = gramian.astype(np.float64) * problem.a0
    A += (Y_u.T * problem.w.astype(np.float64)) @ Y_u
    diagonal = A.reshape(-1)[:: len(A) + 1]
    diagonal += problem.lam[0]
    ridge = np.finfo(np.float64).eps * max(float(diagonal.mean()), np.finfo(np.float64).tiny)
    if problem.lam[0] <= 0:
        # A is only as accurate as the factors that it was computed from: eps is that of their dtype.
        ridge *= np.finfo(gramian.dtype).eps / np.finfo(np.float64).eps
        diagonal += ridge
    while np.isfinite(ridge):
        try:
            factor, lower = cho_factor(A)
        except LinAlgError:
            diagonal += ridge
            ridge *= 2
            continue
        return factor, lower
    raise FloatingPointError("the user's matrix is not finite")
