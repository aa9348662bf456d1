"""The catalogue ranked for many queries, on all cores; `ranking_scores` says what one core does.

The catalogue is packed one slab of bounded size at a time, and every query is scored against a slab
before the next one is packed. So a catalogue of millions of items is never copied as a whole. Short
lists are kept in heaps while scores are computed; a slab is then packed in the order of the items'
norms (`ranking_sort`), so that most of the products need not be formed. For long lists
the scores of a few queries with a slab are kept and sorted.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from halfstep.kernels.cpu import ranking_auc, ranking_scores
from halfstep.kernels.cpu.border import check_length, check_pair, check_rows, check_within
from halfstep.kernels.cpu.ranking_sort import (
    Columns,
    in_item_order,
    is_long,
    lengths_of,
    longest_first,
    merged,
)
from halfstep.kernels.cpu.threads import cores, spread
from halfstep.kernels.cpu.vectors import lanes
from halfstep.types import Floats, Integers

SLAB_BYTES = 64 << 20
_BLOCK = 128
# With fewer queries than this, ordering the items costs more than the products that it saves.
_WORTH_AN_ORDER = 256
_PACKED_TOGETHER = 64
_FINISHED = 1 << 13
# The scores of W queries that a thread keeps for a sort then take 16 MB at most.
_KEPT_TOGETHER = 1 << 17


class Lists(NamedTuple):
    """The CSR structure of a list of items per row: ascending, without repetition."""

    indptr: npt.NDArray[np.int64]
    indices: Integers


def no_lists(rows: int) -> Lists:
    """Return the structure in which all rows are empty."""
    return Lists(np.zeros(rows + 1, np.int64), np.empty(0, np.int32))


def rank(
    X: Floats,
    Y: Floats,
    queries: npt.NDArray[np.int64],
    k: int,
    *,
    excluded: Lists,
    lists: npt.NDArray[np.int64] | None = None,
    held_out: Lists | None = None,
    chosen: npt.NDArray[np.int64] | None = None,
    without: Integers | None = None,
    scale: Floats | None = None,
    slab_bytes: int = SLAB_BYTES,
    num_threads: int = 0,
    bounded: bool | None = None,
) -> tuple[npt.NDArray[np.int32], Floats, npt.NDArray[np.int64]]:
    """Return each query's k best items, their scores, and its count of pairs for the AUC.

    Parameters
    ----------
    X, Y
        (rows, f) and (items, f), one dtype. Of arrays that are read-only or not C-contiguous, a slab is
        copied at a time, and so the loops are not compiled for each kind.
    queries
        (m,) rows of X.
    excluded, held_out
        Items to leave out of a query's ranking; and held-out items, which are ranked and with which
        all items are compared for the AUC.
    lists
        (m,) each query's row of `excluded` and `held_out`; None for 0 to m - 1. With `held_out` it must
        be the query's row of X.
    chosen
        Ascending items to rank; None for all. Item numbers, in arguments and results, are then places
        in `chosen`.
    without
        Ascending items to leave out for all queries.
    scale
        (items,) factor on each item's score.
    slab_bytes
        The largest size of the packed copy, in bytes; one panel is packed even if it is larger.
    num_threads
        0 for all cores.
    bounded
        Whether to leave out products that cannot change the result; None to decide by the number of
        queries and by the norms. The result is the same.

    Returns
    -------
    items (m, k) int32, scores (m, k), pairs (m,) int64
        Best first, and of equal scores the lower item first; places that no item fills hold -1 and
        -inf. `pairs` is as in `ranking_auc`, and empty without `held_out`.

    Raises
    ------
    ValueError
        Arrays of lengths that do not fit each other, or places beyond an array.
    """
    check_pair(X, Y)
    m, f = len(queries), X.shape[1]
    n = len(Y) if chosen is None else len(chosen)
    dtype = X.dtype
    places = np.arange(m, dtype=np.int64) if lists is None else lists
    W = 2 * lanes(dtype.itemsize)
    threads = cores(num_threads)
    best = np.full((m, k), -np.inf, dtype)
    items = np.full((m, k), -1, np.int32)
    pairs = np.zeros(0 if held_out is None else m, np.int64)
    held_indptr = np.zeros(1, np.int64) if held_out is None else held_out.indptr
    held_scores = np.empty(0, dtype)
    left_out = np.empty(0, np.int64) if without is None else without.astype(np.int64)
    order = np.empty(0, np.int64) if chosen is None else chosen
    factor = np.empty(0, dtype) if scale is None else scale
    _check(X, Y, queries, places, excluded, order, factor if scale is not None else None)
    long = is_long(k, n)
    blocks = _blocks(m, threads, W, W if long else _BLOCK)
    if held_out is not None:
        held_scores = _score_held_out(X, Y, [queries[part] for part in blocks], held_out, threads)
    slab = max(1, slab_bytes // (W * f * dtype.itemsize)) * W
    if long:
        slab = min(slab, _KEPT_TOGETHER)
    panels = np.empty(-(-min(slab, n) // W) * W * f, dtype)

    if bounded is None:
        bounded = m >= _WORTH_AN_ORDER
    bounded = bounded and not long
    lengths = lengths_of(X) if bounded else np.ones(len(X))

    nowhere = np.empty((0, 0), dtype)
    found = np.zeros(m if long else 0, np.int64)  # of a long list, how many items it has so far
    strip = ranking_scores.STRIP
    scratch_size = ranking_scores.TOGETHER * (strip + ranking_scores.APART)

    def prepare() -> tuple[Floats, Floats, Floats]:
        kept = np.empty((W, min(slab, n)), dtype) if long else nowhere
        return np.empty(f * _BLOCK, dtype), np.empty(scratch_size, dtype), kept

    for first in range(0, n, slab):
        count = min(slab, n - first)
        rows = Y[first : first + count] if chosen is None else Y
        part_of_order = order[first : first + count] if len(order) else order
        part_of_factor = factor[first : first + count] if chosen is None else factor
        if not _plain(Y):
            rows = np.array(rows[part_of_order] if len(order) else rows, order="C")
            part_of_factor = factor[part_of_order] if len(order) and len(factor) else part_of_factor
            part_of_order = order[:0]
        columns = in_item_order(count, strip)
        if bounded:
            columns = longest_first(rows, part_of_order, part_of_factor, strip)
        if len(columns.places):
            places_ = columns.places.astype(np.int64)
            part_of_order = part_of_order[places_] if len(part_of_order) else places_
        ids = columns.places.astype(np.int32) + np.int32(first)
        _pack(rows, part_of_order, part_of_factor, panels, -(-count // W), threads)

        def run(
            part: slice,
            scratch: tuple[Floats, Floats, Floats],
            first: int = first,
            count: int = count,
            ids: npt.NDArray[np.int32] = ids,
            columns: Columns = columns,
        ) -> None:
            heaps = best[part], items[part]
            if long:
                heaps = best[part][:, :0].copy(), items[part][:, :0].copy()
            asked = _asked(X, queries[part])
            lengths_asked = lengths if asked[0] is X else lengths[queries[part]]
            ranking_scores.rank_block(
                *asked, panels, ids, columns.place_of, first, count, places[part], *excluded, left_out,
                held_indptr, held_scores, *heaps, pairs[part], lengths_asked, columns.reach, *scratch,
            )  # fmt: skip
            if long:
                for q, row in zip(range(m)[part], scratch[-1], strict=False):
                    have = found[q]
                    ids, values = merged(best[q, :have], items[q, :have], row[:count], first, k)
                    found[q] = have = len(ids)
                    items[q, :have], best[q, :have] = ids, values

        spread(blocks, threads, prepare, run)
    if not long:

        def finish(part: slice, _: None) -> None:
            ranking_scores.finish(best, items, part.start, min(part.stop, m))

        spread(_blocks(m, threads, W, _FINISHED), threads, lambda: None, finish)
    return items, best, pairs


def held_out_scores(
    X: Floats,
    Y: Floats,
    queries: npt.NDArray[np.int64],
    held_out: Lists,
    num_threads: int = 0,
) -> Floats:
    """Return the scores of the queries' held-out items, each row's ascending; (entries of `held_out`,).

    They are exactly those that `rank` compares. Of rows that are no query's the scores mean nothing.
    """
    check_pair(X, Y)
    _check(X, Y, queries, queries, held_out)
    threads = cores(num_threads)
    blocks = [queries[part] for part in _blocks(len(queries), threads, 2 * lanes(X.itemsize))]
    return _score_held_out(X, Y, blocks, held_out, threads)


def _check(
    X: Floats,
    Y: Floats,
    queries: npt.NDArray[np.int64],
    places: npt.NDArray[np.int64],
    lists: Lists,
    chosen: npt.NDArray[np.int64] | None = None,
    scale: Floats | None = None,
) -> None:
    check_within("queries", queries, len(X))
    check_length("lists", places, len(queries))
    check_rows("excluded", lists.indptr, len(lists.indices))
    check_within("lists", places, len(lists.indptr) - 1)
    if chosen is not None:
        check_within("chosen", chosen, len(Y))
    if scale is not None:
        check_length("scale", scale, len(Y))


def _plain(array: Floats) -> bool:
    """Return whether an array is of the kind that the loops are compiled for."""
    return array.flags.c_contiguous and array.flags.writeable


def _asked(X: Floats, queries: npt.NDArray[np.int64]) -> tuple[Floats, npt.NDArray[np.int64]]:
    """Return an array of the loops' kind that has the rows `queries` of X, and their rows in it."""
    return (X, queries) if _plain(X) else (X[queries], np.arange(len(queries)))


