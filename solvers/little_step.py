"""A half-step on little data: prepared once for a side, and then one compiled call.

`halfstep.solvers.half_step` cuts a side into blocks of rows for the threads, and asks BLAS and LAPACK
for the algebra. That takes half a millisecond before any row is solved: for the half-steps of a small
fit, most of the time. Here nothing is allocated but the result, and one thread does it all
(`halfstep.kernels.cpu.little`). The size of the data alone decides, so the bits do not depend on the
number of threads.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from halfstep.kernels.cpu import little
from halfstep.kernels.cpu.border import check_half_step, check_pair
from halfstep.kernels.cpu.rows import STEPPING, TALLY, solve_block_exactly
from halfstep.kernels.cpu.rule import step_rows
from halfstep.kernels.cpu.scratch import Scratch, Side, make_scratch, padding
from halfstep.kernels.stopping import Stopping
from halfstep.solvers.half_step import Method, Tally
from halfstep.solvers.problem import Problem, Rule
from halfstep.solvers.whitening import lost_share
from halfstep.types import Floats

# Of numbers that are read or multiplied in a half-step. A thread does some 4 billion a second; with more
# to do, two threads are faster.
LITTLE = 4_000_000
MOST_FACTORS = 64
_PASSES = 6  # over an entry's vector: two, of two operations, by most rows, and what is around them
_NAME = "_little_step"


class Prepared(NamedTuple):
    """What all half-steps of a side share: see `halfstep.kernels.cpu.little.solve_little`."""

    key: tuple[Any, ...]
    side: Side
    work: Scratch
    numbers: Any
    ways: Any
    square: Any
    triangles: Any
    part: Floats
    spare: Floats


def solve_little(
    problem: Problem,
    X: Floats,
    stopping: Stopping,
    asked: tuple[Any, ...],
    method: Callable[[], Method],
) -> tuple[Floats, Tally] | None:
    """Return the solutions (rows, f), from the starts X (rows, f), and the tally; None if not little.

    The tally has one figure more than TALLY: the sum of squares of the solutions. `asked` is on what
    `method()`, how the rows are solved, depends besides the problem.
    """
    if not is_little(problem, X.shape[1]):
        return None
    key = X.shape, X.dtype, asked
    # Taken out while it is used, so that two half-steps on one side at once do not share it.
    whole = problem.__dict__.get("_whole")
    kept = {} if whole is None else whole.__dict__
    prepared: Prepared | None = kept.pop(_NAME, None)
    if prepared is None or prepared.key != key:
        check_half_step(problem, X)
        prepared = _prepared(problem, X, method(), key)
        if prepared is None:
            return None
    check_pair(X, problem.Y)
    solved = _solve(problem, X, stopping, prepared)
    kept[_NAME] = prepared
    return solved


def is_little(problem: Problem, f: int) -> bool:
    """Return whether one thread is to solve the whole side."""
    each = (problem.rows * 2 + problem.columns) * f * f + _PASSES * len(problem.values) * f
    return f <= MOST_FACTORS and each <= LITTLE


def _prepared(problem: Problem, X: Floats, method: Method, key: tuple[Any, ...]) -> Prepared | None:
    f, kind = X.shape[1], X.dtype
    wide = -(-f // padding(kind)) * padding(kind)
    smallest, largest = problem.lambdas
    if method.bfloat16 or problem.a0 <= 0 or method.dual(wide) or not 0 < smallest == largest:
        return None
    heavy = method.dual_when_heavy(wide)
    Z = np.zeros((problem.columns + 1, wide), kind)
    side = Side(
        problem.indptr,
        problem.indices,
        problem.values,
        Rule(*map(kind.type, problem.rule)),
        Z,
        np.ones(wide, kind),
        np.zeros(wide, kind),
        problem.lam.astype(kind),
        np.empty(problem.columns if heavy else 0, kind),
    )
    work = make_scratch(
        wide,
        kind,
        0,
        method.largest_order(wide),
        problem.a0,
        method.kept_dots(wide),
        heavy,
    )
    chunk = little.CHUNK * wide
    return Prepared(
        key,
        side,
        work,
        np.array([problem.a0, smallest, lost_share(float(np.finfo(kind).eps))]),
        np.zeros(problem.rows, np.int8),
        np.zeros(little.MATRICES * wide * wide + chunk),
        np.zeros((little.MATRICES, wide, wide), kind),
        np.empty((problem.rows, wide), kind),
        np.empty((little.CHUNK, wide), kind),
    )


def _solve(
    problem: Problem, X: Floats, stopping: Stopping, prepared: Prepared
) -> tuple[Floats, Tally] | None:
    _, side, work, numbers, ways, square, triangles, part, spare = prepared
    solution = np.empty_like(X)
    tally = np.zeros(TALLY + 1)
    omega = X.dtype.type(problem.omega)
    ways[:] = STEPPING
    rows, wide = part.shape
    at = little.solve_little(
        side, work, problem.Y, X, numbers, stopping, tally, ways, square, triangles, part, spare,
        omega, solution,
    )  # fmt: skip
    if at == little.SINGULAR:
        return None
    if at == little.DONE:
        return solution, tally
    while at < rows:
        one = slice(at, at + 1)
        solve_block_exactly(side, work, at, part[one], wide, ways[one], tally)
        ways[at] = STEPPING
        at = step_rows(side, work, 0, at + 1, part, wide, stopping, tally, ways)
    if ways.any():
        solve_block_exactly(side, work, 0, part, wide, ways, tally)
    tally[-1] = little.finish_little(side.indptr, X, part, triangles, omega, spare, solution)
    return solution, tally
