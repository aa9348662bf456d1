"""Rung 3, conjugate_gradient: preconditioned CG steps, as many as a row needs; no matrix is formed.

ALS solves every row again in the next iteration, with other fixed factors, so a solution to machine
precision is wasted work. From the row's x_u of the last iteration (a warm start), a few steps of
conjugate gradients are enough (Takács, Pilászy, Tikk, RecSys 2011). A step needs the row's matrix A_u
only in a product with a vector p, so no matrix is formed:

    A_u p = M_u p + sum_{i in S_u} w_ui (y_i . p) y_i,     M_u = a0 Y'Y + lambda_u I

**The preconditioner** is M_u. One eigendecomposition per half-step, a0 Y'Y = Q L Q', gives
M_u^-1 r = Q (Q'r / (L + lambda_u)) for every row, whatever its lambda_u.

**When a row stops.** Let E(x) = x'A x / 2 - b'x; the row's part of the objective is 2 E(x) plus a
constant. Let x* be the minimiser, E* = E(x*), r_j = b - A x_j the residual after j steps, and
|r|^2 = r'M^-1 r. A step along p_j has the length alpha_j = |r_j|^2 / p_j'A p_j. It

    gains           2 (E(x_j) - E(x_j+1)) = alpha_j |r_j|^2          since p_j'r_j = |r_j|^2
    out of at most  2 (E(x_j) - E*) = r_j'A^-1 r_j <= |r_j|^2        since A >= M if no w is negative
    and so leaves   2 (E(x_j+1) - E*) <= (1 - alpha_j) |r_j|^2       at most

From the second step on, the steps taken so far tighten the bound: (g_j - alpha_j) |r_j|^2 with g_0 = 1
and g_j+1 = (g_j - alpha_j) / (g_j - alpha_j + |r_j+1|^2 / |r_j|^2). A row stops when what it leaves is
at most theta times the sum of its gains. It has then made at least 1 / (1 + theta) of the progress that
an exact solution would make. A row of small weights needs one step for that, a row of play counts in the
thousands twenty. (`halfstep.solvers.fit.stopping` says more, also about negative w.)

**Blocks.** All rows of a block step together, so that NumPy does the work: M_u^-1 r is two matrix
products for the whole block, and the sum over entries is a sparse product. M p costs nothing, since p is
a sum of vectors M^-1 r, and M M^-1 r is r. Rows that are done leave the block.

Cost of a half-step: f^3 once, then 2 (steps + 1) (n_u f + f^2) per row.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar, NamedTuple

import numpy as np
import numpy.typing as npt

from halfstep.kernels.stopping import Stopping
from halfstep.solvers.base import Solver
from halfstep.solvers.fit.memory import Size
from halfstep.solvers.fit.residuals import Doubles, dots, finite
from halfstep.solvers.fit.stopping import HalfStepReport, check_stopping, stopping
from halfstep.solvers.gramian import gramian
from halfstep.solvers.problem import Problem
from halfstep.types import Floats, Integers

_BLOCK_ENTRIES = 1 << 17


@dataclass(eq=False, repr=False)
class ConjugateGradient(Solver):
    """ALS by warm-started, preconditioned conjugate gradients; the rows of a block step together.

    Without regularisation the steps lead to the solution of minimum norm. The other parameters are those
    of `halfstep.Solver`.

    Parameters
    ----------
    cg_steps
        Steps of every row in a half-step, at least 1; a row stops earlier if its residual is only
        rounding error. None means as many as the row needs.
    cg_tolerance
        theta, between 0 and 1: the part of its gain that a row may leave. None means 0.02, or less
        in the cases that `halfstep.solvers.fit.stopping` lists.
    cg_max_steps
        The largest number of steps of a row, at least 1. None means 64.

    See Also
    --------
    halfstep.solvers.eigenbasis.Eigenbasis : The same steps, compiled and in whitened coordinates.

    Notes
    -----
    Takács, Pilászy and Tikk (RecSys 2011), with a preconditioner and a rule that ends the steps.

    Examples
    --------
    >>> import halfstep
    >>> halfstep.SOLVERS["conjugate_gradient"](factors=8, cg_steps=3)
    ConjugateGradient(factors=8, cg_steps=3)
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
        """Return factors (rows, f) after the steps from X (rows, f) that each row takes."""
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
        """Return the bytes of a block's vectors (X, R, P, MP and others) and of its entries."""
        # Twice the rows of an average block; a block's entries, or those of one row with more.
        average = 2 * _BLOCK_ENTRIES * size.longer // max(1, size.entries) + 1
        rows = min(size.longer, _BLOCK_ENTRIES, average)
        entries = max(_BLOCK_ENTRIES, min(size.longer, size.entries))
        return 10 * size.factor_bytes(rows) + 64 * entries + (24 << 20)


