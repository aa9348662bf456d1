"""The ratio of two means over the same users, with its paired bootstrap interval."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from halfstep.bench.method.spread import Interval

CONFIDENCE = 0.95
RESAMPLES = 2000


def mean_ratios(
    values: npt.NDArray[np.float64], reference: npt.NDArray[np.float64], seed: int
) -> list[Interval | None]:
    """Return, for each row of `values`, the ratio of its mean to the reference's mean.

    Each resample draws users with replacement, the same users for both means. What makes a user easy or
    hard moves both means and cancels in their ratio.

    Parameters
    ----------
    values
        (rows, users) a metric of each contestant and user, or its sum over several splits.
    reference
        (users,) the reference's metric, for the same users in the same order.

    Returns
    -------
    For each row the ratio with its 95 % interval; None where the reference's mean is not positive. The
    interval has no bounds where the reference's mean is not positive in some resample.
    """
    users = values.shape[1]
    total = float(reference.sum())
    if not total > 0:
        return [None] * len(values)
    both = np.vstack([reference, values])
    rng = np.random.default_rng(seed)
    sums = np.empty((RESAMPLES, len(both)))
    for resample in range(RESAMPLES):
        # One product with the number of times that each user was drawn gives all sums.
        drawn = np.bincount(rng.integers(users, size=users), minlength=users)
        sums[resample] = both @ drawn.astype(np.float64)
    middle = both[1:].sum(axis=1) / total
    if (sums[:, 0] <= 0).any():
        return [Interval(float(value), None, None) for value in middle]
    tail = (1 - CONFIDENCE) / 2
    low, high = np.quantile(sums[:, 1:] / sums[:, :1], [tail, 1 - tail], axis=0)
    return [Interval(*map(float, three)) for three in zip(middle, low, high, strict=True)]
