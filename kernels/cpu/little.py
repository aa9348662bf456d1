"""A whole half-step in one call, or one call for each block of rows: for few factors.

Where a half-step takes tenths of a millisecond, calls from Python cost more than the arithmetic, and a
second thread has finished before it has begun. For more rows of few factors, calls of BLAS for narrow
triangles still cost as much as the steps. So what `halfstep.solvers.half_step` does by BLAS and
LAPACK for many rows is done here by loops for few: the Gramian, its Cholesky factor R and V = R^-1,
Z = Y V, the rows' starts, their steps by the rule (`rule`), and their solutions, over-relaxed.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from halfstep.kernels.cpu.bfloat16 import pack
from halfstep.kernels.cpu.cg import inner
from halfstep.kernels.cpu.cholesky import add_outer
from halfstep.kernels.cpu.compile import called, compiled, compiled_in, inlined
from halfstep.kernels.cpu.rule import step_rows
from halfstep.kernels.cpu.vectors import address, fma, item, load, put, splat, store, width

CHUNK = 64  # rows
# The matrices in `square`: R, V and the Gramian; and in `triangles`: V, R' and V'.
MATRICES = 3
FORWARD, INWARD, OUTWARD = range(3)
# What is returned where all is done; and where the matrix cannot be factorised, or lambda is
# lost in it.
DONE, SINGULAR = -1, -2


@called
def _multiply(
    A: Any, stride: int, rows: int, f: int, R: Any, wide: int, lower: int, out: Any
) -> None:
    """Write A R, (rows, wide), to `out`.

    A (rows, f) has rows `stride` apart, and R (f, wide) is a triangle.
    """
    V = width(out)
    zero = splat(out, 0)
    whole = rows // 4 * 4
    for k in range(0, wide, V):
        first, last = (min(k, f), f) if lower else (0, min(f, k + V))
        for i in range(0, whole, 4):
            row = i * stride
            s0, s1, s2, s3 = zero, zero, zero, zero
            for j in range(first, last):
                r = load(R, j * wide + k)
                s0 = fma(splat(out, item(A, row + j)), r, s0)
                s1 = fma(splat(out, item(A, row + stride + j)), r, s1)
                s2 = fma(splat(out, item(A, row + 2 * stride + j)), r, s2)
                s3 = fma(splat(out, item(A, row + 3 * stride + j)), r, s3)
            store(out, i * wide + k, s0)
            store(out, (i + 1) * wide + k, s1)
            store(out, (i + 2) * wide + k, s2)
            store(out, (i + 3) * wide + k, s3)
        for i in range(whole, rows):
            s0 = zero
            for j in range(first, last):
                s0 = fma(splat(out, item(A, i * stride + j)), load(R, j * wide + k), s0)
            store(out, i * wide + k, s0)


@inlined
def _gramian(Y: Any, rows: int, f: int, chunk: Any, G: Any, wide: int) -> None:
    """Write the upper triangle of Y'Y in float64 to G; both it and `chunk` have rows of `wide`."""
    for k in range(wide * wide):
        put(G, k, 0.0)
    for start in range(0, rows, CHUNK):
        count = min(CHUNK, rows - start)
        for i in range(count):
            for k in range(f):
                put(chunk, i * wide + k, float(item(Y, (start + i) * f + k)))
        add_outer(chunk, 0, chunk, 0, wide, count, G, 0, f, wide, wide)


@inlined
def _factorised(R: Any, f: int, wide: int) -> bool:
    """Replace the upper triangle of a matrix by R with A = R'R; return whether that is possible."""
    for i in range(f):
        pivot = item(R, i * wide + i)
        if not 0 < pivot < np.inf:
            return False
        root = math.sqrt(pivot)
        put(R, i * wide + i, root)
        for k in range(i + 1, f):
            put(R, i * wide + k, item(R, i * wide + k) / root)
        for j in range(i + 1, f):
            factor = item(R, i * wide + j)
            for k in range(j, f):
                put(R, j * wide + k, item(R, j * wide + k) - factor * item(R, i * wide + k))
    return True


@inlined
def _invert(R: Any, V: Any, f: int, wide: int) -> None:
    """Write the inverse of the upper triangle R to the upper triangle of V: V R = I, row by row."""
    for i in range(f):
        for k in range(i, f):
            put(V, i * wide + k, 0.0)
        put(V, i * wide + i, 1 / item(R, i * wide + i))
        for j in range(i, f):
            if j > i:
                put(V, i * wide + j, item(V, i * wide + j) / item(R, j * wide + j))
            factor = item(V, i * wide + j)
            for k in range(j + 1, f):
                put(V, i * wide + k, item(V, i * wide + k) - factor * item(R, j * wide + k))


@compiled_in(2)
def whiten_little(
    Y: Any, a0: float, smallest: float, lost: float, square: Any, triangles: Any, wide: int
) -> bool:
    """Write V, R' and V' to `triangles` (3, wide, wide) and return whether they exist.

    R'R = a0 Y'Y + lambda I and V = R^-1: see `halfstep.solvers.whitening`. `smallest` is lambda.
    `square` is scratch, float64: three matrices (wide, wide) and a chunk of rows.
    """
    rows, f = Y.shape
    at = wide * wide
    R = address(square)
    V, chunk = address(square[at:]), address(square[MATRICES * at :])
    _gramian(address(Y), rows, f, chunk, R, wide)
    trace = 0.0
    for i in range(f):
        for k in range(i, f):
            put(R, i * wide + k, a0 * item(R, i * wide + k))
        trace += item(R, i * wide + i)
    if not smallest > trace * lost:
        return False
    for i in range(f):
        put(R, i * wide + i, item(R, i * wide + i) + smallest)
    if not _factorised(R, f, wide):
        return False
    _invert(R, V, f, wide)
    forward, inward, outward = triangles[FORWARD], triangles[INWARD], triangles[OUTWARD]
    for i in range(f):
        for k in range(i, f):
            forward[i, k] = outward[k, i] = item(V, i * wide + k)
            inward[k, i] = item(R, i * wide + k)
    return True


