"""Verdicts: is one model as good as another on held-out entries? Bootstrap intervals and margins.

Both models are measured on the same users, so the bootstrap resamples the users' differences. The
spread between users, which is far larger than the difference between models, then cancels. The verdict
is that of two one-sided tests (Schuirmann 1987): *equivalent* needs evidence that the difference lies
inside the margin. Too few users give *undecided*, never *equivalent*.

The objective has no spread to resample. It can count against a fit but not for it: an objective at most
a tolerance above the reference's is *equivalent*, however low it is. A lower objective means that the
fit made more progress in the same number of iterations; only the held-out entries can show whether it
recommends better.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from halfstep.errors import InputError
from halfstep.evaluation.metrics.intervals import bootstrap_intervals
from halfstep.solvers.fit.start import RandomState

Word = Literal["equivalent", "better", "worse", "undecided"]
MIN_USERS = 20
_ORDER: tuple[Word, ...] = ("worse", "undecided", "better", "equivalent")


@dataclass(frozen=True)
class Verdict:
    """The verdict about a, with the mean difference a - b, its interval, and the margin."""

    verdict: Word
    difference: float
    low: float
    high: float
    margin: float
    users: int


def paired_verdict(
    a: npt.NDArray[np.float64],
    b: npt.NDArray[np.float64],
    *,
    margin: float,
    resamples: int = 2000,
    confidence: float = 0.95,
    random_state: RandomState = 0,
) -> Verdict:
    """Compare a per-user metric of two models on the same users; higher is better.

    Parameters
    ----------
    a, b
        (users,) the metric of each model, in the same order of users.
    margin
        Largest difference of the means that does not matter, positive, in the metric's units.

    Returns
    -------
    Verdict
        Equivalent: the interval lies inside (-margin, margin). Better or worse: it does not, and it
        lies on one side of zero. Undecided otherwise, and always with fewer than 20 users.

    Raises
    ------
    InputError
        The lengths differ, a value is NaN, or the margin is not positive.
    """
    if a.shape != b.shape:
        raise InputError(f"a and b must hold the same users, got shapes {a.shape} and {b.shape}")
    if not margin > 0:
        raise InputError(f"margin must be positive, got {margin}")
    difference = np.asarray(a, np.float64) - b
    if np.isnan(difference).any():
        raise InputError("a and b must not hold NaN")
    if len(difference) < MIN_USERS:
        mean = float(difference.mean()) if len(difference) else 0.0
        return Verdict("undecided", mean, -np.inf, np.inf, margin, len(difference))
    low, high = bootstrap_interval(
        difference, resamples=resamples, confidence=confidence, random_state=random_state
    )
    word: Word = "undecided"
    if -margin < low and high < margin:
        word = "equivalent"
    elif low > 0:
        word = "better"
    elif high < 0:
        word = "worse"
    return Verdict(word, float(difference.mean()), low, high, margin, len(difference))


def bootstrap_interval(
    values: npt.NDArray[np.float64],
    *,
    resamples: int = 2000,
    confidence: float = 0.95,
    random_state: RandomState = 0,
) -> tuple[float, float]:
    """Return the percentile bootstrap interval of the mean of `values` (users,)."""
    ((low, high),) = bootstrap_intervals(
        values[None], resamples=resamples, confidence=confidence, random_state=random_state
    )
    return float(low), float(high)


def overall(words: list[Word]) -> Word:
    """Return the first of worse, undecided, better, equivalent that is among the verdicts `words`."""
    return next(word for word in _ORDER if word in words)


def objective_word(gap: float | None, tolerance: float) -> Word:
    """Return the verdict on an objective from its relative gap to the reference's objective.

    Worse: more than `tolerance` above. Undecided: None or not finite. Equivalent otherwise.
    """
    if gap is None or not np.isfinite(gap):
        return "undecided"
    return "worse" if gap > tolerance else "equivalent"


def describe(parts: Mapping[str, tuple[Word, float | None]]) -> str:
    """Return the overall verdict with the metrics that decide it, and then those that say otherwise.

    Metrics that are *equivalent* are not named.

    Parameters
    ----------
    parts
        For each metric's display name ("objective", "NDCG@10", "AUC"), its verdict and its relative
        difference from the reference: 0.13 is 13 % more. A difference that is None or not finite is
        left out.

    Raises
    ------
    InputError
        `parts` is empty.

    Examples
    --------
    >>> describe({"objective": ("worse", 0.13), "NDCG@10": ("worse", -0.32), "AUC": ("better", 0.02)})
    'worse: objective +13 %, NDCG@10 −32 %; better: AUC +2.0 %'
    """
    if not parts:
        raise InputError("parts must hold at least one metric, got none")
    named: dict[Word, list[str]] = {}
    for name, (word, difference) in parts.items():
        size = "" if difference is None or not np.isfinite(difference) else percent(difference)
        named.setdefault(word, []).append(f"{name} {size}".rstrip())
    said = [f"{word}: {', '.join(named[word])}" for word in _ORDER[:-1] if word in named]
    return "; ".join(said) or "equivalent"


def percent(difference: float) -> str:
    """Return a relative difference in percent, with its sign, to two digits or in whole percents."""
    size = abs(100 * difference)
    if size < 0.005:
        return "±0 %"
    digits = 0 if size >= 9.95 else 1 if size >= 0.0995 else 2
    return f"{'−' if difference < 0 else '+'}{size:,.{digits}f} %"
