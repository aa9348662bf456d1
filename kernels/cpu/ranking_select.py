"""The k best of a row of scores, which is read once and never sorted.

A vector of scores at a time is compared with the k-th best score so far. Only a vector with a better
score is taken apart, and a heap keeps the k best. Of equal scores the lower index is better.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from halfstep.kernels.cpu.compile import called, compiled
from halfstep.kernels.cpu.ranking_scan import above, lowest_bit, ones, reaching
from halfstep.kernels.cpu.vectors import address, width

# Up to this length a heap is kept sorted, worst first: a step of a sift down a heap is two branches that
# no processor foresees, a step of an insertion none.
SHORT = 40


@compiled
def select_rows(block: Any, best: Any, items: Any) -> None:
    """Write each row's k highest scores and their indices, best first.

    `block` (rows, n), `best` (rows, k) and `items` (rows, k) int32, all C-contiguous. Where n < k, the
    remaining places hold -inf and -1.
    """
    for u in range(len(block)):
        best[u, :] = -np.inf
        items[u, :] = -1
        offer(block[u], 0, block.shape[1], 0, best[u], items[u])
        sort_heap(best[u], items[u])


@called
def offer(scores: Any, at: int, count: int, first: int, best: Any, items: Any) -> None:
    """Put into the heap those of `scores[at : at + count]` that are among the k best so far.

    They are the scores of items `first`, `first` + 1 and so on. All items offered before had lower
    indices, so a score that equals the k-th best is worse than it.
    """
    if best.size == 0:
        return
    row = address(scores)
    V = width(row)
    limit = best[0]
    whole = count - count % V
    for start in range(0, whole, V):
        better = above(row, at + start, limit)
        while better:
            lane = lowest_bit(better)
            better &= better - 1
            score = scores[at + start + lane]
            if score > limit:
                replace_worst(best, items, best.size, score, first + start + lane)
                limit = best[0]
    for i in range(whole, count):
        if scores[at + i] > limit:
            replace_worst(best, items, best.size, scores[at + i], first + i)
            limit = best[0]


@called
def offer_in_any_order(scores: Any, count: int, ids: Any, best: Any, items: Any) -> None:
    """Put into the heap those of `scores[:count]`, of the items `ids`, that are among the k best so far.

    An item may be lower than one that was offered before it, so a score that equals the k-th best is
    compared by item. `count` is a multiple of a vector's width; what lies beyond `ids` is -inf.
    """
    row = address(scores)
    V = width(row)
    limit = best[0]
    if limit == -np.inf:
        limit = reached_by(scores, count, best.size)
    for start in range(0, count, V):
        better = reaching(row, start, limit)
        while better:
            lane = lowest_bit(better)
            better &= better - 1
            score = scores[start + lane]
            if score > limit or (score == limit and score > -np.inf):
                item = ids[start + lane]
                if is_worse(best[0], items[0], score, item):
                    replace_worst(best, items, best.size, score, item)
                    limit = max(limit, best[0])


@called
def reached_by(scores: Any, count: int, k: int) -> Any:
    """Return a number that at least k of `scores[:count]` reach, and few more; -inf if there is none.

    It is the k-th highest of the maxima of two vectors' lanes: with k = 10 of 512 scores about the
    twelfth highest score. A heap that begins with it takes in few scores that it would lose again.
    """
    V = width(address(scores))
    if k > 2 * V or count % (2 * V):
        return scores.dtype.type(-np.inf)
    highest = scores[: 2 * V].copy()
    for start in range(2 * V, count, 2 * V):
        for lane in range(2 * V):
            highest[lane] = max(highest[lane], scores[start + lane])
    lanes = address(highest)
    found = scores.dtype.type(-np.inf)
    for least in highest:
        if ones(reaching(lanes, 0, least)) + ones(reaching(lanes, V, least)) >= k:
            found = max(found, least)
    return found


@called
def sort_heap(best: Any, items: Any) -> None:
    """Sort the heap, best first."""
    if best.size <= SHORT:
        for place in range(best.size // 2):
            other = best.size - 1 - place
            best[place], best[other] = best[other], best[place]
            items[place], items[other] = items[other], items[place]
        return
    for last in range(best.size - 1, 0, -1):
        score, item = best[last], items[last]
        best[last], items[last] = best[0], items[0]
        sift(best, items, last, score, item)


@called
def replace_worst(best: Any, items: Any, size: int, score: Any, item: int) -> None:
    """Replace the root, which is the heap's worst pair, by (score, item)."""
    if size > SHORT:
        sift(best, items, size, score, item)
        return
    place = 1
    while place < size and is_worse(best[place], items[place], score, item):
        best[place - 1] = best[place]
        items[place - 1] = items[place]
        place += 1
    best[place - 1] = score
    items[place - 1] = item


@called
def sift(best: Any, items: Any, size: int, score: Any, item: int) -> None:
    """Put (score, item) into a long heap whose root is free."""
    hole = 0
    child = 1
    while child < size:
        if child + 1 < size and is_worse(
            best[child + 1], items[child + 1], best[child], items[child]
        ):
            child += 1
        if is_worse(score, item, best[child], items[child]):
            break
        best[hole] = best[child]
        items[hole] = items[child]
        hole = child
        child = 2 * hole + 1
    best[hole] = score
    items[hole] = item


@called
def is_worse(score_a: Any, item_a: int, score_b: Any, item_b: int) -> bool:
    """Return whether a ranks after b: a lower score, or an equal one and a higher index."""
    return bool(score_a < score_b or (score_a == score_b and item_a > item_b))
