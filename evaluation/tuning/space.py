"""The spaces that a search chooses from, and how a choice becomes a solver's arguments.

`LAB_GRID` has the three parameters of the lab's course as they are. `als_space` is the space of the
default search, which is to find the best ALS model for new data. Its axes are chosen so that one range
fits all data, all confidence conventions and all numbers of factors:

* `background` b, log-uniform from 0.002 to 1: the weight of a pair that is not stored, relative to a
  stored one. With `"binary"` it is the argument of that name. With `"log"` and `"linear"`, offered if
  the values are counts, the background is 1 and alpha is set so that the mean excess weight of a stored
  entry is 1/b.
* `strength` s, log-uniform from 1e-4 to 0.3: the regularisation as a share of a row's total weight,
  n_u + b N. With exponent 1, s is `regularization` itself. With exponent 0 all rows have the same
  lambda, s times the mean of n_u + b N over the users.
* `shrinkage` r, log-uniform from 0.1 to 10,000, offered if fits get features: `feature_regularization`
  as a multiple of the mean lambda of the side's rows, s times their mean weight. It counts rows: what m
  rows share by a feature that no other has is m / (m + r) of their mean.

Tried: weights that fall with an item's popularity, `transform="bm25"`, with B from 0.01 to 0.5 an axis.
On gowalla the search chose them at 64 factors; at 1,024 it had .1295 of NDCG@20 on the validation part,
against .1280 by even weights; on the data's own test part that choice was 2.4 % below the even weights
of an earlier search. That part was not drawn evenly: it holds 34 % of the entries of the items with a
thousand or more, and 21 % of all. No validation part drawn from the training part can tell.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from scipy.sparse import csr_matrix

from halfstep import defaults
from halfstep.errors import InputError


@dataclass(frozen=True)
class Choice:
    """An axis with a list of values.

    Parameters
    ----------
    values : tuple
        At least one value, none twice; a grid tries them in this order.

    Raises
    ------
    InputError
        There is no value, or one occurs twice.

    See Also
    --------
    halfstep.evaluation.LogUniform : An axis with a range.
    halfstep.evaluation.tune : Searches a space, which is a dict of axes by the names of arguments.

    Examples
    --------
    >>> from halfstep.evaluation import Choice
    >>> Choice((8, 16, 32)).logarithmic, Choice((1, 100)).logarithmic
    (False, True)
    """

    values: tuple[Any, ...]

    def __post_init__(self) -> None:
        if not self.values or len(set(self.values)) != len(self.values):
            raise InputError(
                f"a choice must have at least one value and no value twice, got {self.values}"
            )

    @property
    def logarithmic(self) -> bool:
        """Whether a plot's axis is logarithmic: the values are positive and span a factor of ten."""
        numbers = all(isinstance(v, int | float) and v > 0 for v in self.values)
        return bool(numbers and max(self.values) >= 10 * min(self.values))


@dataclass(frozen=True)
class LogUniform:
    """An axis from low to high whose logarithm is uniform.

    Parameters
    ----------
    low, high : float
        The ends, 0 < low < high.

    Attributes
    ----------
    logarithmic : bool
        True: a plot's axis is logarithmic.

    Raises
    ------
    InputError
        The ends are not as above.

    See Also
    --------
    halfstep.evaluation.Choice : An axis with a list of values.

    Examples
    --------
    >>> from halfstep.evaluation import LogUniform
    >>> space = {"regularization": LogUniform(0.01, 100)}
    >>> space["regularization"].high
    100
    """

    low: float
    high: float
    logarithmic = True

    def __post_init__(self) -> None:
        if not 0 < self.low < self.high < np.inf:
            raise InputError(f"a range must have 0 < low < high, got {self.low} to {self.high}")


Space: TypeAlias = dict[str, Choice | LogUniform]

