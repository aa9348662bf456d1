"""The best items of each query on the device, and how held-out items rank among all.

Arguments and results are device arrays. No matrix of scores is stored: results have k numbers per query.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from halfstep.errors import InputError
from halfstep.kernels.cuda.backend import Backend
from halfstep.kernels.cuda.catalogue import (
    COARSE,
    COARSE_QUERIES,
    coarse_defines,
    ranking_defines,
    topk_defines,
)
from halfstep.kernels.device.options import enabled

_THREADS = 256
_SLICE, _ITEMS = 16, 128
_LINE_PADDING = 4  # values at the end of a line of shared memory, against bank conflicts
# Of the coarse kernel: items of a tile, columns of the bound and one that is empty, items of a query
# that wait to be scored, threads of a block that makes copies, and threads that have registers.
_TILE, _BOUND, _WAITING, _HALVING, _RESIDENT = 64, 4, 32, 128, 512
LONGEST_LIST = 896  # the candidates of eight queries then take 96 KB of shared memory in float64


class Rows(NamedTuple):
    """A CSR structure on the device, one row per query: `indptr` int64, `indices` int32, ascending."""

    indptr: Any
    indices: Any


def device_top_k(
    backend: Any,
    X: Any,
    Y: Any,
    k: int,
    *,
    rows: Any = None,
    scale: Any = None,
    allowed: Any = None,
    liked: Rows | None = None,
) -> tuple[Any, Any]:
    """Return the k items with the highest scores for each query, ties by ascending index.

    With the option `coarse-top-k`, factors in float32 and compute capability 8.0, most items are passed
    over by a coarse score in float16; ids and scores are the same to the bit.

    Parameters
    ----------
    X, Y
        (·, f) and (items, f), C-contiguous device arrays of one dtype.
    rows
        (queries,) int32, the queries' rows of X; None for all rows.
    scale
        (items,) factor on each item's score.
    allowed
        (items,) uint8, 0 for an item to leave out for all queries.
    liked
        Items to leave out, per query.

    Returns
    -------
    ids, scores
        Device arrays (queries, k), int32 and the factors' dtype; -1 and -inf where fewer than k items
        are left.

    Raises
    ------
    InputError
        `k` is above LONGEST_LIST.
    ValueError
        X and Y are not matrices of one width and type, or `scale` or `allowed` is not as long as Y.
    """
    # A kernel gets pointers, and reads as far as it is told.
    if not (len(X.shape) == len(Y.shape) == 2 and (X.shape[1], X.dtype) == (Y.shape[1], Y.dtype)):
        raise ValueError(
            "X and Y must be matrices of one width and type, "
            f"got {X.shape} {X.dtype} and {Y.shape} {Y.dtype}"
        )
    if any(each is not None and each.shape != Y.shape[:1] for each in (scale, allowed)):
        raise ValueError(f"scale and allowed must have a number for each item, {len(Y)}")
    if k > LONGEST_LIST:
        raise InputError(f"N must be at most {LONGEST_LIST} on a GPU, got {k}")
    queries, (items, f) = len(X) if rows is None else len(rows), Y.shape
    ids = backend.empty((queries, k), np.int32)
    scores = backend.empty((queries, k), X.dtype)
    if min(queries, items, k) == 0:
        return ids, scores
    chosen = (scale, allowed, *(liked or Rows(None, None)))
    together = coarse_group(backend, queries, f) if _coarse(backend, X) else 0
    if together:
        blocks = -(-queries // together)
        halves = _halves(backend, X, Y, rows, scale, queries, together)
        waiting = backend.empty((blocks * together, _WAITING), np.int32)
        backend.launch(
            COARSE, "top_k_coarse", coarse_defines(together), (blocks,), (together,),
            (
                X, Y, rows, *chosen, *halves, np.int32(queries), np.int32(items), np.int32(f),
                np.int32(f), np.int32(coarse_line(f)), np.int32(k), waiting, ids, scores,
            ),
            shared_mem=coarse_shared(together, f),
        )  # fmt: skip
        return ids, scores
    capacity = max(256, 1 << int(k + _ITEMS - 1).bit_length())
    group, shared = grouping(X.dtype, capacity, backend.shared_limit)
    # One block of eight warps per group of queries; each warp has an equal share of the group.
    backend.launch(
        "topk.cu",
        "top_k",
        topk_defines(X.dtype, group, capacity),
        (-(-queries // group),),
        (_THREADS,),
        (
            X, Y, rows, *chosen, np.int32(queries), np.int32(items), np.int32(f), np.int32(f),
            np.int32(k), ids, scores,
        ),
        shared_mem=shared,
    )  # fmt: skip
    return ids, scores


class Ranked(NamedTuple):
    """How held-out items rank for each query; device arrays, k as in `device_ranking`.

    `ids` (queries, k) int32 are the best unseen items, `scores` (queries, k) theirs, and `hits`
    (queries, k) uint8 whether they are held out. `wins` (queries,) int64 is as in `device_pairs`, and
    `held_out_scores` (entries of `held_out`,) has the score of each held-out item.
    """

    ids: Any
    scores: Any
    hits: Any
    wins: Any
    held_out_scores: Any


def device_ranking(
    backend: Any, X: Any, Y: Any, rows: Any, seen: Rows, held_out: Rows, k: int, entries: int
) -> Ranked:
    """Rank the catalogue for the users `rows`, and compare it with their held-out items.

    Parameters
    ----------
    X, Y
        (users, f) and (items, f) device arrays.
    rows
        (queries,) int32 users; row q of `seen` and of `held_out` belongs to user rows[q].
    entries
        Stored entries of `held_out`.
    """
    queries = len(rows)
    ids, scores = device_top_k(backend, X, Y, k, rows=rows, liked=seen)
    hits = backend.empty((queries, k), np.uint8)
    group, _ = grouping(X.dtype, 0, backend.shared_limit)
    backend.launch(
        "ranking.cu", "find_hits", ranking_defines(X.dtype, group),
        (-(-queries * k // _THREADS),), (_THREADS,),
        (ids, *held_out, np.int32(queries), np.int32(k), hits),
    )  # fmt: skip
    wins, plain = device_pairs(backend, X, Y, rows, seen, held_out, entries)
    return Ranked(ids, scores, hits, wins, plain)


def device_pairs(
    backend: Any, X: Any, Y: Any, rows: Any, seen: Rows, held_out: Rows, entries: int
) -> tuple[Any, Any]:
    """Compare the catalogue with the held-out items of the users `rows`, as in `device_ranking`.

    Returns
    -------
    wins, scores
        (queries,) int64, twice the number of pairs of a held-out item and a negative in the right order,
        where a tie counts once; and (entries,) the score of each held-out item.
    """
    queries, (items, f) = len(rows), Y.shape
    wins = backend.empty(queries, np.int64)
    plain, ascending = (backend.empty(entries, X.dtype) for _ in range(2))
    group, shared = grouping(X.dtype, 0, backend.shared_limit)
    defines = ranking_defines(X.dtype, group)
    shape = (np.int32(f), np.int32(f))
    backend.launch(
        "ranking.cu", "score_held_out", defines, (queries,), (_THREADS,),
        (X, Y, rows, *held_out, *shape, plain, ascending),
    )  # fmt: skip
    backend.launch(
        "ranking.cu", "count_pairs", defines, (-(-queries // group),), (_THREADS,),
        (X, Y, rows, *seen, *held_out, ascending, np.int32(queries), np.int32(items), *shape, wins),
        shared_mem=shared,
    )  # fmt: skip
    return wins, plain


def coarse_line(f: int) -> int:
    """Return the numbers of a row's copy in float16: its factors, and the columns of the bound."""
    return -(-(f + _BOUND) // 16) * 16


def coarse_shared(queries: int, f: int) -> int:
    """Return the bytes of shared memory of a block for so many queries, two tiles of items beside."""
    return (queries + 2 * _TILE) * (coarse_line(f) + 8) * 2


def coarse_group(backend: Backend, queries: int, f: int) -> int:
    """Return how many queries a block of the coarse kernel takes, 0 where none has room.

    As many as a multiprocessor holds at once, in one block or, which do not wait for each other, in two:
    each block reads the copies of all items. But not so many that a multiprocessor is left without one.
    """
    limit = backend.shared_limit

    def resident(group: int) -> int:
        blocks = (limit + 1024) // (coarse_shared(group, f) + 1024)  # the system takes 1 KB a block
        return min(blocks, _RESIDENT // group) * group

    fitting = [group for group in COARSE_QUERIES if coarse_shared(group, f) <= limit]
    busy = [group for group in fitting if -(-queries // group) >= backend.sm_count()]
    return max(busy, default=min(fitting, default=0), key=lambda group: (resident(group), group))


def _coarse(backend: Backend, X: Any) -> bool:
    """Return whether most items may be passed over by a coarse score, which changes no list."""
    return enabled("coarse-top-k") and X.dtype == np.float32 and backend.capability >= 80


def _halves(
    backend: Backend, X: Any, Y: Any, rows: Any, scale: Any, queries: int, together: int
) -> tuple[Any, Any, Any, Any]:
    """Return copies in float16 of queries and items with their powers of two, in that order.

    There are rows enough for whole blocks of `together` queries and whole tiles of items. They take
    2 `coarse_line(f)` bytes a query and item: 288 at f = 128, 46 MB for 160,000 items.
    """
    items, f = Y.shape
    wide = coarse_line(f)
    blocks = -(-queries // together)
    x_blocks, y_blocks = -(-blocks * together // _TILE), -(-items // _TILE)
    x_copies = backend.empty((x_blocks * _TILE, wide), np.float16)
    y_copies = backend.empty((y_blocks * _TILE, wide), np.float16)
    x_units = backend.empty(x_blocks * _TILE, np.float32)
    y_units = backend.empty(y_blocks, np.float32)
    shape = (np.int32(f), np.int32(f), np.int32(wide))
    defines = coarse_defines(together)
    backend.launch(
        COARSE, "halve_queries", defines, (x_blocks,), (_HALVING,),
        (X, rows, np.int32(queries), *shape, x_copies, x_units),
    )  # fmt: skip
    backend.launch(
        COARSE, "halve_items", defines, (y_blocks,), (_HALVING,),
        (Y, scale, np.int32(items), *shape, y_copies, y_units),
    )  # fmt: skip
    return x_copies, x_units, y_copies, y_units


def grouping(dtype: Any, capacity: int, limit: int) -> tuple[int, int]:
    """Return how many queries a block takes, at most 32, and its shared memory in bytes.

    Two blocks share a multiprocessor where a block has at most 80 KB. `limit` is what one may have.
    """
    size = np.dtype(dtype).itemsize
    for group in (32, 16, 8):
        shared = _SLICE * (group + _ITEMS + 2 * _LINE_PADDING) * size + group * capacity * (
            size + 4
        )
        if shared <= min(80 * 1024, limit) or group == 8:
            return group, shared
    raise AssertionError