class _Shared:
    """The preconditioner M_u = a0 Y'Y + lambda_u I of all rows, by a0 Y'Y = Q L Q'."""

    def __init__(self, problem: Problem) -> None:
        Y, f = problem.Y, problem.Y.shape[1]
        YtY = problem.YtY
        if not problem.a0:
            YtY = np.zeros((f, f))
        elif YtY is None or YtY.dtype != np.float64:
            YtY = gramian(problem.counted, 1, np.float64)
        G = problem.a0 * YtY
        L, Q = np.linalg.eigh(G)
        self.L: Doubles = np.maximum(L, 0)  # rounding alone makes an eigenvalue negative
        self.Q: Floats = Q.astype(Y.dtype)
        self.gramian: Floats = G.astype(Y.dtype)
        self.eps = float(np.finfo(Y.dtype).eps)
        counted = problem.counted
        squared = float(np.einsum("if,if->", counted, counted, dtype=np.float64))
        size = squared / max(1, len(counted))
        self.ridge = 0.0 if problem.a0 else size * self.eps

    def inverse(self, lam: Doubles) -> Floats:
        """Return 1 / (L + lambda_u), (rows, f), with 0 in place of 1 / 0 and of 1 / rounding error.

        L + lambda_u is zero in the null space of Y if lambda_u is. Conjugate gradients would keep the
        components that x_0 has there and collect rounding errors; without both they converge to the
        solution of minimum norm.
        """
        lam = lam[:, None]
        eps = np.where(lam > 0, np.finfo(np.float64).eps, self.eps)
        M = self.L + np.where(lam > 0, lam, self.ridge)
        known = self.L[-1] * len(self.L) * eps < M
        return np.divide(1.0, M, out=np.zeros_like(M), where=known).astype(self.Q.dtype)

    def start(self, X: Floats, lam: Doubles, inverse: Floats) -> Floats:
        """Return the warm starts X (rows, f) without their components in null spaces."""
        if self.ridge:  # a row of lambda 0 has a null space of its own: steps from 0 stay out of it
            return np.where(lam[:, None] > 0, X, 0)
        if inverse.all():
            return X
        return self._scaled_in_eigenbasis(X, inverse > 0)

    def solve(self, R: Floats, inverse: Floats) -> Floats:
        """Return M_u^-1 r for each row of R (rows, f)."""
        return self._scaled_in_eigenbasis(R, inverse)

    def _scaled_in_eigenbasis(self, X: Floats, diagonal: npt.NDArray[Any]) -> Floats:
        """Return Q D_u Q'x for each row x of X (rows, f); `diagonal` (rows, f) holds the D_u."""
        product: Floats = ((X @ self.Q) * diagonal) @ self.Q.T
        return product


class _Ended(NamedTuple):
    """How each row ended: its solution X (rows, f); its steps, its gain and what it left, (rows,)."""

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
            # A row with a fixed number of steps never counts as unsolved.
            unsolved=int(np.count_nonzero(unsolved)) if limits.theta else 0,
            gained=float(self.gained.sum()),
            left=float(self.left.sum()),
        )