LAB_GRID: Space = {
    "factors": Choice((10, 25, 50)),
    "regularization": Choice((1.0, 0.01, 0.0001)),
    "alpha": Choice((1.0, 15.0, 30.0, 40.0)),
}
_COUNTED = ("binary", "log", "linear")
_AXES = ("background", "strength", "exponent", "shrinkage")


def als_space(train: csr_matrix, *, features: bool = False) -> Space:
    """Return the space of the default search; `settings_of` turns a choice into arguments.

    `features` says whether fits get features of users or items.
    """
    counts = len(train.data) > 0 and bool((train.data > 0).all()) and np.ptp(train.data) > 0
    return {
        "background": LogUniform(0.002, 1.0),
        "strength": LogUniform(1e-4, 0.3),
        "exponent": Choice((0, 1)),
        **({"confidence": Choice(_COUNTED)} if counts else {}),
        **({"shrinkage": LogUniform(0.1, 1e4)} if features else {}),
    }


def settings_of(params: dict[str, Any], train: csr_matrix) -> dict[str, Any]:
    """Return the solver's arguments for a choice from `als_space`; any other choice is unchanged."""
    if "strength" not in params:
        return dict(params)
    rest = {k: v for k, v in params.items() if k not in _AXES}
    b, s = params["background"], params["strength"]
    confidence = rest.setdefault("confidence", "binary")
    users, items = train.shape
    total = s * (train.nnz / users + b * items)
    ridge = {"feature_regularization": params["shrinkage"]} if "shrinkage" in params else {}
    if confidence == "binary":
        exponent = params["exponent"]
        return rest | {
            "background": b,
            "regularization": s if exponent else total,
            "regularization_exponent": float(exponent),
            # An item's weight is on average users / items times a user's.
            **_scaled(ridge, total, total * users / items if exponent else total),
        }
    # The background is 1 here instead of b, so all weights and lambda are 1/b times as large. Scaling
    # lambda with n_u + N would hardly vary between rows, so the exponent stays 0.
    size = np.abs(train.data.astype(np.float64))
    mean = float(np.log1p(size).mean() if confidence == "log" else size.mean())
    everything = {"alpha": 1 / (b * mean), "regularization": total / b}
    return rest | everything | _scaled(ridge, total / b, total / b)


def _scaled(ridge: dict[str, float], *means: float) -> dict[str, Any]:
    """Return a ridge in multiples of the mean lambda of users and items: a pair where they differ."""
    pairs = {name: [value * mean for mean in means] for name, value in ridge.items()}
    return {name: pair if len(set(pair)) > 1 else pair[0] for name, pair in pairs.items()}


def narrowed(space: Space, best: list[dict[str, Any]], factor: float = 2.0) -> Space:
    """Return the part of a space around the choices `best`: their range, widened by `factor`."""
    smaller: Space = {}
    for name, axis in space.items():
        values = [params[name] for params in best]
        if isinstance(axis, Choice):
            smaller[name] = Choice(tuple(v for v in axis.values if v in values))
        else:
            low, high = min(values) / factor, max(values) * factor
            smaller[name] = LogUniform(max(low, axis.low), min(high, axis.high))
    return smaller


def within(space: Space, params: dict[str, Any]) -> bool:
    """Return whether a space contains a configuration."""
    return params.keys() == space.keys() and all(
        params[name] in axis.values
        if isinstance(axis, Choice)
        else axis.low <= params[name] <= axis.high
        for name, axis in space.items()
    )


def searched_space(
    search: str,
    lists: dict[str, tuple[float, ...]],
    fixed: dict[str, Any],
    train: Any,
    features: bool = False,
) -> tuple[Space, dict[str, Any]]:
    """Return (the space, fixed settings): the lab's grid with `lists`, or for tpe `als_space`.

    `features` says whether fits get features.
    """
    choices: Space = {name: Choice(values) for name, values in lists.items()}
    if search == "tpe":
        space = als_space(train, features=features)
        return space | {"factors": choices.get("factors", Choice((defaults.FACTORS,)))}, {}
    return LAB_GRID | choices, {name: value for name, value in fixed.items() if value is not None}
