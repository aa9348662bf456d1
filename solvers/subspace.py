"""Rung 4, subspace: iALS++, an exact solution on one block of coordinates after the other; compiled.

A conjugate gradient step moves x along one direction. Here a step solves for a block B of b coordinates
of x at once, with the other coordinates held fixed (block Gauss-Seidel):

    A_BB d = r_B,     x_B <- x_B + d,     r = b_u - A x,     b_u = sum t y

A is the row's matrix, A_BB (b, b) its part in the rows and columns of B, r the residual. One sweep goes
over all f / b blocks; b = f is an exact solve, b = 1 coordinate descent. The products q = y.x of a row's
stored entries are kept up to date, so a block costs n_u b^2 for A_BB, b^3 / 3 for d and n_u b for q; a
sweep costs n_u f b + f b^2 / 3.

In the published algorithm the shared matrix a0 Y'Y also couples the blocks, which costs another f^2 per
row. In whitened coordinates (see `eigenbasis`) it is the identity: blocks are coupled by the row's own
entries alone.

Blocks are level-3 work, but they take b / 2 multiplications for each number that a CG step touches five
times: on gowalla at f = 128, an iteration with b = 32 took twice the processor time of two CG steps
(0.57 s against 0.27 s; `exact` 0.55 s) for an objective lower by 1e-4 after four iterations. So this
rung stands below `eigenbasis`.

Cost of a half-step: 3 GEMMs with f x f matrices, then n_u f (b + 2) + f b^2 / 3 per row.

Rendle, Krichene, Zhang, Koren: iALS++: Speeding up Matrix Factorization with Subspace Optimization
(2021), algorithm 2.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from halfstep.blas import blas_threads
from halfstep.solvers.base import Solver
from halfstep.solvers.inputs import check_integers
from halfstep.solvers.problem import Problem
from halfstep.solvers.shared import Frame, frame_of
from halfstep.solvers.stages import WhitenedStages
from halfstep.types import Floats

if TYPE_CHECKING:
    from halfstep.solvers.half_step import Method

_DUAL = 16


@dataclass(eq=False, repr=False)
class Subspace(WhitenedStages, Solver):
    """ALS by iALS++: one sweep of exact solutions on blocks of coordinates; compiled, on all cores.

    The other parameters are those of `halfstep.Solver`.

    Parameters
    ----------
    block_size
        The number b of coordinates that are solved for at once, at least 1; rounded up to whole pairs
        of vectors (32 numbers in float32 with AVX-512). With b >= f every row is solved exactly.

    See Also
    --------
    halfstep.solvers.eigenbasis.Eigenbasis : Conjugate gradient steps in the same coordinates.

    Notes
    -----
    Rendle, Krichene, Zhang and Koren, iALS++: Speeding up Matrix Factorization with Subspace
    Optimization (2021), algorithm 2.

    Examples
    --------
    >>> import halfstep
    >>> from scipy import sparse
    >>> plays = sparse.csr_matrix([[5, 0, 3, 0], [0, 2, 0, 4], [1, 0, 0, 3]])
    >>> model = halfstep.SOLVERS["subspace"](factors=2, random_state=0)
    >>> model.fit(plays, show_progress=False).user_factors.shape
    (3, 2)
    """

    name: ClassVar[str] = "subspace"
    block_size: int = field(default=32, kw_only=True)

    def check(self) -> None:
        """Raise InputError for an argument that breaks its rule."""
        super().check()
        check_integers(self._settings(), block_size=1)

    def half_step(self, problem: Problem, X: Floats) -> Floats:
        """Return factors (rows, f) after one sweep over the blocks from X (rows, f)."""
        from halfstep.solvers.half_step import solve_rows

        with blas_threads(1):
            return solve_rows(problem, X, self.num_threads, self._method(frame_of(problem)))[0]

    def _method(self, frame: Frame) -> Method:
        from halfstep.kernels.cpu.scratch import padding
        from halfstep.kernels.cpu.subspace import solve_block_by_subspaces
        from halfstep.solvers.half_step import Method

        whole = padding(frame.dtype)
        size = -(-int(self.block_size) // whole) * whole

        def sweep(side: Any, work: Any, begin: int, part: Floats, tally: Any) -> None:
            rows, f = part.shape
            longest = int(np.diff(side.indptr[begin : begin + rows + 1]).max(initial=0))
            products = np.empty(longest, part.dtype)
            solve_block_by_subspaces(side, work, begin, rows, part, f, min(size, f), products)

        return Method(
            block=sweep,
            high_degree=None,
            warm=True,
            bfloat16=False,
            dual=lambda f: _DUAL,
            largest_order=lambda f: min(size, f),
        )
