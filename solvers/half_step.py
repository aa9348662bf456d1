"""A half-step in whitened coordinates: rotate in, solve blocks of rows on all threads, rotate out.

This is the part that is not compiled. A rung passes a `Method`, which says how its rows are solved. The
three stages (`halfstep.solvers.shared`) are `shared_of` or `whitened_by` there, and here `rotated` and
`solve_rotated`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from halfstep.kernels import phases
from halfstep.kernels.cpu import rows as cpu_rows
from halfstep.kernels.cpu.border import check_half_step
from halfstep.kernels.cpu.high_degree import HighDegreeRow, high_degree_rows
from halfstep.kernels.cpu.rotation import aligned, rotate, rotation
from halfstep.kernels.cpu.rows import MOST, OPERATIONS, TALLY
from halfstep.kernels.cpu.scratch import Scratch, Side, make_scratch, padding
from halfstep.kernels.cpu.threads import cores, spread
from halfstep.solvers.problem import Problem, Rule, Weights
from halfstep.solvers.shared import Frame, Rows, Shared, shared_of
from halfstep.solvers.whitening import Basis
from halfstep.types import Floats

_BLOCK_ENTRIES = 1 << 15
LINES = 16  # numbers of two cache lines
_BLOCK_NUMBERS = 1 << 18  # of factors in a block, which stay in the second-level cache

Tally: TypeAlias = npt.NDArray[np.float64]
Block: TypeAlias = Callable[[Side, Scratch, int, Floats, Tally], None]


@dataclass(frozen=True)
class Method:
    """How rows are solved.

    Attributes
    ----------
    block
        `block(side, scratch, begin, part, tally)` solves the rows from `begin` on; `part` (rows, f) is
        their start and becomes their solution, in working coordinates. What is to be said of them may
        be added to `tally`: see `kernels.cpu.rows`.
    high_degree
        `high_degree(row, start, tally)` returns the solution (f,) of one high-degree row, over threads;
        None where such rows are solved as the others are.
    warm
        Whether the start matters, except for rows that take the dual solve.
    bfloat16
        Whether the fixed side is stored as bfloat16.
    dual, largest_order
        The largest number of entries of a row that takes the dual solve, and the largest order of a
        primal system, 0 without any. Both as a function of the padded number of factors.
    kept_dots, dual_when_heavy
        As in `Scratch`, by the same argument; `dual_when_heavy` only where rows can be heavy.
    """

    block: Block
    high_degree: Callable[[HighDegreeRow, Floats, Tally], Floats] | None
    warm: bool
    bfloat16: bool
    dual: Callable[[int], int]
    largest_order: Callable[[int], int]
    kept_dots: Callable[[int], int] = lambda f: 0
    dual_when_heavy: Callable[[int], int] = lambda f: 0


def solve_rows(
    problem: Problem, X: Floats, num_threads: int, method: Method
) -> tuple[Floats, Tally]:
    """Return the solutions (rows, f), from the starts X (rows, f), and the rows' tally (TALLY + 1,).

    Its last figure is the sum of squares of the solutions: finite only if all of them are.
    """
    check_half_step(problem, X)
    phases.lap(phases.REST)
    threads = cores(num_threads)
    shared = shared_of(problem, threads, narrow=method.bfloat16)
    phases.lap(phases.ALGEBRA)
    rows = rotated(problem.Y, shared, threads, method)
    return solve_rotated(problem, X, rows, shared, threads, method, problem.omega)


def rotated(Y: Floats, shared: Shared, threads: int, method: Method) -> Rows:
    """Return rows of the fixed side, Y (rows, f), in whitened coordinates; and a row of zeros more."""
    basis, kind = basis_of(shared), shared.frame.dtype
    wide = width(shared.frame)
    weighs = not starts_from_zero(shared.frame) and method.dual_when_heavy(wide)
    sizes = np.empty(len(Y) if weighs else 0, kind)
    Z = rotate(Y, basis.forward, basis.triangular, wide, threads, method.bfloat16, sizes)
    return Rows(Z, sizes)


def room_for(count: int, shared: Shared, method: Method) -> Rows:
    """Return room for `count` rows as `rotated` returns them, with the row of zeros behind them."""
    kind, wide = shared.frame.dtype, width(shared.frame)
    weighs = not starts_from_zero(shared.frame) and method.dual_when_heavy(wide)
    Z = (
        aligned(count + 1, wide // 2, np.uint32)
        if method.bfloat16
        else aligned(count + 1, wide, kind)
    )
    Z[-1] = 0
    return Rows(Z, np.empty(count if weighs else 0, kind))


def bytes_of_row(frame: Frame, method: Method) -> int:
    """Return the bytes of a row of `rotated`, and of its size where there is one."""
    wide, size = width(frame), frame.dtype.itemsize
    weighs = not starts_from_zero(frame) and method.dual_when_heavy(wide)
    return wide * (2 if method.bfloat16 else size) + (size if weighs else 0)


def width(frame: Frame) -> int:
    """Return the padded number of working coordinates."""
    multiple = padding(frame.dtype)
    return -(-frame.factors // multiple) * multiple


def solve_rotated(
    problem: Weights,
    X: Floats,
    rows: Rows,
    shared: Shared,
    threads: int,
    method: Method,
    omega: float,
) -> tuple[Floats, Tally]:
    """Return what `solve_rows` does, given the fixed side's rows as `rotated` returns them.

    The indices of `problem` count the rows of `rows`, of which the last one is zero.
    """
    basis = basis_of(shared)
    f, dtype, wide = X.shape[1], X.dtype, width(shared.frame)
    block_rows = max(1024, min(4096, _BLOCK_NUMBERS // wide))
    from_zero = starts_from_zero(shared.frame)
    side = side_of(problem, rows, shared)
    lower = False if basis.triangular else None
    inward = rotation(basis.inward, f, wide, dtype, lower)
    outward = rotation(basis.outward, wide, f, dtype, lower)
    solution = np.empty((problem.rows, f), dtype)
    # Over-relaxation would bring back a start's components in directions that the basis drops.
    omega = dtype.type(1 if from_zero or not basis.complete() else omega)

    def scratch() -> Scratch:
        return scratch_of(shared, method)

    def start(begin: int, part: Floats, work: Scratch, spare: Floats) -> None:
        end = begin + len(part)
        if from_zero:
            part[:] = 0
        elif method.warm:
            marks = np.empty(len(part), np.bool_)
            cpu_rows.mark_started(side, work, begin, wide, marks)
            rows = np.flatnonzero(marks)
            if 4 * len(rows) > 3 * len(part):
                inward(X[begin:end], part)
            else:  # rows with a dual solve do not use their start, so it is not rotated
                inward(X[begin + rows], spare[: len(rows)])
                part[rows] = spare[: len(rows)]

    def finish(begin: int, part: Floats, tally: Tally) -> None:
        end = begin + len(part)
        outward(part, solution[begin:end])
        if omega != 1:
            cpu_rows.over_relax(problem.indptr, begin, X[begin:end], solution[begin:end], omega)
        flat = solution[begin:end].reshape(-1)
        # Here, where the rows are in the cache, and not by one thread at the end.
        tally[TALLY] = flat.dot(flat)

    def prepare() -> tuple[Scratch, Floats, Floats]:
        shape = (min(block_rows, problem.rows), wide)
        return scratch(), np.zeros(shape, dtype), np.empty(shape, dtype)

    def run(task: int, state: tuple[Scratch, Floats, Floats]) -> None:
        begin, end = blocks[task]
        work, buffer, spare = state
        part = buffer[: end - begin]
        start(begin, part, work, spare)
        phases.lap(phases.INWARD)
        method.block(side, work, begin, part, tallies[task])
        phases.lap(phases.SOLVE)
        finish(begin, part, tallies[task])
        phases.lap(phases.OUTWARD)

    splits = method.high_degree is not None
    apart, blocks = planned(problem, side, splits, block_rows, total=shared.frame.side.entries)
    # Two cache lines each, since two threads count in neighbours at one time.
    tallies = np.zeros((len(blocks) + len(apart), LINES))[:, : TALLY + 1]
    phases.lap(phases.REST)
    spread(range(len(blocks)), threads, prepare, run)
    for u, tally in zip(apart, tallies[len(blocks) :], strict=True):
        part = np.zeros((1, wide), dtype)
        if method.warm and not from_zero:
            inward(X[u : u + 1], part)
        assert method.high_degree is not None
        part[0] = method.high_degree(HighDegreeRow(side, u, wide, threads, scratch), part[0], tally)
        finish(u, part, tally)
        phases.lap(phases.LONG)
    total = tallies.sum(axis=0)
    total[MOST] = tallies[:, MOST].max(initial=0)
    phases.count("operations", float(total[OPERATIONS]))
    return solution, total


def scratch_of(shared: Shared, method: Method) -> Scratch:
    """Return the scratch of one thread."""
    frame, wide = shared.frame, width(shared.frame)
    from_zero = starts_from_zero(frame)
    # Without regularisation, the dual system of a row with more entries than its rank is singular.
    dual, when_heavy = (0, 0) if from_zero else (method.dual(wide), method.dual_when_heavy(wide))
    order, kept = method.largest_order(wide), method.kept_dots(wide)
    return make_scratch(wide, frame.dtype, dual, order, frame.a0, kept, when_heavy)


def side_of(problem: Weights, rows: Rows, shared: Shared) -> Side:
    """Return the data of a half-step as the compiled loops read it."""
    basis, wide, dtype = basis_of(shared), width(shared.frame), shared.frame.dtype
    base, slope = np.ones(wide, dtype), np.zeros(wide, dtype)
    base[: len(basis.base)], slope[: len(basis.base)] = basis.base, basis.slope
    rule = Rule(*map(dtype.type, problem.rule))
    entries = problem.indptr, problem.indices, problem.values
    return Side(*entries, rule, rows.Z, base, slope, problem.lam.astype(dtype), rows.sizes)


def starts_from_zero(frame: Frame) -> bool:
    """Return whether all rows start from zero: a singular row would keep its start's null space."""
    return frame.a0 == 0 and frame.side.unregularized


