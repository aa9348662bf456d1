"""The distribution of a per-user metric by the users' activity.

A mean over users hides which users a model serves well. So users are put into groups of about equal
size by their number of known entries, and each group gets its mean and its percentiles.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from halfstep.errors import InputError
from halfstep.evaluation.metrics.inputs import whole_number
from halfstep.evaluation.metrics.intervals import bootstrap_intervals
from halfstep.solvers.fit.start import RandomState

PERCENTILES = (5, 25, 50, 75, 95)


@dataclass(frozen=True)
class ActivityGroup:
    """Users whose number of known entries is between `least` and `most`, both included.

    Attributes
    ----------
    users
        Number of users.
    mean, low, high
        The metric's mean and the bootstrap interval over the group's users
        (`halfstep.evaluation.metrics.intervals` says what it means).
    percentiles
        For each percentage, the value that this percentage of the group's users do not exceed.
    """

    least: int
    most: int
    users: int
    mean: float
    low: float
    high: float
    percentiles: dict[int, float]


def by_activity(
    values: npt.NDArray[np.float64],
    activity: npt.NDArray[np.integer],
    *,
    groups: int = 4,
    random_state: RandomState = 0,
) -> list[ActivityGroup]:
    """Return the groups in ascending order of activity, then one of all users.

    Parameters
    ----------
    values
        (users,) the metric of each user, finite.
    activity
        (users,) number of known entries. Users with the same number share a group, so there may be
        fewer than `groups` groups.

    Raises
    ------
    InputError
        The lengths differ, there are no users, or `groups` is below 1.
    """
    whole_number("groups", groups, least=1)
    if len(values) != len(activity) or len(values) == 0:
        raise InputError(
            f"values and activity must hold the same users, at least one, "
            f"got {len(values)} and {len(activity)}"
        )
    edges = np.unique(np.quantile(activity, np.arange(1, groups) / groups, method="inverted_cdf"))
    place = np.searchsorted(edges, activity, side="left")
    members = [np.flatnonzero(place == g) for g in np.unique(place)]
    return [
        _group(values[rows], activity[rows], random_state)
        for rows in [*members, np.arange(len(values))]
    ]


def _group(
    values: npt.NDArray[np.float64], activity: npt.NDArray[np.integer], random_state: RandomState
) -> ActivityGroup:
    low, high = bootstrap_intervals(values[None], random_state=random_state)[0]
    percentiles = np.percentile(values, PERCENTILES)
    return ActivityGroup(
        least=int(activity.min()),
        most=int(activity.max()),
        users=len(values),
        mean=float(values.mean()),
        low=float(low),
        high=float(high),
        percentiles={p: float(v) for p, v in zip(PERCENTILES, percentiles, strict=True)},
    )
