"""The coordinates of a half-step, in which what all its rows share is diagonal or the identity.

With the shared part G = a0 Y'Y:

* rows with one lambda > 0: G + lambda I = R'R (Cholesky), z = R'^-1 y, x = R^-1 x~. The row's system
  is the identity plus its own entries.
* rows with lambdas of their own: G = Q L Q', and with the smallest of them, l, whitened by
  (L + l)^-1/2. The shared part is the diagonal (L + lambda_u) / (L + l); scaled by its -1/2 it is the
  identity as well, row by row.
* a0 = 0: nothing is shared but lambda_u, and z = y.

Directions of Q in which a row without regularisation knows nothing (L below f eps times the largest)
are dropped, z = 0, which makes the solution the one of minimum norm.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.linalg import cholesky, solve_triangular

from halfstep.kernels.cpu_pairs import pack
from halfstep.kernels.cpu_triangle import times_triangle
from halfstep.kernels.cpu_workers import spread
from halfstep.solvers.problem import Problem
from halfstep.types import Floats

Matrix = npt.NDArray[np.float64]
_BLOCK_NUMBERS = 1 << 17
_GROUPS = 8
_DROWNED = 2.0**15  # of the trace over lambda: float32 then errs by less than bfloat16 does anyway


class Basis(NamedTuple):
    """Z = Y forward, x~ = x inward, x = x~ outward; coordinate k scaled by base + slope lambda_u.

    None in place of a matrix stands for the identity. Where `triangular`, forward is an upper triangle
    and the other two are lower ones.
    """

    forward: Matrix | None
    inward: Matrix | None
    outward: Matrix | None
    base: Matrix
    slope: Matrix
    triangular: bool = False

    def complete(self) -> bool:
        """Return whether no direction was dropped."""
        return self.forward is None or bool(self.forward.any(axis=0).all())


def basis_of(problem: Problem, threads: int, narrow: bool = False) -> Basis:
    """Return the coordinates for a half-step; `narrow` allows float32 for Y'Y where lambda drowns it."""
    f = problem.Y.shape[1]
    eps = float(np.finfo(problem.Y.dtype).eps)
    stored = np.diff(problem.indptr) > 0
    lam = problem.lam[stored]
    smallest, largest = (lam.min(), lam.max()) if len(lam) else (1.0, 1.0)
    if problem.a0 == 0:
        size = float(np.einsum("if,if->", problem.Y, problem.Y, dtype=np.float64))
        floor = size / max(1, problem.columns) * (eps if smallest <= 0 else eps * eps)
        return Basis(None, None, None, np.full(f, floor or 1.0), np.ones(f))
    size = problem.a0 * float(np.vdot(problem.Y, problem.Y))
    kind = problem.Y.dtype if narrow and size < smallest * _DROWNED else np.float64
    G = problem.a0 * gramian(problem.Y, threads, kind)
    if smallest == largest and smallest > np.trace(G) * max(eps * eps, 2.0**-50):
        R = cholesky(G + smallest * np.eye(f), check_finite=False)
        inverse = solve_triangular(R, np.eye(f), check_finite=False)
        return Basis(inverse, R.T, inverse.T, np.ones(f), np.zeros(f), triangular=True)
    L, Q = np.linalg.eigh(G)
    L = np.maximum(L, 0)
    known = L + smallest > L[-1] * f * (eps if smallest <= 0 else max(eps * eps, 2.0**-52))
    # Whitened for the smallest lambda, which leaves a scale of at most 1 to each row.
    shared = np.where(known, L + smallest, 1.0)
    root = np.sqrt(shared)
    inverse = Q * (known / root)
    return Basis(
        inverse, Q * (known * root), inverse.T, np.where(known, L, 1.0) / shared, known / shared
    )


def gramian(Y: Floats, threads: int, kind: npt.DTypeLike) -> Matrix:
    """Return Y'Y (f, f): blocks of rows in the dtype `kind`, summed in float64 in a fixed order."""
    f = Y.shape[1]
    # Of shorter blocks the sums, f^2 numbers each, cost as much as the products.
    rows = max(1024, _BLOCK_NUMBERS // f)
    starts = range(0, len(Y), rows)
    sums = np.zeros((_GROUPS, f, f))

    def run(group: int, wide: Floats) -> None:
        for start in starts[group::_GROUPS]:
            block = Y[start : start + rows]
            if block.dtype != kind:
                np.copyto(wide[: len(block)], block)
                block = wide[: len(block)]
            sums[group] += block.T @ block

    spread(range(_GROUPS), threads, lambda: np.empty((rows, f), kind), run)
    total: Matrix = sums.sum(axis=0)
    return total


def rotate(
    Y: Floats,
    basis: Basis,
    padded_to: int,
    threads: int,
    paired: bool,
    sizes: Floats,
) -> npt.NDArray[Any]:
    """Return Y in the coordinates, (rows + 1, padded_to), its last columns and its last row zero.

    Written: each row's squared length to `sizes` (rows,), unless it is empty.

    With `paired` they are rounded to 16 bits and packed, (rows + 1, padded_to / 2), where a zero beside
    another number becomes next to nothing: see `cpu_pairs`.
    """
    f = Y.shape[1]
    Z = (
        _aligned(len(Y) + 1, padded_to // 2, np.uint32)
        if paired
        else _aligned(len(Y) + 1, padded_to, Y.dtype)
    )
    Z[-1] = 0
    upper = True if basis.triangular else None
    apply = rotation(basis.forward, f, padded_to, Y.dtype, upper)
    rows = max(64, _BLOCK_NUMBERS // f)

    def run(start: int, wide: Floats) -> None:
        block, target = Y[start : start + rows], Z[start : min(start + rows, len(Y))]
        rotated = wide[: len(block)] if paired else target
        apply(block, rotated)
        if paired:
            pack(rotated, target)
        if len(sizes):
            np.vecdot(rotated, rotated, out=sizes[start : start + rows])

    spread(range(0, len(Y), rows), threads, lambda: np.empty((rows, padded_to), Y.dtype), run)
    return Z


def _aligned(rows: int, columns: int, dtype: npt.DTypeLike) -> npt.NDArray[Any]:
    """Return an array that begins at a cache line."""
    size = np.dtype(dtype).itemsize
    room = np.empty(rows * columns + 64 // size, dtype)
    skip = -room.ctypes.data % 64 // size
    return room[skip : skip + rows * columns].reshape(rows, columns)


def rotation(
    matrix: Matrix | None, rows: int, columns: int, dtype: npt.DTypeLike, upper: bool | None
) -> Callable[[Floats, Floats], None]:
    """Return a function that writes its first argument times `matrix`, padded, to its second.

    The arguments are C-contiguous, (n, rows) and (n, columns). The wider one is overwritten. `upper`
    says which triangle the matrix is; None for a whole one.
    """
    width, small = max(rows, columns), min(rows, columns)

    def copy(source: Floats, target: Floats) -> None:
        target[:, :small] = source[:, :small]
        target[:, small:] = 0

    if matrix is None:
        return copy
    square = np.zeros((width, width), dtype)
    square[: matrix.shape[0], : matrix.shape[1]] = matrix
    if upper is None:
        padded = np.ascontiguousarray(square[:rows, :columns])

        def multiply(source: Floats, target: Floats) -> None:
            np.matmul(source, padded, out=target)

        return multiply

    def apply(source: Floats, target: Floats) -> None:
        wide = target if columns == width else source
        if wide is target:
            copy(source, target)
        times_triangle(wide, square, upper)
        if wide is source:
            copy(source, target)

    return apply
