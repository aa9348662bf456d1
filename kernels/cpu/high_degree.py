"""High-degree rows: one thread alone would keep the others waiting, so their entries are shared out.

Passes over a row's entries are sums. Each pass is cut into PIECES pieces of equal length, whatever the
number of threads, and the pieces' sums are added in order. So the bits do not depend on the number of
threads.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from halfstep.kernels import phases
from halfstep.kernels.cpu.cg import PRODUCT, RESIDUAL, pass_over
from halfstep.kernels.cpu.cholesky import solve
from halfstep.kernels.cpu.compile import compiled, compiled_in
from halfstep.kernels.cpu.exact import add_entries
from halfstep.kernels.cpu.rows import (
    COMPLETED,
    GAINED,
    LEFT,
    MOST,
    OPERATIONS,
    ROWS,
    STEPPED,
    STEPS,
    UNSOLVED,
)  # fmt: skip
from halfstep.kernels.cpu.scratch import Scratch, Side, entries_of, pointers, set_scale
from halfstep.kernels.cpu.threads import spread
from halfstep.kernels.cpu.vectors import address, lanes
from halfstep.kernels.cpu.ways import primal_cost
from halfstep.kernels.stopping import HEAVY, Stopping
from halfstep.types import Floats

# A row is split if it has more than 1 / SHARE of all entries and more than SHORTEST entries.
SHARE = 32
SHORTEST = 1 << 16
PIECES = 16


@compiled_in(2)
def _pass_over_piece(
    side: Any, work: Any, u: int, first: int, stop: int, v: Any, out: Any, f: int, mode: float
) -> None:
    entries, scratch = entries_of(side, f), pointers(work)
    set_scale(side, u, f, scratch.scale)
    pass_over(entries, scratch, first, stop, f, address(v), address(out), mode)


@compiled_in(2)
def _add_piece(side: Any, work: Any, u: int, first: int, stop: int, A: Any, b: Any, f: int) -> None:
    entries, scratch = entries_of(side, f), pointers(work)
    set_scale(side, u, f, scratch.scale)
    add_entries(entries, scratch, first, stop, f, address(A), address(b))


@compiled
def _solve_system(work: Any, A: Any, x: Any, f: int) -> None:
    scratch = pointers(work)
    solve(address(A), f, A.shape[1], scratch.panel, address(x), scratch.eps)


class HighDegreeRow:
    """One high-degree row of a half-step, its entries cut into pieces.

    Parameters
    ----------
    side, u, f
        The half-step's data, the row's number, and the padded number of factors.
    threads, scratch
        How many threads to use, and a function that returns the scratch for one thread.
    """

    def __init__(
        self, side: Side, u: int, f: int, threads: int, scratch: Callable[[], Scratch]
    ) -> None:
        self.side, self.u, self.f = side, u, f
        self.threads, self.scratch = threads, scratch
        self.scale = 1 / np.sqrt(side.base + side.slope * side.lam[u])
        cuts = np.linspace(side.indptr[u], side.indptr[u + 1], PIECES + 1).astype(np.int64)
        self.pieces = list(zip(cuts[:-1].tolist(), cuts[1:].tolist(), strict=True))

    def step(
        self, start: Floats, stopping: Stopping, tally: Floats, completes: bool = False
    ) -> Floats:
        """Return the row (f,) after conjugate gradient steps from `start` (f,).

        The steps are those of `cg` or, where `stopping` has a theta, of `rule`. `completes` says whether
        the row may be solved exactly once its steps have cost as much. The row's figures are added to
        `tally`.
        """
        x = start.astype(np.float64) / self.scale
        rounding = float(np.finfo(start.dtype).eps) ** 2
        r = self._sum(RESIDUAL, x) - x
        p, rs = r, float(r @ r)
        gained, left, taken, unsolved = 0.0, rs, 0, True
        negative = self.has_negative()
        least = 2 if negative else stopping.least
        theta = stopping.theta_heavy if self.is_heavy() else stopping.theta
        n = int(self.pieces[-1][1] - self.pieces[0][0])
        enough = primal_cost(n, self.f) if completes else np.inf
        completed, bound = False, 1.0
        while unsolved and taken < stopping.most:
            if rs < np.inf and rs <= rounding * float(x @ x):
                left, unsolved = 0.0, False
                break
            Ap = p + self._sum(PRODUCT, p)
            alpha = rs / float(p @ Ap)
            x = x + alpha * p
            r = r - alpha * Ap
            gained += alpha * rs
            taken += 1
            rs, previous = float(r @ r), rs
            if negative:
                left = abs(1 - alpha) * previous
            else:  # r'A^-1 r is at most bound |r|^2
                bound = abs(bound - alpha)
                bound = bound / (bound + rs / previous) if bound else 0.0
                left = bound * rs
            # Where fewer steps are allowed than `least`, what is left after the last one decides.
            unsolved = (taken < min(least, stopping.most)) or not left <= theta * gained
            completed = unsolved and taken >= enough and left < np.inf
            if completed:
                break
            p = r + rs / previous * p
        solution: Floats = (x * self.scale).astype(start.dtype)
        if completed:
            solution = self.solve()
            gained += float(r @ (solution / self.scale - x))
            left, unsolved = 0.0, False
        operations = 4.0 * self.f * n * (1 + taken) + (n + self.f / 3) * self.f**2 * completed
        tally[MOST] = max(tally[MOST], taken)
        for place, value in (
            (ROWS, 1), (STEPPED, 1), (STEPS, taken), (UNSOLVED, unsolved), (COMPLETED, completed),
            (GAINED, gained), (LEFT, left), (OPERATIONS, operations),
        ):  # fmt: skip
            tally[place] += value
        return solution

    def solve(self) -> Floats:
        """Return the row's exact solution (f,)."""
        dtype = self.side.base.dtype
        A, b = self.systems()
        whole, x = A.sum(axis=0), np.zeros(self.f, dtype)
        whole[:, : self.f] += np.eye(self.f, dtype=dtype)
        whole[:, self.f] = b.sum(axis=0)
        _solve_system(self.scratch(), whole, x, self.f)
        solution: Floats = x * self.scale
        return solution

    def systems(self) -> tuple[Floats, Floats]:
        """Return the pieces' parts of the matrix (PIECES, f, ·) and right-hand side (PIECES, f)."""
        dtype, ld = self.side.base.dtype, self.f + lanes(self.side.base.dtype.itemsize)
        A, b = np.zeros((PIECES, self.f, ld), dtype), np.zeros((PIECES, self.f), dtype)

        def run(piece: int, work: Scratch) -> None:
            add_piece(self.side, work, self.u, self.pieces[piece], A[piece], b[piece])
            phases.lap(phases.LONG)

        spread(range(PIECES), self.threads, self.scratch, run)
        return A, b

    def sums(self, mode: float, vector: Floats) -> Floats:
        """Return the pieces' sums in a pass over the entries, (PIECES, f)."""
        sums = np.zeros((PIECES, self.f), self.side.base.dtype)

        def run(piece: int, work: Scratch) -> None:
            pass_over_piece(self.side, work, self.u, self.pieces[piece], vector, sums[piece], mode)
            phases.lap(phases.LONG)

        spread(range(PIECES), self.threads, self.scratch, run)
        return sums

    def has_negative(self) -> bool:
        """Return whether an excess weight is negative."""
        return has_negative(self.side, slice(self.pieces[0][0], self.pieces[-1][1]))

    def is_heavy(self) -> bool:
        """Return whether an entry is heavy: see `ways`."""
        entries = slice(self.pieces[0][0], self.pieces[-1][1])
        return has_heavy(self.side, entries, float(self.scale @ self.scale) / self.f)

    def _sum(self, mode: float, v: Floats) -> Floats:
        vector = v.astype(self.side.base.dtype)
        total: Floats = self.sums(mode, vector).sum(axis=0, dtype=np.float64)
        return total