@compiled
def rotate_little(Y: Any, begin: int, stop: int, triangles: Any, Z: Any, sizes: Any) -> None:
    """Write Y V of the rows from `begin` to `stop` - 1 to Z, and their squared lengths to `sizes`.

    `sizes` may be empty.
    """
    f, wide = Y.shape[1], Z.shape[1]
    forward = address(triangles[FORWARD])
    _multiply(address(Y[begin:]), f, stop - begin, f, forward, wide, 0, address(Z[begin:]))
    for i in range(begin, min(stop, len(sizes))):
        z = address(Z[i])
        total = inner(z, z, wide)
        sizes[i] = total


@compiled
def rotate_packed(
    Y: Any, begin: int, stop: int, triangles: Any, spare: Any, Z: Any, sizes: Any
) -> None:
    """Do what `rotate_little` does, with Z packed as bfloat16; `spare` (CHUNK, wide) is scratch."""
    f, wide = Y.shape[1], spare.shape[1]
    forward = address(triangles[FORWARD])
    for start in range(begin, stop, CHUNK):
        count = min(CHUNK, stop - start)
        _multiply(address(Y[start:]), f, count, f, forward, wide, 0, address(spare))
        for i in range(count):
            pack(spare[i], Z[start + i])
        for i in range(start, min(start + count, len(sizes))):
            z = address(spare[i - start])
            total = inner(z, z, wide)
            sizes[i] = total


@compiled
def finish_little(
    indptr: Any,
    begin: int,
    X: Any,
    part: Any,
    triangles: Any,
    omega: Any,
    spare: Any,
    solution: Any,
) -> float:
    """Write the over-relaxed rows of `part`, out of whitened coordinates, to `solution` (rows, f).

    The first one is row `begin` of the side, and X (rows, f) holds their starts. `spare` is scratch of
    CHUNK rows as wide as those of `part`. Returns the sum of squares of the solution, which is finite
    only if all of it is.
    """
    rows, f = solution.shape
    wide = part.shape[1]
    out, outward = address(spare), address(triangles[OUTWARD])
    total = 0.0
    for start in range(0, rows, CHUNK):
        count = min(CHUNK, rows - start)
        _multiply(address(part[start:]), wide, count, f, outward, wide, 1, out)
        for i in range(count):
            row = start + i
            if omega != 1 and indptr[begin + row] < indptr[begin + row + 1]:
                for k in range(f):
                    before = X[row, k]
                    solution[row, k] = before + omega * (spare[i, k] - before)
            else:
                for k in range(f):
                    solution[row, k] = spare[i, k]
    flat = solution.reshape(-1)
    for start in range(0, len(flat), CHUNK * wide):
        count = min(CHUNK * wide, len(flat) - start)
        total += inner(address(flat[start:]), address(flat[start:]), count)
    return total


@compiled_in(2)
def solve_part(
    side: Any,
    work: Any,
    begin: int,
    X: Any,
    stopping: Any,
    tally: Any,
    ways: Any,
    triangles: Any,
    part: Any,
    spare: Any,
    omega: Any,
    solution: Any,
) -> int:
    """Solve a block of rows by the rule, from their starts X (rows, f); the first is row `begin`.

    Parameters
    ----------
    tally
        (TALLY + 1,): the rows' figures, and then the sum of squares of the solution.
    ways
        (rows,) int8, written: as of `rule.step_rows`.
    triangles, spare
        As `whiten_little` writes them; and scratch: see `finish_little`.
    part
        (rows, wide) scratch: the rows in whitened coordinates.
    solution
        (rows, f), written, if no row is to be solved exactly.

    Returns
    -------
    DONE, or the row that is to be completed, as `rule.step_rows` does: the number of rows for none of
    them, while others are to be solved exactly.
    """
    rows, f = X.shape
    wide = part.shape[1]
    _multiply(address(X), f, rows, f, address(triangles[INWARD]), wide, 1, address(part))
    at: int = step_rows(side, work, begin, 0, part, wide, stopping, tally, ways)
    if at < rows:
        return at
    for i in range(rows):
        if ways[i] != 0:
            return int(rows)
    tally[-1] = finish_little(side.indptr, begin, X, part, triangles, omega, spare, solution)
    return DONE


@compiled_in(2)
def solve_little(
    side: Any,
    work: Any,
    Y: Any,
    X: Any,
    numbers: Any,
    stopping: Any,
    tally: Any,
    ways: Any,
    square: Any,
    triangles: Any,
    part: Any,
    spare: Any,
    omega: Any,
    solution: Any,
) -> int:
    """Solve all rows of a side as `solve_part` does, and before that whiten and rotate Y.

    `numbers` (3,) are a0, the rows' lambda, and the share of the Gramian's trace that rounding loses.
    Written: the side's Z, and its `sizes` if not empty; `triangles` and `square` as in `whiten_little`.
    Returns SINGULAR, or what `solve_part` does.
    """
    wide = part.shape[1]
    if not whiten_little(Y, numbers[0], numbers[1], numbers[2], square, triangles, wide):
        return SINGULAR
    rotate_little(Y, 0, len(Y), triangles, side.Z, side.sizes)
    return int(
        solve_part(side, work, 0, X, stopping, tally, ways, triangles, part, spare, omega, solution)
    )
