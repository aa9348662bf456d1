"""Rung 5, eigenbasis: coordinates in which what all rows share is the identity; compiled.

From `conjugate_gradient` the coordinates change. A row's matrix is a part that all rows share and a
part of its own:

    A_u = G + lambda_u I + sum_{i in S_u} w_ui y_i y_i',      G = a0 Y'Y

Once per half-step, G = Q L Q' (f x f, float64). With z = Q'y and x = Q x~ the shared part is the
diagonal delta_u = a0 L + lambda_u, and scaled by delta_u^-1/2 it is the identity:

    (I + sum w z z') x~ = sum t z

* The f^2 of every row and step is gone: the shared part costs f.
* It is the best of preconditioners. The matrix is the identity plus one of rank n_u, so few steps do:
  two of these lower the objective further than three plain ones.
* It holds for any regularisation, since only the scale differs between rows. Where all lambda_u are
  equal, a Cholesky factor G + lambda I = R'R whitens just as well (z = R'^-1 y), costs less than
  eigenvectors, and half of each rotation is zeros that are skipped.
* A row's entries are gone over in tiles whose dot products and updates share their loads, once for
  the start's residual and once per step; the last step needs dot products only.
* z is stored in 16 bits and computed with in 32: what bounds long rows is moving the z's. The steps
  solve for the z's as stored, which moves the objective that a fit comes to by some millionths.
* A row of n_u < f entries is a system of n_u unknowns in its own space, where it has no use for its
  start either. Solved exactly there, rows of up to `own_space` entries (with AVX2 none at f = 64, 24
  at 512) cost no more than two steps would; to solve longer ones exactly saved no iteration.

From the third iteration on a row goes further than its solution, x_0 + 1.4 (x - x_0): successive
over-relaxation. With the other side fixed the objective is a quadratic, whose value above where the
steps end is multiplied by (1.4 - 1)^2 by that, so no half-step raises it; and the fit needs 6 to 8
iterations for what otherwise takes 10. (1.4 was chosen among about 25 schedules by the training
objective at f = 64 on the two data sets that the benchmark uses; other f played no part.)

Cost of a half-step: Y'Y and three products of factors with triangles f x f, one of them only for rows
that take steps (whole matrices where rows differ in lambda); then (steps + 1) n_u f per row; with
`exact` min(n_u^2 f + n_u^3 / 3, n_u f^2 + f^3 / 3) per row.

Tried and left: one step (10 iterations' objective of three plain steps took 10 iterations on one
data set, 14 on another); stopping rows by their residual (of tolerances from 0.05 to 0.01 none was
clearly ahead of two steps, and rows that take no step at all bring the fit to rest a percent
short); NumPy arrays in place of pointers inside the loops (counting references took a third of the
time); copying a row's z's together (as dear as a pass); adding what an entry gives on average to the
shared part (one step then does for long rows, but not for short ones, and the rotations are no
longer triangular); going further from the second iteration on, with three steps too (at f = 512 no
iteration less); z's a cache line further apart, or asked for nearer or farther ahead (within noise at
f = 512). Not tried: to keep each side in its working coordinates between half-steps, which spares a
third of the rotations, but then a fit that goes on from a checkpoint does not come to the same bits.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from halfstep.errors import InputError
from halfstep.solvers.arguments import check_integers
from halfstep.solvers.base import Solver
from halfstep.solvers.blas import blas_threads
from halfstep.solvers.matrix import Floats
from halfstep.solvers.problem import Problem
from halfstep.solvers.relaxation import FEW_STEPS, check_relaxation, way

if TYPE_CHECKING:
    from halfstep.kernels.cpu_half_step import Method

_OWN_SPACE = 16
_CACHED_BYTES = 1 << 19


@dataclass(eq=False, repr=False)
class Eigenbasis(Solver):
    """ALS in the basis where the shared part is the identity: compiled, on all cores.

    Without regularisation the solution is the one of least norm; with confidence `"explicit"` as
    well, where rows share nothing, a row of fewer entries than factors gets one of its solutions.

    Parameters
    ----------
    cg_steps
        Conjugate gradient steps per row and half-step at most, at least 1.
    cg_tolerance
        Stop a row after fewer steps, but at least one, when its preconditioned residual is at most
        this times its right-hand side. None always takes all steps.
    exact
        Solve every row exactly instead, by Cholesky in the smaller of its two spaces.
    compress
        Store the fixed side's rotated factors in 16 bits, float32 only. None does where it is far below
        what the steps themselves leave: for at most three of them, without a tolerance. A side of up to
        half a megabyte, which stays in the cache anyway, is left whole: small exact cases stay exact.
    relaxation
        From the third iteration of a fit on, go this many times the way from a row's start to its
        solution; between 0 and 2. None means 1.4 with few steps (as for `compress`) and 1 otherwise,
        with `exact` too.
    """

    name: ClassVar[str] = "eigenbasis"
    cg_steps: int = field(default=2, kw_only=True)
    cg_tolerance: float | None = field(default=None, kw_only=True)
    exact: bool = field(default=False, kw_only=True)
    compress: bool | None = field(default=None, kw_only=True)
    relaxation: float | None = field(default=None, kw_only=True)

    def __post_init__(self) -> None:
        super().__post_init__()
        self._way = 1.0

    def check(self) -> None:
        """Raise InputError for an argument that breaks its rule or would be ignored."""
        super().check()
        check_integers(self.get_params(), cg_steps=1)
        if self.cg_tolerance is not None and not 0 < self.cg_tolerance < 1:
            raise InputError(f"cg_tolerance must be between 0 and 1, got {self.cg_tolerance}")
        if self.exact and self.cg_steps != 2:
            raise InputError(f"cg_steps has no meaning with exact=True, got {self.cg_steps}")
        if self.exact and self.cg_tolerance is not None:
            raise InputError(
                f"cg_tolerance has no meaning with exact=True, got {self.cg_tolerance}"
            )
        check_relaxation(self.relaxation)
        if self.compress and np.dtype(self.dtype) != np.float32:
            raise InputError(f"compress=True needs dtype float32, got {np.dtype(self.dtype).name}")
        if self.compress and self.exact:
            raise InputError("compress=True has no meaning with exact=True")

    def half_step(self, problem: Problem, X: Floats) -> Floats:
        """Return X (rows, f) after `cg_steps` steps from X, or exact."""
        from halfstep.kernels.cpu_half_step import solve_rows

        with blas_threads(1):
            return solve_rows(problem, X, self.num_threads, self._method(problem))

    def _half_step(self, side: str, problem: Problem, X: Any, done: int) -> Any:
        self._way = way(self.relaxation, self._takes_few_steps(), done)
        try:
            return super()._half_step(side, problem, X, done)
        finally:
            self._way = 1.0

    def _takes_few_steps(self) -> bool:
        return not self.exact and self.cg_tolerance is None and self.cg_steps <= FEW_STEPS

    def _compresses(self) -> bool:
        """Return whether to keep the fixed side in 16 bits."""
        if self.compress is not None:
            return self.compress
        return self._takes_few_steps() and np.dtype(self.dtype) == np.float32

    def _method(self, problem: Problem) -> Method:
        from halfstep.kernels import cpu_rows
        from halfstep.kernels.cpu_half_step import Method
        from halfstep.kernels.cpu_vector import lanes

        steps, tolerance = self.cg_steps, self.cg_tolerance or 0.0

        def exactly(side: Any, work: Any, begin: int, part: Floats) -> None:
            cpu_rows.solve_block_exactly(side, work, begin, len(part), part, part.shape[1])

        def by_steps(side: Any, work: Any, begin: int, part: Floats) -> None:
            rows, f = part.shape
            cpu_rows.solve_block(side, work, begin, rows, part, f, steps, tolerance)

        if self.exact:
            return Method(
                block=exactly,
                long=lambda row, _: row.solve(),
                warm=False,
                paired=False,
                own=lambda f: max(_OWN_SPACE, f * 5 // 8),
                order=lambda f: f,
                further=self._way,
            )
        large = problem.Y.nbytes > _CACHED_BYTES
        return Method(
            block=by_steps,
            long=lambda row, start: row.step(start, steps, tolerance),
            warm=True,
            paired=self._compresses() and bool(large or self.compress),
            own=lambda f: own_space(f, steps, lanes(problem.Y.itemsize)),
            order=lambda f: 0,
            further=self._way,
        )


def own_space(f: int, steps: int, multiple: int) -> int:
    """Return up to how many entries a row is solved exactly for no more than its steps would cost.

    Measured with two steps: at f = 64 none, at 128 up to eight, at 256 sixteen, from 512 on 20 to 28,
    where not rotating the row's start counts for more than its steps. Systems are padded to a `multiple`
    of unknowns.
    """
    return min(f * steps // 32, 12 * steps, f * 5 // 8) // multiple * multiple
