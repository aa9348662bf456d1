"""Conjugate gradient steps on one row, in whitened coordinates.

There the shared part of the row's matrix is the identity (`halfstep.solvers.whitening`), and the system
is

    (I + sum w z z') x = sum t z

One pass over the row's stored entries gives the residual of the start, and each step takes one more.
A pass works on a tile of entries at a time: dot products, coefficients, update. The last step needs only
the dot products, since p'Ap = p.p + sum w (z.p)^2. No entry's vector is copied, so the scratch has the
same size for rows of any degree.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from halfstep.kernels.cpu.compile import called, inlined, merged, reordered
from halfstep.kernels.cpu.tiles import dots, locate, prefetch_rows, update
from halfstep.kernels.cpu.vectors import fma, item, load, multiply, put, splat, store, width
from halfstep.kernels.cpu.weights import excess, target

# Floats: Numba would compile a function anew for each integer constant that it is called with.
RESIDUAL = 0.0  # g = t - w (z.v)
PRODUCT = 1.0  # g = w (z.v)
FAR = 1 << 17  # a row with more numbers has left the second-level cache by the next pass


@reordered
def inner(a: Any, b: Any, f: int) -> Any:
    """Return a.b in float64: squares of large confidences exceed float32's range."""
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
    """Write alpha a + b to `out`, which may be a or b; all are (f,)."""
    factor = splat(out, alpha)
    for k in range(0, f, width(out)):
        store(out, k, fma(factor, load(a, k), load(b, k)))


@called
def pass_over(
    entries: Any, scratch: Any, first: int, stop: int, f: int, v: Any, out: Any, mode: float
) -> None:
    """Add the row's sum of g z to `out` (f,); `mode` names the coefficient g. v is (f,)."""
    q, rows, scaled, total, V = scratch.q, scratch.rows, scratch.scaled, scratch.total, width(out)
    for k in range(0, f, V):
        store(scaled, k, multiply(load(v, k), load(scratch.scale, k)))
    clear(total, f)
    far = (stop - first) * entries.stride > FAR
    for start in range(first, stop, scratch.tile):
        count = min(scratch.tile, stop - start)
        locate(entries, start, count, rows)
        if mode == RESIDUAL or far:
            prefetch_rows(entries, start + entries.ahead, count)
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
    """Return the row's sum of w (z.v)^2; v is (f,)."""
    q, rows, scaled = scratch.q, scratch.rows, scratch.scaled
    for k in range(0, f, width(v)):
        store(scaled, k, multiply(load(v, k), load(scratch.scale, k)))
    total = 0.0
    far = (stop - first) * entries.stride > FAR
    for start in range(first, stop, scratch.tile):
        count = min(scratch.tile, stop - start)
        if far:
            prefetch_rows(entries, start + entries.ahead, count)
        locate(entries, start, count, rows)
        dots(entries.Z, rows, count, f, scaled, q)
        for e in range(count):
            total += float(excess(entries, start + e)) * float(item(q, e)) * float(item(q, e))
    return total


@merged
def conjugate_gradients(
    entries: Any, scratch: Any, first: int, stop: int, f: int, steps: int
) -> None:
    """Take `steps` steps from scratch.x (f,), in place (Saad, Iterative Methods, alg. 6.18).

    The row ends earlier when its residual is no more than rounding error.
    """
    x, r, p, Ap = scratch.x, scratch.r, scratch.p, scratch.Ap
    clear(r, f)
    combine(-1.0, x, r, r, f)
    pass_over(entries, scratch, first, stop, f, x, r, RESIDUAL)  # r_0 = b - A x_0
    combine(0.0, r, r, p, f)
    rs = inner(r, r, f)
    for step in range(steps):
        # |x| <= |A x|, so a residual below eps |x| is rounding error. An infinite one is not.
        if rs < np.inf and rs <= inner(x, x, f) * scratch.eps * scratch.eps:
            break
        last = step + 1 == steps
        if last:
            pAp = inner(p, p, f) + curvature(entries, scratch, first, stop, f, p)
        else:
            combine(0.0, p, p, Ap, f)
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
