"""The best of a row of scores by NumPy's partition and sort, for long lists.

A heap of k scores costs about log k steps for each score that enters it. Where k is a few per cent of
the row, a partition, which NumPy runs with vector instructions, is faster; and where k is most of the
row, so is a sort. Nothing here is compiled by Numba.

NumPy's fast sorts order equal scores as they like. So equal scores are put into the order of their
places afterwards, and no list is cut before that.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from halfstep.types import Floats, Integers

# From this length on a list is `long`, and more by one for every so many scores. Heap and partition take
# the same time at k = 100 of 4,000 scores, 130 of 20,000 and 220 of 100,000.
_LONG, _PART = 128, 1000
# A list of more than three fourths of the row is found by sorting the row.
_MOST = 0.75
# Scores in a chunk of `_bound`, which is used if a row has at least 4 k chunks.
_CHUNK = 32
# A stable sort of fewer scores takes no longer than a fast one.
_SHORT = 512


def is_long(k: int, n: int) -> bool:
    """Return whether the best k of n scores are found faster here than by a heap."""
    return k >= _LONG + n // _PART


def best_of(scores: Floats, k: int) -> tuple[Integers, Floats]:
    """Return the places and the values of the k highest `scores` (n,), best first, ties by place.

    Scores of -inf and NaN are left out, so that there may be fewer than k.
    """
    n = len(scores)
    if k <= 0 or n == 0:
        return np.empty(0, np.int64), scores[:0]
    if k <= _MOST * n:
        places = (scores >= _bound(scores, k)).nonzero()[0]
        if len(places) >= k:  # else the bound is NaN, or NaNs took places above it
            order, values = _descending(scores[places], k)
            return places[order], values
    return _descending(scores, k)


def merged(
    best: Floats, items: npt.NDArray[np.int32], scores: Floats, first: int, k: int
) -> tuple[npt.NDArray[np.int32], Floats]:
    """Return the k best of a list, (<= k,) best first, and of `scores` of the items from `first` on.

    The items of the list are all lower, so that ties go to them.
    """
    places, values = best_of(scores, k)
    ids = (places + first).astype(np.int32)
    if not len(best):
        return ids, values
    both = np.concatenate([best, values])
    order, values = best_of(both, k)
    return np.concatenate([items, ids])[order], values


def _bound(scores: Floats, k: int) -> Floats:
    """Return a number that at least k scores reach, and few more; NaN where too many are NaN.

    The scores are divided into n / 32 chunks. The k-th highest of the chunks' maxima is a lower bound on
    the k-th highest score. With 20,000 scores and k = 10 it takes a quarter of the time of partitioning
    them all.
    """
    n = len(scores)
    if k > n // (4 * _CHUNK):
        highest = scores.copy()
    else:
        highest = np.maximum.reduce(scores[: n // _CHUNK * _CHUNK].reshape(_CHUNK, -1))
    highest.partition(len(highest) - k)
    bound: Floats = highest[len(highest) - k]
    return bound


def _descending(values: Floats, k: int) -> tuple[Integers, Floats]:
    """Return order and values of the k highest, ties by place, without -inf and NaN."""
    if len(values) < _SHORT:
        order = (-values).argsort(kind="stable")[:k]
        ordered = values[order]
        if len(ordered) and ordered[-1] > -np.inf:
            return order, ordered
        left = int(np.count_nonzero(ordered > -np.inf))
        return order[:left], ordered[:left]
    order = np.argsort(-values)
    ordered = values[order]
    if not ordered[min(k, len(ordered)) - 1] > -np.inf:
        left = int(np.count_nonzero(ordered > -np.inf))
        order, ordered = order[:left], ordered[:left]
    same = ordered[1:] == ordered[:-1]
    if same.any():
        # The members of the runs of equal values, by run and then by place.
        tied = np.zeros(len(order), bool)
        tied[1:] = same
        tied[:-1] |= same
        at = np.flatnonzero(tied)
        run = np.cumsum(~same[np.maximum(at - 1, 0)] | (at == 0)) * len(values)
        order[at] = np.sort(run + order[at]) - run
    return order[:k], ordered[:k]
