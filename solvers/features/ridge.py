"""The regression of factors on attributes: W that solves (F' L F + diag(mu)) W = F' L X.

The matrix is that of the whole fit, since the rows' lambda do not change. With few attributes it is
factorised once. With many, W follows by conjugate gradients from the W of the half-step before, all f
columns side by side, each with its own step lengths; the diagonal preconditions them.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import sparse
from scipy.linalg import LinAlgError, cho_factor, cho_solve

from halfstep.errors import InputError
from halfstep.kernels.sparse.product import product
from halfstep.types import Floats

MOST_FACTORISED = 768  # attributes; a solve with more takes as long as the steps
# Of the residual that a half-step begins with, what its steps may leave; and how many there are at most.
# With them the objective after 3, 6 and 15 iterations is within 2e-5 of that by exact solutions
# (generated plays, 2,000 x 4,000, of 200 and 3,000 attributes); with one step, 4e-4, 5e-5 and 1e-5.
CLOSE, FEW_STEPS = 0.3, 3
_MOST_STEPS = 2000


class Ridge:
    """The regression on F (rows, p) of rows with the weights `lam` (rows,) and the ridge `mu` (p,)."""

    def __init__(
        self,
        F: sparse.csr_matrix,
        lam: npt.NDArray[np.float64],
        mu: npt.NDArray[np.float64],
        num_threads: int = 1,
    ) -> None:
        self.F, self.mu, self.num_threads = F, mu, num_threads
        self._FtL: Any = F.T.multiply(lam).tocsr().astype(F.dtype, copy=False)
        self._factor: Any = None
        self._diagonal = (F.multiply(F).T @ lam + mu)[:, None]
        if F.shape[1] <= MOST_FACTORISED:
            dense = (self._FtL.astype(np.float64) @ F.astype(np.float64)).toarray()
            dense[np.diag_indices_from(dense)] += mu
            try:
                self._factor = cho_factor(dense, lower=True, overwrite_a=True)
            except LinAlgError:
                raise InputError(
                    f"feature_regularization must be large enough to tell the attributes apart, got "
                    f"{mu.min():.2g}, and some columns depend on others"
                ) from None

    def solve(self, X: Floats, W: Floats, within: float | None) -> Floats:
        """Return W (p, f) in the dtype of X (rows, f), from the start W.

        `within` is what may be left of the residual, relative to the right-hand side's length. None
        stands for the few steps of a half-step: the next one goes on from there.
        """
        b = product(self._FtL, X, self.num_threads)
        if self._factor is not None:
            wide = b.astype(np.float64)
            solution: Floats = cho_solve(self._factor, wide, check_finite=False).astype(X.dtype)
            return solution
        return self._steps(b, W, within)

    def _steps(self, b: Floats, W: Floats, within: float | None) -> Floats:
        kind = W.dtype
        inverse = (1 / self._diagonal).astype(kind)
        mu = self.mu[:, None].astype(kind)
        r = b - self._product(W, mu) if W.any() else b.copy()
        z = inverse * r
        p, rz = z, _dots(r, z)
        if within is None:
            enough, most = CLOSE**2 * rz.sum(), FEW_STEPS
        else:
            enough, most = within**2 * _dots(b, inverse * b).sum(), _MOST_STEPS
        for step in range(most):
            if not rz.sum() > enough:
                break
            q = self._product(p, mu)
            pq = _dots(p, q)
            alpha = np.divide(rz, pq, out=np.zeros_like(rz), where=pq > 0).astype(kind)
            W = W + alpha * p
            r -= alpha * q
            if step + 1 == most:
                break
            z = inverse * r
            before, rz = rz, _dots(r, z)
            beta = np.divide(rz, before, out=np.zeros_like(rz), where=before > 0).astype(kind)
            p = z + beta * p
        return W

    def _product(self, P: Floats, mu: Floats) -> Floats:
        whole = product(self._FtL, product(self.F, P, self.num_threads), self.num_threads)
        whole += mu * P
        return whole


def _dots(a: Floats, b: Floats) -> npt.NDArray[np.float64]:
    """Return the inner products of the columns, (f,)."""
    dots: npt.NDArray[np.float64] = np.einsum("pf,pf->f", a, b, dtype=np.float64)
    return dots
