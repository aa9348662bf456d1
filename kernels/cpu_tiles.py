"""Loops over a tile: a few rows z of Z, found by their offsets, that stay in the first-level cache.

One step of conjugate gradients needs, of each stored entry, the dot product z.p and then the update
y += g z with a coefficient g that comes from it. Eight entries are taken at a time, so that the
eight share each load of p and each load and store of y; then it is one load for each
multiplication, which is what a core can do.

The rows are read where they lie: after the first pass they are in the core's own caches, and copying
them together cost as much as a pass. `rows[e]` is where row e begins in Z, which is flat, of floats or
of pairs (`cpu_pairs`); f is a multiple of two vectors. Counts are rounded up to a multiple of four with
a row of zeros.
"""

from __future__ import annotations

from typing import Any

from halfstep.kernels.cpu import inlined
from halfstep.kernels.cpu_pairs import high, low
from halfstep.kernels.cpu_vector import (
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
    """Write where the rows of Z of `count` entries from `first` on begin to `rows`."""
    for e in range(count):
        put(rows, e, item(entries.indices, first + e) * entries.stride)
    for e in range(count, (count + 3) // 4 * 4):
        put(rows, e, entries.zeros)


@inlined
def ask_for(entries: Any, first: int, count: int) -> None:
    """Prefetch the rows of Z of `count` entries from `first` on, as far as there are any."""
    for e in range(first, min(first + count, entries.end)):
        row = item(entries.indices, e) * entries.stride
        for k in range(row, row + entries.stride, entries.line):
            prefetch(entries.Z, k)


@inlined
def gather(entries: Any, first: int, count: int, f: int, scale: Any, tile: Any) -> None:
    """Copy the rows of Z of `count` entries from `first` on, times `scale` (f,), to `tile`."""
    V = width(tile)
    for e in range(count):
        ask_for(entries, first + e + entries.ahead, 1)
        row, target = item(entries.indices, first + e) * entries.stride, e * f
        for k in range(0, f, 2 * V):
            store(tile, target + k, multiply(low(entries.Z, row, k), load(scale, k)))
            store(tile, target + k + V, multiply(high(entries.Z, row, k), load(scale, k + V)))
    zero = splat(tile, 0)
    for k in range(count * f, (count + 3) // 4 * 4 * f, V):
        store(tile, k, zero)


@inlined
def dots(Z: Any, rows: Any, at: int, count: int, f: int, x: Any, x_at: int, q: Any) -> None:
    """Write z.x of each row from rows[at] on to q, (count rounded up to four,); x is `x[x_at:]`."""
    V = width(x)
    zero = splat(x, 0)
    e = 0
    while e + 4 < count:
        z0, z1, z2, z3 = (
            item(rows, at + e),
            item(rows, at + e + 1),
            item(rows, at + e + 2),
            item(rows, at + e + 3),
        )
        z4, z5, z6, z7 = (
            item(rows, at + e + 4),
            item(rows, at + e + 5),
            item(rows, at + e + 6),
            item(rows, at + e + 7),
        )
        a0, a1, a2, a3, a4, a5, a6, a7 = zero, zero, zero, zero, zero, zero, zero, zero
        for k in range(0, f, 2 * V):
            x_k, x_l = load(x, x_at + k), load(x, x_at + k + V)
            a0 = fma(high(Z, z0, k), x_l, fma(low(Z, z0, k), x_k, a0))
            a1 = fma(high(Z, z1, k), x_l, fma(low(Z, z1, k), x_k, a1))
            a2 = fma(high(Z, z2, k), x_l, fma(low(Z, z2, k), x_k, a2))
            a3 = fma(high(Z, z3, k), x_l, fma(low(Z, z3, k), x_k, a3))
            a4 = fma(high(Z, z4, k), x_l, fma(low(Z, z4, k), x_k, a4))
            a5 = fma(high(Z, z5, k), x_l, fma(low(Z, z5, k), x_k, a5))
            a6 = fma(high(Z, z6, k), x_l, fma(low(Z, z6, k), x_k, a6))
            a7 = fma(high(Z, z7, k), x_l, fma(low(Z, z7, k), x_k, a7))
        store_sums(q, e, a0, a1, a2, a3)
        store_sums(q, e + 4, a4, a5, a6, a7)
        e += 8
    if e < count:
        z0, z1, z2, z3 = (
            item(rows, at + e),
            item(rows, at + e + 1),
            item(rows, at + e + 2),
            item(rows, at + e + 3),
        )
        a0, a1, a2, a3 = zero, zero, zero, zero
        for k in range(0, f, 2 * V):
            x_k, x_l = load(x, x_at + k), load(x, x_at + k + V)
            a0 = fma(high(Z, z0, k), x_l, fma(low(Z, z0, k), x_k, a0))
            a1 = fma(high(Z, z1, k), x_l, fma(low(Z, z1, k), x_k, a1))
            a2 = fma(high(Z, z2, k), x_l, fma(low(Z, z2, k), x_k, a2))
            a3 = fma(high(Z, z3, k), x_l, fma(low(Z, z3, k), x_k, a3))
        store_sums(q, e, a0, a1, a2, a3)


@inlined
def update(Z: Any, rows: Any, count: int, f: int, g: Any, y: Any) -> None:
    """Add g z of each row to y (f,); g is 0 for the rows of zeros."""
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
