"""One sweep of iALS++ over one row: exact on one block of coordinates after the other.

The coordinates are whitened, so the row's matrix is A = I + Z'WZ, and for a block B of b coordinates

    A_BB d = r_B,     x_B <- x_B + d,     r = Z't - A x

The products q = z.x of the row's stored entries are kept up to date. A block then needs only its own b
numbers of each entry: they give A_BB = I + Z_B'W Z_B and r_B = Z_B'(t - W q) - x_B. After the block's
solution d each product grows by z_B.d.
"""

from __future__ import annotations

from typing import Any

from halfstep.kernels.cpu.cg import clear
from halfstep.kernels.cpu.cholesky import add_outer, solve
from halfstep.kernels.cpu.compile import called, compiled_in
from halfstep.kernels.cpu.exact import solve_dual, start_from_identity
from halfstep.kernels.cpu.rows import suits_dual
from halfstep.kernels.cpu.scratch import entries_of, pointers, set_scale
from halfstep.kernels.cpu.tiles import dots, locate, prefetch_rows, update
from halfstep.kernels.cpu.vectors import address, item, load, multiply, put, splat, store, width
from halfstep.kernels.cpu.weights import excess, target


@called
def _add_to_products(
    entries: Any, scratch: Any, first: int, stop: int, k: int, b: int, d: Any, products: Any
) -> None:
    """Add z.d over coordinates k to k + b to the products; d (b,) includes the row's scale."""
    rows, q = scratch.rows, scratch.q
    for start in range(first, stop, scratch.tile):
        count = min(scratch.tile, stop - start)
        prefetch_rows(entries, start + entries.ahead, min(count, entries.end))
        locate(entries, start, count, rows)
        for e in range((count + 3) // 4 * 4):
            put(rows, e, item(rows, e) + k)
        dots(entries.Z, rows, count, b, d, q)
        for e in range(count):
            at = start - first + e
            put(products, at, item(products, at) + item(q, e))


@called
def _solve_block(
    entries: Any, scratch: Any, first: int, stop: int, k: int, b: int, products: Any
) -> None:
    """Write to scratch.p the step d (b,) of coordinates k to k + b."""
    A, g, q, rows, block = scratch.A, scratch.r, scratch.q, scratch.rows, scratch.block
    V = width(A)
    ld = b + V
    weighted = scratch.tile * b
    start_from_identity(A, b, ld)
    clear(g, b)
    for start in range(first, stop, scratch.tile):
        count = min(scratch.tile, stop - start)
        locate(entries, start, count, rows)
        for e in range(count):
            at, row = e * b, item(rows, e) + k
            w = excess(entries, start + e)
            put(q, e, target(entries, start + e) - w * item(products, start - first + e))
            put(rows, e, at)
            for j in range(0, b, V):
                z = multiply(load(entries.Z, row + j), load(scratch.scale, k + j))
                store(block, at + j, z)
                store(block, weighted + at + j, multiply(z, splat(A, w)))
        for e in range(count, (count + 3) // 4 * 4):
            put(q, e, 0)
            put(rows, e, 0)
        update(block, rows, count, b, q, g)
        add_outer(block, weighted, block, 0, b, count, A, 0, b, b, ld)
    for j in range(b):
        put(A, j * ld + b, item(g, j) - item(scratch.x, k + j))
    solve(A, b, ld, scratch.panel, scratch.p, scratch.eps)


@compiled_in(5)
def solve_block_by_subspaces(
    side: Any, work: Any, begin: int, rows: int, start: Any, f: int, size: int, products: Any
) -> None:
    """Sweep once over the blocks of `size` coordinates, for rows `begin` to `begin + rows`.

    `start` (rows, f) holds the rows' start and is overwritten with their solution, both in whitened
    coordinates. `products` is scratch, one number for each entry of the block's largest row. Z is of
    floats. Rows that `suits_dual` accepts are solved exactly, whatever their start. Rows without entries
    become zero.
    """
    entries, scratch = entries_of(side, f), pointers(work)
    indptr, lam, X, x = address(side.indptr), address(side.lam), address(start), scratch.x
    q = address(products)
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
            for e in range(stop - first):
                put(q, e, 0)
            for k in range(f):
                put(x, k, item(X, row + k) / item(scratch.scale, k))
                put(scratch.scaled, k, item(X, row + k))
            _add_to_products(entries, scratch, first, stop, 0, f, scratch.scaled, q)
            for k in range(0, f, size):
                b = min(size, f - k)
                _solve_block(entries, scratch, first, stop, k, b, q)
                for j in range(b):
                    put(x, k + j, item(x, k + j) + item(scratch.p, j))
                    put(scratch.scaled, j, item(scratch.p, j) * item(scratch.scale, k + j))
                if k + size < f:
                    _add_to_products(entries, scratch, first, stop, k, b, scratch.scaled, q)
        for k in range(f):
            put(X, row + k, item(x, k) * item(scratch.scale, k))
