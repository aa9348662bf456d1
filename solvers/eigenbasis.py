"""Rung 5, eigenbasis: CG steps in coordinates where a0 Y'Y + lambda I is the identity; compiled.

**The coordinates.** Row u's matrix is a part that all rows share and a sum over the row's own entries:

    A_u = G + lambda_u I + sum_{i in S_u} w_ui y_i y_i',      G = a0 Y'Y

`conjugate_gradient` solves with the shared part, its preconditioner, in every step of every row. This
rung changes the coordinates once per half-step instead. Let all rows have one lambda, and let
G + lambda I = R'R be the Cholesky factorisation. With V = R^-1,

    V'(G + lambda I) V = I

which means that V *whitens* G + lambda I. Let z_i = V'y_i and x_u = V x~_u; multiplied by V' from the
left, row u's system A_u x_u = sum t_ui y_i becomes

    (I + sum_{i in S_u} w_ui z_i z_i') x~_u = sum_{i in S_u} t_ui z_i

A half-step rotates Y to Z = Y V and the warm start to whitened coordinates, solves the rows there, and
rotates the solution back. Plain conjugate gradients on this system are the preconditioned ones of
`conjugate_gradient`. If rows differ in lambda_u, V comes from the eigenvectors of G, and each row scales
the coordinates until its own shared part is the identity (`halfstep.solvers.whitening`).

**Why it is faster.**

* A step costs no f^2: the shared part and the preconditioner are the identity.
* V is a triangle, so the rotations skip the half of it that is zero; a Cholesky factorisation costs less
  than eigenvectors, too.
* The loops pass over a row's entries in tiles, once for the residual at the start and once per step; the
  dot products z.p and the updates of a tile load each z together. The last step of most rows needs the
  dot products only.
* Z is stored in bfloat16, and the arithmetic is float32, since the time of high-degree rows goes into
  moving Z. The rows are solved for Z as stored: this moves a fit's objective by some millionths.
* A row of n_u < f entries can be solved exactly as a system of n_u unknowns, without its warm start: the
  dual solve, by the Woodbury identity (`halfstep.kernels.cpu.exact`). For up to `dual_limit` entries
  (with AVX2 none at f = 64, 24 at 512) this costs no more than two steps.

**When a row stops.** The shared part is the identity, so the |r|^2 of `conjugate_gradient` is the plain
squared norm of the residual. A row stops when the bound on what it can still gain is at most theta =
0.02 times the sum of its gains (less for rows with heavy entries; rows with a negative w take at least
two steps): the rule of `halfstep.solvers.fit.stopping`. An entry of weight w can make an eigenvalue of 1
+ w |z|^2, and the steps must find each of the large ones. If the weights have nearly one size, such as
logarithms of counts, one or two steps do for most rows; raw play counts need 2 to 20 on average. (Two
steps for every row would end some per cent above the objective of exact half-steps on raw play counts,
and at two or three times it with the heaviest weights: `docs/measurements.md`.) A row whose steps would
cost more than an exact solution is solved exactly: `halfstep.kernels.cpu.ways`.

**Over-relaxation.** Let x_0 be a row's start and x where its exact solve or its steps end. From the
second iteration on, the row becomes x_0 + omega (x - x_0) with omega = 1.4 to 1.7. On this line the
row's part of the objective is a parabola in omega, with its minimum at omega = 1, since x is the best
point of an affine subspace that contains the line. So omega = 1.4 gives up (omega - 1)^2 = 0.16 of what
the row has gained, and no omega between 0 and 2 raises the objective. In return, fits need half the
iterations or less on raw play counts. What the half-steps gain says which omega is best:
`halfstep.solvers.fit.over_relaxation`.

Cost of a half-step: columns f^2 and three products of factors with f x f triangles, then
2 (steps + 1) n_u f per row. The products rotate Y, the starts of the rows that take steps, and the
solutions (by full matrices if rows differ in lambda_u). A row of one step costs n_u f less. With
`exact`, a row costs min(n_u^2 f + n_u^3 / 3, n_u f^2 + f^3 / 3).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from halfstep.blas import blas_threads
from halfstep.errors import InputError
from halfstep.solvers.base import Solver
from halfstep.solvers.fit.over_relaxation import (
    FEW_STEPS,
    Relaxation,
    check_relaxation,
    omega_of,
    settled,
)
from halfstep.solvers.fit.stopping import THETA, HalfStepReport, check_stopping, stopping
from halfstep.solvers.problem import Problem
from halfstep.solvers.shared import Frame, frame_of
from halfstep.solvers.stages import WhitenedStages
from halfstep.types import Floats

if TYPE_CHECKING:
    from halfstep.kernels.stopping import Stopping
    from halfstep.solvers.half_step import Method

_DUAL = 16
_CACHED_BYTES = 1 << 19
_LOOSE = 0.01
KEPT, KEPT_BYTES = 256, 1 << 17
# With more factors, all the steps of a row may cost less than an exact solve.
COMPLETED_FACTORS = 320


@dataclass(eq=False, repr=False)
class Eigenbasis(WhitenedStages, Solver):
    """ALS in whitened coordinates, by as many steps as a row needs: compiled, on all cores.

    Without regularisation the solution is the one of minimum norm. The exception is confidence
    `"explicit"`, where the shared part is zero too: a row of fewer entries than factors gets one of its
    solutions. The other parameters are those of `halfstep.Solver`.

    Parameters
    ----------
    cg_steps
        The exact number of conjugate gradient steps per row and half-step, at least 1. None means as
        many as the row needs, by the rule of `halfstep.solvers.fit.stopping`.
    cg_tolerance
        The rule's theta, between 0 and 1: a row stops when it can still gain at most theta times what
        it has gained in this half-step. None means 0.02, or less in the cases that `stopping` lists.
    cg_max_steps
        The largest number of steps that the rule lets a row take. None means 64.
    exact
        Solve every row exactly instead, by Cholesky: by the smaller of its primal and its dual system.
    compress
        Store the fixed side's whitened factors in bfloat16; float32 only. None does so if the error is
        far below what the steps leave: by the rule with a theta of at least 0.01, or with at most three
        steps. It leaves a side of up to half a megabyte in float32, since that stays in the cache
        anyway, so small exact cases stay exact.
    relaxation
        The over-relaxation factor omega from the third iteration of a fit on, between 0 and 2, or a
        sequence with that of each iteration, whose last one goes on. None means 1 with `exact` or more
        than three fixed steps, and 1.4 with up to three; otherwise omega follows what the iterations
        gain, as `fit.over_relaxation` says. `relaxation_` has the factors of a fit.

    See Also
    --------
    halfstep.solvers.conjugate_gradient.ConjugateGradient : The same steps in NumPy.

    Examples
    --------
    >>> import halfstep
    >>> halfstep.SOLVERS["eigenbasis"](factors=8, exact=True)
    Eigenbasis(factors=8, exact=True)
    """

    name: ClassVar[str] = "eigenbasis"
    splits_hubs: ClassVar[bool] = True
    cg_steps: int | None = field(default=None, kw_only=True)
    cg_tolerance: float | None = field(default=None, kw_only=True)
    cg_max_steps: int | None = field(default=None, kw_only=True)
    exact: bool = field(default=False, kw_only=True)
    compress: bool | None = field(default=None, kw_only=True)
    relaxation: Relaxation = field(default=None, kw_only=True)

    def __post_init__(self) -> None:
        # The last half-step's solution in a fit, if finite, until the monitor has asked about it.
        self._finite: Any = None
        super().__post_init__()

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
        for name, flag in (("exact", self.exact), ("compress", self.compress)):
            if not isinstance(flag, bool | np.bool_ | None) or (name, flag) == ("exact", None):
                raise InputError(f"{name} must be True or False, got {flag!r}")
        if self.compress and np.dtype(self.dtype) != np.float32:
            raise InputError(f"compress=True needs dtype float32, got {np.dtype(self.dtype).name}")
        if self.compress and self.exact:
            raise InputError("compress=True has no meaning with exact=True")

    def half_step(self, problem: Problem, X: Floats) -> Floats:
        """Return factors (rows, f) after each row's steps from X (rows, f), or exact solutions."""
        from halfstep.solvers.half_step import solve_rows

        solved = self._solve_little(problem, X) if self._by_rule() else None
        if solved is None:
            with blas_threads(1):
                solved = solve_rows(problem, X, self.num_threads, self._method(frame_of(problem)))
        solution, tally = solved
        self._report(tally, problem.reports)
        if problem.reports is not None:  # in a fit, whose monitor asks about every solution
            self._finite = solution if math.isfinite(tally[-1]) else None
        return solution

    def _report(self, tally: Any, reports: list[Any] | None) -> None:
        if reports is not None and self._by_rule():
            reports.append(report_of(tally))

    def _row_not_finite(self, factors: Any) -> int | None:
        # A model that was of another solver before has none.
        known, self._finite = getattr(self, "_finite", None), None
        return None if factors is known else super()._row_not_finite(factors)

    def _omega(self, done: int) -> float:
        relaxation = settled(self.relaxation, self.cg_steps, exact=self.exact)
        return omega_of(relaxation, done, self.relaxation_, self._gains)

    def _by_rule(self) -> bool:
        return not self.exact and self.cg_steps is None

    def _takes_few_steps(self) -> bool:
        return self._by_rule() or (self.cg_steps is not None and self.cg_steps <= FEW_STEPS)

    def _compresses(self, theta: float = THETA) -> bool:
        """Return whether to store the fixed side in bfloat16, given the rule's theta."""
        if self.compress is not None:
            return self.compress
        return (
            (theta == 0 or theta >= _LOOSE)
            and self._takes_few_steps()
            and (np.dtype(self.dtype) == np.float32)
        )

    def _solve_little(self, problem: Problem, X: Floats) -> tuple[Floats, Any] | None:
        from halfstep.solvers.little_step import solve_little

        frame = frame_of(problem)
        rule = self._stopping(frame)
        asked = self.compress, rule.theta
        method = lambda: self._method(frame)  # noqa: E731  (asked for once in a fit)
        return solve_little(problem, X, rule, asked, method, self.num_threads)

    def _stopping(self, frame: Frame) -> Stopping:
        return stopping(
            self.cg_steps,
            self.cg_tolerance,
            self.cg_max_steps,
            a0=frame.a0,
            few_rows=frame.few_rows,
        )

    def _method(self, frame: Frame) -> Method:
        from halfstep.kernels.cpu import rows as cpu_rows
        from halfstep.kernels.cpu import rule as cpu_rule
        from halfstep.kernels.cpu.vectors import lanes
        from halfstep.kernels.stopping import HEAVY
        from halfstep.solvers.half_step import Method

        rule = self._stopping(frame)

        def exactly(side: Any, work: Any, begin: int, part: Floats, tally: Any) -> None:
            cpu_rows.solve_all_exactly(side, work, begin, part)

        def by_steps(side: Any, work: Any, begin: int, part: Floats, tally: Any) -> None:
            cpu_rows.solve_block(side, work, begin, part, rule.most)

        def by_rule(side: Any, work: Any, begin: int, part: Floats, tally: Any) -> None:
            cpu_rule.solve_block_by_rule(side, work, begin, part, rule, tally)

        if self.exact:
            return Method(
                block=exactly,
                high_degree=lambda row, start, tally: row.solve(),
                warm=False,
                bfloat16=False,
                dual=lambda f: max(_DUAL, f * 5 // 8),
                largest_order=lambda f: f,
            )
        large = frame.fixed_bytes > _CACHED_BYTES
        # |z|^2 is at most 1 / a0. So if no w is above HEAVY a0, no entry is heavy.
        heavy = self._by_rule() and frame.side.largest_excess > HEAVY * frame.a0
        # Of a singular row's solutions, steps find the one of minimum norm, and Cholesky any.
        loose = frame.a0 == 0 and frame.side.unregularized
        completes = self._by_rule() and frame.factors <= COMPLETED_FACTORS and not loose
        return Method(
            block=by_rule if self._by_rule() else by_steps,
            high_degree=lambda row, start, tally: row.step(start, rule, tally, completes),
            warm=True,
            bfloat16=self._compresses(rule.theta) and bool(large or self.compress),
            dual=lambda f: dual_limit(f, min(rule.most, 2), lanes(frame.dtype.itemsize)),
            largest_order=lambda f: f if completes else 0,
            kept_dots=kept_entries,
            dual_when_heavy=lambda f: max(_DUAL, f * 5 // 8) if heavy else 0,
        )


def report_of(tally: Any) -> HalfStepReport:
    """Return the tally (TALLY,) of the compiled loops as a report."""
    from halfstep.kernels.cpu import rows as cpu_rows

    figures = tally.tolist()
    rows, stepped, steps, most, unsolved, completed = map(int, figures[: cpu_rows.GAINED])
    gained, left = figures[cpu_rows.GAINED : cpu_rows.OPERATIONS]
    return HalfStepReport(rows, stepped, steps, most, unsolved, gained, left, completed)


def kept_entries(f: int) -> int:
    """Return the largest degree of a row that keeps its dot products: see `kernels.cpu.rule`."""
    return min(KEPT, KEPT_BYTES // (2 * f))


def dual_limit(f: int, steps: int, multiple: int) -> int:
    """Return the largest degree for which the dual solve costs no more than `steps` CG steps.

    Measured with two steps: none at f = 64, up to 8 at f = 128, 16 at 256, 20 to 28 from 512 on, where
    a row saves more by not rotating its start than by not stepping. The result is rounded down to a
    `multiple`, to which systems are padded.
    """
    return min(f * steps // 32, 12 * steps, f * 5 // 8) // multiple * multiple
