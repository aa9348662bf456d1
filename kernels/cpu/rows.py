"""The compiled entry points that solve a block of rows, and the scratch that a thread needs.

`solve_block` takes a fixed number of conjugate gradient steps per row, `solve_block_exactly` solves
every row exactly; `rule` has the entry point for rows that take as many steps as they need.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from halfstep.kernels.cpu.cg import conjugate_gradients
from halfstep.kernels.cpu.cholesky import PANEL
from halfstep.kernels.cpu.compile import compiled, inlined
from halfstep.kernels.cpu.exact import solve_dual, solve_primal
from halfstep.kernels.cpu.vectors import address, item, lanes, put
from halfstep.kernels.cpu.weights import excess

_TILE_BYTES = 1 << 14  # of a tile's vectors, which stay in the first-level cache
_AHEAD = 1 << 12  # numbers between a prefetch and its use


class Side(NamedTuple):
    """The data of a half-step, for all rows of a side; contiguous arrays.

    Attributes
    ----------
    indptr, indices, values, rule
        As in `halfstep.solvers.problem.Weights`.
    Z
        (columns + 1, f) the fixed side in whitened coordinates, its last row zero; or packed as
        bfloat16, (columns + 1, f / 2) uint32: see `bfloat16`.
    base, slope
        (f,). Row u scales coordinate k by (base[k] + slope[k] lam[u])^-1/2.
    lam
        (rows,) lambda_u.
    sizes
        (columns,) |z|^2 before that scale; empty where nothing needs them.

    The values, the rule's numbers, base, slope, lam and sizes have the factors' dtype.
    """

    indptr: Any
    indices: Any
    values: Any
    rule: Any
    Z: Any
    base: Any
    slope: Any
    lam: Any
    sizes: Any


class Entries(NamedTuple):
    """Pointers into a `Side`, for the loops over entries.

    Attributes
    ----------
    end
        The number of entries; nothing is prefetched beyond it.
    stride
        The length of a row of Z, in elements.
    zeros
        Where Z's row of zeros begins.
    line
        How many elements of Z a cache line holds.
    ahead
        How many entries ahead to prefetch.
    """

    indices: Any
    values: Any
    rule: Any
    Z: Any
    end: int
    stride: int
    zeros: int
    line: int
    ahead: int


class Scratch(NamedTuple):
    """One thread's scratch: limits, and flat arrays (inside compiled code, pointers to them).

    Attributes
    ----------
    tile
        Entries in a tile.
    kept
        Rows of up to so many entries keep all their dot products: see `rule`.
    own
        Rows of up to so many entries take the dual solve.
    able
        Rows of up to so many entries take the dual solve where they are heavy and it costs less: see
        `rule`.
    order
        The largest number of unknowns that a system may have.
    multiple
        What a dual system's order is padded to.
    eps
        Of the factors' dtype.
    least
        The smallest w in a dual solve, eps a0.
    block
        Two tiles of vectors z, or all vectors of a row in a dual solve.
    rows, q
        Per entry of a tile or a row: where its vector begins, and its coefficient.
    products
        Dot products in a dual solve, and then its solution.
    A, panel
        A system, and PANEL rows of it.
    scale
        (f,) the row's scale of each coordinate.
    x, r, p, Ap
        (f,) as in conjugate gradients.
    scaled, total
        (f,) a vector that was multiplied by `scale`, and a sum over entries that is yet to be.
    """

    tile: int
    kept: int
    own: int
    able: int
    order: int
    multiple: int
    eps: float
    least: float
    block: Any
    rows: Any
    q: Any
    products: Any
    A: Any
    panel: Any
    scale: Any
    x: Any
    r: Any
    p: Any
    Ap: Any
    scaled: Any
    total: Any


def padding(dtype: Any) -> int:
    """Return of what the number of columns of Z must be a multiple."""
    return 2 * lanes(np.dtype(dtype).itemsize)


def make_scratch(
    f: int, dtype: Any, own: int, order: int, a0: float, kept: int = 0, able: int = 0
) -> Scratch:
    """Allocate one thread's scratch.

    Parameters
    ----------
    f
        Factors, padded.
    own, kept, able
        As in `Scratch`.
    order
        The largest number of unknowns in a primal system.
    a0
        Weight of the entries that are not stored.
    """
    size = np.dtype(dtype).itemsize
    multiple = lanes(size)
    tile = min(64, max(8, _TILE_BYTES // (f * size) // 8 * 8))
    own_order = -(-max(own, able) // multiple) * multiple
    order = max(own_order, order)
    ld = order + lanes(size)
    eps = float(np.finfo(dtype).eps)
    block = np.zeros(max(2 * tile, own_order) * f, dtype)
    entry = [np.zeros(times * (max(tile, own_order, kept) + 8), dtype) for times in (1, 2)]
    matrix = [np.zeros(rows * ld, dtype) for rows in (order, PANEL)]
    rows = np.zeros(max(tile, own_order, kept) + 8, np.int64)
    coordinate = [np.zeros(f, dtype) for _ in range(7)]
    least = eps * (a0 if a0 > 0 else 1.0)
    arrays = block, rows, *entry, *matrix, *coordinate
    return Scratch(tile, kept, own, able, order, multiple, eps, least, *arrays)


@inlined
def entries_of(side: Any, f: int) -> Any:
    """Return pointers to the side's arrays."""
    return Entries(
        address(side.indices),
        address(side.values),
        side.rule,
        address(side.Z),
        len(side.indices),
        side.Z.shape[1],
        (side.Z.shape[0] - 1) * side.Z.shape[1],
        64 // side.Z.itemsize,
        max(16, min(64, _AHEAD // f)),
    )


@inlined
def pointers(work: Any) -> Any:
    """Return the scratch with pointers in place of arrays.

    Numba counts references to arrays, which took a third of the time.
    """
    return Scratch(
        work.tile,
        work.kept,
        work.own,
        work.able,
        work.order,
        work.multiple,
        work.eps,
        work.least,
        address(work.block),
        address(work.rows),
        address(work.q),
        address(work.products),
        address(work.A),
        address(work.panel),
        address(work.scale),
        address(work.x),
        address(work.r),
        address(work.p),
        address(work.Ap),
        address(work.scaled),
        address(work.total),
    )


@inlined
def set_scale(side: Any, u: int, f: int, scale: Any) -> None:
    """Write row u's scale (f,)."""
    base, slope, lam = address(side.base), address(side.slope), item(address(side.lam), u)
    for k in range(f):
        put(scale, k, 1 / np.sqrt(item(base, k) + item(slope, k) * lam))


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
    return stop - first <= work.own and weights_within(entries, first, stop, 1e-3 / work.eps)


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
def go_further(indptr: Any, begin: int, before: Any, after: Any, way: Any) -> None:
    """Over-relax: after <- before + way (after - before), both (rows, f), in rows with entries."""
    for i in range(len(after)):
        if indptr[begin + i] < indptr[begin + i + 1]:
            for k in range(after.shape[1]):
                after[i, k] = before[i, k] + way * (after[i, k] - before[i, k])


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
