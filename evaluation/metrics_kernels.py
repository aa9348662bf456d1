"""The compiled pass over one block of scores: each user's best items, and the pairs that AUC counts.

A row of scores is read twice, both times in a straight line, and is never sorted:

* top k: 64 scores at a time are compared with the k-th best so far, which the compiler turns into
  vector compares; only a group with a winner is looked at item by item, and a heap keeps the k best.
* AUC: with a user's held-out scores p_1 <= ... <= p_P, every item of score s adds
  #{p < s} + #{p <= s}. Few held-out scores are compared with all items directly. Many are put into a
  table over equal intervals of score, so that an item costs one look-up whatever P is, and only an
  item that shares its interval with a held-out score is compared exactly.

Seen items are overwritten with -inf, so neither loop has a branch for them: they can enter no heap,
and the AUC's count knows how many there are.
"""

from typing import Any

import numpy as np
from numba import njit

compiled = njit(cache=True, nogil=True)

GROUP = 64  # scores taken together, a few vectors, before a look at whether one needs more
STRIP = 2048  # scores that many positives are compared with in turn: stays in the first-level cache
DIRECT = 8  # above, the table is faster; at 8 both cost about 18 us for 20,000 float32 scores


@compiled
def rank_block(
    scores: Any,
    train_indptr: Any,
    train_indices: Any,
    test_indptr: Any,
    test_indices: Any,
    users: Any,
    auc: bool,
    top: Any,
    hits: Any,
    areas: Any,
) -> None:
    """Rank the catalogue for each user of a block.

    Parameters
    ----------
    scores : float array, shape (block, items), C-contiguous
        Finite; overwritten: seen items become -inf.
    train_indptr, train_indices, test_indptr, test_indices : int arrays
        CSR structures of all users, columns sorted and unique, no entry in both.
    users : int64 array, shape (block,)
        Row of each score row in the CSR structures; each has a test entry.
    auc : bool
        Whether to fill `areas`.
    top : int32 array, shape (block, k)
        Written: best items, best first, equal scores by ascending index; -1 where none is left.
    hits : bool array, shape (block, k)
        Written: whether that item is held out.
    areas : float64 array, shape (block,)
        Written: area under the ROC curve, 0.5 for a user without negatives.
    """
    items = scores.shape[1]
    k = top.shape[1]
    best_scores = np.empty(k, scores.dtype)
    best_items = np.empty(k, np.int32)
    for b in range(scores.shape[0]):
        row = scores[b]
        seen = train_indices[train_indptr[users[b]] : train_indptr[users[b] + 1]]
        held_out = test_indices[test_indptr[users[b]] : test_indptr[users[b] + 1]]
        for i in seen:
            row[i] = -np.inf
        select_best(row, best_scores, best_items)
        for j in range(k):
            item = best_items[j]
            top[b, j] = item
            place = np.searchsorted(held_out, item)
            hits[b, j] = place < held_out.size and held_out[place] == item
        if auc:
            positives = np.sort(row[held_out])
            P = held_out.size
            negatives = items - seen.size - P
            if negatives == 0:
                areas[b] = 0.5
            else:
                below = twice_the_positives_below(row, positives)
                # Off come the pairs of the held-out items with each other (2 for each two of them
                # and 1 for each with itself: P^2); seen items, at -inf, have added nothing.
                areas[b] = 1.0 - (below - P * P) / (2.0 * P * negatives)


@compiled
def select_best(row: Any, best_scores: Any, best_items: Any) -> None:
    """Write the highest scores of `row` and their items, best first, ties by ascending index.

    Where `row` has fewer scores above -inf than there is room, the rest is (-inf, -1).
    """
    k = best_scores.size
    best_scores[:] = -np.inf
    best_items[:] = -1
    for start in range(0, row.size, GROUP):
        group = row[start : start + GROUP]
        threshold = best_scores[0]
        above = np.int32(0)
        for i in range(group.size):
            above = np.int32(above + np.int32(group[i] > threshold))
        if above > 0:
            for i in range(group.size):
                # Items come by ascending index, so an equal score is a worse one.
                if group[i] > best_scores[0]:
                    replace_worst(best_scores, best_items, k, group[i], start + i)
    for last in range(k - 1, 0, -1):
        score, item = best_scores[last], best_items[last]
        best_scores[last], best_items[last] = best_scores[0], best_items[0]
        replace_worst(best_scores, best_items, last, score, item)


