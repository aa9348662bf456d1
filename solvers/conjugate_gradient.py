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
import numpy.typing as npt

from halfstep.errors import NotFinite
from halfstep.solvers.arguments import check_integers
from halfstep.solvers.base import Solver
from halfstep.solvers.matrix import Floats
from halfstep.solvers.memory import Size
from halfstep.solvers.problem import Problem

_BLOCK_ENTRIES = 1 << 17


class _Overflow(Exception):
    """The row, counted in its block, whose residual is not finite."""


@dataclass(eq=False, repr=False)
class ConjugateGradient(Solver):
    """ALS with a few warm-started conjugate gradient steps per row, a block of rows in lock-step.

    Parameters
    ----------
    cg_steps
        Steps per half-step, at least 1.
    """

    name: ClassVar[str] = "conjugate_gradient"
    native: ClassVar[bool] = False
    cg_steps: int = field(default=3, kw_only=True)

    def check(self) -> None:
        """Raise InputError for an argument that breaks its rule."""
        super().check()
        check_integers(self.get_params(), cg_steps=1)

    def half_step(self, problem: Problem, X: Floats) -> Floats:
        """Take `cg_steps` steps for every row from X (rows, f), which is not written to."""
        gramian = problem.gramian()
        null = _null_space(problem)
        solution = np.empty_like(X)
        for first, last in problem.blocks(_BLOCK_ENTRIES):
            rows = slice(first, last)
            block = problem.block(first, last)
            try:
                solution[rows] = _cg(block, gramian, null, X[rows], self.cg_steps)
            except _Overflow as error:
                row = first + error.args[0]
                raise NotFinite(f"the residual of row {row} is not finite", row) from None
        solution[np.diff(problem.indptr) == 0] = 0
        return solution

    def _scratch_bytes(self, size: Size) -> int:
        """Return the bytes of a block's vectors (X, R, P, AP and the like) and of its entries."""
        # Twice the rows of a block of average ones, and at most one row longer than a block.
        average = 2 * _BLOCK_ENTRIES * size.longer // max(1, size.entries) + 1
        rows = min(size.longer, _BLOCK_ENTRIES, average)
        entries = max(_BLOCK_ENTRIES, min(size.longer, size.entries))
        return 9 * size.factor_bytes(rows) + 40 * entries + (24 << 20)


def _cg(problem: Problem, gramian: Floats, null: Floats, X: Floats, steps: int) -> Floats:
    """Conjugate gradients on a block of rows (Saad, Iterative Methods, alg. 6.18)."""
    B = problem.right_hand_side()
    # With neither background nor regularisation each row has a null space of its own; a start
    # from zero never enters it.
    singular = problem.a0 == 0 and not (problem.lam > 0).any()
    X = np.zeros_like(X) if singular else _project_out(X, null)
    R = _project_out(B - problem.apply(X, gramian), null)  # r_0 = b - A x_0
    P = R  # p_0 = r_0
    rs = _squared_norms(R)
    rounding = X.shape[1] * np.finfo(X.dtype).eps
    bb = _squared_norms(B)
    steepest = np.zeros_like(rs)  # largest curvature met, a lower bound of |A_u|
    for _ in range(steps):
        # A residual below this is rounding, and so is a direction without curvature; steps along
        # either would wander off into the null space of a singular A_u.
        floor = rounding**2 * (bb + steepest**2 * _squared_norms(X))
        if not (rs > floor).any():
            break
        AP = problem.apply(P, gramian)
        pAp = _dots(P, AP)
        pp = _squared_norms(P)
        steepest = np.maximum(steepest, _ratio(pAp, pp, pp > 0))
        moving = (rs > floor) & (pAp > rounding * steepest * pp)
        step = _ratio(rs, pAp, moving).astype(X.dtype)  # alpha_j
        X = X + step[:, None] * P
        R = _project_out(R - step[:, None] * AP, null)
        rs_next = _squared_norms(R)
        P = R + _ratio(rs_next, rs, moving).astype(X.dtype)[:, None] * P  # beta_j
        rs = rs_next
    return X


def _dots(A: Floats, B: Floats) -> npt.NDArray[np.float64]:
    """Return the dot product of each row, in float64: squares of float32 weights overflow float32."""
    dots: npt.NDArray[np.float64] = np.einsum("uf,uf->u", A, B, dtype=np.float64)
    finite = np.isfinite(dots)
    if not finite.all():
        raise _Overflow(int(np.argmin(finite)))
    return dots


def _squared_norms(R: Floats) -> npt.NDArray[np.float64]:
    return _dots(R, R)


def _ratio(
    a: npt.NDArray[np.float64], b: npt.NDArray[np.float64], where: npt.NDArray[np.bool_]
) -> npt.NDArray[np.float64]:
    return np.divide(a, b, out=np.zeros_like(a), where=where)


def _null_space(problem: Problem) -> Floats:
    """Return an orthonormal basis (f, k) of the directions in which Y is zero to working precision.

    Only without regularisation does it matter: conjugate gradients keep what x_0 has there, and
    collect rounding. Freed of both they converge to the minimum-norm solution.
    """
    f = problem.Y.shape[1]
    if (problem.lam > 0).any():
        return np.zeros((f, 0), problem.Y.dtype)
    eigenvalues, Q = np.linalg.eigh(problem.Y.T.astype(np.float64) @ problem.Y)
    null = eigenvalues <= eigenvalues[-1] * f * np.finfo(problem.Y.dtype).eps
    return Q[:, null].astype(problem.Y.dtype)


def _project_out(X: Floats, null: Floats) -> Floats:
    projected: Floats = X - (X @ null) @ null.T if null.shape[1] else X
    return projected