def _score_held_out(
    X: Floats, Y: Floats, blocks: list[npt.NDArray[np.int64]], held_out: Lists, threads: int
) -> Floats:
    check_rows("held_out", held_out.indptr, len(held_out.indices))
    used = slice(held_out.indptr[0], held_out.indptr[-1])
    check_within("held_out", held_out.indices[used], len(Y))
    check_within("lists", np.concatenate(blocks), len(held_out.indptr) - 1) if blocks else None
    scores = np.empty(len(held_out.indices), X.dtype)

    def run(users: npt.NDArray[np.int64], _: None) -> None:
        ranking_auc.score_held_out(X, Y, users, *held_out, scores)

    spread(blocks, threads, lambda: None, run)
    return scores


def _pack(
    rows: Floats,
    chosen: npt.NDArray[np.int64],
    scale: Floats,
    panels: Floats,
    count: int,
    threads: int,
) -> None:
    def run(first: int, _: None) -> None:
        last = min(first + _PACKED_TOGETHER, count)
        ranking_scores.pack(rows, chosen, scale, panels, first, last)

    spread(range(0, count, _PACKED_TOGETHER), threads, lambda: None, run)


def _blocks(m: int, threads: int, W: int, most: int = _BLOCK) -> list[slice]:
    """Return runs of queries, multiples of W long, of which a thread takes one at a time."""
    size = min(most, max(W, -(-m // (threads * W)) * W))
    return [slice(start, start + size) for start in range(0, m, size)]
