"""One side's attributes during a fit: W, the rows' prior means, their part of the objective."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import sparse

from halfstep.kernels.sparse.product import product
from halfstep.solvers.features.ridge import Ridge
from halfstep.types import Floats, Integers


class Prior:
    """The prior means of a side's rows, m_u = W'f_u.

    Parameters
    ----------
    F
        (rows, p), in the dtype of the factors.
    stored
        (rows,) bool, whether a row has entries: W is a regression of these rows.
    lam
        (rows,) lambda_u.
    mu
        (p,) the ridge of each row of W.
    W
        (p, f), from which the fit goes on.
    exactly
        Whether each half-step solves for W exactly.
    num_threads
        0 means all cores.

    Attributes
    ----------
    rows
        (moved,) the rows with entries and attributes, ascending.
    W
        (p, f).
    """

    def __init__(
        self,
        F: sparse.csr_matrix,
        stored: npt.NDArray[np.bool_],
        lam: npt.NDArray[np.float64],
        mu: npt.NDArray[np.float64],
        W: Floats,
        exactly: bool = False,
        num_threads: int = 1,
    ) -> None:
        self.rows: Integers = np.flatnonzero(stored & (np.diff(F.indptr) > 0))
        self.lam, self.mu, self.W, self.exactly = lam, mu, W, exactly
        self.num_threads = num_threads
        self._whole, self._stored = F, stored
        self._F = F[self.rows]
        self._ridge: Ridge | None = None
        self._stack: Any = None
        self.reuses = False  # one array for all half-steps, in a fit
        self._pull = lam[self.rows][:, None].astype(F.dtype)

    @property
    def ridge(self) -> Ridge:
        """The regression, set up at its first use."""
        if self._ridge is None:
            self._ridge = Ridge(self._F, self.lam[self.rows], self.mu, self.num_threads)
        return self._ridge

    def go_on_from(self, W: Floats | None) -> None:
        """Set W to a copy of a fit's, if there is one of this shape."""
        if W is not None and W.shape == self.W.shape:
            self.W = np.array(W, self.W.dtype)

    def follow(self, X: Floats, last: bool = False) -> None:
        """Set W to the regression of the new factors X (rows, f); closer at the end of a fit."""
        if len(self.rows):
            eps = float(np.finfo(X.dtype).eps)
            within = eps if self.exactly else eps**0.5 if last else None
            W = self.ridge.solve(X[self.rows], self.W, within)
            # Factors that are not finite end the fit, or the device's attempt at an iteration.
            self.W = W if np.isfinite(W).all() else self.W

    def pulls(self) -> Floats:
        """Return lambda_u m_u of the rows `rows`, (moved, f)."""
        pulls = product(self._F, self.W, self.num_threads)
        pulls *= self._pull
        return pulls

    def stacked(self, Y: Floats, shrink: float) -> Floats:
        """Return Y (columns, f) with the pulls of this side below it, scaled by `shrink`.

        The array is used again by the next call where the prior `reuses` it.
        """
        shape = (len(Y) + len(self.rows), Y.shape[1])
        whole: Floats = self._stack
        if whole is None or whole.shape != shape or whole.dtype != Y.dtype:
            whole = np.empty(shape, Y.dtype)
        self._stack = whole if self.reuses else None
        whole[: len(Y)] = Y
        pulls = self.pulls()
        np.multiply(pulls, Y.dtype.type(shrink), out=whole[len(Y) :], casting="same_kind")
        return whole

    def warm(self, X: Floats) -> Floats:
        """Return X (rows, f) with zeros in the rows without entries: X itself where they are zero."""
        cold = ~self._stored
        if not np.any(X[cold]):
            return X
        warm = np.array(X)
        warm[cold] = 0
        return warm

    def complete(self, X: Floats) -> Floats:
        """Return X (rows, f) with the prior means in the rows without entries."""
        cold = np.flatnonzero(~self._stored & (np.diff(self._whole.indptr) > 0))
        if not len(cold):
            return X
        whole = np.array(X)
        whole[cold] = self._whole[cold] @ self.W
        return whole

    def beside_ridge(self, X: Floats | None) -> float:
        """Return what the penalty has more than lambda |x|^2: - 2 lambda x'm + lambda |m|^2 + mu |w|^2.

        Without X (rows, f), leave out the first of these three terms.
        """
        W = self.W.astype(np.float64)
        means, lam = self._F.astype(np.float64) @ W, self.lam[self.rows]
        beside = lam @ np.einsum("uf,uf->u", means, means)
        beside += self.mu @ np.einsum("pf,pf->p", W, W)
        if X is not None:
            beside -= 2 * (lam @ np.einsum("uf,uf->u", means, X[self.rows].astype(np.float64)))
        return float(beside)

    def penalty(self, X: Floats) -> float:
        """Return the sum of lambda |x - m|^2 over the rows with entries, and of mu |w|^2, in float64."""
        apart = X.astype(np.float64)
        apart[self.rows] -= self._F.astype(np.float64) @ self.W.astype(np.float64)
        kept = self._stored
        ridge = float(self.mu @ np.einsum("pf,pf->p", self.W, self.W, dtype=np.float64))
        return float(self.lam[kept] @ np.einsum("uf,uf->u", apart[kept], apart[kept])) + ridge
