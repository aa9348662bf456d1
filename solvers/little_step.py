"""A half-step on little data, or of few factors: prepared once for a side, and then compiled calls.

`halfstep.solvers.half_step` asks BLAS and LAPACK for the algebra, and calls half a dozen functions for
each block of rows. That takes half a millisecond before any row is solved: for the half-steps of a small
fit, most of the time; and BLAS is slow on narrow triangles, so that with f = 8 its products cost as much
as the steps. Here one compiled call (`halfstep.kernels.cpu.little`) does all of a small half-step, on
one thread; and where there are more rows, all of a block, on all threads. Nothing is allocated but the
result. The data and the settings alone decide, so the bits do not depend on the number of threads. A
half-step whose phases are recorded goes by blocks of rows, as on much data.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, TypeAlias

import numpy as np

from halfstep.kernels.cpu import little
from halfstep.kernels.cpu.border import check_half_step, check_pair
from halfstep.kernels.cpu.rows import MOST, STEPPING, TALLY
from halfstep.kernels.cpu.rule import complete_rows
from halfstep.kernels.cpu.scratch import Scratch, Side, make_scratch, padding
from halfstep.kernels.cpu.threads import cores, spread
from halfstep.kernels.phases import recording
from halfstep.kernels.stopping import Stopping
from halfstep.solvers.half_step import LINES, Method, Tally, planned
from halfstep.solvers.problem import Problem, Rule
from halfstep.solvers.shared import side_facts
from halfstep.solvers.whitening import lost_share
from halfstep.types import Floats

# Of numbers that are read or multiplied in a half-step. A thread does some 4 billion a second; with more
# to do, two threads are faster; and with more still, BLAS is no slower than the loops here.
LITTLE = 4_000_000
MIDDLING = 200_000_000
MOST_FACTORS = 64
_PASSES = 6  # over an entry's vector: two, of two operations, by most rows, and what is around them
_NAME = "_little_step"
_BLOCKS = 8  # at least, for a few threads
_ROTATED = 2048  # rows

State: TypeAlias = tuple[Scratch, Floats]


class Prepared(NamedTuple):
    """What all half-steps of a side share: see `halfstep.kernels.cpu.little`.

    `threads` are the scratch of threads that wait; `blocks` the rows of each block, or None for one
    thread; `scratch` makes one thread's scratch.
    """

    key: tuple[Any, ...]
    side: Side
    scratch: Callable[[], State]
    threads: list[State]
    blocks: list[tuple[int, int]] | None
    numbers: Any
    ways: Any
    square: Any
    triangles: Any
    part: Floats


def solve_little(
    problem: Problem,
    X: Floats,
    stopping: Stopping,
    asked: tuple[Any, ...],
    method: Callable[[], Method],
    num_threads: int = 1,
) -> tuple[Floats, Tally] | None:
    """Return the solutions (rows, f), from the starts X (rows, f), and the tally; None if not little.

    The tally has one figure more than TALLY: the sum of squares of the solutions. `asked` is on what
    `method()`, how the rows are solved, depends besides the problem.
    """
    if not 0 < work_of(problem, X.shape[1]) <= MIDDLING or not LITTLE or recording():
        return None  # one call has no phases to record
    key = X.shape, X.dtype, problem.Y.shape, asked
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
    if prepared.blocks is None:
        solved = _solve(problem, X, stopping, prepared)
    else:
        solved = _solve_blocks(problem, X, stopping, prepared, cores(num_threads))
    kept[_NAME] = prepared
    return solved


def work_of(problem: Problem, f: int) -> int:
    """Return how many numbers are read or multiplied; 0 where the factors are too many."""
    if f > MOST_FACTORS:
        return 0
    return (problem.rows * 2 + problem.columns) * f * f + _PASSES * len(problem.values) * f


def _prepared(problem: Problem, X: Floats, method: Method, key: tuple[Any, ...]) -> Prepared | None:
    f, kind = X.shape[1], X.dtype
    wide = -(-f // padding(kind)) * padding(kind)
    smallest, largest = side_facts(problem).lambdas
    one = work_of(problem, f) <= LITTLE
    if (
        (one and (method.bfloat16 or problem.pulled))
        or problem.a0 <= 0
        or method.dual(wide)
        or not 0 < smallest == largest
    ):
        return None
    heavy = method.dual_when_heavy(wide)
    Z: Any = (
        np.zeros((problem.columns + 1, wide // 2), np.uint32)
        if method.bfloat16
        else np.zeros((problem.columns + 1, wide), kind)
    )
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
    blocks = None
    if not one:
        each = min(1 << 15, max(1 << 12, len(problem.values) // _BLOCKS))
        apart, blocks = planned(problem, side, True, max(256, problem.rows // _BLOCKS), each)
        if apart:
            return None

    def scratch() -> State:
        work = make_scratch(
            wide,
            kind,
            0,
            method.largest_order(wide),
            problem.a0,
            method.kept_dots(wide),
            heavy,
        )
        return work, np.empty((little.CHUNK, wide), kind)

    return Prepared(
        key,
        side,
        scratch,
        [],
        blocks,
        np.array([problem.a0, smallest, lost_share(float(np.finfo(kind).eps))]),
        np.zeros(problem.rows, np.int8),
        np.zeros(little.MATRICES * wide * wide + little.CHUNK * wide),
        np.zeros((little.MATRICES, wide, wide), kind),
        np.empty((problem.rows, wide), kind),
    )


def _solve(
    problem: Problem, X: Floats, stopping: Stopping, prepared: Prepared
) -> tuple[Floats, Tally] | None:
    _, side, _, _, _, numbers, ways, square, triangles, part = prepared
    state = _taken(prepared)
    work, spare = state
    solution = np.empty_like(X)
    tally = np.zeros(TALLY + 1)
    omega = X.dtype.type(problem.omega)
    ways[:] = STEPPING
    at = little.solve_little(
        side, work, problem.Y, X, numbers, stopping, tally, ways, square, triangles, part, spare,
        omega, solution,
    )  # fmt: skip
    if at == little.SINGULAR:
        return None
    if at != little.DONE:
        rows = 0, problem.rows
        _complete(at, rows, state, X, stopping, omega, tally, solution, prepared)
    prepared.threads.append(state)
    return solution, tally


def _solve_blocks(
    problem: Problem, X: Floats, stopping: Stopping, prepared: Prepared, threads: int
) -> tuple[Floats, Tally] | None:
    _, side, _, _, planned_blocks, numbers, ways, square, triangles, part = prepared
    blocks = planned_blocks or []
    Y, wide = problem.Y, part.shape[1]
    a0, lam, lost = numbers.tolist()
    if not little.whiten_little(problem.counted, a0, lam, lost, square, triangles, wide):
        return None
    solution = np.empty_like(X)
    omega = X.dtype.type(problem.omega)
    ways[:] = STEPPING
    packed = side.Z.dtype == np.uint32
    states: list[State] = []

    def prepare() -> State:
        state = _taken(prepared)
        states.append(state)
        return state

    def rotate(start: int, state: State) -> None:
        stop = min(start + _ROTATED, len(Y))
        if packed:
            little.rotate_packed(Y, start, stop, triangles, state[1], side.Z, side.sizes)
        else:
            little.rotate_little(Y, start, stop, triangles, side.Z, side.sizes)

    def run(task: int, state: State) -> None:
        begin, end = blocks[task]
        tally, place = tallies[task], slice(begin, end)
        work, spare = state
        at = little.solve_part(
            side, work, begin, X[place], stopping, tally, ways[place], triangles, part[place], spare,
            omega, solution[place],
        )  # fmt: skip
        if at != little.DONE:
            _complete(at, blocks[task], state, X, stopping, omega, tally, solution, prepared)

    tallies = np.zeros((len(blocks), LINES))[:, : TALLY + 1]
    spread(range(0, len(Y), _ROTATED), threads, prepare, rotate)
    prepared.threads.extend(states)
    states.clear()
    spread(range(len(blocks)), threads, prepare, run)
    prepared.threads.extend(states)
    total = tallies.sum(axis=0)
    total[MOST] = tallies[:, MOST].max(initial=0)
    return solution, total


def _taken(prepared: Prepared) -> State:
    try:
        return prepared.threads.pop()
    except IndexError:
        return prepared.scratch()


def _complete(
    at: int,
    rows: tuple[int, int],
    state: State,
    X: Floats,
    stopping: Stopping,
    omega: Any,
    tally: Tally,
    solution: Floats,
    prepared: Prepared,
) -> None:
    """Solve exactly the rows of a block that want it, from row `at` of it on, and finish the block."""
    begin, end = rows
    work, spare = state
    side, place = prepared.side, slice(begin, end)
    part, ways = prepared.part[place], prepared.ways[place]
    complete_rows(side, work, begin, at, part, stopping, tally, ways)
    tally[-1] = little.finish_little(
        side.indptr, begin, X[place], part, prepared.triangles, omega, spare, solution[place]
    )
