"""The scores of a block of queries with the whole catalogue, ranked before they leave the cache.

No matrix of scores is written to memory. The unit of work is as many queries as a panel has columns (32
for float32 with AVX-512) and a strip of 4,096 items. Their scores are computed into scratch that fits
the second-level cache, and those of items to leave out are overwritten with -inf. Then each query's
scores are read once or twice: the best of them go into its heap, and for the AUC they are compared with
its held-out scores.

The catalogue is packed into panels of 32 items, (f, 32) each, so that the product reads it from front to
back; queries are packed in the same way. Every score is the sum of f fused multiplications in the same
order, so items with equal factors have exactly equal scores.

Arrays inside the loops are flat, with offsets: see `vectors`.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from halfstep.kernels.cpu.compile import called, compiled, compiled_in
from halfstep.kernels.cpu.ranking_auc import twice_the_positives_below
from halfstep.kernels.cpu.ranking_scan import fma_one
from halfstep.kernels.cpu.ranking_select import offer, sort_heap
from halfstep.kernels.cpu.vectors import address, outer, put, width

STRIP = 4096


@compiled
def pack(rows: Any, chosen: Any, scale: Any, panels: Any, first: int, last: int) -> None:
    """Write panels `first` to `last`: column j of panel p is row p W + j, times its scale.

    If `chosen` is not empty, row chosen[k] takes the place of row k; if `scale` is not empty, each row
    is multiplied by its number of `scale`. Columns beyond the last row are zero.
    """
    target = address(panels)
    W = 2 * width(target)
    n = chosen.size if chosen.size else rows.shape[0]
    f = rows.shape[1]
    for p in range(first, last):
        for j in range(W):
            place = p * f * W + j
            at = p * W + j
            if at >= n:
                for k in range(f):
                    put(target, place + k * W, rows.dtype.type(0))
                continue
            row = chosen[at] if chosen.size else at
            for k in range(f):
                value = rows[row, k]
                if scale.size:
                    value *= scale[row]
                put(target, place + k * W, value)


@compiled
def score_held_out(X: Any, Y: Any, users: Any, indptr: Any, indices: Any, out: Any) -> None:
    """Write each user's held-out scores, ascending, to `out[indptr[u] : indptr[u + 1]]`."""
    for u in users:
        begin, end = indptr[u], indptr[u + 1]
        x = X[u]
        for e in range(begin, end):
            y = Y[indices[e]]
            s = X.dtype.type(0)
            for k in range(x.size):
                s = fma_one(x[k], y[k], s)
            out[e] = s
        out[begin:end].sort()


@compiled_in(3)
def rank_block(
    X: Any,
    queries: Any,
    panels: Any,
    first: int,
    count: int,
    lists: Any,
    indptr: Any,
    indices: Any,
    without: Any,
    held_indptr: Any,
    held_scores: Any,
    best: Any,
    items: Any,
    pairs: Any,
    packed: Any,
    scores: Any,
    kept: Any,
) -> None:
    """Rank the items `first` to `first + count` for a block of queries, after all lower items.

    Parameters
    ----------
    X
        (rows, f) factors of the queries.
    queries
        (block,) rows of X.
    panels
        The packed items; item `first` is the first column.
    lists
        (block,) each query's row of two CSR structures: `indptr`, `indices` of items to leave out, and
        `held_indptr`, `held_scores` of ascending held-out scores.
    without
        Ascending items to leave out for all queries.
    best, items
        (block, k) heaps of scores and of their items, at first all -inf and -1.
    pairs
        (block,) sums of `twice_the_positives_below` so far; empty without AUC.
    packed, scores
        Scratch: (f W,) and (W STRIP,) for W queries.
    kept
        (block, count or more) takes all scores, -inf for what is left out; empty to keep none.
    """
    target = address(scores)
    panel = address(panels)
    W = 2 * width(target)
    f = X.shape[1]
    none = np.empty(0, X.dtype)
    for start in range(0, queries.size, W):
        rows = queries[start : start + W]
        pack(X, rows, none, packed, 0, 1)
        left = address(packed)
        for low in range(0, count, STRIP):
            used = min(STRIP, count - low)
            padded = (used + W - 1) // W * W
            scores[: W * padded] = 0
            for p in range(padded // W):
                at = (low // W + p) * f * W
                for group in range(0, min(W, (rows.size + 7) // 8 * 8), 8):
                    outer(left, group, panel, at, W, f, target, group * padded + p * W, padded, 2)
            for r in range(rows.size):
                q = start + r
                row = scores[r * padded : (r + 1) * padded]
                row[used:] = -np.inf
                begin, end = indptr[lists[q]], indptr[lists[q] + 1]
                leave_out(row, first + low, used, indices[begin:end])
                leave_out(row, first + low, used, without)
                if kept.size:
                    kept[q, low : low + used] = row[:used]
                offer(row, 0, padded, first + low, best[q], items[q])
                if pairs.size:
                    held = held_scores[held_indptr[lists[q]] : held_indptr[lists[q] + 1]]
                    pairs[q] += twice_the_positives_below(row, held, True)


@called
def leave_out(row: Any, first: int, count: int, excluded: Any) -> None:
    """Write -inf over the scores of `excluded` items, ascending, among `count` from `first` on."""
    if excluded.size == 0:
        return
    at = np.searchsorted(excluded, first)
    while at < excluded.size and excluded[at] < first + count:
        if excluded[at] >= first:  # always, in a list that ascends
            row[excluded[at] - first] = -np.inf
        at += 1


@compiled
def finish(best: Any, items: Any) -> None:
    """Sort all heaps, best first."""
    for q in range(len(best)):
        sort_heap(best[q], items[q])
