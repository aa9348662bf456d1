"""Five numbers for repeated timings, and ratios that are formed before they are summarised."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from halfstep.bench.record import Spread


def spread(values: Sequence[float]) -> Spread | None:
    """Return the quartiles and extremes of `values`; None for an empty sequence."""
    if not len(values):
        return None
    return Spread(*(float(v) for v in np.quantile(values, [0, 0.25, 0.5, 0.75, 1])))


def pairwise_ratio(reference: Sequence[float], other: Sequence[float]) -> Spread | None:
    """Return the spread of reference / other, repeat by repeat.

    What disturbs a machine lasts longer than one fit, so a pair timed next to each other shares it
    and its ratio is steadier than the ratio of two medians. The longer sequence's rest is unused.
    """
    pairs = zip(reference, other, strict=False)
    return spread([a / b for a, b in pairs if b > 0])


def seconds_to(seconds: Sequence[float], iterations: int) -> float:
    """Return the seconds of the first `iterations`; those not timed count as the mean of the timed."""
    timed = list(seconds[:iterations])
    return sum(timed) / len(timed) * iterations