def basis_of(shared: Shared) -> Basis:
    """Return the coordinates, which rungs in whitened coordinates have."""
    assert shared.basis is not None
    return shared.basis


def planned(
    problem: Weights,
    side: Side,
    splits: bool,
    block_rows: int,
    entries: int = _BLOCK_ENTRIES,
    total: int | None = None,
) -> tuple[list[int], list[tuple[int, int]]]:
    """Return the rows to split over threads, and the blocks of the others: once for a side of a fit.

    `total` is the number of entries of the whole side, if the problem is a part of it.
    """
    whole = problem.__dict__.get("_whole")
    kept = {} if whole is None else whole.__dict__.setdefault("_plans", {})
    key = splits, block_rows, entries
    if key not in kept:
        apart = high_degree_rows(side, total) if splits else []
        kept[key] = apart, _blocks(problem, apart, block_rows, entries)
    plan: tuple[list[int], list[tuple[int, int]]] = kept[key]
    return plan


def _blocks(
    problem: Weights, without: list[int], block_rows: int, entries: int
) -> list[tuple[int, int]]:
    """Return (begin, end) of the runs of rows that a thread solves at a time, of about `entries`."""
    multiples = np.arange(0, int(problem.indptr[-1]) + 1, entries)
    cuts = np.searchsorted(problem.indptr, multiples, side="left")
    every = np.arange(0, problem.rows, block_rows)
    alone = [k for u in without for k in (u, u + 1)]
    ends = np.unique(np.concatenate([cuts, every, alone, [0, problem.rows]])).astype(np.int64)
    # Blocks with the rows of highest degree first, so that no thread begins one of them at the end.
    lengths = np.diff(problem.indptr)
    longest = np.maximum.reduceat(lengths, ends[:-1]) if problem.rows else ends[:-1]
    order = np.argsort(-longest, kind="stable")
    return [(int(ends[k]), int(ends[k + 1])) for k in order if ends[k] not in without]
