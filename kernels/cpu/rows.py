"""The compiled entry points, which solve a block of rows, and the scratch that a thread needs."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from halfstep.kernels.cpu.cg import conjugate_gradients
from halfstep.kernels.cpu.cholesky import PANEL
from halfstep.kernels.cpu.compile import compiled, inlined
from halfstep.kernels.cpu.exact import in_factor_space, in_own_space
from halfstep.kernels.cpu.vectors import address, item, lanes, put
from halfstep.kernels.cpu.weights import excess

_TILE_BYTES = 1 << 14
_AHEAD = 1 << 12  # numbers between a prefetch and its use


class Side(NamedTuple):
    """What a half-step's rows share; arrays, S-contiguous.

    indptr, indices, values, rule as in `Weights`; Z (columns + 1, f) in the working coordinates, its
    last row zero; or of pairs, (columns + 1, f / 2), see `bfloat16`; row u's coordinate k is scaled by
    (base[k] + slope[k] lam[u])^-1/2. All but Z, the rule's numbers too, in the factors' dtype. sizes
    (columns,) are the |z|^2, before that scale; none where they are of no use.
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
    """Pointers into a `Side`.

    `end` is the number of entries, beyond which nothing is prefetched, `stride` the length of a row of
    Z, `zeros` where the row of zeros begins, `line` how much of Z a cache line holds, and `ahead` how
    many entries ahead to prefetch.
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
    """What one thread works in: sizes, limits, and arrays (pointers once inside).

    Rows of up to `kept` entries keep all their dot products, and of up to `able` can be solved in their
    own space where that is cheaper: see `rule`. `order` is how many unknowns a system may have.
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
    """Return what the columns of Z must be a multiple of."""
    return 2 * lanes(np.dtype(dtype).itemsize)


def make_scratch(
    f: int, dtype: Any, own: int, order: int, a0: float, kept: int = 0, able: int = 0
) -> Scratch:
    """Allocate one thread's scratch.

    Rows of up to `own` entries are solved in their own space and systems of up to `order` unknowns by
    Cholesky; `kept` and `able` as in `Scratch`.
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
    """Return the pointers that the loops over entries need."""
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
    """Return the scratch with pointers in place of arrays: counting references costs a third."""
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
def bearable(entries: Any, first: int, stop: int, largest: float) -> bool:
    """Return whether no excess weight of the row is negative or above `largest`."""
    outside = 0
    for e in range(first, stop):
        w = excess(entries, e)
        outside += w < 0 or w > largest
    return outside == 0


@inlined
def fits_own_space(entries: Any, work: Any, first: int, stop: int) -> bool:
    """Return whether the row is short and its excess weights are neither negative nor huge.

    x = Z'g amplifies the rounding of g by the weights; the factor space does not.
    """
    return stop - first <= work.own and bearable(entries, first, stop, 1e-3 / work.eps)


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

    `start` (rows, f) is the start and becomes the solution, both in working coordinates. Short rows are
    solved exactly, from wherever. Rows without entries become zero.
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
        if fits_own_space(entries, scratch, first, stop):
            in_own_space(entries, scratch, first, stop - first, f)
        else:
            for k in range(f):
                put(x, k, item(X, row + k) / item(scratch.scale, k))
            conjugate_gradients(entries, scratch, first, stop, f, steps)
        for k in range(f):
            put(X, row + k, item(x, k) * item(scratch.scale, k))


@compiled
def mark_started(side: Any, work: Any, begin: int, f: int, marks: Any) -> None:
    """Mark those of the rows from `begin` on whose solution depends on where they start."""
    entries, scratch, indptr = entries_of(side, f), pointers(work), address(side.indptr)
    for i in range(len(marks)):
        first, stop = item(indptr, begin + i), item(indptr, begin + i + 1)
        marks[i] = first < stop and not fits_own_space(entries, scratch, first, stop)


@compiled
def go_further(indptr: Any, begin: int, before: Any, after: Any, way: Any) -> None:
    """Go `way` times the way from `before` to `after` (rows, f), in place, in rows with entries."""
    for i in range(len(after)):
        if indptr[begin + i] < indptr[begin + i + 1]:
            for k in range(after.shape[1]):
                after[i, k] = before[i, k] + way * (after[i, k] - before[i, k])


@compiled
def solve_block_exactly(side: Any, work: Any, begin: int, rows: int, out: Any, f: int) -> None:
    """Solve rows `begin` to `begin + rows` exactly; written: `out` (rows, f), working coordinates."""
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
        if fits_own_space(entries, scratch, first, stop):
            in_own_space(entries, scratch, first, stop - first, f)
        else:
            in_factor_space(entries, scratch, first, stop, f)
        for k in range(f):
            put(X, row + k, item(x, k) * item(scratch.scale, k))
