"""Turn a column of times into seconds since 1970, UTC."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
from numpy.typing import NDArray

from halfstep.datasets.tables.distinct import (
    distinct,
    is_missing,
    is_text,
    numbers,
    plain,
    strings,
)

# A number's unit, by the median of those above 0: seconds below 10^11 (the year 5138), then
# milliseconds, microseconds and nanoseconds, each a thousand times as large. Numbers below 10^8, which
# as seconds is before March 1973, are a counter, or dates such as 20140407.
_COUNTER, _UNITS = 10**8, ((10**11, 1), (10**14, 10**3), (10**17, 10**6), (10**20, 10**9))
COUNTER = "times are too small for a date and are taken as a counter, in order only"
_ENOUGH = 1_000_000  # numbers show the median well enough
_FIRST, _LAST = -4_000_000_000, 10**11  # 1843 and 5138: what is outside was no time
_ISO = re.compile(r"\d{4}-?\d{2}-?\d{2}([T ].*)?", re.ASCII)
_TIME = re.compile(r"[+-]?\d+(\.\d*)?([eE][+-]?\d+)?", re.ASCII)
# Tried in turn; forms in which the day and the month could be taken for each other are not among them.
_FORMS = ("%Y/%m/%d", "%Y/%m/%d %H:%M:%S", "%m %d, %Y", "%b %d, %Y", "%B %d, %Y")
_ZONED = ("%a %b %d %H:%M:%S %z %Y", "%a, %d %b %Y %H:%M:%S %Z")


def read_times(column: Any, what: str) -> tuple[NDArray[np.float64], list[str]]:
    """Return (float64 seconds, shape (rows,), NaN where a time is not known; notes).

    Timestamps and dates, numbers (seconds, milliseconds, microseconds or nanoseconds, told by their
    size) and text (numbers or ISO 8601) are read; a time without a zone is UTC. Numbers that are too
    small for a time since 1973 are a counter, which stays as it is.

    Parameters
    ----------
    column : pyarrow.Array or pyarrow.ChunkedArray
        Of any type.
    what : str
        Names the column in an error.

    Raises
    ------
    InputError
        The type is nested, or text is not UTF-8.
    """
    import pyarrow as pa
    import pyarrow.types as types

    column = plain(column, what)
    notes: list[str] = []
    if types.is_integer(column.type) or types.is_floating(column.type):
        seconds = _seconds(column, notes)
    else:
        places, values = distinct(column)
        if is_text(values.type):
            judged = _texts(strings(values, what)[0], notes)
        else:
            judged = _seconds(pa.chunked_array([values]), notes)
        seconds = np.append(judged, np.nan)[places]  # a null's place is -1
    return seconds, notes


def _seconds(column: Any, notes: list[str]) -> NDArray[np.float64]:
    import pyarrow as pa
    import pyarrow.types as types

    kind = column.type
    if types.is_date(kind):
        column, kind = column.cast(pa.timestamp("ms")), pa.timestamp("ms")
    if types.is_timestamp(kind):
        ticks = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}[kind.unit]
        seconds = numbers(column.cast(pa.int64()), 0) / ticks
        if column.null_count:
            seconds[column.is_null().to_numpy()] = np.nan
        return seconds
    if types.is_decimal(kind):
        column = column.cast(pa.float64())
    elif not (types.is_integer(kind) or types.is_floating(kind) or types.is_null(kind)):
        notes.append(f"{kind} holds no points in time")
        return np.full(len(column), np.nan)
    if types.is_null(kind):
        return np.full(len(column), np.nan)
    read = numbers(column, 0).astype(np.float64)
    if column.null_count:
        read[column.is_null().to_numpy()] = np.nan
    return _by_size(read, notes)


def _by_size(read: NDArray[np.float64], notes: list[str]) -> NDArray[np.float64]:
    """Return numbers as seconds, by the unit that their size shows."""
    finite = np.isfinite(read)
    if not finite.all():
        read = np.where(finite, read, np.nan)
    some = read[:: 1 + len(read) // _ENOUGH]
    present = some[some > 0] if (some > 0).any() else read[read > 0]
    if len(present) == 0:
        return read
    middle = float(np.median(present))
    if middle < _COUNTER:
        dates = _dates(read)
        if dates is not None:
            notes.append("times such as 20140407 are read as dates")
            return dates
        notes.append(COUNTER)
        return read
    unit = next((unit for bound, unit in _UNITS if middle < bound), None)
    if unit is None:
        notes.append(f"times such as {middle:.3g} are no seconds or parts of them")
        return np.full(len(read), np.nan)
    seconds = read / unit if unit > 1 else read
    with np.errstate(invalid="ignore"):
        good = (seconds > _FIRST) & (seconds < _LAST)
    if unit > 1:
        with np.errstate(invalid="ignore"):
            other = (seconds > 0) & (seconds < _COUNTER)
        if other.any():
            notes.append(f"times of another unit than most, left unknown: {int(other.sum())}")
            good &= ~other
    return seconds if good.all() else np.where(good, seconds, np.nan)


def _dates(read: NDArray[np.float64]) -> NDArray[np.float64] | None:
    """Return numbers such as 20140407 as dates, if all of them are."""
    import pandas as pd

    present = ~np.isnan(read)
    values, places = np.unique(read[present], return_inverse=True)
    if values[0] < 19000101 or values[-1] > 21001231 or (values != np.floor(values)).any():
        return None
    days = pd.to_datetime(
        pd.Series(values.astype(np.int64)).astype(str), format="%Y%m%d", errors="coerce"
    )
    if days.isna().any():
        return None
    seconds = np.full(len(read), np.nan)
    seconds[present] = _since_1970(days)[places]
    return seconds


def _since_1970(times: Any) -> NDArray[np.float64]:
    """Return a pandas series of points in time as seconds, NaN for NaT."""
    import pandas as pd

    stamps = pd.to_datetime(times, utc=True).dt.tz_localize(None).to_numpy("datetime64[us]")
    seconds = stamps.astype(np.int64) / 10**6
    seconds[np.isnat(stamps)] = np.nan
    return np.asarray(seconds, np.float64)


def _texts(texts: Any, notes: list[str]) -> NDArray[np.float64]:
    """Read distinct strings."""
    import pandas as pd

    seconds = np.full(len(texts), np.nan)
    series = pd.Series(texts.to_pylist(), dtype=object)
    there = ~is_missing(texts)
    numeric = np.array([bool(_TIME.fullmatch(text)) for text in series], bool) & there
    # Eight digits are a date, which `_by_size` tells as well.
    if numeric.any():
        seconds[numeric] = _by_size(series[numeric].astype(np.float64).to_numpy(), notes)
    iso = np.array([bool(_ISO.fullmatch(text)) for text in series], bool) & there & ~numeric
    if iso.any():
        named = series[iso].str.replace(r" ?(UTC|GMT)$", "Z", regex=True)
        parsed = pd.to_datetime(named, format="ISO8601", utc=True, errors="coerce")
        seconds[iso] = _since_1970(parsed)
    # pandas reads "now" and "today" too.
    digits = np.array([any(c.isdigit() for c in text) for text in series], bool) & there
    for form in (*_FORMS, *_ZONED):
        rest = digits & ~numeric & ~iso & np.isnan(seconds)
        if not rest.any():
            break
        parsed = pd.to_datetime(series[rest], format=form, utc=True, errors="coerce")
        seconds[rest] = _since_1970(parsed)
    return seconds
