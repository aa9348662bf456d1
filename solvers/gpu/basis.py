"""Whitened coordinates on the device, and factors that stay in them between half-steps.

`halfstep.solvers.whitening` explains the coordinates. For each half-step the device computes Y'Y, the
host derives the f x f matrices from it in float64, and the device multiplies the factor matrices by
them, padded and scaled.

The option `coordinates` never forms the solution X = X~ outward inside a fit. X~, which the half-step
ends with, is kept together with outward, and what the next half-steps need is

    Gramian  outward' (X~'X~) outward      Z = X~ (outward forward)      start = X~ (outward inward)

with the products in brackets, of f x f matrices, in float64. So a half-step makes two products of
factor matrices, Z and the start, instead of three. The option `factor-on-card` leaves the f x f matrices
on the device, so that the host does not wait for the Gramian.
"""

from __future__ import annotations

from contextlib import nullcontext
from typing import Any, NamedTuple, TypeAlias

import numpy as np

from halfstep.kernels.algebra import HOST, Algebra
from halfstep.kernels.cuda.backend import Array, Backend
from halfstep.solvers.gpu.device.coordinates import Coordinates, formed
from halfstep.solvers.gpu.device.side import LENGTH, Side
from halfstep.solvers.whitening import Basis, unwhitened, whitened

_LARGEST = 2.0**14  # a quarter of the largest float16
Matrix: TypeAlias = Any  # float64, NumPy's, or CuPy's if the algebra is on the card


class DeviceBasis(NamedTuple):
    """Whitened coordinates: Z = Y forward, x~ = x inward, x = x~ outward.

    In them the shared part of row u's matrix is diagonal, with base_k + slope_k lambda_u in place k.
    `forward` (f, wide), `inward` (f, wide), `outward` (wide, f), and the vectors `base` and `slope`
    (wide,) are on the device in the factors' dtype. For factors that are `Coordinates`, forward and
    inward have as many rows as their numbers have columns. If the solution is to stay in coordinates,
    outward is the float64 matrix instead.
    """

    forward: Array
    inward: Array
    outward: Any
    base: Array
    slope: Array


def diagonal(side: Side) -> bool:
    """Return whether base and slope differ between coordinates.

    They do if the side's rows have a background and more than one lambda, or a lambda of 0. Otherwise
    the diagonal of a row is one number, which the kernels keep in one register.
    """
    return bool(side.a0 and not 0 < side.smallest_lam == side.largest_lam)


def basis_of(
    backend: Backend,
    side: Side,
    Y: Array | Coordinates,
    wide: int,
    *,
    scaled: bool = False,
    start: Array | Coordinates | None = None,
    keeps: bool = False,
    on_card: bool = False,
) -> DeviceBasis:
    """Return the coordinates for a half-step with Y fixed.

    Parameters
    ----------
    wide
        The number of columns that rows are padded to, with zeros.
    scaled
        Whether Z is multiplied by a power of two that brings a bound on its numbers to between 2^13 and
        2^14, a quarter of the largest float16.
    start
        The start, if it may be `Coordinates`.
    keeps
        Whether the solution stays in coordinates.
    on_card
        Whether the algebra of f x f matrices is the device's, for which the host does not wait.
    """
    with backend.on_card() if on_card else nullcontext(HOST) as algebra:
        return _basis(backend, algebra, side, Y, wide, scaled, start, keeps)


def _basis(
    backend: Backend,
    algebra: Algebra,
    side: Side,
    Y: Array | Coordinates,
    wide: int,
    scaled: bool,
    start: Array | Coordinates | None,
    keeps: bool,
) -> DeviceBasis:
    xp = algebra.xp
    gramian = _gramian(backend, algebra, formed(Y)[: side.counted] if side.pulled else Y)
    squared = xp.trace(gramian) if side.a0 == 0 else None
    basis = coordinates_of(side, np.dtype(Y.dtype), Y.shape[1], gramian, squared, algebra)
    bound = xp.sqrt(gramian.diagonal().max()) if side.a0 == 0 else _largest(side, xp)
    if LENGTH in side.kept:
        bound = xp.maximum(bound, side.kept[LENGTH])
    return _on_device(
        backend, algebra, side, basis, wide, Y.dtype, bound if scaled else None, (Y, start), keeps
    )


