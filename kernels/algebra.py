"""The float64 algebra of f x f matrices that whitening needs, on the host; a device has its own.

`kernels.device.dense.CardAlgebra` has the same methods on the arrays of CuPy, so that
`halfstep.solvers.whitening` is written once for both.
"""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
from scipy.linalg import cholesky, solve_triangular


class Algebra(Protocol):
    """What whitening asks for beside the functions of the array module `xp`."""

    xp: Any

    def product(self, A: Any, B: Any) -> Any:
        """Return the matrix product A B."""

    def cholesky(self, A: Any) -> Any:
        """Return the upper R (f, f) with A = R'R."""

    def inverse_of_upper(self, R: Any) -> Any:
        """Return the inverse of an upper triangle (f, f)."""

    def eigh(self, A: Any) -> tuple[Any, Any]:
        """Return the eigenvalues (f,), ascending, and the eigenvectors in the columns of (f, f)."""


class HostAlgebra:
    """LAPACK on NumPy's arrays; a matrix that cannot be factorised raises LinAlgError."""

    xp: Any = np

    def product(self, A: Any, B: Any) -> Any:
        """See `Algebra`."""
        return A @ B

    def cholesky(self, A: Any) -> Any:
        """See `Algebra`."""
        return cholesky(A, check_finite=False)

    def inverse_of_upper(self, R: Any) -> Any:
        """See `Algebra`."""
        return solve_triangular(R, np.eye(len(R)), check_finite=False)

    def eigh(self, A: Any) -> tuple[Any, Any]:
        """See `Algebra`."""
        L, Q = np.linalg.eigh(A)
        return L, Q


HOST = HostAlgebra()
