"""Rows that take the steps that they need: conjugate gradients with the rule of `solvers.fit.stopping`.

What differs from `cg` is when a row ends. A row of up to `kept` entries keeps its dot products
q = z.p in its first step: p'Ap = p.p + sum w q^2 is known, and with it whether the row has ended, before
the step's second half (the update sum w q z) is begun. A row that ends after one step has gone over its
entries one and a half times, where two fixed steps take two and a half. Longer rows take both halves in
one pass, over tiles that stay in the first-level cache; so do all rows in later steps, which are seldom
the last, but where the residual says that one will be: dot products alone tell.

Heavy rows can take more steps than an exact solution costs. How many is foretold by how many of a row's
entries are heavy, w |z|^2 > 10, and very heavy, > 100, each of which is an eigenvalue far from 1:
3 + 2 sqrt(heavy) + 0.7 very heavy, whatever f, and no more than one for each entry and one (on 12,000
rows of generated counts with f = 32 to 128 and weights of up to 10^7 within a quarter of it for nine in
ten). Where that is more than the exact solution in the cheaper of the row's two spaces costs, the row is
solved there and takes no step. Where the forecast fails, a row is solved exactly when it has taken as
many steps as that costs: it never costs more than twice the cheaper of the two.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from halfstep.kernels.cpu.cg import PRODUCT, RESIDUAL, clear, combine, curvature, inner, pass_over
from halfstep.kernels.cpu.compile import compiled, inlined
from halfstep.kernels.cpu.exact import in_factor_space, in_own_space
from halfstep.kernels.cpu.rows import bearable, entries_of, fits_own_space, pointers, set_scale
from halfstep.kernels.cpu.tiles import dots, locate, update
from halfstep.kernels.cpu.vectors import address, fma, item, load, multiply, put, store, width
from halfstep.kernels.cpu.weights import excess

# What a half-step is told of its rows, a row of numbers for each block: `TALLY` of them.
ROWS, STEPPED, STEPS, MOST, UNSOLVED, COMPLETED, GAINED, LEFT = range(8)
TALLY = 8
STEPPING, OWN_SPACE, FACTOR_SPACE = range(3)
HEAVY = 10
PREFERENCE = 1.25  # for an exact solution, since it leaves nothing
# Of w eps in a row's own space, whose square is what it may err by: less than the rule leaves.
TINY = 1 / 16


@inlined
def has_negative(entries: Any, first: int, stop: int) -> bool:
    """Return whether an excess weight of the row is negative."""
    if entries.rule.excess_shift >= 0:
        return False
    count = 0
    for e in range(first, stop):
        count += excess(entries, e) < 0
    return count > 0


def expected_steps(heavy: int, very_heavy: int) -> float:
    """Return how many steps a row with so many heavy entries takes, as it was found: see the head."""
    return 3 + 2 * math.sqrt(heavy) + 0.7 * very_heavy


def factor_space_cost(n: int, f: int) -> float:
    """Return how many steps cost what the exact solution in the factor space does: n entries, f factors.

    Measured with f = 8 to 256 and n = 16 to 512; AVX2 and AVX-512 agree, to a quarter of it.
    """
    return 4 + f / 11 + (200 + 7 * f) / n


def own_space_cost(n: int, f: int) -> float:
    """Return how many steps cost what the exact solution in the own space does; measured likewise."""
    return 4 + 130 / f + (0.12 + 12 / f) * n


_expected_steps = inlined(expected_steps)
_factor_space_cost = inlined(factor_space_cost)
_own_space_cost = inlined(own_space_cost)


@inlined
def heavy_entries(entries: Any, sizes: Any, mean: float, first: int, stop: int) -> tuple[int, int]:
    """Return how many entries are heavy and very heavy; `mean` is the row's mean squared scale."""
    heavy, very_heavy = 0, 0
    for e in range(first, stop):
        weight = excess(entries, e) * item(sizes, item(entries.indices, e)) * mean
        heavy += weight > HEAVY
        very_heavy += weight > 10 * HEAVY
    return heavy, very_heavy


@inlined
def cheapest(
    entries: Any, scratch: Any, first: int, stop: int, f: int, heavy: int, very_heavy: int
) -> int:
    """Return how a row is solved for least: by STEPPING, in its OWN_SPACE or in its FACTOR_SPACE."""
    n = stop - first
    steps = 1 + min(_expected_steps(heavy, very_heavy), n + 1.0)
    found, cost = STEPPING, PREFERENCE * steps
    if scratch.order >= f and _factor_space_cost(n, f) < cost:
        found, cost = FACTOR_SPACE, _factor_space_cost(n, f)
    if (
        n <= scratch.able
        and _own_space_cost(n, f) < cost
        and bearable(entries, first, stop, TINY / scratch.eps)
    ):
        found = OWN_SPACE
    return found


