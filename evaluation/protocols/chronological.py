"""Hold the future out: entries after a moment, or each user's last ones.

A random split lets a model see entries from after those that it is judged by: fashions, new items, a
user's next taste. A split by time does not (`at_a_moment`), except that a user's last entries may still
be older than what others did before (`last_of_each`).

Entries of the same time are put in an order by a hash of their ids, which does not depend on how users,
items or rows are numbered. Entries whose time is not known count as older than all others.
"""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_matrix

from halfstep import defaults
from halfstep.datasets.dataset import Dataset
from halfstep.errors import InputError
from halfstep.evaluation.metrics.inputs import whole_number
from halfstep.evaluation.metrics.judged import entries_of, shared_entries
from halfstep.evaluation.protocols.draws import IdHashes, Numbers, entry_numbers, hashed
from halfstep.evaluation.protocols.split import Split, fraction_of, shuffled_places
from halfstep.solvers.inputs import as_csr

Times = npt.NDArray[np.float64]
_ORDER = np.array([0x74696D65], np.uint64)  # one order of equal times for all seeds


def at_a_moment(
    user_items: Any,
    times: Any,
    *,
    test_fraction: float = defaults.TEST_FRACTION,
    time_from: float | None = None,
    user_ids: Any = None,
    item_ids: Any = None,
) -> Split:
    """Hold out all entries from `time_from` on, or else the last share of all entries.

    Parameters
    ----------
    user_items : sparse matrix, shape (users, items)
        Canonical CSR.
    times : float64 array, shape (entries,)
        When each stored entry happened, in seconds since 1970; NaN where it is not known.
    test_fraction : float in (0, 1)
        Exactly round(test_fraction * entries) entries are held out if no `time_from` is given, but none
        whose time is not known.
    time_from : float, optional
        Seconds since 1970.
    user_ids, item_ids : array, optional
        The ids, (users,) and (items,), by which equal times are ordered; numbers by default.

    Returns
    -------
    Split
        Its label says the first moment that is held out.

    Raises
    ------
    InputError
        There are no times, the matrix is not in canonical form, an argument is outside its range, or
        `time_from` leaves nothing before or after it.
    """
    matrix, when = _timed(user_items, times)
    if time_from is not None:
        after = when >= time_from
        if after.all() or not after.any():
            first, last = np.min(when[np.isfinite(when)]), np.max(when)
            raise InputError(
                f"time_from must leave entries before and after it, got {text_of(time_from)} for "
                f"entries from {text_of(first)} to {text_of(last)}"
            )
        return _after(matrix, after, time_from)
    numbers = entry_numbers(matrix, hashed(matrix.shape, user_ids, item_ids), _ORDER)
    wanted = round(fraction_of(test_fraction) * matrix.nnz)
    after = np.zeros(matrix.nnz, bool)
    after[np.lexsort((numbers, when))[matrix.nnz - wanted :]] = True
    after &= np.isfinite(when)
    return _after(matrix, after, np.min(when[after], initial=np.inf))


def _after(matrix: csr_matrix, after: npt.NDArray[np.bool_], first: float) -> Split:
    label = f"from {text_of(first)}"
    return Split(entries_of(matrix, ~after), entries_of(matrix, after), label)


def last_of_each(
    user_items: Any, times: Any, last: int = 1, *, user_ids: Any = None, item_ids: Any = None
) -> Split:
    """Hold out each user's `last` entries by time, or fewer, so that one is left to the user.

    Entries whose time is not known are not held out. The other arguments are those of `at_a_moment`.
    """
    matrix, when = _timed(user_items, times)
    most = whole_number("last", last, least=1)
    counts = np.diff(matrix.indptr)
    ids: IdHashes = hashed(matrix.shape, user_ids, item_ids)
    order = np.lexsort((entry_numbers(matrix, ids, _ORDER), when))
    turn: Numbers = np.empty(matrix.nnz, np.uint64)
    turn[order] = np.arange(matrix.nnz, dtype=np.uint64)
    from_the_end = np.repeat(counts, counts) - 1 - shuffled_places(matrix, turn)
    after = from_the_end < np.repeat(np.minimum(most, counts - 1), counts)
    after &= np.isfinite(when)
    return Split(entries_of(matrix, ~after), entries_of(matrix, after))


def times_of(data: Dataset, part: csr_matrix) -> Times | None:
    """Return the times of those entries of a data set that are in `part`; None if it has no times."""
    times = all_times(data)
    return None if times is None else times[shared_entries(part, data.interactions)]


def all_times(data: Dataset) -> Times | None:
    """Return the times of a data set: all unknown if its column had none, None without a column."""
    reading = data.provenance.get("reading")
    if data.times is None and isinstance(reading, dict) and "time" in reading.get("columns", {}):
        return np.full(data.entries, np.nan)
    return data.times


def moment(text: str, option: str = "--time-from") -> float:
    """Return the seconds since 1970 of a date, a date and time in ISO 8601, or a number of seconds.

    Without an offset the time is UTC.
    """
    try:
        return float(text)
    except ValueError:
        pass
    try:
        found = datetime.fromisoformat(text.strip().replace("Z", "+00:00"))
    except ValueError:
        raise InputError(
            f"{option} must be a date like 2024-01-31, a time like 2024-01-31T12:00, or seconds since "
            f"1970, got {text!r}"
        ) from None
    return (found if found.tzinfo else found.replace(tzinfo=timezone.utc)).timestamp()


def text_of(seconds: float) -> str:
    """Return a time as text, in UTC."""
    try:
        return datetime.fromtimestamp(float(seconds), timezone.utc).strftime("%Y-%m-%d %H:%M:%S")
    except (OverflowError, OSError, ValueError):
        return f"{seconds:g} s"


def _timed(user_items: Any, times: Any) -> tuple[csr_matrix, Times]:
    matrix = as_csr(user_items)
    if times is None:
        raise InputError(
            "a split by time needs times, and the data has none: name the column that holds them "
            "with --time-column (times= in Python)"
        )
    if not np.isfinite(np.asarray(times, np.float64)).any():
        raise InputError(
            "a split by time needs times, and none of those in the data is known: write them as dates "
            "such as 2024-01-31 or as seconds since 1970, or name another column with --time-column "
            "(times= in Python)"
        )
    when = np.asarray(times, np.float64)
    # Other forms are sorted and added up here, and then entries are not those that the times belong to.
    if getattr(user_items, "format", "") != "csr" or not user_items.has_canonical_format:
        raise InputError("user_items must be CSR in canonical form, so that times fit its entries")
    if when.shape != (matrix.nnz,):
        raise InputError(
            f"times must have a time for each of {matrix.nnz} entries, got {when.shape}"
        )
    return matrix, np.where(np.isfinite(when), when, -np.inf)
