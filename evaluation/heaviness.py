"""How heavy the weights of a data set are, and how many CG steps they can cost at most.

A row's matrix is A = M + sum w y y' with M = a0 Y'Y + lambda I. In whitened coordinates, z = M^-1/2 y,
M is the identity and A is I + sum w z z'. The sum over all columns satisfies a0 sum z z' <= I. So if no
w of the row is negative, the eigenvalues of A lie in [1, 1 + x], whatever the factors and however many
entries the row has, with

    x = (largest w of the row) / a0

After j conjugate gradient steps the error e_j = 2 (E(x_j) - E*) is at most c_j e_0, with Chebyshev's
c_j = 1 / T_j(1 + 2 / x)^2; |r_j|^2 is at most (1 + x) e_j, and no step is shorter than 1 / (1 + x). So
the rule of `halfstep.solvers.fit.stopping` ends the row after at most s steps if

    x c_{s-1}  <=  theta (1 - c_s)

The left side is what the row may still gain, as a share of e_0; the right side is theta times what it
has gained. This guarantee is far from sharp: most rows beyond it also end after a few steps. It needs
a background, so `"explicit"` weights have none. It holds up to rounding, including the rounding of z to
bfloat16.

Source of the bound on e_j: Saad, Iterative Methods for Sparse Linear Systems (2003), eq. 6.128.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import sparse

from halfstep.kernels.stopping import Stopping
from halfstep.solvers.eigenbasis import Eigenbasis
from halfstep.solvers.fit.stopping import stopping
from halfstep.solvers.problem import Weights


@dataclass(frozen=True)
class Quantiles:
    """Quantiles of numbers that may have a heavy tail."""

    median: float
    upper: float  # 99 % are at most this
    largest: float


@dataclass(frozen=True)
class SideHeaviness:
    """The rows of one side that have stored entries, and the bounds on their steps.

    Attributes
    ----------
    rows
        Number of these rows.
    total
        Quantiles of the rows' sums of excess weights.
    theta, most
        The stopping rule's theta and its largest number of steps, for this side.
    limit
        A row whose largest excess weight is at most this, and that has no negative one, provably ends
        after two steps. None if there is no bound.
    within_two, within_most
        Shares of the rows that provably end after two steps (with `theta`, since such rows have no
        entry that the rule calls heavy) and after `most` steps (with the theta of heavy entries).
    """

    rows: int
    total: Quantiles
    theta: float
    most: int
    limit: float | None
    within_two: float
    within_most: float


@dataclass(frozen=True)
class Heaviness:
    """The weights of a data set.

    Attributes
    ----------
    entries
        Number of stored entries.
    background
        a0, the weight of a pair that is not stored.
    excess
        Quantiles of the entries' excess weights w = c - a0.
    negative
        Share of the entries with a negative w.
    users, items
        The two sides.
    """

    entries: int
    background: float
    excess: Quantiles
    negative: float
    users: SideHeaviness
    items: SideHeaviness


def heaviness(model: Eigenbasis, matrix: sparse.csr_matrix) -> Heaviness:
    """Describe the weights that the model gives to a canonical matrix (users, items), without a fit.

    Raises
    ------
    InputError
        A weight overflows the model's dtype.
    """
    users, items = model.weights(matrix)
    return Heaviness(
        entries=len(users.w),
        background=users.a0,
        excess=quantiles(users.w),
        negative=float(np.mean(users.w < 0)),
        users=_side(model, users),
        items=_side(model, items),
    )


def quantiles(numbers: npt.NDArray[np.floating]) -> Quantiles:
    """Return the quantiles of numbers (count,), of which there must be at least one."""
    return Quantiles(*(float(q) for q in np.quantile(numbers, (0.5, 0.99, 1.0))))


def heaviest_within(steps: int, theta: float) -> float:
    """Return the largest x for which a row provably ends after `steps` steps, by bisection."""
    low, high = 0.0, 1e12
    for _ in range(200):
        middle = np.sqrt(low * high) if low else high / 2
        low, high = (middle, high) if _ends(middle, steps, theta) else (low, middle)
    return float(low)


def _ends(x: float, steps: int, theta: float) -> bool:
    angle = np.arccosh(1 + 2 / x)
    before, after = (np.cosh(count * angle) ** -2 for count in (steps - 1, steps))
    return bool(x * before <= theta * (1 - after))


def _side(model: Eigenbasis, weights: Weights) -> SideHeaviness:
    rule = rule_of(model, weights.a0, weights.stored_rows)
    starts = weights.indptr[:-1][np.diff(weights.indptr) > 0]
    total = np.add.reduceat(weights.w, starts, dtype=np.float64)
    largest = np.maximum.reduceat(weights.w, starts).astype(np.float64)
    positive = np.minimum.reduceat(weights.w, starts) >= 0
    limit = None if weights.a0 == 0 else weights.a0 * heaviest_within(2, rule.theta)

    def share(steps: int, theta: float) -> float:
        if weights.a0 == 0:
            return 0.0
        return float(np.mean(positive & (largest <= weights.a0 * heaviest_within(steps, theta))))

    return SideHeaviness(
        len(starts),
        quantiles(total),
        rule.theta,
        rule.most,
        limit,
        share(2, rule.theta),
        share(rule.most, rule.theta_heavy),
    )


def rule_of(model: Eigenbasis, a0: float, rows: int) -> Stopping:
    """Return the model's stopping rule for a side with this many rows."""
    return stopping(
        model.cg_steps,
        model.cg_tolerance,
        model.cg_max_steps,
        a0=a0,
        few_rows=rows <= 2 * model.factors,
    )
