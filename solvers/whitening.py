"""The coordinates of a half-step: they make the shared part of the rows' matrices the identity.

Row u's matrix is A_u = G + lambda_u I + sum_{i in S_u} w_ui y_i y_i' with G = a0 Y'Y; its shared part is
G + lambda_u I. A matrix V *whitens* a matrix S if V'S V = I. The new coordinates of a row are x~ with
x = V x~, and z_i = V'y_i replaces y_i:

* All rows have one lambda > 0: G + lambda I = R'R (Cholesky), V = R^-1, and row u's matrix becomes
  I + sum w z z'.
* Rows differ in lambda_u: G = Q L Q', and V = Q (L + l)^-1/2 with l the smallest lambda_u. The shared
  part becomes the diagonal D_u = (L + lambda_u) / (L + l). Each row scales z by D_u^-1/2, which makes
  its shared part the identity.
* a0 = 0: the shared part is lambda_u I, so z = y, and each row scales by lambda_u^-1/2.

An eigenvalue in L below f eps times the largest is rounding error. If the smallest lambda_u is 0, such
directions are dropped (z = 0 along them), so that a singular row gets the solution of minimum norm.

The f x f algebra is float64, on the host unless a device is asked to do it (`kernels.algebra`). The CPU
rungs pad and apply V by `kernels.cpu.rotation`; the GPU rungs pad, scale and upload it
(`solvers.gpu.basis`).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from halfstep.kernels.algebra import HOST, Algebra

Matrix = npt.NDArray[np.float64]


class Basis(NamedTuple):
    """The matrix V in the three forms in which it is applied, and the scale of each row.

    With rows of Y, x and x~ as row vectors, Z = Y forward, x~ = x inward and x = x~ outward. The shared
    part of row u is then the diagonal base + slope lambda_u (D_u above). Matrices (f, f) and vectors
    (f,) in float64; None in place of a matrix means the identity. If `triangular`, forward is an upper
    triangle and the other two are lower ones.
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


def whitened(
    G: Matrix, smallest: float, eps: float, *, one_lambda: bool, algebra: Algebra = HOST
) -> Basis:
    """Return the coordinates that whiten G + lambda I.

    Parameters
    ----------
    G
        (f, f) the shared part a0 Y'Y.
    smallest
        The smallest lambda of the rows with stored entries.
    eps
        Machine epsilon of the factors' dtype.
    one_lambda
        Whether all rows have that lambda: then by Cholesky, with a lambda of at least `least_lambda`,
        otherwise by eigenvectors.
    algebra
        Whose arrays G and the result are. None of its numbers is read here.
    """
    f, xp = len(G), algebra.xp
    if one_lambda:
        lam = xp.maximum(smallest, xp.trace(G) * lost_share(eps))
        R = algebra.cholesky(G + lam * xp.eye(f))
        inverse = algebra.inverse_of_upper(R)
        return Basis(inverse, R.T, inverse.T, xp.ones(f), xp.zeros(f), triangular=True)
    L, Q = algebra.eigh(G)
    L = xp.maximum(L, 0)
    known = L + smallest > L[-1] * f * (eps if smallest <= 0 else max(eps * eps, 2.0**-52))
    # Whitened for the smallest lambda, so that each row's scale D_u^-1/2 is at most 1.
    shared = xp.where(known, L + smallest, 1.0)
    root = xp.sqrt(shared)
    inverse = Q * (known / root)
    return Basis(
        inverse, Q * (known * root), inverse.T, xp.where(known, L, 1.0) / shared, known / shared
    )


def unwhitened(
    f: int, size: float, smallest: float, eps: float, *, algebra: Algebra = HOST
) -> Basis:
    """Return the coordinates for a0 = 0; `size` is the mean squared length of the rows of Y.

    `size` is a number, or an array without dimensions of the algebra, as are the vectors of the result.
    """
    xp = algebra.xp
    floor = xp.asarray(size * (eps if smallest <= 0 else eps * eps))
    return Basis(None, None, None, xp.ones(f) * xp.where(floor != 0, floor, 1.0), xp.ones(f))


def least_lambda(G: Matrix, eps: float) -> float:
    """Return the lambda below which G + lambda I is singular: in float64 rounding loses lambda."""
    return float(np.trace(G)) * lost_share(eps)


def lost_share(eps: float) -> float:
    """Return the share of a Gramian's trace that rounding loses; `eps` is of the factors' dtype."""
    return max(eps * eps, 2.0**-50)
