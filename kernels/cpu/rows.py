"""The entry points that solve a block of rows.

`solve_block` takes a fixed number of conjugate gradient steps per row, `solve_all_exactly` solves every
row exactly; `rule` has the entry point for rows that take as many steps as they need. Steps and exact
solutions are compiled apart, each a third of the whole, and the second only once a row needs it.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from halfstep.kernels.cpu.cg import conjugate_gradients, inner
from halfstep.kernels.cpu.compile import compiled, compiled_in, inlined
from halfstep.kernels.cpu.exact import solve_dual, solve_primal
from halfstep.kernels.cpu.scratch import Scratch, Side, entries_of, pointers, set_scale
from halfstep.kernels.cpu.vectors import address, item, put
from halfstep.kernels.cpu.weights import excess
from halfstep.types import Floats

# How a row is solved. One that is COMPLETING has taken steps and is solved exactly after all.
STEPPING, DUAL, PRIMAL, COMPLETING = range(4)
# Places in a block's tally (TALLY,), float64: what its rows came to, for `solvers.fit.stopping`.
ROWS, STEPPED, STEPS, MOST, UNSOLVED, COMPLETED, GAINED, LEFT, OPERATIONS = range(9)
TALLY = 9
_NO_WAYS, _NO_TALLY = np.zeros(0, np.int8), np.zeros(0)


@inlined
def weights_within(entries: Any, first: int, stop: int, largest: float) -> bool:
    """Return whether all excess weights of the row lie between 0 and `largest`."""
    outside = 0
    for e in range(first, stop):
        w = excess(entries, e)
        outside += w < 0 or w > largest
    return outside == 0


@inlined
def suits_dual(entries: Any, work: Any, first: int, stop: int) -> bool:
    """Return whether the row is to be solved by the dual solve.

    It must have few entries, and excess weights that are neither negative nor huge: in the dual solve,
    x = Z'W^1/2 h amplifies the rounding errors of h by the weights. The primal solve does not.
    """
    return stop - first <= work.dual and weights_within(entries, first, stop, 1e-3 / work.eps)


@compiled_in(3)
def step_block(side: Any, work: Any, begin: int, start: Any, f: int, steps: int, ways: Any) -> None:
    """Take `steps` conjugate gradient steps for each row of a block that begins with row `begin`.

    `start` (rows, f) holds the rows' start and is overwritten with their solution, both in whitened
    coordinates. Rows that `suits_dual` accepts are left alone and named in `ways` (rows,). Rows without
    entries become zero.
    """
    entries, scratch = entries_of(side, f), pointers(work)
    indptr, lam, X, x = address(side.indptr), address(side.lam), address(start), scratch.x
    scaled_for = -1.0
    for i in range(len(ways)):
        first, stop = item(indptr, begin + i), item(indptr, begin + i + 1)
        row = i * f
        if first == stop:
            for k in range(f):
                put(X, row + k, 0)
            continue
        if suits_dual(entries, scratch, first, stop):
            ways[i] = DUAL
            continue
        if item(lam, begin + i) != scaled_for:
            scaled_for = item(lam, begin + i)
            set_scale(side, begin + i, f, scratch.scale)
        for k in range(f):
            put(x, k, item(X, row + k) / item(scratch.scale, k))
        conjugate_gradients(entries, scratch, first, stop, f, steps)
        for k in range(f):
            put(X, row + k, item(x, k) * item(scratch.scale, k))


def solve_block(side: Side, work: Scratch, begin: int, start: Floats, steps: int) -> None:
    """Take `steps` steps for each row of a block, or solve it exactly where `suits_dual` accepts it.

    `start` (rows, f) is overwritten with the solution, both in whitened coordinates.
    """
    rows, f = start.shape
    ways = np.zeros(rows, np.int8)
    step_block(side, work, begin, start, f, steps, ways)
    if ways.any():
        solve_block_exactly(side, work, begin, start, f, ways, _NO_TALLY)


@compiled
def mark_started(side: Any, work: Any, begin: int, f: int, marks: Any) -> None:
    """Write to `marks`, for each row from `begin` on, whether its solution depends on its start."""
    entries, scratch, indptr = entries_of(side, f), pointers(work), address(side.indptr)
    for i in range(len(marks)):
        first, stop = item(indptr, begin + i), item(indptr, begin + i + 1)
        marks[i] = first < stop and not suits_dual(entries, scratch, first, stop)


@compiled
def over_relax(indptr: Any, begin: int, before: Any, after: Any, omega: Any) -> None:
    """Over-relax: after <- before + omega (after - before), both (rows, f), in rows with entries."""
    for i in range(len(after)):
        if indptr[begin + i] < indptr[begin + i + 1]:
            for k in range(after.shape[1]):
                after[i, k] = before[i, k] + omega * (after[i, k] - before[i, k])


@compiled_in(4)
def solve_block_exactly(
    side: Any, work: Any, begin: int, out: Any, f: int, ways: Any, tally: Any
) -> None:
    """Solve rows of a block that begins with row `begin` exactly, into `out`, in whitened coordinates.

    `out` is (rows, f). Of `ways` (rows,) the rows STEPPING are left alone. An empty `ways` means all
    rows, each by the dual solve if `suits_dual` accepts it; rows without entries become zero. What
    solving a row COMPLETING gains is added to `tally`.
    """
    entries, scratch = entries_of(side, f), pointers(work)
    indptr, lam, X, x = address(side.indptr), address(side.lam), address(out), scratch.x
    scaled_for = -1.0
    for i in range(len(out)):
        first, stop = item(indptr, begin + i), item(indptr, begin + i + 1)
        row = i * f
        if len(ways):
            way = int(ways[i])
            if way == STEPPING:
                continue
        else:
            way = DUAL if suits_dual(entries, scratch, first, stop) else PRIMAL
        if first == stop:
            for k in range(f):
                put(X, row + k, 0)
            continue
        if item(lam, begin + i) != scaled_for:
            scaled_for = item(lam, begin + i)
            set_scale(side, begin + i, f, scratch.scale)
        n = float(stop - first)
        if way == DUAL:
            solve_dual(entries, scratch, first, stop - first, f)
        else:
            solve_primal(entries, scratch, first, stop, f)
        if len(tally):
            tally[OPERATIONS] += n * n * (f + n / 3) if way == DUAL else f * f * (n + f / 3)
        if way == COMPLETING:  # the steps left their residual r in p and x in Ap: r'(x* - x)
            tally[GAINED] += inner(scratch.p, x, f) - inner(scratch.p, scratch.Ap, f)
        for k in range(f):
            put(X, row + k, item(x, k) * item(scratch.scale, k))


def solve_all_exactly(side: Side, work: Scratch, begin: int, out: Floats) -> None:
    """Solve all rows of a block exactly, into `out` (rows, f), in whitened coordinates."""
    solve_block_exactly(side, work, begin, out, out.shape[1], _NO_WAYS, _NO_TALLY)
