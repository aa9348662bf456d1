"""Which held-out entries count as hits, which items are ranked, and who has a history.

An entry of the test part may be no sign of liking: a dislike of -1, a rating of 1 star. It is then no
hit. It is no negative either, since the user is known to have met the item; so it is left out of the
ranking, as an item of the training part is.
"""

from __future__ import annotations

from typing import Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_matrix

from halfstep.errors import InputError
from halfstep.evaluation.metrics.inputs import Indices, index_array
from halfstep.plural import counted

Overlap = Literal["error", "drop", "keep"]
OVERLAPS: tuple[Overlap, ...] = ("error", "drop", "keep")


class Judged(NamedTuple):
    """What an evaluation compares; all matrices are (users, items).

    `left_out` are the items that are not ranked, `held_out` the relevant ones among the others, and
    `not_relevant` the stored entries of the test part that count as neither. `has_history`, (users,),
    tells who has an entry in the training part.
    """

    left_out: csr_matrix
    held_out: csr_matrix
    not_relevant: csr_matrix
    has_history: npt.NDArray[np.bool_]


def judged(
    train: csr_matrix, test: csr_matrix, min_value: float | None = None, overlap: Overlap = "error"
) -> Judged:
    """Divide the entries of a test part.

    Parameters
    ----------
    train, test
        Canonical CSR of one shape.
    min_value
        The least value of a relevant entry of `test`; if None, all values above 0 are relevant.
    overlap
        What to do with entries of `test` that are also in `train`: "error" raises, "drop" judges nobody
        on them, and "keep" ranks these items although the model was fitted on them.

    Raises
    ------
    InputError
        An argument is outside its range, or the parts share entries.
    """
    if overlap not in OVERLAPS:
        raise InputError(f"overlap must be one of {', '.join(OVERLAPS)}, got {overlap!r}")
    least = checked_value(min_value)
    has_history = np.diff(train.indptr) > 0
    both = shared_entries(train, test)
    if both.any():
        if overlap == "error":
            rows = np.repeat(np.arange(test.shape[0]), np.diff(test.indptr))
            place = np.flatnonzero(both)[0]
            first = f"row {rows[place]}, column {test.indices[place]}"
            raise InputError(
                f"test must share no entry with train, got {both.sum()}, first at {first}"
            )
        if overlap == "drop":
            test = entries_of(test, ~both)
        else:
            train = entries_of(train, ~shared_entries(test, train))
    relevant = test.data > 0 if least is None else test.data >= least
    if relevant.all():
        return Judged(train, test, csr_matrix(test.shape, dtype=test.dtype), has_history)
    ignored = entries_of(test, ~relevant)
    return Judged(union(train, ignored), entries_of(test, relevant), ignored, has_history)


def among(judged: Judged, items: Indices) -> Judged:
    """Return what remains if only `items` (columns) are ranked, as matrices (users, columns).

    Who has a history does not change: it may be of other items.
    """
    left_out, held_out, others = (columns_of(M, items) for M in judged[:3])
    return Judged(left_out, held_out, others, judged.has_history)


def columns_of(matrix: csr_matrix, items: Indices) -> csr_matrix:
    """Return chosen columns, none twice, of a matrix as canonical CSR (rows, columns)."""
    chosen = csr_matrix(matrix[:, items])
    chosen.sort_indices()
    return chosen


def checked_value(min_value: Any) -> float | None:
    """Return the least relevant value, or raise InputError unless it is a finite number or None."""
    if min_value is None:
        return None
    if isinstance(min_value, bool) or not isinstance(min_value, int | float | np.number):
        raise InputError(f"min_value must be a number, got {min_value!r}")
    if not np.isfinite(min_value):
        raise InputError(f"min_value must be finite, got {min_value}")
    return float(min_value)