def pass_over_piece(
    side: Side,
    work: Scratch,
    u: int,
    piece: tuple[int, int],
    vector: Floats,
    out: Floats,
    mode: float,
) -> None:
    """Add a piece's sum in a pass over its entries to `out` (f,)."""
    _pass_over_piece(side, work, u, *piece, vector, out, len(out), mode)


def add_piece(
    side: Side, work: Scratch, u: int, piece: tuple[int, int], A: Floats, b: Floats
) -> None:
    """Add a piece's part of the row's matrix to A (f, ·), and of its right-hand side to b (f,)."""
    _add_piece(side, work, u, *piece, A, b, len(b))


def _excess(side: Side, entries: slice) -> Floats:
    excess: Floats = side.rule.excess_slope * np.abs(side.values[entries]) + side.rule.excess_shift
    return excess


def has_negative(side: Side, entries: slice) -> bool:
    """Return whether an excess weight of these entries is negative."""
    return side.rule.excess_shift < 0 and bool((_excess(side, entries) < 0).any())


def has_heavy(side: Side, entries: slice, mean: float) -> bool:
    """Return whether one of these entries is heavy; `mean` is that of the row's squared scale."""
    if not len(side.sizes):
        return False
    sizes = side.sizes[side.indices[entries]]
    return bool((_excess(side, entries) * sizes * mean > HEAVY).any())


def high_degree_rows(side: Side, entries: int | None = None) -> list[int]:
    """Return the numbers of the rows to split; `entries` are those of all rows, if there are others."""
    lengths = np.diff(side.indptr)
    limit = max(SHORTEST, (int(side.indptr[-1]) if entries is None else entries) // SHARE)
    return [int(u) for u in np.flatnonzero(lengths > limit)]
