"""Make one entry of a matrix of all rows of the same user and item."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_matrix, csr_matrix

from halfstep.datasets.canonical import canonical_csr, summable
from halfstep.datasets.tables.options import Duplicates


@dataclass(frozen=True)
class Rows:
    """The rows that count, in the table's order; all arrays have shape (rows,).

    Attributes
    ----------
    users, items : ndarray
        int64 positions.
    values : ndarray or None
        int64 or finite float64; None counts each row as 1.
    times : ndarray or None
        float64 seconds, NaN where unknown.
    """

    users: NDArray[np.int64]
    items: NDArray[np.int64]
    values: NDArray[np.int64] | NDArray[np.float64] | None
    times: NDArray[np.float64] | None


def entries(
    rows: Rows, shape: tuple[int, int], rule: Duplicates
) -> tuple[csr_matrix, NDArray[np.float64] | None]:
    """Return (the canonical matrix; float64 seconds of the latest row of each entry, or None).

    With `rule` "last" the row with the latest time counts, among equal or unknown times the later row;
    an unknown time is earlier than any known one. Integers are added in int64.
    """
    values = summable(np.ones(len(rows.users), np.int64) if rows.values is None else rows.values)
    if rule == "add" and rows.times is None:
        added = coo_matrix((values, (_small(rows.users), _small(rows.items))), shape=shape)
        return canonical_csr(added), None
    order, starts = _grouped(rows, shape[1])
    if rule == "last" and rows.times is not None and len(starts) < len(order):
        late = np.argsort(np.where(np.isnan(rows.times), -np.inf, rows.times), kind="stable")
        order = late[np.argsort(_keys(rows, shape[1])[late], kind="stable")]
    values = values[order]
    if rule == "add":
        joined = np.add.reduceat(values, starts)
    elif rule == "last":
        joined = values[np.append(starts[1:], len(order)) - 1]
    else:
        counts = np.diff(np.append(starts, len(order)))
        joined = np.add.reduceat(values.astype(np.float64), starts) / counts
    times = None if rows.times is None else np.fmax.reduceat(rows.times[order], starts)
    first = order[starts]
    indptr = np.zeros(shape[0] + 1, np.int64)
    np.cumsum(np.bincount(rows.users[first], minlength=shape[0]), out=indptr[1:])
    matrix = csr_matrix((joined, rows.items[first], indptr), shape=shape)
    return canonical_csr(matrix), times


def _keys(rows: Rows, items: int) -> NDArray[np.int64]:
    return rows.users * items + rows.items


def _grouped(rows: Rows, items: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return (the order by user, item and row; where in it each pair of user and item starts)."""
    keys = _keys(rows, items)
    order = np.argsort(keys, kind="stable")
    ordered = keys[order]
    starts = np.flatnonzero(np.append(True, ordered[1:] != ordered[:-1]))
    return order, starts


def _small(numbers: NDArray[np.int64]) -> NDArray[np.int32] | NDArray[np.int64]:
    """Return positions as int32 where they fit, which halves what the sorting moves."""
    fits = len(numbers) == 0 or int(numbers.max()) <= np.iinfo(np.int32).max
    return numbers.astype(np.int32) if fits else numbers