@inlined
def steps_by_rule(
    entries: Any,
    scratch: Any,
    first: int,
    stop: int,
    f: int,
    stopping: Any,
    theta: float,
    tally: Any,
) -> None:
    """Take steps from scratch.x (f,), in place, until the rule ends the row (Saad, alg. 6.18).

    Added to: the row's figures in `tally` (TALLY,), float64.
    """
    x, r, p, Ap, q, rows = scratch.x, scratch.r, scratch.p, scratch.Ap, scratch.q, scratch.rows
    n = stop - first
    keeps = n <= scratch.kept
    least = 2 if has_negative(entries, first, stop) else stopping.least
    enough = _factor_space_cost(n, f) if scratch.order >= f else np.inf
    clear(r, f)
    combine(-1, x, r, r, f)
    pass_over(entries, scratch, first, stop, f, x, r, RESIDUAL)  # r_0 = b - A x_0
    combine(0, r, r, p, f)
    rs = inner(r, r, f)
    gained, left, taken, unsolved, completed = 0.0, rs, 0, True, False
    for step in range(stopping.most):
        # x is at most as long as A x, so beyond this a residual is rounding; not an infinite one.
        if rs < np.inf and rs <= inner(x, x, f) * scratch.eps * scratch.eps:
            left, unsolved = 0.0, False
            break
        last = step > 0 and rs <= 2 * theta * gained  # likely: the step gains more than half of rs
        halves = keeps and (step == 0 or last)
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
            combine(0, p, p, Ap, f)
            pass_over(entries, scratch, first, stop, f, p, Ap, PRODUCT)
            pAp = inner(p, Ap, f)
        if pAp <= 0:  # false for a NaN, which must reach x
            left, unsolved = 0.0, False
            break
        alpha = rs / pAp
        gained += alpha * rs
        taken += 1
        combine(alpha, p, x, x, f)
        left = abs(1 - alpha) * rs
        unsolved = not left <= theta * gained
        if (taken >= least and not unsolved) or taken == stopping.most:
            break
        if halves:
            for e in range(n, (n + 3) // 4 * 4):
                put(q, e, 0)
            clear(scratch.total, f)
            update(entries.Z, rows, n, f, q, scratch.total)
            for k in range(0, f, width(p)):
                store(Ap, k, fma(load(scratch.total, k), load(scratch.scale, k), load(p, k)))
        elif last:  # it was not
            combine(0, p, p, Ap, f)
            pass_over(entries, scratch, first, stop, f, p, Ap, PRODUCT)
        combine(-alpha, Ap, r, r, f)
        rs_next = inner(r, r, f)
        if taken >= enough and left < np.inf:  # a NaN must reach x
            completed = True
            break
        combine(rs_next / rs, p, r, p, f)
        rs = rs_next
    if completed:  # which gains r'(x* - x); the solution writes neither to p nor to Ap
        combine(0, r, r, p, f)
        combine(0, x, x, Ap, f)
        in_factor_space(entries, scratch, first, stop, f)
        gained += inner(p, x, f) - inner(p, Ap, f)
        left, unsolved = 0.0, False
    tally[STEPPED] += 1
    tally[STEPS] += taken
    tally[MOST] = max(tally[MOST], taken)
    tally[UNSOLVED] += unsolved
    tally[COMPLETED] += completed
    tally[GAINED] += gained
    tally[LEFT] += left


@compiled
def solve_block_by_rule(
    side: Any, work: Any, begin: int, rows: int, start: Any, f: int, stopping: Any, tally: Any
) -> None:
    """Take the steps that they need for rows `begin` to `begin + rows`.

    `start` (rows, f) is the start and becomes the solution, both in working coordinates. Short rows are
    solved exactly, from wherever. Rows without entries become zero. Added to: `tally` (TALLY,).
    """
    entries, scratch = entries_of(side, f), pointers(work)
    indptr, lam, X, x = address(side.indptr), address(side.lam), address(start), scratch.x
    sizes, weighs, mean = address(side.sizes), len(side.sizes) > 0, 1.0
    scaled_for = -1.0
    for i in range(rows):
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
        if fits_own_space(entries, scratch, first, stop):
            kind = OWN_SPACE
        elif weighs:
            heavy, very_heavy = heavy_entries(entries, sizes, mean, first, stop)
            if heavy:
                kind = cheapest(entries, scratch, first, stop, f, heavy, very_heavy)
        if kind == OWN_SPACE:
            in_own_space(entries, scratch, first, stop - first, f)
        elif kind == FACTOR_SPACE:
            in_factor_space(entries, scratch, first, stop, f)
        else:
            for k in range(f):
                put(x, k, item(X, row + k) / item(scratch.scale, k))
            theta = stopping.theta_heavy if heavy else stopping.theta
            steps_by_rule(entries, scratch, first, stop, f, stopping, theta, tally)
        for k in range(f):
            put(X, row + k, item(x, k) * item(scratch.scale, k))
