"""What the compiled loops read and write: a half-step's data, and the scratch that one thread needs."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from halfstep.kernels.cpu.cholesky import PANEL
from halfstep.kernels.cpu.compile import inlined
from halfstep.kernels.cpu.vectors import address, item, lanes, put

_TILE_BYTES = 1 << 14  # of a tile's vectors, which stay in the first-level cache
_AHEAD = 1 << 12  # numbers between a prefetch and its use


class Side(NamedTuple):
    """The data of a half-step, for all rows of a side; contiguous arrays.

    Attributes
    ----------
    indptr, indices, values, rule
        As in `halfstep.solvers.problem.Weights`.
    Z
        (columns + 1, f) the fixed side in whitened coordinates, its last row zero; or packed as
        bfloat16, (columns + 1, f / 2) uint32: see `bfloat16`.
    base, slope
        (f,). Row u scales coordinate k by (base[k] + slope[k] lam[u])^-1/2.
    lam
        (rows,) lambda_u.
    sizes
        (columns,) |z|^2 before that scale; empty where nothing needs them.

    The values, the rule's numbers, base, slope, lam and sizes have the factors' dtype.
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
    """Pointers into a `Side`, for the loops over entries.

    Attributes
    ----------
    end
        The number of entries; nothing is prefetched beyond it.
    stride
        The length of a row of Z, in elements.
    zeros
        Where Z's row of zeros begins.
    line
        How many elements of Z a cache line holds.
    ahead
        How many entries ahead to prefetch.
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
    """One thread's scratch: limits, and flat arrays (inside compiled code, pointers to them).

    Attributes
    ----------
    tile
        Entries in a tile.
    kept_dots
        Rows of up to so many entries keep all their dot products: see `rule`.
    dual
        Rows of up to so many entries take the dual solve.
    dual_when_heavy
        Rows of up to so many entries take the dual solve where they are heavy and it costs less: see
        `rule`.
    largest_order
        The largest number of unknowns that a system may have.
    multiple
        What a dual system's order is padded to.
    eps
        Of the factors' dtype.
    least
        The smallest w in a dual solve, eps a0.
    block
        Two tiles of vectors z, or all vectors of a row in a dual solve.
    rows, q
        Per entry of a tile or a row: where its vector begins, and its coefficient.
    products
        Dot products in a dual solve, and then its solution.
    A, panel
        A system, and PANEL rows of it.
    scale
        (f,) the row's scale of each coordinate.
    x, r, p, Ap
        (f,) as in conjugate gradients.
    scaled, total
        (f,) a vector that was multiplied by `scale`, and a sum over entries that is yet to be.
    """

    tile: int
    kept_dots: int
    dual: int
    dual_when_heavy: int
    largest_order: int
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
    """Return of what the number of columns of Z must be a multiple."""
    return 2 * lanes(np.dtype(dtype).itemsize)


def make_scratch(
    f: int,
    dtype: Any,
    dual: int,
    largest_order: int,
    a0: float,
    kept_dots: int = 0,
    dual_when_heavy: int = 0,
) -> Scratch:
    """Allocate one thread's scratch.

    Parameters
    ----------
    f
        Factors, padded.
    dual, kept_dots, dual_when_heavy
        As in `Scratch`.
    largest_order
        The largest number of unknowns in a primal system.
    a0
        Weight of the entries that are not stored.
    """
    size = np.dtype(dtype).itemsize
    multiple = lanes(size)
    tile = min(64, max(8, _TILE_BYTES // (f * size) // 8 * 8))
    dual_order = -(-max(dual, dual_when_heavy) // multiple) * multiple
    largest_order = max(dual_order, largest_order)
    ld = largest_order + lanes(size)
    eps = float(np.finfo(dtype).eps)
    block = np.zeros(max(2 * tile, dual_order) * f, dtype)
    entry = [np.zeros(times * (max(tile, dual_order, kept_dots) + 8), dtype) for times in (1, 2)]
    matrix = [np.zeros(rows * ld, dtype) for rows in (largest_order, PANEL)]
    rows = np.zeros(max(tile, dual_order, kept_dots) + 8, np.int64)
    coordinate = [np.zeros(f, dtype) for _ in range(7)]
    least = eps * (a0 if a0 > 0 else 1.0)
    arrays = block, rows, *entry, *matrix, *coordinate
    return Scratch(
        tile, kept_dots, dual, dual_when_heavy, largest_order, multiple, eps, least, *arrays
    )


@inlined
def entries_of(side: Any, f: int) -> Any:
    """Return pointers to the side's arrays."""
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
    """Return the scratch with pointers in place of arrays.

    Numba counts references to arrays, which took a third of the time.
    """
    return Scratch(
        work.tile,
        work.kept_dots,
        work.dual,
        work.dual_when_heavy,
        work.largest_order,
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
