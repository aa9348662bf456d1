"""The compiled entry points that solve a block of rows.

`solve_block` takes a fixed number of conjugate gradient steps per row, `solve_block_exactly` solves
every row exactly; `rule` has the entry point for rows that take as many steps as they need.
"""

from __future__ import annotations

from typing import Any

from halfstep.kernels.cpu.cg import conjugate_gradients
from halfstep.kernels.cpu.compile import compiled, inlined
from halfstep.kernels.cpu.exact import solve_dual, solve_primal
from halfstep.kernels.cpu.scratch import entries_of, pointers, set_scale
from halfstep.kernels.cpu.vectors import address, item, put
from halfstep.kernels.cpu.weights import excess


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


@compiled
def solve_block(
    side: Any,
    work: Any,
    begin: int,
    rows: int,
    start: Any,
    f: int,
    steps: int,
) -> None:
    """Take `steps` conjugate gradient steps for rows `begin` to `begin + rows`.

    `start` (rows, f) holds the rows' start and is overwritten with their solution, both in whitened
    coordinates. Rows that `suits_dual` accepts are solved exactly, whatever their start. Rows without
    entries become zero.
    """
    entries, scratch = entries_of(side, f), pointers(work)
    indptr, lam, X, x = address(side.indptr), address(side.lam), address(start), scratch.x
    scaled_for = -1.0
    for i in range(rows):
        first, stop = item(indptr, begin + i), item(indptr, begin + i + 1)
        row = i * f
        if first == stop:
            for k in range(f):
                put(X, row + k, 0)
            continue
        if item(lam, begin + i) != scaled_for:
            scaled_for = item(lam, begin + i)
            set_scale(side, begin + i, f, scratch.scale)
        if suits_dual(entries, scratch, first, stop):
            solve_dual(entries, scratch, first, stop - first, f)
        else:
            for k in range(f):
                put(x, k, item(X, row + k) / item(scratch.scale, k))
            conjugate_gradients(entries, scratch, first, stop, f, steps)
        for k in range(f):
            put(X, row + k, item(x, k) * item(scratch.scale, k))


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


@compiled
def solve_block_exactly(side: Any, work: Any, begin: int, rows: int, out: Any, f: int) -> None:
    """Solve rows `begin` to `begin + rows` exactly, into `out` (rows, f) in whitened coordinates."""
    entries, scratch = entries_of(side, f), pointers(work)
    indptr, lam, X, x = address(side.indptr), address(side.lam), address(out), scratch.x
    scaled_for = -1.0
    for i in range(rows):
        first, stop = item(indptr, begin + i), item(indptr, begin + i + 1)
        row = i * f
        if first == stop:
            for k in range(f):
                put(X, row + k, 0)
            continue
        if item(lam, begin + i) != scaled_for:
            scaled_for = item(lam, begin + i)
            set_scale(side, begin + i, f, scratch.scale)
        if suits_dual(entries, scratch, first, stop):
            solve_dual(entries, scratch, first, stop - first, f)
        else:
            solve_primal(entries, scratch, first, stop, f)
        for k in range(f):
            put(X, row + k, item(x, k) * item(scratch.scale, k))
