"""Is a rung right on this card at all? One half-step on rows of every length, audited in float64.

Mild counts are judged by the residual. Raw play counts make systems so ill-conditioned that a residual
says little: there it is the part of the possible descent of a row's objective that the half-step missed.
The audit is NumPy alone: it needs no compiled code of the CPU, and takes a second.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import sparse

from halfstep.bench.gpu.plan import rounds
from halfstep.solvers import SOLVERS
from halfstep.solvers.inputs import as_csr
from halfstep.solvers.objective import relative_residuals
from halfstep.solvers.problem import Problem
from halfstep.types import Floats

# No entry, one, about a warp, more than shared memory keeps, hubs of several parts, none again, short.
LENGTHS = (0, 1, 31, 32, 33, 1000, 0, 5000, 9000, 2, 5, 64, *range(3, 40))
COLUMNS = 9000
FACTORS = (33, 128)
# Steps that solve well-conditioned rows to rounding, and those of raw counts well enough.
STEPS, RAW_STEPS = 40, 200
# A hundred roundings in float32, and four of the best rung's, which stores the fixed side in float16.
TOLERANCE = {"float32": 100 * 2.0**-23, "float16": 4 * 2.0**-11}
# Of the descent that a row of raw counts has; rounding the fixed side costs in second order.
MISSED = {"float32": 1e-6, "float16": 1e-5}
_MILD = {"confidence": "log", "regularization": 20.0}
_RAW = {"confidence": "linear", "regularization": 0.01}


def smoke(name: str, factors: int) -> float:
    """Return the largest relative residual |A x - b| / |b| of a half-step's rows; NaN where one is NaN.

    Raises
    ------
    ValueError
        A row without entries is not zero.
    """
    problem, X = _half_step(name, factors, _rows(), _MILD, STEPS)
    return float(relative_residuals(problem, X).max())


def missed(name: str, factors: int) -> float:
    """Return the largest share of a row's possible descent that is missing, on raw counts.

    The objective of a row is q(x) = x'A x / 2 - b'x; the share is (q(x) - q(x*)) / (q(0) - q(x*)) with
    the exact x*, in float64. NaN where one is NaN.

    Raises
    ------
    ValueError
        A row without entries is not zero.
    """
    matrix = _rows(raw=True)
    problem, X = _half_step(name, factors, matrix, _RAW, RAW_STEPS)
    Y = np.asarray(problem.Y, np.float64)
    gramian = Y.T @ Y + _RAW["regularization"] * np.eye(factors)  # type: ignore[operator]
    shares = []
    for u in np.flatnonzero(np.diff(matrix.indptr)):
        own = slice(matrix.indptr[u], matrix.indptr[u + 1])
        counts, Y_u = matrix.data[own].astype(np.float64), Y[matrix.indices[own]]
        A, b = gramian + (Y_u.T * counts) @ Y_u, (1 + counts) @ Y_u
        exact = np.linalg.solve(A, b)
        away = X[u] - exact
        shares.append(away @ A @ away / (exact @ A @ exact))
    return float(np.max(shares))


def tolerance(name: str) -> float:
    """Return the residual that a rung may have."""
    return TOLERANCE["float16" if rounds(name) else "float32"]


def may_miss(name: str) -> float:
    """Return the share of a row's descent that a rung may miss on raw counts."""
    return MISSED["float16" if rounds(name) else "float32"]


def _half_step(
    name: str, factors: int, matrix: sparse.csr_matrix, settings: dict[str, Any], steps: int
) -> tuple[Problem, Floats]:
    """Return the problem of the users' half-step, and its solution by a rung."""
    solver: Any = SOLVERS[name]
    more = {} if solver.exact_only else {"cg_steps": steps}
    model = solver(factors=factors, **settings, **more)
    rng = np.random.default_rng(factors)
    Y, start = (
        rng.standard_normal((rows, factors), np.float32) for rows in (COLUMNS, len(LENGTHS))
    )
    users, _ = model.weights(matrix)
    problem: Problem = users.fixing(Y)
    X: Floats = model.half_step(problem, start / 1000)  # about the size of a solution
    if X[np.diff(matrix.indptr) == 0].any():
        raise ValueError(f"{name}, f = {factors}: a row without entries must be zero")
    return problem, X


def _rows(raw: bool = False) -> sparse.csr_matrix:
    """Return a row of each length, canonical; raw counts have a heavy tail."""
    rng = np.random.default_rng(0)
    indices = [np.sort(rng.choice(COLUMNS, length, replace=False)) for length in LENGTHS]
    values = np.ceil(rng.lognormal(0.5, 1.2, sum(LENGTHS)))
    if raw:
        values = np.clip(np.rint(rng.pareto(1.2, len(values)) * 10), 1, 9999)
    indptr = np.concatenate([[0], np.cumsum(LENGTHS)])
    shape = (len(LENGTHS), COLUMNS)
    return as_csr(sparse.csr_matrix((values, np.concatenate(indices), indptr), shape=shape))