class _Rows(NamedTuple):
    """The state of the rows of a block that still step, one row on the first axis of every array."""

    row: Integers  # the row's number in the half-step
    least: Integers
    inverse: Floats
    X: Floats
    R: Floats
    P: Floats
    MP: Floats
    rs: Doubles
    rounding: Doubles
    gained: Doubles
    bound: Doubles  # r'A^-1 r is at most bound |r|^2, unless the row is signed
    signed: npt.NDArray[np.bool_]  # whether a w is negative


def _solve(
    block: Problem, row: Integers, shared: _Shared, X: Floats, limits: Stopping, ended: _Ended
) -> None:
    """Take the steps of a block of rows with entries, and record their ends in `ended`.

    The numbers in the comments are the steps of Saad, Iterative Methods, algorithm 9.1.
    """
    inverse = shared.inverse(block.lam)
    X = shared.start(X, block.lam, inverse)
    B = block.right_hand_side()
    R = B - block.apply(X, shared.gramian)  # 1: r_0 = b - A x_0
    P = shared.solve(R, inverse)  # 1: z_0 = M^-1 r_0, p_0 = z_0
    rs = finite(dots(R, P), row)
    # A residual below this is rounding error. If A is singular, steps along it would lead astray.
    rounding = finite(dots(B, shared.solve(B, inverse)), row) * (X.shape[1] * shared.eps) ** 2
    negative = np.minimum.reduceat(block.w, block.indptr[:-1]) < 0
    least = np.where(negative, max(2, limits.least), limits.least)
    gained, bound = np.zeros_like(rs), np.ones_like(rs)
    s = _Rows(row, least, inverse, X, R, P, R, rs, rounding, gained, bound, negative)
    for step in range(limits.most):
        moves = s.rs > s.rounding
        _end(ended, s, ~moves, step, s.rs)
        block, s = _keep(block, s, moves)
        if not len(s.row):
            return
        q = block.stored_products(s.P)
        wq = block.w * q
        pmp = dots(s.P, s.MP)
        pap = finite(pmp + np.add.reduceat(wq.astype(np.float64) * q, block.indptr[:-1]), s.row)
        # Only a row with a negative w, or with a0 = lambda_u = 0, can have a direction p with p'Ap <= 0.
        # It is rounding error, so the row takes no step along it.
        least = np.where((block.lam > 0) | (block.a0 > 0), shared.eps, 2.0) * pmp
        length = np.divide(s.rs, pap, out=np.zeros_like(pap), where=pap > least)  # 3: alpha_j
        alpha = length.astype(X.dtype)[:, None]
        s = s._replace(X=s.X + alpha * s.P, gained=s.gained + length * s.rs)  # 4
        left = np.abs(s.bound - length) * s.rs
        done = (step + 1 >= s.least) & (left <= limits.theta * s.gained) | (length == 0)
        final = step + 1 == limits.most
        done |= final & (s.signed | (limits.theta == 0))
        _end(ended, s, done, step + 1, left)
        wq, alpha = wq[np.repeat(~done, np.diff(block.indptr))], alpha[~done]
        left = left[~done]
        block, s = _keep(block, s, ~done)
        if not len(s.row):
            return
        R = s.R - alpha * (s.MP + block.scatter(wq))  # 5: r_j+1 = r_j - alpha_j A p_j
        Z = shared.solve(R, s.inverse)  # 6
        rs = finite(dots(R, Z), s.row)
        beta = (rs / s.rs).astype(X.dtype)[:, None]  # 7
        s = s._replace(
            R=R, P=Z + beta * s.P, MP=R + beta * s.MP, rs=rs, bound=_next(left, s, rs)
        )  # 8
        left = s.bound * rs
        done = ~s.signed & (final | (step + 1 >= s.least) & (left <= limits.theta * s.gained))
        _end(ended, s, done, step + 1, left)
        block, s = _keep(block, s, ~done)
        if not len(s.row):
            return


def _next(left: Doubles, rows: _Rows, rs: Doubles) -> Doubles:
    """Return the g of the new residuals, whose squared norms are `rs`."""
    gap = left / rows.rs
    bound = np.divide(gap, gap + rs / rows.rs, out=np.zeros_like(gap), where=gap > 0)
    return np.where(rows.signed, 1.0, bound)


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
