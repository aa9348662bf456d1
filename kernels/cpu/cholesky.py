"""A blocked Cholesky factorisation and solve; nearly all the work is done by the register tile `outer`.

The matrix A is symmetric positive definite and stored by rows, upper triangle only, with the right-hand
side b as one more column. The loops that factorise A = R'R therefore compute y = R'^-1 b as well.
Sixteen rows (a panel) are factorised at a time, with vector operations along the rows; then the outer
products of the panel's rows are subtracted from everything below. These updates are nearly all of the
n^3 / 3 operations.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from halfstep.kernels.cpu.compile import called, inlined
from halfstep.kernels.cpu.vectors import (
    fma,
    item,
    load,
    multiply,
    outer,
    put,
    splat,
    store,
    store_sums,
    width,
)

PANEL = 16
LOST = 8  # tried: 1; in high-degree rows of deficient rank, pivots that were noise passed as good


@inlined
def add_outer(
    left: Any,
    l_at: int,
    right: Any,
    r_at: int,
    stride: int,
    count: int,
    S: Any,
    first: int,
    n: int,
    columns: int,
    ld: int,
) -> None:
    """Add left' right, summed over `count` rows, to the upper triangle of S from row `first` on.

    Row e of `left` starts at `l_at` + e `stride`, row e of `right` at `r_at` + e `stride`. S is
    (n, columns), its rows `ld` apart. Whole tiles are written, so some elements below the diagonal
    change too.
    """
    V = width(S)
    for i in range(first, n, 8):
        j = i // V * V
        while j + V < columns:
            outer(left, l_at + i, right, r_at + j, stride, count, S, i * ld + j, ld, 2)
            j += 2 * V
        if j < columns:
            outer(left, l_at + i, right, r_at + j, stride, count, S, i * ld + j, ld, 1)


@called
def solve(A: Any, n: int, ld: int, negated: Any, x: Any, eps: float) -> None:
    """Solve the system in A (n, ld), whose column n is the right-hand side; A is overwritten.

    An unknown whose pivot is rounding error (at most LOST eps times its diagonal element) is set to
    zero. Written: x (n,). `negated` is scratch for PANEL rows.
    """
    V = width(A)
    for i in range(n):
        put(x, i, item(A, i * ld + i))
    for top in range(0, n, PANEL):
        end = min(top + PANEL, n)
        for i in range(top, end):
            pivot = item(A, i * ld + i)
            root = 1 / np.sqrt(pivot)
            if pivot <= item(x, i) * LOST * eps:  # false for a NaN, which must reach x
                root = pivot * 0
            inverse = splat(A, root)
            for j in range(i // V * V, ld, V):
                value = multiply(load(A, i * ld + j), inverse)
                store(A, i * ld + j, value)
                store(negated, (i - top) * ld + j, multiply(value, splat(A, -1)))
            put(A, i * ld + i, root)
            for below in range(i + 1, end):
                factor = splat(A, item(negated, (i - top) * ld + below))
                for j in range(below // V * V, ld, V):
                    row = below * ld + j
                    store(A, row, fma(factor, load(A, i * ld + j), load(A, row)))
        add_outer(negated, 0, A, top * ld, ld, end - top, A, end, n, ld, ld)
    for i in range(n):
        put(x, i, 0)
    # Back substitution, four rows at a time: their own four unknowns are still zero in x, so the four
    # sums do not depend on one another.
    sums = negated
    for i in range(n - 4, -4, -4):
        s0, s1, s2, s3 = splat(A, 0), splat(A, 0), splat(A, 0), splat(A, 0)
        for j in range(i // V * V, n, V):
            x_j = load(x, j)
            s0 = fma(load(A, i * ld + j), x_j, s0)
            s1 = fma(load(A, (i + 1) * ld + j), x_j, s1)
            s2 = fma(load(A, (i + 2) * ld + j), x_j, s2)
            s3 = fma(load(A, (i + 3) * ld + j), x_j, s3)
        store_sums(sums, 0, s0, s1, s2, s3)
        for k in range(3, -1, -1):
            row = (i + k) * ld
            value = item(A, row + n) - item(sums, k)
            for j in range(i + k + 1, i + 4):
                value -= item(A, row + j) * item(x, j)
            put(x, i + k, value * item(A, row + i + k))
