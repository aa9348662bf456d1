"""Rung 5, eigenbasis: CG steps in coordinates where a0 Y'Y + lambda I is the identity; compiled.

From `conjugate_gradient` the coordinates change. A row's matrix is a part that all rows share and a
part of its own:

    A_u = G + lambda_u I + sum_{i in S_u} w_ui y_i y_i',      G = a0 Y'Y

Once per half-step, G = Q L Q' (f x f, float64). With z = Q'y and x = Q x~ the shared part is the
diagonal delta_u = a0 L + lambda_u, and scaled by delta_u^-1/2 it is the identity:

    (I + sum w z z') x~ = sum t z

* The f^2 of every row and step is gone: the shared part costs f.
* It is the best of preconditioners, and costs nothing. The matrix is the identity plus one of rank
  n_u, so few steps do, and a row can tell by itself when it has taken enough.
* It holds for any regularisation, since only the scale differs between rows. Where all lambda_u are
  equal, a Cholesky factor G + lambda I = R'R whitens just as well (z = R'^-1 y), costs less than
  eigenvectors, and half of each rotation is zeros that are skipped.
* A row's entries are gone over in tiles whose dot products and updates share their loads, once for
  the start's residual and once per step; the last step of most rows needs dot products only.
* z is stored in 16 bits and computed with in 32: what bounds long rows is moving the z's. The steps
  solve for the z's as stored, which moves the objective that a fit comes to by some millionths.
* A row of n_u < f entries is a system of n_u unknowns in its own space, where it has no use for its
  start either. Solved exactly there, rows of up to `own_space` entries (with AVX2 none at f = 64, 24
  at 512) cost no more than two steps would; to solve longer ones exactly saved no iteration.

**How many steps.** In these coordinates A >= I, so what a row is above its least objective is at most
|r|^2, and a step of length alpha gains exactly alpha |r|^2 of it. A row ends when the bound on what is
left, (1 - alpha) |r|^2, is at most a twentieth of the sum of all its gains (less for heavy rows; two
steps at least where a w is negative): the rule of `halfstep.solvers.fit.stopping`. Weights of nearly one
size, such as logarithms of counts over a background, leave A near the identity, and a step or two do
for most rows. Raw play counts do not: an entry of weight w can make an eigenvalue of 1 + w |z|^2, and
steps must find each of the large ones, 2 to 20 a row on average. Two steps for every row end there at
an objective some per cent above that of exact half-steps, and two or three times it where the weights
are heaviest (`docs/measurements.md`). A residual relative to |b| does not tell these rows apart, since
|b|^2 grows with w^2 and what can be gained with w. Where steps cost more than solving a row exactly,
that is done: `halfstep.kernels.cpu.rule`.

From the third iteration on a row goes further than its solution, x_0 + 1.4 (x - x_0): successive
over-relaxation. With the other side fixed the objective is a quadratic, whose value above where the
steps end is multiplied by (1.4 - 1)^2 by that, so no half-step raises it; and the fit needs 6 to 8
iterations for what otherwise takes 10. (1.4 was chosen among about 25 schedules by the training
objective at f = 64 on the two data sets that the benchmark uses; other f played no part.)

Cost of a half-step: columns f^2 and three products of factors with f x f triangles, then
2 (steps + 1) n_u f per row. A row that one step solves costs n_u f less; `exact` costs
min(n_u^2 f + n_u^3 / 3, n_u f^2 + f^3 / 3) per row. One of the products is for rows that take steps
alone, and where rows differ in lambda whole matrices take the triangles' place.

Tried and left: one step for all (10 iterations' objective of three plain steps took 10 iterations on
one data set, 14 on another); rows that take no step at all (they bring the fit to rest a percent
short); a test before the step in place of after its dot products (mild rows then take two); keeping
the dot products of every step (a sixth slower from the second on); NumPy arrays in place of pointers
inside the loops (counting references took a third of the time); copying a row's z's together (as dear
as a pass); adding what an entry gives on average to the shared part (one step then does for long rows,
but not for short ones, and the rotations are no longer triangular); going further from the second
iteration on, with three steps too (at f = 512 no iteration less); z's a cache line further apart, or
asked for nearer or farther ahead (within noise at f = 512). Not tried: to keep each side in its
working coordinates between half-steps, which spares a third of the rotations, but then a fit that goes
on from a checkpoint does not come to the same bits.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from halfstep.blas import blas_threads
from halfstep.errors import InputError
from halfstep.solvers.base import Solver
from halfstep.solvers.fit.over_relaxation import FEW_STEPS, check_relaxation, over_relaxation
from halfstep.solvers.fit.stopping import THETA, HalfStepReport, check_stopping, stopping
from halfstep.solvers.problem import Problem
from halfstep.types import Floats

if TYPE_CHECKING:
    from halfstep.solvers.half_step import Method

_OWN_SPACE = 16
_CACHED_BYTES = 1 << 19
_LOOSE = 0.01
KEPT, KEPT_BYTES = 256, 1 << 17
COMPLETED_FACTORS = 320  # beyond, rows may take all their steps for less than an exact solution


@dataclass(eq=False, repr=False)
class Eigenbasis(Solver):
    """ALS in the basis where the shared part is the identity: compiled, on all cores.

    Without regularisation the solution is the one of least norm; with confidence `"explicit"` as
    well, where rows share nothing, a row of fewer entries than factors gets one of its solutions.

    Parameters
    ----------
    cg_steps
        Conjugate gradient steps per row and half-step: exactly so many, at least 1. None: every row
        takes the steps that it needs, by the rule of `halfstep.solvers.fit.stopping`.
    cg_tolerance
        The rule's theta: a row ends when what it can still gain is at most this times what it has
        gained in this half-step. Between 0 and 1; None means 0.05, less where that module says so.
    cg_max_steps
        Steps that the rule lets a row take at most. None means 64.
    exact
        Solve every row exactly instead, by Cholesky in the smaller of its two spaces.
    compress
        Store the fixed side's rotated factors in 16 bits, float32 only. None does where it is far below
        what the steps themselves leave: by the rule with a theta of at least 0.01, or for at most three
        steps. A side of up to half a megabyte, which stays in the cache anyway, is left whole: small
        exact cases stay exact.
    relaxation
        From the third iteration of a fit on, go this many times the way from a row's start to its
        solution; between 0 and 2. None means 1.4 by the rule and with up to three steps, and 1
        otherwise, with `exact` too.
    """

    name: ClassVar[str] = "eigenbasis"
    cg_steps: int | None = field(default=None, kw_only=True)
    cg_tolerance: float | None = field(default=None, kw_only=True)
    cg_max_steps: int | None = field(default=None, kw_only=True)
    exact: bool = field(default=False, kw_only=True)
    compress: bool | None = field(default=None, kw_only=True)
    relaxation: float | None = field(default=None, kw_only=True)

    def check(self) -> None:
        """Raise InputError for an argument that breaks its rule or would be ignored."""
        super().check()
        check_stopping(self.cg_steps, self.cg_tolerance, self.cg_max_steps)
        for name in ("cg_steps", "cg_tolerance", "cg_max_steps"):
            if self.exact and getattr(self, name) is not None:
                raise InputError(
                    f"{name} has no meaning with exact=True, got {getattr(self, name)}"
                )
        check_relaxation(self.relaxation)
        if self.compress and np.dtype(self.dtype) != np.float32:
            raise InputError(f"compress=True needs dtype float32, got {np.dtype(self.dtype).name}")
        if self.compress and self.exact:
            raise InputError("compress=True has no meaning with exact=True")

    def half_step(self, problem: Problem, X: Floats) -> Floats:
        """Return X (rows, f) after the steps from X that its rows take, or exact."""
        from halfstep.solvers.half_step import solve_rows

        with blas_threads(1):
            solution, tally = solve_rows(problem, X, self.num_threads, self._method(problem))
        if problem.reports is not None and self._by_rule():
            problem.reports.append(report_of(tally))
        return solution

    def _omega(self, done: int) -> float:
        return over_relaxation(self.relaxation, self._takes_few_steps(), done)

    def _by_rule(self) -> bool:
        return not self.exact and self.cg_steps is None

    def _takes_few_steps(self) -> bool:
        return self._by_rule() or (self.cg_steps is not None and self.cg_steps <= FEW_STEPS)

    def _compresses(self, theta: float = THETA) -> bool:
        """Return whether to keep the fixed side in 16 bits, by the rule with this theta."""
        if self.compress is not None:
            return self.compress
        return (
            (theta == 0 or theta >= _LOOSE)
            and self._takes_few_steps()
            and (np.dtype(self.dtype) == np.float32)
        )

    def _method(self, problem: Problem) -> Method:
        from halfstep.kernels.cpu import rows as cpu_rows
        from halfstep.kernels.cpu import rule as cpu_rule
        from halfstep.kernels.cpu.rule import HEAVY
        from halfstep.kernels.cpu.vectors import lanes
        from halfstep.solvers.half_step import Method

        rule = stopping(
            self.cg_steps,
            self.cg_tolerance,
            self.cg_max_steps,
            a0=problem.a0,
            few_rows=problem.few_rows,
        )

        def exactly(side: Any, work: Any, begin: int, part: Floats, tally: Any) -> None:
            cpu_rows.solve_block_exactly(side, work, begin, len(part), part, part.shape[1])

        def by_steps(side: Any, work: Any, begin: int, part: Floats, tally: Any) -> None:
            rows, f = part.shape
            cpu_rows.solve_block(side, work, begin, rows, part, f, rule.most)

        def by_rule(side: Any, work: Any, begin: int, part: Floats, tally: Any) -> None:
            rows, f = part.shape
            cpu_rule.solve_block_by_rule(side, work, begin, rows, part, f, rule, tally)

        if self.exact:
            return Method(
                block=exactly,
                long=lambda row, start, tally: row.solve(),
                warm=False,
                paired=False,
                own=lambda f: max(_OWN_SPACE, f * 5 // 8),
                order=lambda f: f,
            )
        large = problem.Y.nbytes > _CACHED_BYTES
        # |z|^2 is at most 1 / a0: below that no entry is heavy, and no row need be looked at.
        heavy = self._by_rule() and problem.largest_excess > HEAVY * problem.a0
        # Of rows that nothing regularises steps find a solution of least norm, Cholesky any.
        loose = problem.a0 == 0 and bool((problem.lam <= 0).any())
        completes = self._by_rule() and problem.Y.shape[1] <= COMPLETED_FACTORS and not loose
        return Method(
            block=by_rule if self._by_rule() else by_steps,
            long=lambda row, start, tally: row.step(start, rule, tally, completes),
            warm=True,
            paired=self._compresses(rule.theta) and bool(large or self.compress),
            own=lambda f: own_space(f, min(rule.most, 2), lanes(problem.Y.itemsize)),
            order=lambda f: f if completes else 0,
            kept=kept_entries,
            able=lambda f: max(_OWN_SPACE, f * 5 // 8) if heavy else 0,
        )


def report_of(tally: Any) -> HalfStepReport:
    """Return what the compiled loops counted of a half-step, (TALLY,), by name."""
    from halfstep.kernels.cpu import rule as cpu_rule

    rows, stepped, steps, most, unsolved, completed = map(int, tally[: cpu_rule.GAINED])
    gained, left = map(float, tally[cpu_rule.GAINED :])
    return HalfStepReport(rows, stepped, steps, most, unsolved, gained, left, completed)


def kept_entries(f: int) -> int:
    """Return how many entries a row may have for its dot products to be kept: see `kernels.cpu.rule`."""
    return min(KEPT, KEPT_BYTES // (2 * f))


def own_space(f: int, steps: int, multiple: int) -> int:
    """Return up to how many entries a row is solved exactly for no more than its steps would cost.

    Measured with two steps: at f = 64 none, at 128 up to eight, at 256 sixteen, from 512 on 20 to 28,
    where not rotating the row's start counts for more than its steps. Systems are padded to a `multiple`
    of unknowns.
    """
    return min(f * steps // 32, 12 * steps, f * 5 // 8) // multiple * multiple
