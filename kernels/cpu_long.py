"""Rows so long that one thread alone would keep the others waiting: their entries are shared out.

The passes over the entries are sums, so each is cut into pieces of a fixed length, whatever the
number of threads, and the pieces' sums are added in order: the bits do not depend on the threads.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from halfstep.kernels.cpu import compiled
from halfstep.kernels.cpu_cg import PRODUCT, RESIDUAL, RIGHT_HAND_SIDE, pass_over
from halfstep.kernels.cpu_cholesky import solve
from halfstep.kernels.cpu_exact import add_entries
from halfstep.kernels.cpu_rows import Scratch, Side, entries_of, pointers, set_scale
from halfstep.kernels.cpu_vector import address, lanes
from halfstep.kernels.cpu_workers import spread
from halfstep.solvers.matrix import Floats

SHARE = 32  # rows with more than this part of all entries are split
SHORTEST = 1 << 16
PIECES = 16


@compiled
def _pass_over_piece(
    side: Any, work: Any, u: int, first: int, stop: int, v: Any, out: Any, f: int, mode: int
) -> None:
    entries, scratch = entries_of(side, f), pointers(work)
    set_scale(side, u, f, scratch.scale)
    pass_over(entries, scratch, first, stop, f, address(v), address(out), mode)


@compiled
def _add_piece(side: Any, work: Any, u: int, first: int, stop: int, A: Any, b: Any, f: int) -> None:
    entries, scratch = entries_of(side, f), pointers(work)
    set_scale(side, u, f, scratch.scale)
    add_entries(entries, scratch, first, stop, f, address(A), address(b))


@compiled
def _solve_square(work: Any, A: Any, x: Any, f: int) -> None:
    scratch = pointers(work)
    solve(address(A), f, A.shape[1], scratch.panel, address(x), scratch.eps)


class LongRow:
    """One long row of a half-step, in pieces.

    Parameters
    ----------
    side, u, f
        The half-step's data, the row, and the padded number of factors.
    threads, scratch
        How many threads to use, and what makes one's scratch.
    """

    def __init__(
        self, side: Side, u: int, f: int, threads: int, scratch: Callable[[], Scratch]
    ) -> None:
        self.side, self.u, self.f = side, u, f
        self.threads, self.scratch = threads, scratch
        self.scale = 1 / np.sqrt(side.base + side.slope * side.lam[u])
        cuts = np.linspace(side.indptr[u], side.indptr[u + 1], PIECES + 1).astype(np.int64)
        self.pieces = list(zip(cuts[:-1].tolist(), cuts[1:].tolist(), strict=True))

    def step(self, start: Floats, steps: int, tolerance: float) -> Floats:
        """Return `start` (f,) after up to `steps` conjugate gradient steps, as `cpu_cg` takes them."""
        x = start.astype(np.float64) / self.scale
        floor = (
            tolerance**2 * float(np.sum(np.square(self._sum(RIGHT_HAND_SIDE, x))))
            if tolerance
            else 0.0
        )
        rounding = float(np.finfo(start.dtype).eps) ** 2
        r = self._sum(RESIDUAL, x) - x
        p, rs = r, float(r @ r)
        for step in range(steps):
            if (step > 0 and rs <= floor) or rs <= rounding * float(x @ x):
                break
            Ap = p + self._sum(PRODUCT, p)
            alpha = rs / float(p @ Ap)
            x = x + alpha * p
            r = r - alpha * Ap
            rs, previous = float(r @ r), rs
            p = r + rs / previous * p
        solution: Floats = (x * self.scale).astype(start.dtype)
        return solution

    def solve(self) -> Floats:
        """Return the row's exact solution (f,)."""
        dtype, ld = self.side.base.dtype, self.f + lanes(self.side.base.dtype.itemsize)
        A, b = np.zeros((PIECES, self.f, ld), dtype), np.zeros((PIECES, self.f), dtype)

        def run(piece: int, work: Scratch) -> None:
            first, stop = self.pieces[piece]
            _add_piece(self.side, work, self.u, first, stop, A[piece], b[piece], self.f)

        spread(range(PIECES), self.threads, self.scratch, run)
        whole, x = A.sum(axis=0), np.zeros(self.f, dtype)
        whole[:, : self.f] += np.eye(self.f, dtype=dtype)
        whole[:, self.f] = b.sum(axis=0)
        _solve_square(self.scratch(), whole, x, self.f)
        solution: Floats = x * self.scale
        return solution

    def _sum(self, mode: int, v: Floats) -> Floats:
        vector = v.astype(self.side.base.dtype)
        sums = np.zeros((PIECES, self.f), self.side.base.dtype)

        def run(piece: int, work: Scratch) -> None:
            first, stop = self.pieces[piece]
            _pass_over_piece(
                self.side, work, self.u, first, stop, vector, sums[piece], self.f, mode
            )

        spread(range(PIECES), self.threads, self.scratch, run)
        total: Floats = sums.sum(axis=0, dtype=np.float64)
        return total


def long_rows(side: Side) -> list[int]:
    """Return the rows to split."""
    lengths = np.diff(side.indptr)
    limit = max(SHORTEST, int(side.indptr[-1]) // SHARE)
    return [int(u) for u in np.flatnonzero(lengths > limit)]
