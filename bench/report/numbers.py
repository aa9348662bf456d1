"""Numbers as text: short, with their unit, and a dash where there is no number."""

from __future__ import annotations

from halfstep.bench.method.spread import Interval, Spread
from halfstep.bench.schema import Row

NONE = "–"


def duration(seconds: float | None) -> str:
    """Return seconds with three significant digits, in s, ms or µs."""
    if seconds is None:
        return NONE
    for unit, size in (("s", 1.0), ("ms", 1e-3), ("µs", 1e-6)):
        if seconds >= size:
            return f"{_digits(seconds / size)} {unit}"
    return f"{seconds / 1e-6:.2g} µs"


def median_duration(spread: Spread | None) -> str:
    """Return the median of repeated durations."""
    return NONE if spread is None else duration(spread.median)


def to_target(row: Row, iterations: int | None = None) -> str:
    """Return the time to the target, or why there is none.

    Parameters
    ----------
    iterations
        The case's iterations, after which its target was set. A row that was checked for twice as many
        "never gets there"; one that was checked for fewer has "not reached" the target.
    """
    if row.seconds_to_target is None:
        if row.iterations_to_target is None and not row.seconds:
            return NONE
        never = iterations is not None and len(row.objectives) >= 2 * iterations
        return "never gets there" if never else "not reached"
    return duration(row.seconds_to_target.median)


def iterations(row: Row) -> str:
    """Return the number of iterations to the target."""
    return NONE if row.iterations_to_target is None else str(row.iterations_to_target)


def ratio(spread: Spread | None) -> str:
    """Return a speed-up: the median of the ratios of all pairs, and their extremes where they differ."""
    if spread is None:
        return NONE
    if spread.lowest == spread.highest:
        return f"{_digits(spread.median, 2)}×"
    middle, low, high = (_digits(v, 2) for v in (spread.median, spread.lowest, spread.highest))
    return f"{middle}× ({low}–{high})"


def percent(value: float | None) -> str:
    """Return a relative gap as a signed percentage, exact to one part in a million."""
    if not value:
        return NONE if value is None else "0 %"
    return f"{100 * value:+.4f} %" if abs(value) < 0.01 else f"{100 * value:+.3g} %"


def number(value: float | None) -> str:
    """Return an objective: six significant digits, or all digits before the point from 100,000 on."""
    if value is None:
        return NONE
    return f"{value:,.0f}" if abs(value) >= 1e5 else f"{value:.6g}"


def mean(row: Row, metric: str) -> str:
    """Return the mean of a held-out metric."""
    interval = row.quality.get(metric)
    return NONE if interval is None else f"{interval.mean:.4f}"


def count(value: float) -> str:
    """Return a number of entries or factors; from 100,000 on in millions with two digits."""
    return f"{_digits(value / 1e6, 2)} M" if value >= 1e5 else f"{value:,.0f}"


def size(value: int | None) -> str:
    """Return bytes in MB (10^6) or GB (10^9)."""
    if value is None:
        return NONE
    return f"{value / 1e9:.2f} GB" if value >= 1e9 else f"{value / 1e6:.0f} MB"


def quality_ratio(row: Row, metric: str) -> str:
    """Return the ratio of a held-out metric to the reference's, with its paired interval."""
    found = row.judgement and row.judgement.held_out.get(metric)
    return interval(found.ratio if found else None)


def interval(value: Interval | None) -> str:
    """Return a ratio with its interval."""
    if value is None:
        return NONE
    if value.low is None or value.high is None:
        return f"{value.mean:.3f}"
    return f"{value.mean:.3f} ({value.low:.3f}–{value.high:.3f})"


def verdict(row: Row, reference: str) -> str:
    """Return the verdict on a row, with the metrics that decide it."""
    if row.reason is not None:
        return "left out" if row.reason.startswith("left out") else "cannot run"
    if row.solver == reference:
        return "reference"
    return NONE if row.judgement is None else row.judgement.said or row.judgement.verdict


def _digits(value: float, significant: int = 3) -> str:
    """Return a number with so many significant digits and no exponent."""
    rounded = float(f"{value:.{significant}g}")
    decimals = max(0, significant - 1 - _magnitude(rounded))
    return f"{rounded:,.{decimals}f}"


def _magnitude(value: float) -> int:
    return int(f"{value:e}".partition("e")[2]) if value else 0
