"""What NumPy sorts: the best of a row of scores, for long lists; and the items by their norms.

A heap of k scores costs about log k steps for each score that enters it. Where k is a few per cent of
the row, a partition, which NumPy runs with vector instructions, is faster; and where k is most of the
row, so is a sort. Nothing here is compiled by Numba.

NumPy's fast sorts order equal scores as they like. So equal scores are put into the order of their
places afterwards, and no list is cut before that.

Short lists are found among items that are packed longest first. By the inequality of Cauchy and
Schwarz, x . y is at most |x| |y|. Once |x| |y| is below all that matters of a query (the k-th best score
so far, and for the AUC the lowest held-out score), so are the scores of all shorter items. Rounding is
allowed for: a computed score is compared with a bound that no rounding of f products and sums, nor of
the norms, can pass. So the results are those of all products.

Of the items of `music-medium` and gowalla, f = 64, 6 % and 3 % can enter a user's top ten by this
bound, and 96 % and 89 % can lie above the lowest of the user's held-out items. Tried: the first 8 or 32
principal coordinates exactly and the inequality for the rest, which leaves 4 % and 1 % (top ten of
`music-medium`; AUC 95 % and 91 %). A tenth of the time is left either way, and so it is not used.
"""

from __future__ import annotations

from typing import NamedTuple

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
# Rows whose norms are computed at once, in bytes.
_BYTES = 1 << 16
# Squares of norms between these neither overflow nor lose digits below the least normal number.
_SAFE = 1e-120, 1e120


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


class Columns(NamedTuple):
    """How packed columns and items correspond, and the bounds of their scores.

    Attributes
    ----------
    places, place_of
        (items,) int32: the item of each column, and the column of each item; empty where they are the
        same.
    reach
        (strips,) float64, not rising: no score of a query is above this times the query's length.
    """

    places: npt.NDArray[np.int32]
    place_of: npt.NDArray[np.int32]
    reach: npt.NDArray[np.float64]


def in_item_order(count: int, strip: int) -> Columns:
    """Return the columns of `count` items as they are, which promise nothing about scores."""
    none = np.empty(0, np.int32)
    return Columns(none, none, np.full(-(-count // strip), np.inf))


def longest_first(rows: Floats, chosen: Integers, scale: Floats, strip: int) -> Columns:
    """Return the columns in the order of the norms, of equal norms the lower item first.

    `chosen` and `scale` are as `ranking_scores.pack` takes them, `strip` items belong to a strip.
    """
    lengths = lengths_of(rows)
    if len(scale):
        lengths = lengths * np.abs(scale)
    if len(chosen):
        lengths = lengths[chosen]
    places = np.argsort(-lengths, kind="stable").astype(np.int32)
    place_of = np.empty_like(places)
    place_of[places] = np.arange(len(places), dtype=np.int32)
    limits = np.finfo(rows.dtype)
    margin = 4 * (rows.shape[1] + 4) * float(limits.eps)
    with np.errstate(over="ignore"):
        reach = lengths[places[::strip]] * (1 + margin) + 4 * float(limits.tiny)
    return Columns(places, place_of, reach)


def lengths_of(rows: Floats) -> npt.NDArray[np.float64]:
    """Return the Euclidean norms of `rows` (n, f), in float64; (n,)."""
    lengths = np.empty(len(rows))
    step = max(1, _BYTES // (8 * max(1, rows.shape[1])))
    for start in range(0, len(rows), step):
        part = np.asarray(rows[start : start + step], np.float64)
        with np.errstate(over="ignore", under="ignore"):
            found = np.sqrt(np.vecdot(part, part))
        odd = np.flatnonzero(~((found > _SAFE[0]) & (found < _SAFE[1])))
        if len(odd):
            largest = np.abs(part[odd]).max(axis=1, initial=0, keepdims=True)
            scaled = part[odd] / np.where(largest > 0, largest, 1)
            found[odd] = largest[:, 0] * np.sqrt(np.vecdot(scaled, scaled))
        lengths[start : start + step] = found
    return lengths