def shared_entries(train: csr_matrix, test: csr_matrix) -> npt.NDArray[np.bool_]:
    """Return which stored entries of `test` are stored in `train` too, (entries of test,)."""
    # The product of two matrices is several times as fast as the search for places.
    if _ones(train).multiply(_ones(test)).nnz == 0:
        return np.zeros(test.nnz, bool)
    there, here = (_places(M) for M in (train, test))
    at = np.minimum(np.searchsorted(there, here), len(there) - 1)
    found: npt.NDArray[np.bool_] = there[at] == here
    return found


def _places(matrix: csr_matrix) -> Indices:
    rows = np.repeat(np.arange(matrix.shape[0], dtype=np.int64), np.diff(matrix.indptr))
    places: Indices = rows * matrix.shape[1] + matrix.indices
    return places


def union(*parts: csr_matrix) -> csr_matrix:
    """Return a matrix of ones with the entries of all parts, whatever their values; sorted."""
    together = _ones(parts[0])
    for other in parts[1:]:
        together = csr_matrix(together + _ones(other))
    together.sort_indices()
    return together


def free_items(places: Indices, users: Indices, taken: csr_matrix) -> Indices:
    """Return the item at each place, from 0, among the items that the user has not taken.

    If a user's taken items are t_0 < t_1 < ..., then t_j - j free items come before t_j, so the item at
    place r is r + #{j : t_j - j <= r}. One sorted search serves all pairs: every user has a separate
    range of keys.
    """
    counts = np.diff(taken.indptr)
    rank = np.arange(taken.nnz) - np.repeat(taken.indptr[:-1], counts)
    width = taken.shape[1] + 1
    keys = taken.indices - rank + np.repeat(np.arange(len(counts)) * width, counts)
    smaller = np.searchsorted(keys, places + users * width, side="right")
    items: Indices = places + smaller - taken.indptr[users]
    return items


def _ones(matrix: csr_matrix) -> csr_matrix:
    # Ones, because stored values might be zero, or cancel.
    ones = np.ones(matrix.nnz, np.int8)
    return csr_matrix((ones, matrix.indices, matrix.indptr), shape=matrix.shape)


def entries_of(matrix: csr_matrix, chosen: npt.NDArray[np.bool_]) -> csr_matrix:
    """Return the chosen stored entries (bool, (entries,)) as a matrix of the same shape."""
    before = np.zeros(matrix.nnz + 1, dtype=matrix.indptr.dtype)
    np.cumsum(chosen, out=before[1:])
    return csr_matrix(
        (matrix.data[chosen], matrix.indices[chosen], before[matrix.indptr]), shape=matrix.shape
    )


def distinct_places(name: str, chosen: Any, count: int) -> Indices:
    """Return chosen rows or columns, all `count` if None; raise InputError if one is there twice."""
    if chosen is None:
        return np.arange(count, dtype=np.int64)
    places = index_array(name, chosen, dimensions=1, below=count)
    if np.unique(places).size < places.size:
        repeated = np.flatnonzero(np.bincount(places) > 1)[0]
        what = "a row" if name == "users" else "a column"
        raise InputError(f"{name} must not repeat {what}, got {repeated} more than once")
    return places


def nobody(ignored: csr_matrix, asked: Indices, min_value: float | None) -> str:
    """Return what to say if none of the asked users has a relevant entry; `ignored` are the others."""
    # Where nobody is asked, it was because nobody has a relevant entry.
    of_asked = ignored[asked].data if asked.size else ignored.data
    if of_asked.size == 0:
        return "test must hold out an item of a user to evaluate, got none"
    held_out = counted(len(of_asked), "entries")
    if min_value is None:
        return (
            f"test must hold out a relevant item, got {held_out}, none with a value above 0; the "
            f"highest is {of_asked.max():g}: say from which on they are relevant with --min-value "
            "(min_value= in Python)"
        )
    return (
        f"--min-value (min_value= in Python) is {min_value:g}, and the highest of the values held out, "
        f"{held_out}, is {of_asked.max():g}: choose one that is not above it"
    )
