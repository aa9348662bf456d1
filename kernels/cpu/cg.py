"""Conjugate gradients on one row, in coordinates where what all rows share is the identity.

The row's system is (I + sum w z z') x = sum t z. The stored entries are gone over once for the
residual of the start and once per step, in tiles: dot products, coefficients, updates. The last step
needs no update: p'Ap = p.p + sum w (z.p)^2. Nothing of a row is copied, so the scratch is bounded
whatever the row's length.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from halfstep.kernels.cpu.compile import called, inlined, reordered
from halfstep.kernels.cpu.tiles import ask_for, dots, locate, update
from halfstep.kernels.cpu.vectors import fma, item, load, multiply, put, splat, store, width
from halfstep.kernels.cpu.weights import excess, target

RESIDUAL = 0  # g = t - w (z.v)
PRODUCT = 1  # g = w (z.v)
FAR = 1 << 17  # a longer row has left the second-level cache by the next pass


@reordered
def inner(a: Any, b: Any, f: int) -> Any:
    """Return a.b in float64: squares of large confidences leave float32's range."""
    total = 0.0
    for k in range(f):
        total += float(item(a, k)) * float(item(b, k))
    return total


@inlined
def clear(a: Any, f: int) -> None:
    """Write zeros to a (f,)."""
    zero = splat(a, 0)
    for k in range(0, f, width(a)):
        store(a, k, zero)


@inlined
def combine(alpha: Any, a: Any, b: Any, out: Any, f: int) -> None:
    """Write alpha a + b to `out`, which may be a or b; all (f,)."""
    factor = splat(out, alpha)
    for k in range(0, f, width(out)):
        store(out, k, fma(factor, load(a, k), load(b, k)))


@called
def pass_over(
    entries: Any, scratch: Any, first: int, stop: int, f: int, v: Any, out: Any, mode: int
) -> None:
    """Add the row's sum g z to `out` (f,), with the g that `mode` names; v (f,)."""
    q, rows, scaled, total, V = scratch.q, scratch.rows, scratch.scaled, scratch.total, width(out)
    for k in range(0, f, V):
        store(scaled, k, multiply(load(v, k), load(scratch.scale, k)))
    clear(total, f)
    far = (stop - first) * entries.stride > FAR
    for start in range(first, stop, scratch.tile):
        count = min(scratch.tile, stop - start)
        locate(entries, start, count, rows)
        if mode == RESIDUAL or far:
            ask_for(entries, start + entries.ahead, count)
        dots(entries.Z, rows, count, f, scaled, q)
        if mode == RESIDUAL:
            for e in range(count):
                put(q, e, target(entries, start + e) - excess(entries, start + e) * item(q, e))
        else:
            for e in range(count):
                put(q, e, excess(entries, start + e) * item(q, e))
        for e in range(count, (count + 3) // 4 * 4):
            put(q, e, 0)
        update(entries.Z, rows, count, f, q, total)
    for k in range(0, f, V):
        store(out, k, fma(load(total, k), load(scratch.scale, k), load(out, k)))


@called
def curvature(entries: Any, scratch: Any, first: int, stop: int, f: int, v: Any) -> float:
    """Return the row's sum w (z.v)^2; v (f,)."""
    q, rows, scaled = scratch.q, scratch.rows, scratch.scaled
    for k in range(0, f, width(v)):
        store(scaled, k, multiply(load(v, k), load(scratch.scale, k)))
    total = 0.0
    far = (stop - first) * entries.stride > FAR
    for start in range(first, stop, scratch.tile):
        count = min(scratch.tile, stop - start)
        if far:
            ask_for(entries, start + entries.ahead, count)
        locate(entries, start, count, rows)
        dots(entries.Z, rows, count, f, scaled, q)
        for e in range(count):
            total += float(excess(entries, start + e)) * float(item(q, e)) * float(item(q, e))
    return total


@inlined
def conjugate_gradients(
    entries: Any, scratch: Any, first: int, stop: int, f: int, steps: int
) -> None:
    """Take `steps` steps from scratch.x (f,), in place (Saad, Iterative Methods, alg. 6.18).

    They end earlier when the residual is rounding.
    """
    x, r, p, Ap = scratch.x, scratch.r, scratch.p, scratch.Ap
    clear(r, f)
    combine(-1, x, r, r, f)
    pass_over(entries, scratch, first, stop, f, x, r, RESIDUAL)  # r_0 = b - A x_0
    combine(0, r, r, p, f)
    rs = inner(r, r, f)
    for step in range(steps):
        # x is at most as long as A x, so beyond this a residual is rounding; not an infinite one.
        if rs < np.inf and rs <= inner(x, x, f) * scratch.eps * scratch.eps:
            break
        last = step + 1 == steps
        if last:
            pAp = inner(p, p, f) + curvature(entries, scratch, first, stop, f, p)
        else:
            combine(0, p, p, Ap, f)
            pass_over(entries, scratch, first, stop, f, p, Ap, PRODUCT)
            pAp = inner(p, Ap, f)
        if pAp <= 0:  # false for a NaN, which must reach x
            break
        alpha = rs / pAp
        combine(alpha, p, x, x, f)
        if last:
            break
        combine(-alpha, Ap, r, r, f)
        rs_next = inner(r, r, f)
        combine(rs_next / rs, p, r, p, f)
        rs = rs_next
