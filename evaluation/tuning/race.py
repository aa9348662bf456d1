"""The race of a search's trials: each is compared with the leader, user by user, at each iteration.

Two trials are evaluated on the same users, and users differ far more than trials: so the interval of the
*difference* is what tells them apart. It is the mean of the users' differences, and 1.96 standard errors
each way. Three rules follow from it:

* A trial ends if it is **behind**: from the third iteration on, the interval of the difference of its
  best iteration and the leader's value after as many lies below 0. After the second it must lie below
  -5 % of the leader's value, since a fit with more regularisation starts slower. Past the leader's
  peak, the peak counts.
* An iteration is **measured on a sample** of the users first, and on the others only if the interval of
  its difference with the leader's peak reaches 0: otherwise it cannot be the best of the search. What
  the others would have is then taken from the leader's values by linear regression on the sample: the
  mean by control variates.
* A fit has **fallen** if the interval of its difference with its own best iteration lies below 0: it
  ends before its patience does.

On gowalla, f = 720, the values of 11 trials after two iterations spread 2.3 times as far as their last
ones, with a rank correlation of .95; after three, 1.3 times.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Values = npt.NDArray[np.float64]
_NORMAL = 1.96
_EARLY, _MARGIN = 2, 0.05
_FEW = 20  # users, with whom an interval is no interval


class Measured(NamedTuple):
    """A metric after one iteration: (users,), and whether all of the users were measured."""

    values: Values
    whole: bool

    @property
    def mean(self) -> float:
        """The mean over users."""
        return float(self.values.mean())


@dataclass
class Race:
    """The leader among the trials so far, none at first.

    Attributes
    ----------
    curve
        The leader after each iteration.
    peak
        Number of iterations up to its best value.
    """

    curve: list[Measured] = field(default_factory=list)
    peak: int = 0

    def measured(
        self, sample: npt.NDArray[np.bool_], measure: Callable[[npt.NDArray[np.bool_]], Values]
    ) -> Measured:
        """Measure an iteration on the sample, and on all users if it can be the best of the search.

        Parameters
        ----------
        sample
            (users,): who is in the sample.
        measure
            Returns the metric of the chosen users, (chosen,), for a mask of users, (users,).
        """
        values = np.full(len(sample), np.nan)
        values[sample] = measure(sample)
        rest = ~sample
        if self.curve and rest.any():
            best = self.curve[self.peak - 1].values
            mean, half = difference(values[sample], best[sample])
            if mean + half < 0:
                values[rest] = _likely(values[sample], best[sample], best[rest])
                return Measured(values, whole=False)
        if rest.any():
            values[rest] = measure(rest)
        return Measured(values, whole=True)

    def behind(self, iteration: int, best: Measured, sample: npt.NDArray[np.bool_]) -> bool:
        """Return whether a trial, with `best` of so many iterations, has lost to the leader."""
        if not self.curve or iteration < _EARLY:
            return False
        then = self.curve[min(iteration, self.peak) - 1]
        mean, half = paired(best, then, sample)
        margin = _MARGIN * then.mean if iteration == _EARLY else 0.0
        return mean + half < -margin

    def enter(self, curve: list[Measured], peak: int) -> None:
        """Let a trial that ran to its end take the lead if its best value is higher."""
        best = curve[peak - 1]
        if best.whole and (not self.curve or best.mean > self.curve[self.peak - 1].mean):
            self.curve, self.peak = curve, peak


def _likely(values: Values, known: Values, others: Values) -> Values:
    """Return what others (m,) likely have, who have `others` of what the sample (n,) has `known` of."""
    spread = float(np.var(known))
    slope = float(np.mean((known - known.mean()) * values)) / spread if spread > 0 else 0.0
    likely: Values = values.mean() + min(max(slope, 0.0), 1.0) * (others - known.mean())
    return likely


def fallen(now: Measured, best: Measured, sample: npt.NDArray[np.bool_]) -> bool:
    """Return whether `now` is certainly below `best`, an earlier iteration of the same fit."""
    mean, half = paired(now, best, sample)
    return mean + half < 0


def paired(first: Measured, second: Measured, sample: npt.NDArray[np.bool_]) -> tuple[float, float]:
    """Return the mean difference of two measurements, and half of its 95 % interval."""
    if first.whole and second.whole:
        return difference(first.values, second.values)
    return difference(first.values[sample], second.values[sample])


def difference(first: Values, second: Values) -> tuple[float, float]:
    """Return the mean of first - second, and half of its 95 % interval: infinite for few users."""
    gaps = first - second
    if len(gaps) < _FEW:
        return float(gaps.mean()), float("inf")
    return float(gaps.mean()), float(_NORMAL * gaps.std(ddof=1) / np.sqrt(len(gaps)))
