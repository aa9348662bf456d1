"""Loops over a tile: a few gathered rows z of Z that stay in the first-level cache.

One step of conjugate gradients needs, of each stored entry, the dot product z.p and then the update
y += g z with a coefficient g that comes from it. Eight entries are taken at a time, so that the
eight share each load of p and each load and store of y; then it is one load for each
multiplication, which is what a core can do.

Everything is flat: row e of a tile is `tile[at + e * f : at + (e + 1) * f]`, with f a multiple of the
vector's width. Counts are rounded up to a multiple of four with rows of zeros.
"""

from __future__ import annotations

from typing import Any

from halfstep.kernels.cpu import inlined
from halfstep.kernels.cpu_vector import (
    add,
    fma,
    item,
    load,
    multiply,
    prefetch,
    splat,
    store,
    store_sums,
    width,
)


@inlined
def gather(entries: Any, first: int, count: int, f: int, scale: Any, tile: Any, at: int) -> None:
    """Copy the rows of Z of `count` entries from `first` on, times `scale` (f,), to `tile[at:]`."""
    Z, indices = entries.Z, entries.indices
    V = width(tile)
    for e in range(first, first + count):
        ahead = item(indices, min(e + entries.ahead, entries.last)) * f
        source = item(indices, e) * f
        target = at + (e - first) * f
        for k in range(0, f, V):
            prefetch(Z, ahead + k)
            store(tile, target + k, multiply(load(Z, source + k), load(scale, k)))
    zero = splat(tile, 0)
    for k in range(at + count * f, at + (count + 3) // 4 * 4 * f, V):
        store(tile, k, zero)


@inlined
def dots(tile: Any, at: int, count: int, f: int, x: Any, x_at: int, q: Any) -> None:
    """Write z.x of each of the tile's rows to q, (count rounded up to four,); x is at `x[x_at:]`."""
    V = width(tile)
    zero = splat(tile, 0)
    e = 0
    while e + 4 < count:
        z = at + e * f
        a0, a1, a2, a3, a4, a5, a6, a7 = zero, zero, zero, zero, zero, zero, zero, zero
        for k in range(0, f, V):
            x_k = load(x, x_at + k)
            a0 = fma(load(tile, z + k), x_k, a0)
            a1 = fma(load(tile, z + f + k), x_k, a1)
            a2 = fma(load(tile, z + 2 * f + k), x_k, a2)
            a3 = fma(load(tile, z + 3 * f + k), x_k, a3)
            a4 = fma(load(tile, z + 4 * f + k), x_k, a4)
            a5 = fma(load(tile, z + 5 * f + k), x_k, a5)
            a6 = fma(load(tile, z + 6 * f + k), x_k, a6)
            a7 = fma(load(tile, z + 7 * f + k), x_k, a7)
        store_sums(q, e, a0, a1, a2, a3)
        store_sums(q, e + 4, a4, a5, a6, a7)
        e += 8
    if e < count:
        z = at + e * f
        a0, a1, a2, a3 = zero, zero, zero, zero
        for k in range(0, f, V):
            x_k = load(x, x_at + k)
            a0 = fma(load(tile, z + k), x_k, a0)
            a1 = fma(load(tile, z + f + k), x_k, a1)
            a2 = fma(load(tile, z + 2 * f + k), x_k, a2)
            a3 = fma(load(tile, z + 3 * f + k), x_k, a3)
        store_sums(q, e, a0, a1, a2, a3)


@inlined
def update(tile: Any, at: int, count: int, f: int, g: Any, y: Any) -> None:
    """Add g z of each of the tile's rows to y (f,); g is 0 for the rows of zeros."""
    V = width(tile)
    e = 0
    while e + 4 < count:
        z = at + e * f
        g0, g1 = splat(tile, item(g, e)), splat(tile, item(g, e + 1))
        g2, g3 = splat(tile, item(g, e + 2)), splat(tile, item(g, e + 3))
        g4, g5 = splat(tile, item(g, e + 4)), splat(tile, item(g, e + 5))
        g6, g7 = splat(tile, item(g, e + 6)), splat(tile, item(g, e + 7))
        for k in range(0, f, V):
            # Two sums: one would be a chain of eight dependent operations.
            even = fma(load(tile, z + k), g0, load(y, k))
            odd = multiply(load(tile, z + f + k), g1)
            even = fma(load(tile, z + 2 * f + k), g2, even)
            odd = fma(load(tile, z + 3 * f + k), g3, odd)
            even = fma(load(tile, z + 4 * f + k), g4, even)
            odd = fma(load(tile, z + 5 * f + k), g5, odd)
            even = fma(load(tile, z + 6 * f + k), g6, even)
            odd = fma(load(tile, z + 7 * f + k), g7, odd)
            store(y, k, add(even, odd))
        e += 8
    if e < count:
        z = at + e * f
        g0, g1 = splat(tile, item(g, e)), splat(tile, item(g, e + 1))
        g2, g3 = splat(tile, item(g, e + 2)), splat(tile, item(g, e + 3))
        for k in range(0, f, V):
            even = fma(load(tile, z + k), g0, load(y, k))
            odd = multiply(load(tile, z + f + k), g1)
            even = fma(load(tile, z + 2 * f + k), g2, even)
            odd = fma(load(tile, z + 3 * f + k), g3, odd)
            store(y, k, add(even, odd))
