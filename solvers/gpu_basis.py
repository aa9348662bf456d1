"""The device's coordinates of a half-step: those of `halfstep.kernels.cpu_basis`, padded and scaled.

The f x f mathematics is done on the host, in float64: the device forms Y'Y and multiplies by the
result. Where all lambda_u are equal, a Cholesky factor of a0 Y'Y + lambda I whitens; else its
eigenvectors make what all rows share diagonal. In both |z| is at most a0^-1/2.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.linalg import cholesky, solve_triangular

from halfstep.kernels.gpu_backend import Array, Backend
from halfstep.solvers.gpu_side import Side

Matrix = npt.NDArray[np.float64]
_LARGEST = 2.0**14  # a quarter of the largest float16


class Basis(NamedTuple):
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


def basis_of(backend: Backend, side: Side, Y: Array, wide: int, *, scaled: bool = False) -> Basis:
    """Return the coordinates for a half-step with Y fixed.

    Parameters
    ----------
    wide
        What rows are padded to, with zeros.
    scaled
        Multiply Z by a power of two that brings its largest number near the largest of a float16.
    """
    f, dtype = Y.shape[1], np.dtype(Y.dtype)
    eps = float(np.finfo(dtype).eps)
    smallest = side.smallest_lam
    gramian: Matrix = backend.to_host(backend.gram(Y))
    G = side.a0 * gramian
    forward = inward = np.eye(f)
    outward, base, slope = forward, np.ones(f), np.zeros(f)
    bound = side.a0**-0.5 if side.a0 else float(np.sqrt(gramian.diagonal().max()))
    if side.a0 == 0:
        size = float(np.trace(gramian)) / max(1, side.columns)
        floor = size * (eps if smallest <= 0 else eps * eps)
        base, slope = np.full(f, floor or 1.0), np.ones(f)
        if smallest <= 0:  # a row keeps what its start has in its null space
            inward = np.zeros((f, f))
    elif not diagonal(side):
        # A lambda that vanishes beside the Gramian in float64 leaves rows that are singular.
        least = np.trace(G) * max(eps * eps, 2.0**-50)
        R = cholesky(G + max(smallest, least) * np.eye(f), check_finite=False)
        forward = solve_triangular(R, np.eye(f), check_finite=False)
        inward, outward = R.T, forward.T
    else:
        L, Q = np.linalg.eigh(G)
        L = np.maximum(L, 0)
        known = L + smallest > L[-1] * f * (eps if smallest <= 0 else max(eps * eps, 2.0**-52))
        # Whitened for the smallest lambda, which leaves a scale of at least 1 to each row.
        shared = np.where(known, L + smallest, 1.0)
        root = np.sqrt(shared)
        forward, inward = Q * (known / root), Q * (known * root)
        outward = forward.T
        base, slope = np.where(known, L, 1.0) / shared, known / shared
    scale = 2.0 ** np.floor(np.log2(_LARGEST / bound)) if scaled and bound > 0 else 1.0

    def padded(array: Matrix, shape: tuple[int, ...], beyond: float = 0.0) -> Array:
        whole = np.full(shape, beyond)
        whole[tuple(map(slice, array.shape))] = array
        return backend.to_device(whole.astype(dtype))

    return Basis(
        padded(forward * scale, (f, wide)),
        padded(inward / scale, (f, wide)),
        padded(outward * scale, (wide, f)),
        padded(base * scale**2, (wide,), 1.0),
        padded(slope * scale**2, (wide,)),
    )
