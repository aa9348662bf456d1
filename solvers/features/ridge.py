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
from scipy.linalg import cho_factor, cho_solve

from halfstep.types import Floats

MOST_FACTORISED = 768  # attributes; a solve with more takes as long as the steps
CLOSE = 0.1  # of the residual that a half-step begins with, what its steps may leave
_MOST_STEPS = 8
_MOST_EXACT_STEPS = 2000


class Ridge:
    """The regression on F (rows, p) of rows with the weights `lam` (rows,) and the ridge `mu` (p,)."""

    def __init__(
        self, F: sparse.csr_matrix, lam: npt.NDArray[np.float64], mu: npt.NDArray[np.float64]
    ) -> None:
        self.F, self.mu = F, mu
        self.lam = lam
        self._FtL: Any = F.T.multiply(lam).tocsr().astype(F.dtype, copy=False)
        self._factor: Any = None
        self._diagonal = (F.multiply(F).T @ lam + mu)[:, None]
        if F.shape[1] <= MOST_FACTORISED:
            dense = (self._FtL.astype(np.float64) @ F.astype(np.float64)).toarray()
            dense[np.diag_indices_from(dense)] += mu
            self._factor = cho_factor(dense, lower=True, overwrite_a=True)

    def solve(self, X: Floats, W: Floats, exactly: bool) -> Floats:
        """Return W (p, f) in the dtype of X (rows, f), from the start W.

        `exactly` asks for the solution to rounding error, where steps would do with `CLOSE`.
        """
        b = self._FtL @ X
        if self._factor is not None:
            solution: Floats = cho_solve(self._factor, b.astype(np.float64)).astype(X.dtype)
            return solution
        return self._steps(b, W, exactly)

    def _steps(self, b: Floats, W: Floats, exactly: bool) -> Floats:
        kind = W.dtype
        inverse = (1 / self._diagonal).astype(kind)
        mu = self.mu[:, None].astype(kind)
        r = b - self._product(W, mu)
        z = inverse * r
        p, rz = z, _dots(r, z)
        if exactly:  # to the rounding error of the right-hand side
            enough = _dots(b, inverse * b) * float(np.finfo(kind).eps) ** 2
            most = _MOST_EXACT_STEPS
        else:
            enough, most = rz.sum() * CLOSE**2 * np.full(len(rz), 1 / len(rz)), _MOST_STEPS
        for _ in range(most):
            if not (rz > enough).any() or (not exactly and rz.sum() <= enough.sum()):
                break
            Ap = self._product(p, mu)
            pAp = _dots(p, Ap)
            alpha = np.divide(rz, pAp, out=np.zeros_like(rz), where=pAp > 0)
            W = W + alpha.astype(kind) * p
            r = r - alpha.astype(kind) * Ap
            z = inverse * r
            before, rz = rz, _dots(r, z)
            p = z + np.divide(rz, before, out=np.zeros_like(rz), where=before > 0).astype(kind) * p
        return W

    def _product(self, P: Floats, mu: Floats) -> Floats:
        product: Floats = self._FtL @ (self.F @ P)
        product += mu * P
        return product


def _dots(a: Floats, b: Floats) -> npt.NDArray[np.float64]:
    """Return the inner products of the columns, (f,)."""
    dots: npt.NDArray[np.float64] = np.einsum("pf,pf->f", a, b, dtype=np.float64)
    return dots
