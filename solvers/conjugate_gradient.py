"""Rung 3, conjugate_gradient: preconditioned CG steps, as many as a row needs; no matrix is formed.

A Cholesky solve computes x_u to machine precision in an iteration of ALS that will be repeated with
other factors anyway. A few steps of conjugate gradients from the last iteration's x_u are enough
(Takács, Pilászy, Tikk, RecSys 2011), and they only need the matrix times a vector:

    A_u p = M_u p + sum_{i in S_u} w_ui (y_i . p) y_i,     M_u = a0 Y'Y + lambda_u I

The steps are preconditioned by M_u, which all rows have in common: one eigendecomposition a0 Y'Y =
Q L Q' gives M_u^-1 r = Q (Q'r / (L + lambda_u)) for every row, whatever its lambda. M_u is also the
measure that tells how many steps are enough. With E(x) = x'Ax / 2 - b'x, r = b - A x and
|r|^2 = r'M^-1 r, a step of length alpha = |r|^2 / p'Ap

    gains           2 (E(x_j) - E(x_j+1)) = alpha_j |r_j|^2      as p'r = |r|^2, whatever A is
    and of at most  2 (E(x_j) - E*) = r'A^-1 r <= |r_j|^2        as A >= M where no w is negative
    leaves          2 (E(x_j+1) - E*) <= (1 - alpha_j) |r_j|^2   the difference

so that a row may end when this is at most theta times the sum of its gains: it has then made at least
1 / (1 + theta) of the progress that an exact solution would make. A row of mild weights needs one step
for that, one of play counts in the thousands twenty. (`stopping` says more, of negative w too.)

All rows of a block step together, so that NumPy does the work: M_u^-1 r is two matrix products for the
whole block, the sum over entries a sparse one. M p needs none: M M^-1 r is r. Rows that are done leave
the block.

Cost of a half-step: f^3 once, then 2 (steps + 1) (n_u f + f^2) per row.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar, NamedTuple

import numpy as np
import numpy.typing as npt

from halfstep.errors import NotFinite
from halfstep.kernels.stopping import Stopping
from halfstep.solvers.base import Solver
from halfstep.solvers.fit.memory import Size
from halfstep.solvers.fit.stopping import HalfStepReport, check_stopping, stopping
from halfstep.solvers.problem import Problem
from halfstep.types import Floats, Integers

_BLOCK_ENTRIES = 1 << 17
_GRAMIAN_ROWS = 1 << 13

Doubles = npt.NDArray[np.float64]


@dataclass(eq=False, repr=False)
class ConjugateGradient(Solver):
    """ALS with warm-started, preconditioned conjugate gradients, a block of rows in lock-step.

    Without regularisation the steps lead to the solution of least norm.

    Parameters
    ----------
    cg_steps
        Steps of every row and half-step, at least 1, fewer where nothing but rounding is left; None
        for as many as the row needs.
    cg_tolerance
        What a row may leave of its gain: theta, between 0 and 1. None means 0.05, less where
        `halfstep.solvers.fit.stopping` says so.
    cg_max_steps
        Steps that a row takes at most, at least 1. None means 64.
    """

    name: ClassVar[str] = "conjugate_gradient"
    native: ClassVar[bool] = False
    cg_steps: int | None = field(default=None, kw_only=True)
    cg_tolerance: float | None = field(default=None, kw_only=True)
    cg_max_steps: int | None = field(default=None, kw_only=True)

    def check(self) -> None:
        """Raise InputError for an argument that breaks its rule or would be ignored."""
        super().check()
        check_stopping(self.cg_steps, self.cg_tolerance, self.cg_max_steps)

    def half_step(self, problem: Problem, X: Floats) -> Floats:
        """Step from X (rows, f), which is not written to, until each row is done."""
        limits = stopping(
            self.cg_steps,
            self.cg_tolerance,
            self.cg_max_steps,
            a0=problem.a0,
            few_rows=problem.few_rows,
        )
        shared = _Shared(problem)
        ended = _Ended(np.zeros_like(X), *np.zeros((3, problem.rows)))
        stored = np.diff(problem.indptr) > 0
        for first, last in problem.blocks(_BLOCK_ENTRIES):
            rows = np.flatnonzero(stored[first:last])
            if len(rows):
                block = problem.block(first, last).subset(rows)
                rows += first
                _solve(block, rows, shared, X[rows], limits, ended)
        if problem.reports is not None:
            problem.reports.append(ended.report(int(stored.sum()), limits))
        return ended.X

    def scratch_bytes(self, size: Size) -> int:
        """Return the bytes of a block's vectors (X, R, P, MP and the like) and of its entries."""
        # Twice the rows of a block of average ones, and at most one row longer than a block.
        average = 2 * _BLOCK_ENTRIES * size.longer // max(1, size.entries) + 1
        rows = min(size.longer, _BLOCK_ENTRIES, average)
        entries = max(_BLOCK_ENTRIES, min(size.longer, size.entries))
        return 10 * size.factor_bytes(rows) + 64 * entries + (24 << 20)


