"""How two means over the same users compare: their ratio, with its paired bootstrap interval."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from halfstep.bench.method.spread import Interval

CONFIDENCE = 0.95
RESAMPLES = 2000


def mean_ratios(
    values: npt.NDArray[np.float64], reference: npt.NDArray[np.float64], seed: int
) -> list[Interval | None]:
    """Return, for each row of `values`, its mean over the reference's.

    Users are drawn with replacement, the same for both means: what makes a user easy or hard moves
    both, and drops out.

    Parameters
    ----------
    values
        (rows, users) a per-user metric of each contestant, or its sum over several splits.
    reference
        (users,) the reference's, for the same users in the same order.

    Returns
    -------
    One interval of 95 % for each row, its mean the ratio; None where the reference's mean is not
    positive. Without bounds where in some resample it is not.
    """
    users = values.shape[1]
    total = float(reference.sum())
    if not total > 0:
        return [None] * len(values)
    both = np.vstack([reference, values])
    rng = np.random.default_rng(seed)
    sums = np.empty((RESAMPLES, len(both)))
    for resample in range(RESAMPLES):
        # How often each user was drawn: one product gives all sums.
        drawn = np.bincount(rng.integers(users, size=users), minlength=users)
        sums[resample] = both @ drawn.astype(np.float64)
    middle = both[1:].sum(axis=1) / total
    if (sums[:, 0] <= 0).any():
        return [Interval(float(value), None, None) for value in middle]
    tail = (1 - CONFIDENCE) / 2
    low, high = np.quantile(sums[:, 1:] / sums[:, :1], [tail, 1 - tail], axis=0)
    return [Interval(*map(float, three)) for three in zip(middle, low, high, strict=True)]
