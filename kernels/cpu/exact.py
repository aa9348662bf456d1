"""One row solved exactly, in whichever of two spaces is smaller.

In coordinates where what all rows share is the identity, with Z (n, f) the row's stored entries:

* its factor space: (I + Z'WZ) x = Z't, a system of f unknowns for any w that keeps it positive;
* its own space: x = Z'g with (I + W^1/2 Z Z' W^1/2) W^-1/2 g = W^-1/2 t, a system of n unknowns, for
  w > 0. A w below eps a0 is taken as that: it changes the row's matrix by eps times the part that it
  shares, so w = 0 needs no other path. (With W^1/2 Z Z' t on the right in place of the division, a
  confidence of 1e6 would cancel all of float32's digits.)

Both are a Cholesky factorisation, of n^2 f / 2 + n^3 / 6 against n f^2 / 2 + f^3 / 6 multiplications.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from halfstep.kernels.cpu.cholesky import add_outer, solve
from halfstep.kernels.cpu.compile import called, inlined
from halfstep.kernels.cpu.tiles import dots_of_two, gather, update
from halfstep.kernels.cpu.vectors import item, load, multiply, put, splat, store, width
from halfstep.kernels.cpu.weights import excess, target

ROUND = 8  # systems are padded to a multiple of this, with the identity


@inlined
def start_from_identity(A: Any, n: int, ld: int) -> None:
    """Write the identity and a right-hand side of zero to A (n, ld)."""
    zero = splat(A, 0)
    for k in range(0, n * ld, width(A)):
        store(A, k, zero)
    for i in range(n):
        put(A, i * ld + i, 1)


@called
def in_own_space(entries: Any, scratch: Any, first: int, count: int, f: int) -> None:
    """Solve the row of `count` entries from `first` on; written: scratch.x (f,)."""
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
def in_factor_space(entries: Any, scratch: Any, first: int, stop: int, f: int) -> None:
    """Solve the row of entries first to stop; written: scratch.x (f,)."""
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