@compiled
def replace_worst(scores: Any, items: Any, size: int, score: Any, item: int) -> None:
    """Put (score, item) in place of the root of a heap whose parents are worse than their children."""
    hole = 0
    child = 1
    while child < size:
        if child + 1 < size and is_worse(
            scores[child + 1], items[child + 1], scores[child], items[child]
        ):
            child += 1
        if is_worse(score, item, scores[child], items[child]):
            break
        scores[hole] = scores[child]
        items[hole] = items[child]
        hole = child
        child = 2 * hole + 1
    scores[hole] = score
    items[hole] = item


@compiled
def is_worse(score_a: Any, item_a: int, score_b: Any, item_b: int) -> bool:
    """Whether a comes after b: a lower score, or an equal one and a higher index."""
    return bool(score_a < score_b or (score_a == score_b and item_a > item_b))


@compiled
def twice_the_positives_below(row: Any, positives: Any) -> int:
    """Sum #{p < s} + #{p <= s} over the scores s of `row`, exactly, for sorted `positives`."""
    width = positives[-1] - positives[0]
    if positives.size <= DIRECT or not width < np.inf:
        return compare_directly(row, positives)
    return look_up(row, positives, width)


@compiled
def compare_directly(row: Any, positives: Any) -> int:
    """Compare every score with every positive: P vector compares a score, no branches."""
    total = 0
    for start in range(0, row.size, STRIP):
        strip = row[start : start + STRIP]
        for p in positives:
            pairs = np.int32(0)  # 32 bits so that as many sums as scores fit a vector register
            for i in range(strip.size):
                pairs = np.int32(pairs + np.int32(p < strip[i]) + np.int32(p <= strip[i]))
            total += pairs
    return total


@compiled
def look_up(row: Any, positives: Any, width: Any) -> int:
    """Find each score's interval in a table; compare exactly only where a positive shares it.

    The map from score to interval is monotone in floating point too, so a score in a lower interval
    is lower. Interval 0 is all that lies below the least positive, the last one all above the
    greatest. A table of 512 intervals for each positive leaves few scores to compare.
    """
    P = positives.size
    intervals = min(65536, max(8192, 512 * P))
    lowest = positives[0]
    highest = np.float32(intervals - 2)
    # The cap keeps the scale finite where all positives are (nearly) equal.
    scale = np.float32(1e30)
    if width * scale > np.float32(intervals - 4):
        scale = np.float32(intervals - 4) / width
    table = np.empty(intervals, np.int32)
    filled = 0
    for j in range(P):
        place = interval(positives[j], lowest, scale, highest)
        if place >= filled:
            table[filled:place] = 2 * j
            table[place] = -1
            filled = place + 1
    table[filled:] = 2 * P

    total = 0
    for start in range(0, row.size, GROUP):
        group = row[start : start + GROUP]
        pairs = np.int32(0)
        signs = np.int32(0)  # negative once an interval of this group holds a positive
        for i in range(group.size):
            entry = table[np.uint32(interval(group[i], lowest, scale, highest))]
            pairs = np.int32(pairs + entry)
            signs = np.int32(signs | entry)
        total += pairs
        if signs < 0:
            for score in group:
                if table[np.uint32(interval(score, lowest, scale, highest))] < 0:
                    total += 1 + np.searchsorted(positives, score)
                    total += np.searchsorted(positives, score, side="right")
    return total


@compiled
def interval(score: Any, lowest: Any, scale: Any, highest: Any) -> Any:
    """Return the number of the score's interval: 0 below `lowest`, at most `highest` + 1."""
    x = (score - lowest) * scale
    x = x if x > np.float32(-1) else np.float32(-1)
    x = x if x < highest else highest
    return np.int32(x + np.float32(1))
