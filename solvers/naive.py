"""Rung 1, naive: the normal equations as they are written, with every item in every row.

For row u, let C_u be the diagonal matrix of its confidences for *all* items, stored or not, and p_u the
vector of its preferences. Then

    x_u = (Y' C_u Y + lambda_u I)^-1 Y' C_u p_u        (Hu, Koren, Volinsky 2008, eq. 4)

The code shares nothing between rows and skips nothing, so it reads like the formula. In float64 it is
the oracle that every other rung is tested against.

Cost of a half-step: rows (columns f^2 + f^3) operations.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from halfstep.blas import blas_threads
from halfstep.errors import NotFinite
from halfstep.solvers.base import Solver
from halfstep.solvers.fit.memory import Size
from halfstep.solvers.problem import Problem
from halfstep.types import Floats


@dataclass(eq=False, repr=False)
class Naive(Solver):
    """ALS by dense normal equations over all items of every row; for reading and for checking.

    The parameters are those of `halfstep.Solver`.

    See Also
    --------
    halfstep.solvers.cholesky.Cholesky : Shares one Gramian among all rows.

    Notes
    -----
    Hu, Koren and Volinsky, Collaborative Filtering for Implicit Feedback Datasets (ICDM 2008), eq. 4.

    Examples
    --------
    >>> import halfstep
    >>> from scipy import sparse
    >>> plays = sparse.csr_matrix([[5, 0, 3, 0], [0, 2, 0, 4], [1, 0, 0, 3]])
    >>> model = halfstep.SOLVERS["naive"](factors=2, random_state=0)
    >>> model.fit(plays, show_progress=False).user_factors.shape
    (3, 2)
    """

    name: ClassVar[str] = "naive"
    native: ClassVar[bool] = False
    exact_only: ClassVar[bool] = True
    not_shared: ClassVar[str | None] = "each row reads all rows of the fixed side"

    def half_step(self, problem: Problem, X: Floats) -> Floats:
        """Return the exact solution of every row; of X (rows, f) only shape and dtype are used."""
        solution = np.zeros_like(X)
        # A row's products are too small to share between BLAS threads: with another process on one of
        # the cores, the threads' waiting made this 20 times slower.
        with blas_threads(1):
            for u in np.flatnonzero(np.diff(problem.indptr)):
                try:
                    solution[u] = _solve_row(problem, int(u), X.dtype)
                except np.linalg.LinAlgError as error:
                    raise NotFinite(
                        f"the system of row {u} has no solution: {error}", int(u)
                    ) from None
        return solution

    def scratch_bytes(self, size: Size) -> int:
        """Return the bytes of the weighted copy of Y and of one row's weights and targets."""
        return size.factor_bytes(size.longer) + 2 * size.longer * size.itemsize


def _solve_row(problem: Problem, u: int, dtype: np.dtype[Any]) -> Floats:
    """Return x_u (f,), from the confidences c and the products c p of all items (columns,)."""
    Y = problem.Y
    stored = slice(problem.indptr[u], problem.indptr[u + 1])
    items = problem.indices[stored]
    w, t = problem.of_entries(stored)
    c = np.full(problem.columns, problem.a0, dtype)
    c[problem.columns - problem.pulled :] = 0
    c[items] += w
    cp = np.zeros(problem.columns, dtype)
    cp[items] = t
    A = (Y.T * c) @ Y + np.eye(Y.shape[1], dtype=dtype) * dtype.type(problem.lam[u])
    return _solve(A, Y.T @ cp, float(problem.lam[u]))


def _solve(A: Floats, b: Floats, lam: float) -> Floats:
    """Return the solution of A x = b; without regularisation, the one of minimum norm.

    Eigenvalues of A below f eps times the largest are rounding errors, so x gets no component along
    their eigenvectors.
    """
    if lam > 0:
        return np.linalg.solve(A, b)
    eigenvalues, Q = np.linalg.eigh(A)
    kept = eigenvalues > eigenvalues[-1] * len(b) * np.finfo(A.dtype).eps
    x: Floats = Q[:, kept] @ ((b @ Q[:, kept]) / eigenvalues[kept])
    return x
