"""The objective that ALS minimises and the residuals of a half-step, in float64, to check any solver."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt

from halfstep.solvers.gramian import gramian
from halfstep.solvers.problem import Problem, Weights
from halfstep.types import Floats


def objective(users: Weights, items: Weights, X: Floats, Y: Floats) -> float:
    """Return the objective of `halfstep.solvers.problem` in float64.

    Parameters
    ----------
    users, items
        The two sides' weights, as `Solver.weights` returns them. Of `items` only `lam` is used.
    X, Y
        User factors (users, f) and item factors (items, f), any float dtype. With prior means
        (`halfstep.solvers.features`), rows without entries do not count.

    Notes
    -----
    With z = x_u . y_i, the sum over all entries becomes a sum over the stored ones and two Gramians:

        constant + sum over stored (w z^2 - 2 t z) + a0 tr(X'X Y'Y) + sum lambda |x|^2 + sum lambda |y|^2
    """
    X, Y = users.warm(X), items.warm(Y)
    stored = stored_part(users.fixing(Y), X)
    background = 0.0
    if users.a0 != 0:
        background = users.a0 * float(np.sum(gramian(X, 1, np.float64) * gramian(Y, 1, np.float64)))
    return users.constant + stored + background + users.penalty(X) + items.penalty(Y)


def stored_part(problem: Problem, X: Floats) -> float:
    """Return the sum over stored entries w z^2 - 2 t z, with z = x_u . y_i for X (rows, f)."""
    stored = 0.0
    # In blocks, so that the products of 100 million entries are not in memory at once. Both sides become
    # float64 when their rows are gathered: copies would be twice as large as the factors.
    for start, stop in problem.blocks(1 << 20):
        block = problem.block(start, stop)
        z = block.stored_products(X[start:stop].astype(np.float64))
        terms = z * (block.w.astype(np.float64) * z - 2 * block.t)
        if problem.pulled:  # the pulls are part of the regularisation
            terms = terms[block.indices < problem.columns - problem.pulled]
        stored += float(np.sum(terms))
    return stored


def relative_residuals(problem: Problem, X: Floats) -> npt.NDArray[np.float64]:
    """Return |A_u x_u - b_u| / |b_u| for each row, (rows,), in float64.

    A row with b_u = 0 has the solution 0, so its residual is |x_u|. A NaN in X gives NaN.
    """
    exact = replace(problem, Y=problem.Y.astype(np.float64), YtY=None)
    gramian = exact.gramian()
    residuals = np.empty(exact.rows)
    for start, stop in exact.blocks(1 << 20):
        block = exact.block(start, stop)
        block = replace(block, values=block.values.astype(np.float64))
        x = X[start:stop].astype(np.float64)
        b = block.right_hand_side()
        error = np.linalg.norm(block.apply(x, gramian) - b, axis=1)
        size = np.linalg.norm(b, axis=1)
        empty = size == 0
        residuals[start:stop] = np.where(
            empty, np.linalg.norm(x, axis=1), error / np.where(empty, 1, size)
        )
    return residuals
