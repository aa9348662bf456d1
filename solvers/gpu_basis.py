"""The device's coordinates of a half-step: those of `halfstep.solvers.whitening`, padded and scaled.

The device forms Y'Y and multiplies by the matrices; the f x f algebra between is float64 on the host.
In whitened coordinates |z| is at most a0^-1/2.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from halfstep.kernels.cuda.backend import Array, Backend
from halfstep.solvers.gpu_side import Side
from halfstep.solvers.whitening import unwhitened, whitened

Matrix = npt.NDArray[np.float64]
_LARGEST = 2.0**14  # a quarter of the largest float16


class DeviceBasis(NamedTuple):
    """Z = Y forward, x~ = x inward, x = x~ outward; coordinate k scaled by base + slope lambda_u.

    Matrices (f, wide), (f, wide), (wide, f) and vectors (wide,), on the device in the factors' dtype.
    """

    forward: Array
    inward: Array
    outward: Array
    base: Array
    slope: Array


def diagonal(side: Side) -> bool:
    """Return whether `basis_of` gives a scale of its own to each coordinate and row."""
    return bool(side.a0 and not 0 < side.smallest_lam == side.largest_lam)


def basis_of(
    backend: Backend, side: Side, Y: Array, wide: int, *, scaled: bool = False
) -> DeviceBasis:
    """Return the coordinates for a half-step with Y fixed.

    Parameters
    ----------
    wide
        What rows are padded to, with zeros.
    scaled
        Multiply Z by a power of two that brings its largest number near the largest of a float16.
    """
    f, dtype = Y.shape[1], np.dtype(Y.dtype)
    eps, smallest = float(np.finfo(dtype).eps), side.smallest_lam
    gramian: Matrix = backend.to_host(backend.gram(Y))
    if side.a0 == 0:
        size = float(np.trace(gramian)) / max(1, side.columns)
        basis = unwhitened(f, size, smallest, eps)
        bound = float(np.sqrt(gramian.diagonal().max()))
    else:
        basis = whitened(side.a0 * gramian, smallest, eps, one_lambda=not diagonal(side))
        bound = side.a0**-0.5
    forward, inward, outward = (
        np.eye(f) if matrix is None else matrix
        for matrix in (basis.forward, basis.inward, basis.outward)
    )
    if side.a0 == 0 and smallest <= 0:  # a row keeps what its start has in its null space
        inward = np.zeros((f, f))
    scale = 2.0 ** np.floor(np.log2(_LARGEST / bound)) if scaled and bound > 0 else 1.0

    def padded(array: Matrix, shape: tuple[int, ...], beyond: float = 0.0) -> Array:
        whole = np.full(shape, beyond)
        whole[tuple(map(slice, array.shape))] = array
        return backend.to_device(whole.astype(dtype))

    return DeviceBasis(
        padded(forward * scale, (f, wide)),
        padded(inward / scale, (f, wide)),
        padded(outward * scale, (wide, f)),
        padded(basis.base * scale**2, (wide,), 1.0),
        padded(basis.slope * scale**2, (wide,)),
    )
