"""The best items of each query on the device, and how held-out items rank among all.

Arguments and results are device arrays. No matrix of scores is stored: results have k numbers per query.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from halfstep.errors import InputError
from halfstep.kernels.cuda.catalogue import ranking_defines, topk_defines

_THREADS = 256
_SLICE, _ITEMS = 16, 128
_LINE_PADDING = 4  # values at the end of a line of shared memory, against bank conflicts
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
    """
    if k > LONGEST_LIST:
        raise InputError(f"N must be at most {LONGEST_LIST} on a GPU, got {k}")
    queries, (items, f) = len(X) if rows is None else len(rows), Y.shape
    ids = backend.empty((queries, k), np.int32)
    scores = backend.empty((queries, k), X.dtype)
    if min(queries, items, k) == 0:
        return ids, scores
    capacity = max(256, 1 << int(k + _ITEMS - 1).bit_length())
    group, shared = _grouping(X.dtype, capacity)
    # One block of eight warps per group of queries; each warp has an equal share of the group.
    backend.launch(
        "topk.cu",
        "top_k",
        topk_defines(X.dtype, group, capacity),
        (-(-queries // group),),
        (_THREADS,),
        (
            X, Y, rows, scale, allowed, *(liked or Rows(None, None)), np.int32(queries),
            np.int32(items), np.int32(f), np.int32(f), np.int32(k), ids, scores,
        ),
        shared_mem=shared,
    )  # fmt: skip
    return ids, scores


def device_ranking(
    backend: Any, X: Any, Y: Any, rows: Any, seen: Rows, held_out: Rows, k: int, entries: int
) -> tuple[Any, Any, Any]:
    """Rank the catalogue for the users `rows`, and compare it with their held-out items.

    Parameters
    ----------
    X, Y
        (users, f) and (items, f) device arrays.
    rows
        (queries,) int32 users; row q of `seen` and of `held_out` belongs to user rows[q].
    entries
        Stored entries of `held_out`.

    Returns
    -------
    ids, hits, wins
        (queries, k) int32, the best unseen items; (queries, k) uint8, whether each is held out; and
        (queries,) int64, twice the number of pairs of a held-out item and a negative in the right
        order, where a tie counts once.
    """
    queries, (items, f) = len(rows), Y.shape
    ids, _ = device_top_k(backend, X, Y, k, rows=rows, liked=seen)
    hits = backend.empty((queries, k), np.uint8)
    wins = backend.empty(queries, np.int64)
    plain, ascending = (backend.empty(entries, X.dtype) for _ in range(2))
    group, shared = _grouping(X.dtype, 0)
    defines = ranking_defines(X.dtype, group)
    shape = (np.int32(f), np.int32(f))
    backend.launch(
        "ranking.cu", "find_hits", defines, (-(-queries * k // _THREADS),), (_THREADS,),
        (ids, *held_out, np.int32(queries), np.int32(k), hits),
    )  # fmt: skip
    backend.launch(
        "ranking.cu", "score_held_out", defines, (queries,), (_THREADS,),
        (X, Y, rows, *held_out, *shape, plain, ascending),
    )  # fmt: skip
    backend.launch(
        "ranking.cu", "count_pairs", defines, (-(-queries // group),), (_THREADS,),
        (X, Y, rows, *seen, *held_out, ascending, np.int32(queries), np.int32(items), *shape, wins),
        shared_mem=shared,
    )  # fmt: skip
    return ids, hits, wins


def _grouping(dtype: Any, capacity: int) -> tuple[int, int]:
    """Return how many queries a block takes, at most 32, and its shared memory in bytes."""
    size = np.dtype(dtype).itemsize
    for group in (32, 16, 8):
        shared = _SLICE * (group + _ITEMS + 2 * _LINE_PADDING) * size + group * capacity * (
            size + 4
        )
        if shared <= 80 * 1024 or group == 8:
            return group, shared
    raise AssertionError