def coordinates_of(
    side: Side,
    dtype: np.dtype[Any],
    f: int,
    gramian: Matrix | None,
    squared: Any,
    algebra: Algebra = HOST,
) -> Basis:
    """Return the coordinates as the kernels take them: Cholesky's unless D is a `diagonal`.

    Parameters
    ----------
    f
        The number of factors.
    gramian, squared
        Y'Y (f, f), which is read if there is a background; and its trace, which is read without one.
    """
    eps, smallest = float(np.finfo(dtype).eps), side.smallest_lam
    if side.a0 == 0:
        size = squared / max(1, side.counted)
        return unwhitened(f, size, smallest, eps, algebra=algebra)
    assert gramian is not None
    one_lambda = not diagonal(side)
    return whitened(side.a0 * gramian, smallest, eps, one_lambda=one_lambda, algebra=algebra)


def uploaded(
    backend: Backend, side: Side, basis: Basis, wide: int, dtype: np.dtype[Any], *, scaled: bool
) -> DeviceBasis:
    """Return coordinates that came from elsewhere; the rest as in `basis_of`.

    Z of a side without background cannot be scaled: nothing bounds its numbers.
    """
    bound = _largest(side, np) if scaled else None
    return _on_device(backend, HOST, side, basis, wide, dtype, bound, (None, None), keeps=False)


def _largest(side: Side, xp: Any) -> Any:
    """Return the largest length of a z, if there is a background."""
    return xp.full((), side.a0**-0.5)


def _on_device(
    backend: Backend,
    algebra: Algebra,
    side: Side,
    basis: Basis,
    wide: int,
    dtype: Any,
    bound: Any,
    factors: tuple[Any, Any],
    keeps: bool,
) -> DeviceBasis:
    """Return the basis padded to `wide`, scaled by `bound` unless that is None, on the device.

    `factors` are the fixed side's and the start, which may be `Coordinates`.
    """
    xp, f = algebra.xp, len(basis.base)
    forward, inward, outward = (
        xp.eye(f) if matrix is None else matrix
        for matrix in (basis.forward, basis.inward, basis.outward)
    )
    if side.a0 == 0 and side.smallest_lam <= 0:  # a start's part in a row's null space would remain
        inward = xp.zeros((f, f))
    scale: Any = 1.0
    if bound is not None:
        scale = 2.0 ** xp.floor(xp.log2(_LARGEST / xp.where(bound > 0, bound, _LARGEST)))

    def padded(array: Matrix, shape: tuple[int, ...], beyond: float = 0.0) -> Matrix:
        whole = xp.full(shape, beyond)
        whole[tuple(map(slice, array.shape))] = array
        return whole

    def on_device(array: Matrix) -> Array:
        return backend.to_device(array.astype(dtype))

    into, onto = (
        algebra.product(one.outward, matrix) if isinstance(one, Coordinates) else matrix
        for one, matrix in zip(factors, (forward, inward), strict=True)
    )
    whole_outward = padded(outward * scale, (wide, f))
    return DeviceBasis(
        on_device(padded(into * scale, (len(into), wide))),
        on_device(padded(onto / scale, (len(onto), wide))),
        whole_outward if keeps else on_device(whole_outward),
        on_device(padded(basis.base * scale**2, (wide,), 1.0)),
        on_device(padded(basis.slope * scale**2, (wide,))),
    )


def _gramian(backend: Backend, algebra: Algebra, Y: Array | Coordinates) -> Matrix:
    """Return Y'Y (f, f)."""

    def taken(array: Array) -> Matrix:
        return backend.to_host(array) if algebra is HOST else backend.raw(array)

    if not isinstance(Y, Coordinates):
        return taken(backend.gram(Y))
    inner = algebra.product(Y.outward.T, taken(backend.gram(Y.numbers)))
    return algebra.product(inner, Y.outward)
