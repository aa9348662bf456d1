"""Rung 2, cholesky: the Gramian is computed once for all rows; a row adds its stored entries to it.

`naive` sums over all items in every row. The items that a row does *not* store have the same weight a0
in every row. So let every item have a0, which gives one Gramian for the whole half-step, and let a row
add the excess w = c - a0 of its n_u stored entries S_u (Hu, Koren, Volinsky 2008, section 4):

    Y' C_u Y = a0 Y'Y + sum_{i in S_u} w_ui y_i y_i'

The row's matrix A_u = Y' C_u Y + lambda_u I is symmetric positive definite, so a Cholesky factorisation
solves the row in half the operations of a general solver.

Cost of a half-step: columns f^2 once, then n_u f^2 + f^3 / 3 per row.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from scipy.linalg import get_lapack_funcs

from halfstep.blas import blas_threads
from halfstep.errors import NotFinite, NumericalWarning
from halfstep.solvers.base import Solver
from halfstep.solvers.fit.memory import Size
from halfstep.solvers.problem import Problem
from halfstep.types import Floats

_SCRATCH_ENTRIES = 1 << 15


@dataclass(eq=False, repr=False)
class Cholesky(Solver):
    """ALS with an exact Cholesky solve per row, on one Gramian for all rows.

    The parameters are those of `halfstep.Solver`.

    See Also
    --------
    halfstep.solvers.naive.Naive : The equations as they are written.
    halfstep.solvers.conjugate_gradient.ConjugateGradient : Steps instead of exact solutions.

    Notes
    -----
    Hu, Koren and Volinsky, Collaborative Filtering for Implicit Feedback Datasets (ICDM 2008), section
    4.

    Examples
    --------
    >>> import halfstep
    >>> from scipy import sparse
    >>> plays = sparse.csr_matrix([[5, 0, 3, 0], [0, 2, 0, 4], [1, 0, 0, 3]])
    >>> model = halfstep.SOLVERS["cholesky"](factors=2, random_state=0)
    >>> model.fit(plays, show_progress=False).user_factors.shape
    (3, 2)
    """

    name: ClassVar[str] = "cholesky"
    native: ClassVar[bool] = False
    exact_only: ClassVar[bool] = True

    def half_step(self, problem: Problem, X: Floats) -> Floats:
        """Return the exact solution of every row; of X (rows, f) only shape and dtype are used."""
        with blas_threads(1):  # for the reason given in `naive`
            solution, ridge = solve_rows(problem, X.dtype)
        if ridge and not self._warned_of_ridge:
            self._warned_of_ridge = True
            warnings.warn(
                f"regularization {self.regularization} may leave rows singular to working precision: "
                f"added up to {ridge:.2g} (eps times the mean diagonal) to their diagonals",
                NumericalWarning,
                stacklevel=2,
            )
        return solution

    def scratch_bytes(self, size: Size) -> int:
        """Return the bytes of one piece of a row's gathered factors, as they are and weighted."""
        return 2 * size.factor_bytes(min(_SCRATCH_ENTRIES, size.longer))


def solve_rows(problem: Problem, dtype: np.dtype[np.floating]) -> tuple[Floats, float]:
    """Solve every row of a half-step exactly.

    Returns
    -------
    X (rows, f), ridge
        Rows without entries are zero. `ridge` is the largest number that was added to a diagonal to
        make a matrix positive definite, or 0.0.
    """
    Y = problem.Y
    f = Y.shape[1]
    gramian = problem.gramian()
    solution = np.zeros((problem.rows, f), dtype)
    largest_ridge = 0.0
    for u in range(problem.rows):
        start, stop = int(problem.indptr[u]), int(problem.indptr[u + 1])
        if start == stop:
            continue
        A = gramian.copy()
        b = np.zeros(f, dtype)
        # In pieces, so that a row of a million entries does not gather a million rows of Y at once.
        for first in range(start, stop, _SCRATCH_ENTRIES):
            piece = slice(first, min(first + _SCRATCH_ENTRIES, stop))
            Y_u = Y[problem.indices[piece]]
            w, t = problem.of_entries(piece)
            A += (Y_u.T * w) @ Y_u
            b += t @ Y_u
        solution[u], ridge = _solve(A, b, problem.lam[u], u)
        largest_ridge = max(largest_ridge, ridge)
    return solution, largest_ridge


def _solve(A: Floats, b: Floats, lam: float, row: int) -> tuple[Floats, float]:
    """Solve (A + lam I) x = b; return x and the ridge added to the diagonal. A is overwritten."""
    (posv,) = get_lapack_funcs(("posv",), (A,))
    diagonal = A.reshape(-1)[:: len(b) + 1]
    diagonal += A.dtype.type(lam)
    ridge = float(np.finfo(A.dtype).eps * diagonal.mean())
    if ridge == 0:
        return np.zeros_like(b), 0.0
    added = 0.0
    if lam <= 0:
        diagonal += ridge
        added = ridge
    # Even a positive lambda can be lost to rounding beside the diagonal, so this may fail at first.
    while np.isfinite(ridge):
        _, x, failed_at = posv(A, b, lower=True)
        if not failed_at:
            return x, added
        diagonal += ridge
        added += ridge
        ridge *= 2
    raise NotFinite(f"the system of row {row} is not finite", row)
