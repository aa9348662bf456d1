"""Make one entry of a matrix of all rows of the same user and item."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_matrix, csr_matrix

from halfstep.datasets.canonical import addable, canonical_csr, summable
from halfstep.datasets.tables.options import Duplicates


@dataclass(frozen=True)
class Rows:
    """The rows that count, in the table's order; all arrays have shape (rows,).

    Attributes
    ----------
    users, items : ndarray
        Positions, int32 or int64.
    values : ndarray or None
        int64 or finite float64; None counts each row as 1.
    times : ndarray or None
        float64 seconds, NaN where unknown.
    """

    users: NDArray[Any]
    items: NDArray[Any]
    values: NDArray[np.int64] | NDArray[np.float64] | None
    times: NDArray[np.float64] | None


def entries(
    rows: Rows, shape: tuple[int, int], rule: Duplicates
) -> tuple[csr_matrix, NDArray[np.float64] | None]:
    """Return (the canonical matrix; float64 seconds of the latest row of each entry, or None).

    With `rule` "last" the row with the latest time counts, among equal or unknown times the later row;
    an unknown time is earlier than any known one. Integers are added in int64.
    """
    count = len(rows.users)
    if rule == "add" and rows.times is None:
        values = np.ones(count, np.uint8) if rows.values is None else addable(rows.values)
        added = coo_matrix((values, (_small(rows.users), _small(rows.items))), shape=shape)
        return canonical_csr(added), None
    values = summable(np.ones(count, np.int64) if rows.values is None else rows.values)
    order, starts = _grouped(rows, shape)
    values = values[order]
    times = latest = None
    if rows.times is not None:
        times = rows.times[order]
        latest = np.fmax.reduceat(times, starts)
    if rule == "add":
        joined = np.add.reduceat(values, starts)
    elif rule == "last":
        joined = values[_last(times, latest, starts, len(order))]
    else:
        counts = np.diff(np.append(starts, len(order)))
        joined = np.add.reduceat(values.astype(np.float64), starts) / counts
    first = order[starts]
    indptr = np.zeros(shape[0] + 1, np.int64)
    np.cumsum(np.bincount(rows.users[first], minlength=shape[0]), out=indptr[1:])
    matrix = csr_matrix((joined, rows.items[first], indptr), shape=shape)
    return canonical_csr(matrix), latest


def _last(
    times: NDArray[np.float64] | None,
    latest: NDArray[np.float64] | None,
    starts: NDArray[np.int64],
    count: int,
) -> NDArray[Any]:
    """Return where in the order each entry's last row is."""
    sizes = np.diff(np.append(starts, count))
    if times is None or latest is None or len(starts) == count:
        return starts + sizes - 1
    highest = np.repeat(latest, sizes)
    candidate = (times == highest) | np.isnan(highest)
    rows = np.where(candidate, _small(np.arange(count)), np.int32(-1))
    last: NDArray[Any] = np.maximum.reduceat(rows, starts)
    return last


def _grouped(rows: Rows, shape: tuple[int, int]) -> tuple[NDArray[Any], NDArray[np.int64]]:
    """Return (the order by user, item and row; where in it each pair of user and item starts)."""
    # Two counting sorts: 1.9 seconds for 20 million rows, where a stable argsort takes 5.2.
    by_item = _counting_sort(rows.items, _small(np.arange(len(rows.items))), shape[1])
    order = _counting_sort(rows.users[by_item], by_item, shape[0])
    users, items = rows.users[order], rows.items[order]
    differ = (users[1:] != users[:-1]) | (items[1:] != items[:-1])
    return order, np.flatnonzero(np.append(True, differ))


def _counting_sort(keys: NDArray[Any], order: NDArray[Any], count: int) -> NDArray[Any]:
    """Return `order` by ascending keys, which are below `count`; equal keys keep their order.

    SciPy turns rows into columns by a counting sort.
    """
    one_a_row = csr_matrix(
        (order, _small(keys), _small(np.arange(len(keys) + 1))), shape=(len(keys), count)
    )
    sorted_rows: NDArray[Any] = one_a_row.tocsc().data
    return sorted_rows


def _small(numbers: NDArray[Any]) -> NDArray[Any]:
    """Return positions as int32 where they fit, which halves what the sorting moves."""
    fits = len(numbers) == 0 or int(numbers.max()) <= np.iinfo(np.int32).max
    return numbers.astype(np.int32, copy=False) if fits else numbers
