"""Rung 4, subspace: iALS++, exact on one block of coordinates after the other; compiled.

From `conjugate_gradient` the step changes: where a CG step goes along one direction, this solves for a
block B of b coordinates at once, the others held fixed (block Gauss-Seidel):

    A_BB d = r_B,     x_B <- x_B + d,     r = sum t y - A x

One sweep goes over all f / b blocks. b = f is the exact solver, b = 1 coordinate descent. With the
products q = y.x of a row's stored entries kept up to date, a block costs n_u b^2 for its matrix,
b^3 / 3 for its solution and n_u b for the products; a sweep n_u f b + f b^2.

As published the shared part a0 Y'Y couples the blocks, f^2 more for each row, and its sweep needs the
blocks' columns of Y'Y. In coordinates where it is the identity (see `eigenbasis`) that term is gone,
and blocks are coupled by a row's own entries alone.

On a core the blocks' matrices are level-3 work, but b / 2 multiplications for each number that a CG
step's passes touch five times: on gowalla at f = 128 an iteration with b = 32 took twice the processor
time of two CG steps (0.57 s against 0.27 s; `exact` 0.55 s) for an objective lower by 1e-4 after four
iterations. It is therefore below `eigenbasis` in the ladder.

Cost of a half-step: 3 GEMMs with f x f matrices, then n_u f (b + 2) + f b^2 / 3 per row.

Rendle, Krichene, Zhang, Koren: iALS++: Speeding up Matrix Factorization with Subspace Optimization
(2021), algorithm 2.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np

from halfstep.blas import blas_threads
from halfstep.solvers.base import Solver
from halfstep.solvers.inputs import check_integers
from halfstep.solvers.problem import Problem
from halfstep.types import Floats

_OWN_SPACE = 16


@dataclass(eq=False, repr=False)
class Subspace(Solver):
    """ALS by iALS++: one sweep of exact solutions on blocks of coordinates; compiled, on all cores.

    Parameters
    ----------
    block_size
        Coordinates b that are solved for at once, at least 1; rounded up to whole pairs of vectors
        (32 numbers in float32 with AVX-512). From f on, every row is solved exactly.
    """

    name: ClassVar[str] = "subspace"
    block_size: int = field(default=32, kw_only=True)

    def check(self) -> None:
        """Raise InputError for an argument that breaks its rule."""
        super().check()
        check_integers(self.get_params(), block_size=1)

    def half_step(self, problem: Problem, X: Floats) -> Floats:
        """Return X (rows, f) after one sweep over the blocks, from X."""
        from halfstep.kernels.cpu.rows import padding
        from halfstep.kernels.cpu.subspace import solve_block_by_subspaces
        from halfstep.solvers.half_step import Method, solve_rows

        whole = padding(X.dtype)
        size = -(-int(self.block_size) // whole) * whole

        def sweep(side: Any, work: Any, begin: int, part: Floats, tally: Any) -> None:
            rows, f = part.shape
            longest = int(np.diff(side.indptr[begin : begin + rows + 1]).max(initial=0))
            products = np.empty(longest, part.dtype)
            solve_block_by_subspaces(side, work, begin, rows, part, f, min(size, f), products)

        method = Method(
            block=sweep,
            long=None,
            warm=True,
            paired=False,
            own=lambda f: _OWN_SPACE,
            order=lambda f: min(size, f),
        )
        with blas_threads(1):
            return solve_rows(problem, X, self.num_threads, method)[0]