class _Shared:
    """M_u = a0 Y'Y + lambda_u I, what the matrices of all rows have in common, by its eigenvectors."""

    def __init__(self, problem: Problem) -> None:
        Y, f = problem.Y, problem.Y.shape[1]
        G = np.zeros((f, f))
        for start in range(0, len(Y) if problem.a0 else 0, _GRAMIAN_ROWS):
            piece = Y[start : start + _GRAMIAN_ROWS].astype(np.float64)
            G += problem.a0 * (piece.T @ piece)
        L, Q = np.linalg.eigh(G)
        self.L: Doubles = np.maximum(L, 0)  # below zero by rounding alone
        self.Q: Floats = Q.astype(Y.dtype)
        self.gramian: Floats = G.astype(Y.dtype)
        self.eps = float(np.finfo(Y.dtype).eps)
        size = float(np.einsum("if,if->", Y, Y, dtype=np.float64)) / max(1, len(Y))
        self.ridge = 0.0 if problem.a0 else size * self.eps

    def inverse(self, lam: Doubles) -> Floats:
        """Return 1 / (L + lambda_u), (rows, f), and 0 where that is no number but for rounding.

        Without regularisation this is where Y is of low rank. Conjugate gradients keep what x_0 has in
        such a direction and collect rounding there; freed of both they converge to the solution of
        least norm.
        """
        lam = lam[:, None]
        eps = np.where(lam > 0, np.finfo(np.float64).eps, self.eps)
        M = self.L + np.where(lam > 0, lam, self.ridge)
        known = self.L[-1] * len(self.L) * eps < M
        return np.divide(1.0, M, out=np.zeros_like(M), where=known).astype(self.Q.dtype)

    def start(self, X: Floats, lam: Doubles, inverse: Floats) -> Floats:
        """Return X (rows, f) without what lies in directions that no entry of its row may change."""
        if (
            self.ridge
        ):  # a row of lambda 0 has a null space of its own: a start from 0 stays out of it
            return np.where(lam[:, None] > 0, X, 0)
        if inverse.all():
            return X
        return self._turned(X, inverse > 0)

    def solve(self, R: Floats, inverse: Floats) -> Floats:
        """Return M_u^-1 r for each row of R (rows, f)."""
        return self._turned(R, inverse)

    def _turned(self, X: Floats, diagonal: npt.NDArray[Any]) -> Floats:
        product: Floats = ((X @ self.Q) * diagonal) @ self.Q.T
        return product


class _Ended(NamedTuple):
    """How each row of a half-step ended: X (rows, f) and, all (rows,), steps, gain, what it left."""

    X: Floats
    steps: Doubles
    gained: Doubles
    left: Doubles

    def report(self, rows: int, limits: Stopping) -> HalfStepReport:
        unsolved = (self.steps == limits.most) & (self.left > limits.theta * self.gained)
        return HalfStepReport(
            rows=rows,
            stepped=int(np.count_nonzero(self.steps)),
            steps=int(self.steps.sum()),
            most_steps=int(self.steps.max(initial=0)),
            # Who asks for a number of steps is not told that they are few.
            unsolved=int(np.count_nonzero(unsolved)) if limits.theta else 0,
            gained=float(self.gained.sum()),
            left=float(self.left.sum()),
        )


