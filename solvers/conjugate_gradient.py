"""Rung 3, conjugate_gradient: never form a matrix, and stop after a few steps.

A Cholesky solve computes x_u to machine precision in an iteration of ALS that will be repeated with
other factors anyway. A few steps of conjugate gradients from the last iteration's x_u are enough
(Takács, Pilászy, Tikk, RecSys 2011), and they only need the matrix times a vector:

    A_u p = a0 (Y'Y) p + lambda_u p + sum_{i in S_u} w_ui (y_i . p) y_i

which costs n_u f + f^2 in place of n_u f^2 + f^3 / 3. All rows of a block step together, so that
NumPy does the work: the first term is one matrix product for the whole block, the last one a sparse
product. Rows that have converged stay where they are (their step length is zero).

Cost of a half-step: (steps + 1) (n_u f + f^2) per row.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np

from halfstep.errors import InputError
from halfstep.solvers.base import Solver
from halfstep.solvers.matrix import Floats
from halfstep.solvers.problem import Problem

_BLOCK_ENTRIES = 1 << 17


@dataclass(eq=False, repr=False)
class ConjugateGradient(Solver):
    """ALS with a few warm-started conjugate gradient steps per row, a block of rows in lock-step.

    Parameters
    ----------
    cg_steps
        Steps per half-step, at least 1.
    """

    name: ClassVar[str] = "conjugate_gradient"
    cg_steps: int = field(default=3, kw_only=True)

    def check(self) -> None:
        """Raise InputError for an argument that breaks its rule."""
        super().check()
        if self.cg_steps < 1:
            raise InputError(f"cg_steps must be at least 1, got {self.cg_steps}")

    def half_step(self, problem: Problem, X: Floats) -> Floats:
        """Take `cg_steps` steps for every row from X (rows, f), which is not written to."""
        gramian = problem.gramian()
        solution = np.empty_like(X)
        start = _without_null_space(problem, X)
        for first, last in problem.blocks(_BLOCK_ENTRIES):
            rows = slice(first, last)
            solution[rows] = _cg(problem.block(first, last), gramian, start[rows], self.cg_steps)
        solution[np.diff(problem.indptr) == 0] = 0
        return solution


def _cg(problem: Problem, gramian: Floats, X: Floats, steps: int) -> Floats:
    """Conjugate gradients on a block of rows (Saad, Iterative Methods, alg. 6.18)."""
    B = problem.right_hand_side()
    R = B - problem.apply(X, gramian)  # r_0 = b - A x_0
    P = R  # p_0 = r_0
    rs = _squared_norms(R)
    # Beyond this a residual is rounding, and stepping along it would only add to it.
    floor = _squared_norms(B) * np.finfo(X.dtype).eps ** 2
    for _ in range(steps):
        if not (rs > floor).any():
            break
        AP = problem.apply(P, gramian)
        pAp = np.einsum("uf,uf->u", P, AP)
        moving = (rs > floor) & (pAp > 0)
        step = _ratio(rs, pAp, moving)  # alpha_j
        X = X + step[:, None] * P
        R = R - step[:, None] * AP
        rs_next = _squared_norms(R)
        P = R + _ratio(rs_next, rs, moving)[:, None] * P  # beta_j
        rs = rs_next
    return X


def _squared_norms(R: Floats) -> Floats:
    norms: Floats = np.einsum("uf,uf->u", R, R)
    return norms


def _ratio(a: Floats, b: Floats, where: np.ndarray[tuple[int], np.dtype[np.bool_]]) -> Floats:
    return np.divide(a, b, out=np.zeros_like(a), where=where)


def _without_null_space(problem: Problem, X: Floats) -> Floats:
    """Return a start from which the unregularised rows converge to the minimum-norm solution.

    Conjugate gradients leave the part of x_0 in the null space of A_u as it is. With lambda_u > 0
    there is none. With lambda_u = 0 it is that of Y for a0 > 0, and the row's own for a0 = 0, where
    the start is zero.
    """
    free = problem.lam <= 0
    if not free.any():
        return X
    X = X.copy()
    if problem.a0 == 0:
        X[free] = 0
        return X
    eigenvalues, Q = np.linalg.eigh(problem.Y.T.astype(np.float64) @ problem.Y)
    null = Q[:, eigenvalues <= eigenvalues[-1] * np.finfo(X.dtype).eps].astype(X.dtype)
    X[free] -= (X[free] @ null) @ null.T
    return X
