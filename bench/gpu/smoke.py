"""Is a rung right on this card at all? One half-step on rows of every length, audited in float64.

The audit is NumPy alone: it needs no compiled code of the CPU, and takes a second.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import sparse

from halfstep.solvers import SOLVERS
from halfstep.solvers.gpu.cg_7_half import GpuCgHalf
from halfstep.solvers.inputs import as_csr
from halfstep.solvers.objective import relative_residuals

# No entry, one, about a warp, more than shared memory keeps, hubs of several parts, none again, short.
LENGTHS = (0, 1, 31, 32, 33, 1000, 0, 5000, 9000, 2, 5, 64, *range(3, 40))
COLUMNS = 9000
# Steps that solve these well-conditioned rows to rounding.
STEPS = 40
# A hundred roundings in float32, and four of the best rung's, which stores the fixed side in float16.
TOLERANCE = {"float32": 100 * 2.0**-23, "float16": 4 * 2.0**-11}
_SETTINGS = {"confidence": "log", "regularization": 20.0}


def smoke(name: str, factors: int) -> float:
    """Return the largest relative residual |A x - b| / |b| of a half-step's rows; NaN where one is NaN.

    Raises
    ------
    ValueError
        A row without entries is not zero.
    """
    matrix = _rows()
    solver: Any = SOLVERS[name]
    steps = {} if solver.exact_only else {"cg_steps": STEPS}
    model = solver(factors=factors, **_SETTINGS, **steps)
    rng = np.random.default_rng(factors)
    Y, start = (
        rng.standard_normal((rows, factors), np.float32) for rows in (COLUMNS, len(LENGTHS))
    )
    users, _ = model.weights(matrix)
    problem = users.fixing(Y)
    X = model.half_step(problem, start / 1000)  # about the size of a solution
    if X[np.diff(matrix.indptr) == 0].any():
        raise ValueError(f"{name}, f = {factors}: a row without entries must be zero")
    return float(relative_residuals(problem, X).max())


def tolerance(name: str) -> float:
    """Return the residual that a rung may have."""
    return TOLERANCE["float16" if issubclass(SOLVERS[name], GpuCgHalf) else "float32"]


def _rows() -> sparse.csr_matrix:
    """Return a row of each length, canonical."""
    rng = np.random.default_rng(0)
    indices = [np.sort(rng.choice(COLUMNS, length, replace=False)) for length in LENGTHS]
    values = np.ceil(rng.lognormal(0.5, 1.2, sum(LENGTHS)))
    indptr = np.concatenate([[0], np.cumsum(LENGTHS)])
    shape = (len(LENGTHS), COLUMNS)
    return as_csr(sparse.csr_matrix((values, np.concatenate(indices), indptr), shape=shape))
