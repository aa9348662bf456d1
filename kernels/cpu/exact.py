"""One row solved exactly, by the smaller of two systems: the primal solve and the dual solve.

In whitened coordinates (`halfstep.solvers.whitening`) the shared part of every row's matrix, a0 Y'Y +
lambda_u I, is the identity. For a row of n stored entries let Z (n, f) hold their vectors z, W = diag(w)
their excess weights and t (n,) their target weights. The row's system is

    (I + Z'WZ) x = Z't

**Primal solve.** Factorise this matrix: f unknowns, for any w that leaves it positive definite.

**Dual solve.** By the Woodbury identity, for w > 0,

    (I + Z'WZ)^-1 Z' = Z' (W^-1 + ZZ')^-1 W^-1

so x is a combination Z'g of the row's own vectors, and (W^-1 + ZZ') g = W^-1 t, a system of n unknowns,
gives the coefficients g. Scaled by W^1/2 on both sides, with g = W^1/2 h, its matrix is the identity
plus a matrix of products, like the primal one:

    (I + W^1/2 ZZ' W^1/2) h = W^-1/2 t,     x = Z'W^1/2 h

A w below eps a0 is raised to eps a0. That changes the row's matrix by eps times its shared part, and it
makes a separate path for w = 0 unnecessary. (The division by W^1/2 could be avoided with the right-hand
side W^1/2 ZZ't, but a confidence of 1e6 would then cancel all of float32's digits.)

Both systems are solved by Cholesky. The primal solve takes n f^2 / 2 + f^3 / 6 multiplications, the dual
solve n^2 f / 2 + n^3 / 6.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from halfstep.kernels.cpu.cholesky import add_outer, solve
from halfstep.kernels.cpu.compile import called, inlined
from halfstep.kernels.cpu.tiles import dots_of_two, gather, update
from halfstep.kernels.cpu.vectors import item, load, multiply, put, splat, store, width
from halfstep.kernels.cpu.weights import excess, target


@inlined
def start_from_identity(A: Any, n: int, ld: int) -> None:
    """Write the identity and a right-hand side of zero to A (n, ld)."""
    zero = splat(A, 0)
    for k in range(0, n * ld, width(A)):
        store(A, k, zero)
    for i in range(n):
        put(A, i * ld + i, 1)


@called
def solve_dual(entries: Any, scratch: Any, first: int, count: int, f: int) -> None:
    """Solve the row of `count` entries from `first` on by the dual solve; written: scratch.x (f,)."""
    block, q, A = scratch.block, scratch.q, scratch.A
    V = width(A)
    n = (count + scratch.multiple - 1) // scratch.multiple * scratch.multiple
    ld = n + V
    rows = scratch.rows
    gather(entries, first, count, f, scratch.scale, block)
    for e in range((count + 3) // 4 * 4):
        put(rows, e, e * f)
    start_from_identity(A, n, ld)
    for e in range(count):
        root = np.sqrt(max(excess(entries, first + e), scratch.least))
        put(q, e, root)
        put(A, e * ld + n, target(entries, first + e) / root)
    products, apart = scratch.products, n + 8
    for e in range(0, count, 2):
        begin = e // 4 * 4
        dots_of_two(block, begin, count - begin, f, e, products, apart)
        for line in range(e, min(e + 2, count)):
            row, place, root = line * ld, (line - e) * apart - begin, item(q, line)
            for k in range(begin, count):
                put(A, row + k, item(A, row + k) + root * item(q, k) * item(products, place + k))
    solve(A, n, ld, scratch.panel, products, scratch.eps)
    for e in range(count):
        put(q, e, item(q, e) * item(products, e))
    for e in range(count, (count + 3) // 4 * 4):
        put(q, e, 0)
    for k in range(0, f, V):
        store(scratch.x, k, splat(A, 0))
    update(block, rows, count, f, q, scratch.x)


@called
def solve_primal(entries: Any, scratch: Any, first: int, stop: int, f: int) -> None:
    """Solve the row of entries `first` to `stop` by the primal solve; written: scratch.x (f,)."""
    A, b = scratch.A, scratch.r
    ld = f + width(A)
    start_from_identity(A, f, ld)
    for k in range(0, f, width(A)):
        store(b, k, splat(A, 0))
    add_entries(entries, scratch, first, stop, f, A, b)
    for k in range(f):
        put(A, k * ld + f, item(b, k))
    solve(A, f, ld, scratch.panel, scratch.x, scratch.eps)


@called
def add_entries(entries: Any, scratch: Any, first: int, stop: int, f: int, A: Any, b: Any) -> None:
    """Add sum w z z' to the upper triangle of A (f, f + vector) and sum t z to b (f,)."""
    block, q, V = scratch.block, scratch.q, width(A)
    weighted = scratch.tile * f
    for start in range(first, stop, scratch.tile):
        count = min(scratch.tile, stop - start)
        gather(entries, start, count, f, scratch.scale, block)
        for e in range(count):
            put(q, e, target(entries, start + e))
            w = splat(A, excess(entries, start + e))
            for k in range(e * f, (e + 1) * f, V):
                store(block, weighted + k, multiply(load(block, k), w))
            put(scratch.rows, e, e * f)
        for e in range(count, (count + 3) // 4 * 4):
            put(q, e, 0)
            put(scratch.rows, e, e * f)
        update(block, scratch.rows, count, f, q, b)
        add_outer(block, weighted, block, 0, f, count, A, 0, f, f, f + V)
