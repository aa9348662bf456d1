"""Conjugate gradients in which every row takes as many steps as it needs.

The steps are those of `cg`; the rule of `halfstep.solvers.fit.stopping` ends a row.

**Dot products first.** A step has two halves: the dot products q = z.p, which give
p'Ap = p.p + sum w q^2, and the update Ap = p + sum w q z. The rule needs only p'Ap. So a row of up to
`kept_dots` entries keeps its dot products in its first step, and tests the rule before the second half.
A row that ends after one step has passed over its entries one and a half times, where two fixed steps
pass over them two and a half times. Rows with more entries take both halves in one pass, over tiles that
stay in the first-level cache. All rows do so in later steps, which are seldom the last. But where the
residual foretells that a step will be the last, it begins with the dot products alone. The new residual,
which the second half brings, tightens the bound, so the rule is tested after that half as well.

Rows with heavy entries may be solved exactly instead: `halfstep.kernels.cpu.ways`.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from halfstep.kernels.cpu.cg import PRODUCT, RESIDUAL, clear, combine, curvature, inner, pass_over
from halfstep.kernels.cpu.compile import compiled_in, inlined, merged
from halfstep.kernels.cpu.rows import (
    COMPLETED,
    COMPLETING,
    DUAL,
    GAINED,
    LEFT,
    MOST,
    OPERATIONS,
    ROWS,
    STEPPED,
    STEPPING,
    STEPS,
    UNSOLVED,
    solve_block_exactly,
    suits_dual,
)  # fmt: skip
from halfstep.kernels.cpu.scratch import Scratch, Side, entries_of, pointers, set_scale
from halfstep.kernels.cpu.tiles import dots, locate, update
from halfstep.kernels.cpu.vectors import address, fma, item, load, multiply, put, store, width
from halfstep.kernels.cpu.ways import cheapest, heavy_entries, primal_cost_of
from halfstep.kernels.cpu.weights import excess
from halfstep.kernels.stopping import Stopping
from halfstep.types import Floats


@inlined
def has_negative(entries: Any, first: int, stop: int) -> bool:
    """Return whether an excess weight of the row is negative."""
    if entries.rule.excess_shift >= 0:
        return False
    count = 0
    for e in range(first, stop):
        count += excess(entries, e) < 0
    return count > 0


@merged
def steps_by_rule(
    entries: Any,
    scratch: Any,
    first: int,
    stop: int,
    f: int,
    stopping: Any,
    theta: float,
    tally: Any,
) -> bool:
    """Take steps from scratch.x (f,), in place, until the rule ends the row.

    Saad, Iterative Methods, algorithm 6.18. The row's figures are added to `tally` (TALLY,), float64.
    Returns whether the row is to be completed: solved exactly after all. Then scratch.p holds its
    residual and scratch.Ap its x.
    """
    x, r, p, Ap, q, rows = scratch.x, scratch.r, scratch.p, scratch.Ap, scratch.q, scratch.rows
    n, half_passes = stop - first, 2.0  # each of 2 f operations an entry; the residual takes two
    keeps = n <= scratch.kept_dots
    negative = has_negative(entries, first, stop)
    least = 2 if negative else stopping.least
    enough = primal_cost_of(n, f) if scratch.largest_order >= f else np.inf
    clear(r, f)
    combine(-1.0, x, r, r, f)
    pass_over(entries, scratch, first, stop, f, x, r, RESIDUAL)  # r_0 = b - A x_0
    combine(0.0, r, r, p, f)
    rs = inner(r, r, f)
    gained, left, taken, unsolved, completed = 0.0, rs, 0, True, False
    bound = 1.0  # r'A^-1 r is at most bound |r|^2
    for step in range(stopping.most):
        # |x| <= |A x|, so a residual below eps |x| is rounding error. An infinite one is not.
        if rs < np.inf and rs <= inner(x, x, f) * scratch.eps * scratch.eps:
            left, unsolved = 0.0, False
            break
        # A guess, right if the step gains more than half of what it can: then the rule holds.
        last = step > 0 and bound * rs <= 2 * theta * gained
        halves = keeps and (step == 0 or last)
        half_passes += 1 if halves or last else 2
        if halves:
            for k in range(0, f, width(p)):
                store(scratch.scaled, k, multiply(load(p, k), load(scratch.scale, k)))
            if n > scratch.tile:
                locate(entries, first, n, rows)
            dots(entries.Z, rows, n, f, scratch.scaled, q)
            pAp = inner(p, p, f)
            for e in range(n):
                g = excess(entries, first + e) * item(q, e)
                pAp += float(g) * float(item(q, e))
                put(q, e, g)
        elif last:
            pAp = inner(p, p, f) + curvature(entries, scratch, first, stop, f, p)
        else:
            combine(0.0, p, p, Ap, f)
            pass_over(entries, scratch, first, stop, f, p, Ap, PRODUCT)
            pAp = inner(p, Ap, f)
        if pAp <= 0:  # false for a NaN, which must reach x
            left, unsolved = 0.0, False
            break
        alpha = rs / pAp
        gained += alpha * rs
        taken += 1
        combine(alpha, p, x, x, f)
        left = abs(bound - alpha) * rs
        unsolved = not left <= theta * gained
        if (taken >= least and not unsolved) or (negative and taken == stopping.most):
            break
        if halves:
            for e in range(n, (n + 3) // 4 * 4):
                put(q, e, 0)
            clear(scratch.total, f)
            update(entries.Z, rows, n, f, q, scratch.total)
            for k in range(0, f, width(p)):
                store(Ap, k, fma(load(scratch.total, k), load(scratch.scale, k), load(p, k)))
        elif last:  # the guess was wrong: the second half is needed after all
            combine(0.0, p, p, Ap, f)
            pass_over(entries, scratch, first, stop, f, p, Ap, PRODUCT)
        half_passes += halves + 2 * (last and not halves)
        combine(-alpha, Ap, r, r, f)
        rs_next = inner(r, r, f)
        if not negative:
            bound = abs(bound - alpha)
            bound /= bound + rs_next / rs
            left = bound * rs_next
            unsolved = not left <= theta * gained
            if (taken >= least and not unsolved) or taken == stopping.most:
                break
        if taken >= enough and left < np.inf:  # a NaN must reach x
            completed = True
            break
        combine(rs_next / rs, p, r, p, f)
        rs = rs_next
    if completed:
        combine(0.0, r, r, p, f)
        combine(0.0, x, x, Ap, f)
        left, unsolved = 0.0, False
    tally[STEPPED] += 1
    tally[STEPS] += taken
    tally[MOST] = max(tally[MOST], taken)
    tally[UNSOLVED] += unsolved
    tally[COMPLETED] += completed
    tally[GAINED] += gained
    tally[LEFT] += left
    tally[OPERATIONS] += 2.0 * f * n * half_passes
    return completed


@compiled_in(4)
def step_rows(
    side: Any,
    work: Any,
    begin: int,
    at: int,
    start: Any,
    f: int,
    stopping: Any,
    tally: Any,
    ways: Any,
) -> int:
    """Take as many steps as each row needs, from row `at` of a block to its end or to the row returned.

    `start` (rows, f) holds the block's start, its first row being row `begin` of the side. Rows without
    entries become zero. Rows that are to be solved exactly, from any start, are left alone and named in
    `ways` (rows,). The row returned, if it is one, is to be completed.
    """
    entries, scratch = entries_of(side, f), pointers(work)
    indptr, lam, X, x = address(side.indptr), address(side.lam), address(start), scratch.x
    sizes, weighs, mean = address(side.sizes), len(side.sizes) > 0, 1.0
    scaled_for, rows = -1.0, len(ways)
    for i in range(at, rows):
        first, stop = item(indptr, begin + i), item(indptr, begin + i + 1)
        row = i * f
        if first == stop:
            for k in range(f):
                put(X, row + k, 0)
            continue
        tally[ROWS] += 1
        if item(lam, begin + i) != scaled_for:
            scaled_for = item(lam, begin + i)
            set_scale(side, begin + i, f, scratch.scale)
            mean = inner(scratch.scale, scratch.scale, f) / f
        kind, heavy, very_heavy = STEPPING, 0, 0
        if suits_dual(entries, scratch, first, stop):
            kind = DUAL
        elif weighs:
            heavy, very_heavy = heavy_entries(entries, sizes, mean, first, stop)
            if heavy:
                kind = cheapest(entries, scratch, first, stop, f, heavy, very_heavy)
        ways[i] = kind
        if kind != STEPPING:
            continue
        for k in range(f):
            put(x, k, item(X, row + k) / item(scratch.scale, k))
        theta = stopping.theta_heavy if heavy else stopping.theta
        if steps_by_rule(entries, scratch, first, stop, f, stopping, theta, tally):
            ways[i] = COMPLETING
            return i
        for k in range(f):
            put(X, row + k, item(x, k) * item(scratch.scale, k))
    return rows


def solve_block_by_rule(
    side: Side, work: Scratch, begin: int, start: Floats, stopping: Stopping, tally: Floats
) -> None:
    """Take as many steps as each of a block's rows needs, or solve it exactly where that is cheaper.

    `start` (rows, f) holds the rows' start and is overwritten with their solution, both in whitened
    coordinates. Rows that `suits_dual` accepts are solved exactly, whatever their start. Rows without
    entries become zero. The block's figures are added to `tally` (TALLY,).
    """
    rows, f = start.shape
    ways = np.zeros(rows, np.int8)
    at = step_rows(side, work, begin, 0, start, f, stopping, tally, ways)
    complete_rows(side, work, begin, at, start, stopping, tally, ways)


def complete_rows(
    side: Side,
    work: Scratch,
    begin: int,
    at: int,
    start: Floats,
    stopping: Stopping,
    tally: Floats,
    ways: npt.NDArray[np.int8],
) -> None:
    """Solve exactly the rows that `step_rows` left alone; after row `at`, which it returned, it goes on.

    The other arguments are those of `step_rows`.
    """
    rows, f = start.shape
    while at < rows:
        one = slice(at, at + 1)
        solve_block_exactly(side, work, begin + at, start[one], f, ways[one], tally)
        ways[at] = STEPPING
        at = step_rows(side, work, begin, at + 1, start, f, stopping, tally, ways)
    if ways.any():
        solve_block_exactly(side, work, begin, start, f, ways, tally)
