"""The scores of a block of queries with the whole catalogue, ranked before they leave the cache.

No matrix of scores is written to memory. A block of queries is scored against a strip of items, eight
queries at a time: the scores of eight stay in the first-level cache, and the strip's factors, which all
queries of the block read, in the second. The scores of items to leave out are overwritten with -inf.
Then each query's scores are read once or twice: the best of them go into its heap, and for the AUC they
are compared with its held-out scores.

A score is at most the product of the two norms. Where the items come in the order of their norms, the
largest first, a query whose k-th best score and lowest held-out score are above that bound for a strip
needs no more of the catalogue, and leaves the block. So the best 10 of all items are found from the few
per cent of longest norm.

The catalogue is packed into panels of 32 items, (f, 32) each, so that the product reads it from front to
back; queries are packed eight at a time in the same way. Every score is the sum of f fused
multiplications in the same order, so items with equal factors have exactly equal scores.

Arrays inside the loops are flat, with offsets: see `vectors`.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from halfstep.kernels.cpu.compile import called, compiled, compiled_in
from halfstep.kernels.cpu.ranking_auc import search, table_size, tabulate, without_registers
from halfstep.kernels.cpu.ranking_scan import SEARCHES, tile
from halfstep.kernels.cpu.ranking_select import offer, offer_in_any_order, sort_heap
from halfstep.kernels.cpu.vectors import address, put, width

# Without AVX-512 each strip costs a table of held-out scores, which only a long strip pays for.
STRIP = 1024 if SEARCHES else 4096
TOGETHER = 8
# Scores between the rows of eight queries' scores, so that these do not fall on the same cache lines.
APART = 16


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


@compiled_in(3)
def rank_block(
    X: Any,
    queries: Any,
    panels: Any,
    ids: Any,
    place_of: Any,
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
    lengths: Any,
    reach: Any,
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
        The packed items.
    ids, place_of
        (count,) int32: the item of each packed column, and the column of each item, from `first` on.
        Both empty where columns are in the order of the items.
    lists
        (block,) each query's row of two CSR structures: `indptr`, `indices` of items to leave out, and
        `held_indptr`, `held_scores` of ascending held-out scores.
    without
        Items to leave out for all queries.
    best, items
        (block, k) heaps of scores and of their items, at first all -inf and -1.
    pairs
        (block,) sums of `twice_the_positives_below` so far; empty without AUC.
    lengths, reach
        (rows,) and (strips,) float64: no score of a query with an item of a strip is above the product
        of the two, plus the least normal number. `reach` must not rise.
    packed, scores
        Scratch: (block f,), block rounded up to 8, and (8 (STRIP + APART),).
    kept
        (block, count or more) takes all scores, -inf for what is left out; empty to keep none.
    """
    target = address(scores)
    panel = address(panels)
    left = address(packed)
    W = 2 * width(target)
    f = X.shape[1]
    Q = queries.size
    k = best.shape[1]
    slack = 4 * np.float64(np.finfo(X.dtype).tiny)
    strips = (count + STRIP - 1) // STRIP
    begins, columns = columns_left_out(
        lists, indptr, indices, without, first, count, place_of, strips
    )
    tables_at = np.zeros(Q + 1, np.int64)
    repeated = np.zeros(Q, np.bool_)
    if pairs.size:
        for q in range(Q):
            held = held_indptr[lists[q] + 1] - held_indptr[lists[q]]
            tables_at[q + 1] = tables_at[q] + (table_size(held_scores, held) if SEARCHES else 0)
    tables = np.empty(tables_at[Q], X.dtype)
    if SEARCHES and pairs.size:
        for q in range(Q):
            held = held_scores[held_indptr[lists[q]] : held_indptr[lists[q] + 1]]
            repeated[q] = tabulate(held, tables, tables_at[q])
    ranked = np.zeros(Q, np.bool_)  # which queries the strip may bring a better item
    counted = np.zeros(Q, np.bool_)  # and a pair
    chosen = np.arange(Q)
    taking_part = 0
    for strip in range(strips):
        low = strip * STRIP
        used = min(STRIP, count - low)
        padded = (used + W - 1) // W * W
        alive = 0
        for q in range(Q):
            bound = lengths[queries[q]] * reach[strip] + slack
            # Not turned round: a bound that is no number decides nothing.
            ranked[q] = kept.size > 0 or (k > 0 and not bound < best[q, 0])
            counted[q] = False
            if pairs.size and held_indptr[lists[q]] < held_indptr[lists[q] + 1]:
                counted[q] = not bound < held_scores[held_indptr[lists[q]]]
            alive += ranked[q] or counted[q]
        if alive == 0:
            return
        if strip == 0 or (alive + TOGETHER - 1) // TOGETHER < taking_part // TOGETHER:
            alive = 0
            for q in range(Q):
                if ranked[q] or counted[q]:
                    chosen[alive] = q
                    alive += 1
            taking_part = (alive + TOGETHER - 1) // TOGETHER * TOGETHER
            pack_queries(X, queries, chosen[:alive], left)
            members = alive
        for group in range(0, taking_part, TOGETHER):
            for p in range(padded // W):
                at = (low // W + p) * f * W
                tile(left, group * f, panel, at, W, f, target, p * W, padded + APART)
            for r in range(min(TOGETHER, members - group)):
                q = chosen[group + r]
                if not ranked[q] and not counted[q]:
                    continue
                place = r * (padded + APART)
                row = scores[place : place + padded]
                row[used:] = -np.inf
                for e in range(begins[q, strip], begins[q, strip + 1]):
                    row[columns[e] - low] = -np.inf
                for e in range(begins[Q, strip], begins[Q, strip + 1]):
                    row[columns[e] - low] = -np.inf
                if kept.size:
                    kept[q, low : low + used] = row[:used]
                elif ranked[q] and ids.size:
                    offer_in_any_order(row, padded, ids[low : low + used], best[q], items[q])
                elif ranked[q]:
                    offer(row, 0, padded, first + low, best[q], items[q])
                if counted[q]:
                    held = held_scores[held_indptr[lists[q]] : held_indptr[lists[q] + 1]]
                    if SEARCHES:
                        pairs[q] += search(row, held.size, tables, tables_at[q], repeated[q])
                    else:
                        pairs[q] += without_registers(row, held)


@called
def pack_queries(X: Any, queries: Any, chosen: Any, target: Any) -> None:
    """Write the rows of the chosen queries, (f, 8) for each eight of them, zeros after the last one."""
    f = X.shape[1]
    for at in range((chosen.size + TOGETHER - 1) // TOGETHER * TOGETHER):
        place = at // TOGETHER * TOGETHER * f + at % TOGETHER
        if at < chosen.size:
            x = X[queries[chosen[at]]]
            for e in range(f):
                put(target, place + e * TOGETHER, x[e])
        else:
            for e in range(f):
                put(target, place + e * TOGETHER, X.dtype.type(0))


@called
def columns_left_out(
    lists: Any,
    indptr: Any,
    indices: Any,
    without: Any,
    first: int,
    count: int,
    place_of: Any,
    strips: int,
) -> Any:
    """Return the columns that each query leaves out, by strip, and last those that all leave out.

    Returns
    -------
    begins (block + 1, strips + 1), columns
        Those of query q in strip s are `columns[begins[q, s] : begins[q, s + 1]]`.
    """
    Q = lists.size
    entries = without.size
    for q in range(Q):
        entries += indptr[lists[q] + 1] - indptr[lists[q]]
    begins = np.empty((Q + 1, strips + 1), np.int32)
    columns = np.empty(entries, np.int32)
    at = 0
    for q in range(Q + 1):
        if q < Q:
            at = sort_by_strip(
                indices[indptr[lists[q]] : indptr[lists[q] + 1]],
                first, count, place_of, begins[q], columns, at,
            )  # fmt: skip
        else:
            at = sort_by_strip(without, first, count, place_of, begins[q], columns, at)
    return begins, columns


@called
def sort_by_strip(
    left_out: Any, first: int, count: int, place_of: Any, begins: Any, columns: Any, at: int
) -> int:
    """Write the columns of the items `left_out` to `columns[at:]`, and return where they end."""
    begins[:] = 0
    for item in left_out:
        column = item - first
        if 0 <= column < count:
            if place_of.size:
                column = place_of[column]
            begins[column // STRIP] += 1
    end = at
    for strip in range(begins.size):
        end += begins[strip]
        begins[strip] = end
    for item in left_out:
        column = item - first
        if 0 <= column < count:
            if place_of.size:
                column = place_of[column]
            begins[column // STRIP] -= 1
            columns[begins[column // STRIP]] = column
    return end


@compiled
def finish(best: Any, items: Any, first: int, last: int) -> None:
    """Sort the heaps from `first` to `last`, best first."""
    for q in range(first, last):
        sort_heap(best[q], items[q])
