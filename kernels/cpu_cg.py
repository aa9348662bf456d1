"""Conjugate gradients on one row, in coordinates where what all rows share is the identity.

The row's system is (I + sum w z z') x = sum t z. The stored entries are gone over once for the
residual of the start and once per step, in tiles: dot products, coefficients, updates. The first
pass gathers; rows that fit the second-level cache are kept there for the other passes, longer ones
are gathered again, so the scratch is bounded whatever the row's length.
"""

from __future__ import annotations

from typing import Any

from halfstep.kernels.cpu import called, inlined, reordered
from halfstep.kernels.cpu_tiles import dots, gather, update
from halfstep.kernels.cpu_vector import fma, item, load, put, splat, store, width

RESIDUAL = 0  # g = t - w (z.v)
PRODUCT = 1  # g = w (z.v)
RIGHT_HAND_SIDE = 2  # g = t


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
    """Add the row's sum g z to `out` (f,), with the g that `mode` names; v (f,).

    A row that fits `scratch.block` is left there, and PRODUCT, which comes later, finds it there.
    """
    block, q, w, t = scratch.block, scratch.q, entries.w, entries.t
    tile = scratch.tile
    kept = stop - first <= scratch.kept
    for start in range(first, stop, tile):
        count = min(tile, stop - start)
        at = (start - first) * f if kept else 0
        if mode != PRODUCT or not kept:
            gather(entries, start, count, f, scratch.scale, block, at)
        if mode == RIGHT_HAND_SIDE:
            for e in range(count):
                put(q, e, item(t, start + e))
        else:
            dots(block, at, count, f, v, 0, q)
            if mode == RESIDUAL:
                for e in range(count):
                    put(q, e, item(t, start + e) - item(w, start + e) * item(q, e))
            else:
                for e in range(count):
                    put(q, e, item(w, start + e) * item(q, e))
        for e in range(count, (count + 3) // 4 * 4):
            put(q, e, 0)
        update(block, at, count, f, q, out)


@inlined
def conjugate_gradients(
    entries: Any, scratch: Any, first: int, stop: int, f: int, steps: int, tolerance: float
) -> None:
    """Take up to `steps` steps from scratch.x (f,), in place (Saad, Iterative Methods, alg. 6.18).

    They end when the residual is at most `tolerance` times the right-hand side, but not before the
    first, or when it is rounding.
    """
    x, r, p, Ap = scratch.x, scratch.r, scratch.p, scratch.Ap
    clear(r, f)
    floor = 0.0
    if tolerance > 0:
        pass_over(entries, scratch, first, stop, f, x, r, RIGHT_HAND_SIDE)
        floor = tolerance * tolerance * inner(r, r, f)
        clear(r, f)
    combine(-1, x, r, r, f)
    pass_over(entries, scratch, first, stop, f, x, r, RESIDUAL)  # r_0 = b - A x_0
    combine(0, r, r, p, f)
    rs = inner(r, r, f)
    for step in range(steps):
        # x is at most as long as A x, so beyond the second bound a residual is rounding. No row is
        # left where it was for its small residual: such a fit would come to rest short of its end.
        if (step > 0 and rs <= floor) or rs <= inner(x, x, f) * scratch.eps * scratch.eps:
            break
        combine(0, p, p, Ap, f)
        pass_over(entries, scratch, first, stop, f, p, Ap, PRODUCT)
        pAp = inner(p, Ap, f)
        if pAp <= 0:  # false for a NaN, which must reach x
            break
        alpha = rs / pAp
        combine(alpha, p, x, x, f)
        if step + 1 == steps:
            break
        combine(-alpha, Ap, r, r, f)
        rs_next = inner(r, r, f)
        combine(rs_next / rs, p, r, p, f)
        rs = rs_next
