"""Loops over a tile: a few rows z of Z that stay in the first-level cache while they are used twice.

A conjugate gradient step needs, for each stored entry, the dot product z.p and then the update
y += g z, whose coefficient g follows from that dot product. Updates take eight entries at a time, which
share each load and store of y. Dot products take four at a time, which share each load of p; each of the
four has two sums, so that consecutive multiply-adds do not wait for each other. (Tried: dot products of
eight entries, which do not fit the sixteen registers of AVX2; each took 22 ns in place of 15 ns at
f = 512.)

The loops read the rows of Z where they lie. After the first pass these are in the core's own caches, and
to copy them into one place costs as much as a pass. `rows[e]` is the offset of entry e's row in Z, which
is flat, of floats or packed as bfloat16 (`bfloat16`); f is a multiple of two vectors. Counts are rounded
up to a multiple of four with Z's row of zeros.
"""

from __future__ import annotations

from typing import Any

from halfstep.kernels.cpu.bfloat16 import high, low
from halfstep.kernels.cpu.compile import inlined
from halfstep.kernels.cpu.vectors import (
    add,
    fma,
    item,
    load,
    multiply,
    prefetch,
    put,
    splat,
    store,
    store_sums,
    width,
)


@inlined
def locate(entries: Any, first: int, count: int, rows: Any) -> None:
    """Write to `rows` where in Z the rows of `count` entries from `first` on begin.

    The row of zeros pads them to a multiple of four.
    """
    for e in range(count):
        put(rows, e, item(entries.indices, first + e) * entries.stride)
    for e in range(count, (count + 3) // 4 * 4):
        put(rows, e, entries.zeros)


@inlined
def prefetch_rows(entries: Any, first: int, count: int) -> None:
    """Prefetch the rows of Z of `count` entries from `first` on; past the last entry, nothing."""
    for e in range(first, min(first + count, entries.end)):
        row = item(entries.indices, e) * entries.stride
        for k in range(row, row + entries.stride, entries.line):
            prefetch(entries.Z, k)


@inlined
def gather(entries: Any, first: int, count: int, f: int, scale: Any, tile: Any) -> None:
    """Copy the rows of Z of `count` entries from `first` on, times `scale` (f,), to `tile`.

    Rows of zeros pad them to a multiple of four.
    """
    V = width(tile)
    for e in range(count):
        prefetch_rows(entries, first + e + entries.ahead, 1)
        row, target = item(entries.indices, first + e) * entries.stride, e * f
        for k in range(0, f, 2 * V):
            store(tile, target + k, multiply(low(entries.Z, row, k), load(scale, k)))
            store(tile, target + k + V, multiply(high(entries.Z, row, k), load(scale, k + V)))
    zero = splat(tile, 0)
    for k in range(count * f, (count + 3) // 4 * 4 * f, V):
        store(tile, k, zero)


@inlined
def dots(Z: Any, rows: Any, count: int, f: int, x: Any, q: Any) -> None:
    """Write z.x of each row z to q, (count rounded up to four,)."""
    V = width(x)
    zero = splat(x, 0)
    for e in range(0, count, 4):
        z0, z1 = item(rows, e), item(rows, e + 1)
        z2, z3 = item(rows, e + 2), item(rows, e + 3)
        a0, a1, a2, a3, b0, b1, b2, b3 = zero, zero, zero, zero, zero, zero, zero, zero
        for k in range(0, f, 2 * V):
            x_k, x_l = load(x, k), load(x, k + V)
            a0, b0 = fma(low(Z, z0, k), x_k, a0), fma(high(Z, z0, k), x_l, b0)
            a1, b1 = fma(low(Z, z1, k), x_k, a1), fma(high(Z, z1, k), x_l, b1)
            a2, b2 = fma(low(Z, z2, k), x_k, a2), fma(high(Z, z2, k), x_l, b2)
            a3, b3 = fma(low(Z, z3, k), x_k, a3), fma(high(Z, z3, k), x_l, b3)
        store_sums(q, e, add(a0, b0), add(a1, b1), add(a2, b2), add(a3, b3))


@inlined
def dots_of_two(block: Any, first: int, count: int, f: int, at: int, q: Any, apart: int) -> None:
    """Write the dot products of rows `at` and `at + 1` of `block` with `count` rows from `first` on.

    Eight sums share six loads. So per dot product this reads half as much as `dots` from a block that
    is larger than the first-level cache. `block` (rows, f) is of floats and padded to a multiple of four
    rows. Row `at`'s products go to q, (count rounded up to four,), and row `at + 1`'s to q from `apart`
    on.
    """
    V = width(block)
    zero = splat(block, 0)
    x_row, y_row = at * f, (at + 1) * f
    for e in range(0, count, 4):
        z0 = (first + e) * f
        z1, z2, z3 = z0 + f, z0 + 2 * f, z0 + 3 * f
        a0, a1, a2, a3, b0, b1, b2, b3 = zero, zero, zero, zero, zero, zero, zero, zero
        for k in range(0, f, V):
            x, y = load(block, x_row + k), load(block, y_row + k)
            z = load(block, z0 + k)
            a0, b0 = fma(z, x, a0), fma(z, y, b0)
            z = load(block, z1 + k)
            a1, b1 = fma(z, x, a1), fma(z, y, b1)
            z = load(block, z2 + k)
            a2, b2 = fma(z, x, a2), fma(z, y, b2)
            z = load(block, z3 + k)
            a3, b3 = fma(z, x, a3), fma(z, y, b3)
        store_sums(q, e, a0, a1, a2, a3)
        store_sums(q, apart + e, b0, b1, b2, b3)


@inlined
def update(Z: Any, rows: Any, count: int, f: int, g: Any, y: Any) -> None:
    """Add g z of each row z to y (f,); g is 0 for the padding."""
    V = width(y)
    e = 0
    while e + 4 < count:
        z0, z1, z2, z3 = item(rows, e), item(rows, e + 1), item(rows, e + 2), item(rows, e + 3)
        z4, z5, z6, z7 = item(rows, e + 4), item(rows, e + 5), item(rows, e + 6), item(rows, e + 7)
        g0, g1 = splat(y, item(g, e)), splat(y, item(g, e + 1))
        g2, g3 = splat(y, item(g, e + 2)), splat(y, item(g, e + 3))
        g4, g5 = splat(y, item(g, e + 4)), splat(y, item(g, e + 5))
        g6, g7 = splat(y, item(g, e + 6)), splat(y, item(g, e + 7))
        for k in range(0, f, 2 * V):
            y_k, y_l = load(y, k), load(y, k + V)
            y_k = fma(low(Z, z0, k), g0, y_k)
            y_l = fma(high(Z, z0, k), g0, y_l)
            y_k = fma(low(Z, z1, k), g1, y_k)
            y_l = fma(high(Z, z1, k), g1, y_l)
            y_k = fma(low(Z, z2, k), g2, y_k)
            y_l = fma(high(Z, z2, k), g2, y_l)
            y_k = fma(low(Z, z3, k), g3, y_k)
            y_l = fma(high(Z, z3, k), g3, y_l)
            y_k = fma(low(Z, z4, k), g4, y_k)
            y_l = fma(high(Z, z4, k), g4, y_l)
            y_k = fma(low(Z, z5, k), g5, y_k)
            y_l = fma(high(Z, z5, k), g5, y_l)
            y_k = fma(low(Z, z6, k), g6, y_k)
            y_l = fma(high(Z, z6, k), g6, y_l)
            y_k = fma(low(Z, z7, k), g7, y_k)
            y_l = fma(high(Z, z7, k), g7, y_l)
            store(y, k, y_k)
            store(y, k + V, y_l)
        e += 8
    if e < count:
        z0, z1, z2, z3 = item(rows, e), item(rows, e + 1), item(rows, e + 2), item(rows, e + 3)
        g0, g1 = splat(y, item(g, e)), splat(y, item(g, e + 1))
        g2, g3 = splat(y, item(g, e + 2)), splat(y, item(g, e + 3))
        for k in range(0, f, 2 * V):
            y_k, y_l = load(y, k), load(y, k + V)
            y_k = fma(low(Z, z0, k), g0, y_k)
            y_l = fma(high(Z, z0, k), g0, y_l)
            y_k = fma(low(Z, z1, k), g1, y_k)
            y_l = fma(high(Z, z1, k), g1, y_l)
            y_k = fma(low(Z, z2, k), g2, y_k)
            y_l = fma(high(Z, z2, k), g2, y_l)
            y_k = fma(low(Z, z3, k), g3, y_k)
            y_l = fma(high(Z, z3, k), g3, y_l)
            store(y, k, y_k)
            store(y, k + V, y_l)