class _Rows(NamedTuple):
    """The rows of a block that still step: the first axis of every array."""

    row: Integers  # its number in the half-step
    least: Integers
    inverse: Floats
    X: Floats
    R: Floats
    P: Floats
    MP: Floats
    rs: Doubles
    rounding: Doubles
    gained: Doubles


def _solve(
    block: Problem, row: Integers, shared: _Shared, X: Floats, limits: Stopping, ended: _Ended
) -> None:
    """Take the steps of a block of rows, none empty (Saad, Iterative Methods, alg. 9.1)."""
    inverse = shared.inverse(block.lam)
    X = shared.start(X, block.lam, inverse)
    B = block.right_hand_side()
    R = B - block.apply(X, shared.gramian)  # 1: r_0 = b - A x_0
    P = shared.solve(R, inverse)  # 1: z_0 = M^-1 r_0, p_0 = z_0
    rs = _finite(_dots(R, P), row)
    # A residual below this is rounding; where A is singular, steps along it would lead away.
    rounding = _finite(_dots(B, shared.solve(B, inverse)), row) * (X.shape[1] * shared.eps) ** 2
    negative = np.minimum.reduceat(block.w, block.indptr[:-1]) < 0
    least = np.where(negative, max(2, limits.least), limits.least)
    s = _Rows(row, least, inverse, X, R, P, R, rs, rounding, np.zeros_like(rs))
    for step in range(limits.most):
        moves = s.rs > s.rounding
        _end(ended, s, ~moves, step, s.rs)
        block, s = _keep(block, s, moves)
        if not len(s.row):
            return
        q = block.stored_products(s.P)
        wq = block.w * q
        pmp = _dots(s.P, s.MP)
        pap = _finite(pmp + np.add.reduceat(wq.astype(np.float64) * q, block.indptr[:-1]), s.row)
        # A direction without curvature, which only a row with a negative w or one that shares nothing
        # can have, is rounding: no step.
        least = np.where((block.lam > 0) | (block.a0 > 0), shared.eps, 2.0) * pmp
        length = np.divide(s.rs, pap, out=np.zeros_like(pap), where=pap > least)  # 3: alpha_j
        alpha = length.astype(X.dtype)[:, None]
        s = s._replace(X=s.X + alpha * s.P, gained=s.gained + length * s.rs)  # 4
        left = np.abs(1 - length) * s.rs
        done = (step + 1 >= s.least) & (left <= limits.theta * s.gained) | (length == 0)
        done |= step + 1 == limits.most
        _end(ended, s, done, step + 1, left)
        wq, alpha = wq[np.repeat(~done, np.diff(block.indptr))], alpha[~done]
        block, s = _keep(block, s, ~done)
        if not len(s.row):
            return
        R = s.R - alpha * (s.MP + block.scatter(wq))  # 5: r_j+1 = r_j - alpha_j A p_j
        Z = shared.solve(R, s.inverse)  # 6
        rs = _finite(_dots(R, Z), s.row)
        beta = (rs / s.rs).astype(X.dtype)[:, None]  # 7
        s = s._replace(R=R, P=Z + beta * s.P, MP=R + beta * s.MP, rs=rs)  # 8, and M times it


def _keep(block: Problem, rows: _Rows, kept: npt.NDArray[np.bool_]) -> tuple[Problem, _Rows]:
    if kept.all():
        return block, rows
    staying: Any = (array[kept] for array in rows)
    return block.subset(np.flatnonzero(kept)), _Rows(*staying)


def _end(
    ended: _Ended, rows: _Rows, done: npt.NDArray[np.bool_], steps: int, left: Doubles
) -> None:
    at = rows.row[done]
    ended.X[at], ended.steps[at] = rows.X[done], steps
    ended.gained[at], ended.left[at] = rows.gained[done], left[done]


def _dots(A: Floats, B: Floats) -> Doubles:
    """Return the dot product of each row, in float64: squares of float32 weights overflow float32."""
    dots: Doubles = np.einsum("uf,uf->u", A, B, dtype=np.float64)
    return dots


def _finite(values: Doubles, row: Integers) -> Doubles:
    finite = np.isfinite(values)
    if not finite.all():
        at = int(row[np.argmin(finite)])
        raise NotFinite(f"the residual of row {at} is not finite", at)
    return values
