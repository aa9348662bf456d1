"""A pull to a prior mean, written as a stored entry: how all solvers get it without knowing of it.

A stored entry of weight w and target t at a vector y adds w y y' to its row's matrix and t y to the
right-hand side. The pull adds nothing to the matrix and lambda_u m_u to the right-hand side. So it is an
entry with w = 0 and t = 1 at a vector of its own, lambda_u m_u: as if there were one item more, which
this user alone has and which has no weight. These vectors are stacked below the fixed side's factors,
and the Gramian does not count them. Rotated, rounded, gathered and stepped over like all others, they
cost a row one entry more.

The compiled loops calculate w and t of an entry from one value (`Rule`), so w = 0 and t = 1 must be some
value's:

| confidence  | rule with pulls           | value of a pull | w     | t    | its vector        |
| ----------- | ------------------------- | --------------- | ----- | ---- | ----------------- |
| implicit    | values alpha r, else same | 1               | 0     | 1    | lambda m          |
| linear, log | the same                  | 2^-80           | ~0    | 1    | lambda m          |
| binary      | w = v, t = 1              | 2^-80           | ~0    | 1    | lambda m          |
| explicit    | the same: w = 1, t = v    | 2^40            | 1     | 2^40 | 2^-40 lambda m    |

What w adds to the matrix is at most 2^-80 of lambda |m|^2, relative to the regularisation.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from halfstep.solvers.features.prior import Prior
from halfstep.solvers.fit.weights import index_type
from halfstep.solvers.problem import Problem, Rule, Weights
from halfstep.types import Floats, Integers

_TINY = 2.0**-80
_LARGE = 2.0**40
_EXPLICIT = Rule(0.0, 1.0, 1.0, 0.0, 1.0)


@dataclass(frozen=True)
class PulledWeights(Weights):
    """A side whose rows are pulled to prior means: `Weights` with an entry more for each such row.

    Attributes
    ----------
    prior
        The side's attributes and W.
    shrink
        By how much the vectors of the pulls are smaller than lambda m.
    """

    prior: Prior
    shrink: float

    def fixing(self, Y: Floats, **more: Any) -> Problem:
        """Return the half-step with the other side fixed at Y (columns - pulled, f)."""
        return super().fixing(self.prior.stacked(Y, self.shrink), **more)

    def follow(self, X: Any) -> None:
        """Set W to what the new factors X (rows, f) of this side ask for."""
        self.prior.follow(X)

    def warm(self, X: Floats) -> Floats:
        """Return X (rows, f) with zeros in rows without entries."""
        return self.prior.warm(X)

    def penalty(self, X: Floats) -> float:
        """Return the sum of lambda |x - m|^2 over rows with entries, and of mu |w|^2."""
        return self.prior.penalty(X)


def pulled(weights: Weights, prior: Prior) -> Weights:
    """Return weights with a pull in each row that the prior moves; `weights` itself if it moves none."""
    rows = prior.rows
    if not len(rows):
        return weights
    rule, values, value, shrink = _ruled(weights)
    ends = weights.indptr[rows + 1]
    kind = index_type(weights.columns + len(rows))
    more = np.zeros(len(weights.indptr), np.int64)
    more[rows + 1] = 1
    return PulledWeights(
        indptr=weights.indptr + np.cumsum(more),
        indices=_inserted(weights.indices, ends, weights.columns + np.arange(len(rows)), kind),
        values=_inserted(values, ends, value, values.dtype),
        rule=rule,
        lam=weights.lam,
        a0=weights.a0,
        columns=weights.columns + len(rows),
        constant=weights.constant,
        pulled=len(rows),
        prior=prior,
        shrink=shrink,
    )


def _ruled(weights: Weights) -> tuple[Rule, Floats, float, float]:
    """Return rule and values of the entries, the value of a pull, and how small its vector is."""
    rule, values = weights.rule, weights.values
    if rule == _EXPLICIT:
        return rule, values, _LARGE, 1 / _LARGE
    if not rule.excess_slope and not rule.target_slope:  # binary: all values are 1
        return Rule(1.0, 0.0, 0.0, 1.0, 0.0), values, _TINY, 1.0
    if rule.excess_shift:  # implicit
        scaled = values if rule.excess_slope == 1 else values * values.dtype.type(rule.excess_slope)
        return Rule(1.0, -1.0, 1.0, 0.0, 0.0), scaled, 1.0, 1.0
    return rule, values, _TINY, 1.0


def _inserted(
    array: npt.NDArray[Any], places: Integers, what: Any, kind: npt.DTypeLike
) -> npt.NDArray[Any]:
    """Return `array` in the dtype `kind` with `what` inserted before the sorted, distinct `places`."""
    whole = np.empty(len(array) + len(places), kind)
    kept = np.ones(len(whole), bool)
    kept[places + np.arange(len(places))] = False
    whole[kept] = array
    whole[~kept] = what
    return whole
