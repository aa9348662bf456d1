"""Select the N best candidates for each query, without storing the scores of all queries at once.

Many queries go through `halfstep.kernels.cpu.ranking`, which computes and selects scores block by block
in one compiled loop, so that they stay in the cache. A few queries, or few candidates, take one matrix
product and one partition instead. This path packs nothing. One query, long lists and up to 2^18 scores
run in NumPy alone and compile nothing, so that even the first query for a single user takes a fraction
of a millisecond.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy import sparse

from halfstep.kernels.cpu.ranking_sort import best_of, is_long
from halfstep.types import Floats, Integers

# With fewer queries than this, packing the candidates costs more than the matrix product.
_FEW_QUERIES = 32
# NumPy partitions this number of scores in a millisecond or two.
_FEW_SCORES = 1 << 18
_SCORE_BYTES = 32 << 20


def top_k(
    queries: Floats,
    candidates: Floats,
    N: int,
    *,
    scale: Floats | None = None,
    excluded: sparse.csr_matrix | None = None,
    among: Integers | None = None,
    without: Integers | None = None,
    num_threads: int = 0,
    few: bool | None = None,
) -> tuple[npt.NDArray[np.int32], Floats]:
    """Return the N candidates of highest score for each query, best first.

    Parameters
    ----------
    queries, candidates
        (m, f) and (n, f); the score is their dot product.
    N
        At least 0.
    scale
        (n,) factor by which each candidate's score is multiplied, or None.
    excluded
        (m, n), columns sorted: candidate j is not returned for query i if entry (i, j) is stored. None
        excludes nothing.
    among
        Ascending indices of the candidates to choose among. None stands for all.
    without
        Ascending indices of candidates to return for no query, or None.
    num_threads
        0 for all cores.
    few
        What `are_few` says of a larger set of queries and candidates, where these are a part of it: the
        scores then have the bits that they have in the whole. None for a set that stands alone.

    Returns
    -------
    indices (m, k) int32, scores (m, k)
        k = min(N, candidates in `among` and not in `without`). Equal scores come in ascending order of
        their indices. Where a query has fewer than k candidates left, its row ends in index -1 and
        score -inf.
    """
    m, n = len(queries), len(candidates)
    among, without, left = _offered(n, among, without)
    k = min(N, left)
    if m == 1 and few is not False:
        return _one(queries[0], candidates, k, scale, excluded, among, without)
    if among is not None:
        if excluded is not None:
            excluded = excluded[:, among]
        if without is not None:
            without = np.searchsorted(among, np.intersect1d(among, without))
    if are_few(m, n) if few is None else few:
        indices, best = _few(queries, candidates, k, scale, excluded, among, without)
    else:
        indices, best = _many(queries, candidates, k, scale, excluded, among, without, num_threads)
    if among is not None and len(among):
        indices = np.where(indices < 0, -1, among[indices]).astype(np.int32)
    return indices, best


def are_few(m: int, n: int) -> bool:
    """Return whether m queries of n candidates take one matrix product, and not the compiled loop.

    The loop adds up a score in one order whatever else it ranks; a matrix product need not.
    """
    return m * n <= _FEW_SCORES or m < _FEW_QUERIES


def _offered(
    n: int, among: Integers | None, without: Integers | None
) -> tuple[Integers | None, Integers | None, int]:
    """Return the filters in the cheaper form, and the number of candidates that they leave."""
    left = n if among is None else len(among)
    if without is None:
        return among, None, left
    if 2 * len(without) > n:
        among = np.setdiff1d(np.arange(n) if among is None else among, without)
        return among, None, len(among)
    gone = without if among is None else np.intersect1d(among, without)
    return among, without, left - len(gone)


def _one(
    x: Floats,
    candidates: Floats,
    k: int,
    scale: Floats | None,
    excluded: sparse.csr_matrix | None,
    among: Integers | None,
    without: Integers | None,
) -> tuple[npt.NDArray[np.int32], Floats]:
    """Return indices and scores (1, k) for one query (f,), with as few calls as it takes.

    A user's list from 4,000 items takes some 60 us, half of which is the product. Each call of NumPy or
    SciPy on small arrays takes 1 to 20 us.
    """
    if among is not None:
        candidates = candidates[among]
        scale = None if scale is None else scale[among]
    scores = candidates @ x
    if scale is not None:
        scores *= scale
    liked = None if excluded is None else excluded.indices[: excluded.indptr[-1]]
    for gone in (liked, without):
        if gone is not None:
            scores[gone if among is None else _places(among, gone)] = -np.inf
    order, found = best_of(scores, k)
    left = len(order)
    ids = order if among is None else among[order]
    if left == k:
        return ids.astype(np.int32)[None], found[None]
    indices = np.full((1, k), -1, np.int32)
    best = np.full((1, k), -np.inf, scores.dtype)
    indices[0, :left], best[0, :left] = ids, found
    return indices, best


def _places(among: Integers, ids: Integers) -> Integers:
    """Return the places in the ascending `among` of those of `ids` that it has."""
    places = among.searchsorted(ids)
    inside = places < len(among)
    places = places[inside]
    there: Integers = places[among[places] == ids[inside]]
    return there


def _many(
    queries: Floats,
    candidates: Floats,
    k: int,
    scale: Floats | None,
    excluded: sparse.csr_matrix | None,
    among: Integers | None,
    without: Integers | None,
    num_threads: int,
) -> tuple[npt.NDArray[np.int32], Floats]:
    """Return indices and scores by the compiled kernel; `excluded` has the columns of `among`."""
    from halfstep.kernels.cpu.ranking import Lists, no_lists, rank

    m = len(queries)
    lists = no_lists(m)
    if excluded is not None:
        lists = Lists(excluded.indptr.astype(np.int64), excluded.indices)
    indices, best, _ = rank(
        np.ascontiguousarray(queries),
        candidates,
        np.arange(m, dtype=np.int64),
        k,
        excluded=lists,
        chosen=None if among is None else among.astype(np.int64),
        without=without,
        scale=None if scale is None else scale.astype(queries.dtype),
        num_threads=num_threads,
    )
    return indices, best


def _few(
    queries: Floats,
    candidates: Floats,
    k: int,
    scale: Floats | None,
    excluded: sparse.csr_matrix | None,
    among: Integers | None,
    without: Integers | None,
) -> tuple[npt.NDArray[np.int32], Floats]:
    """Return indices (places in `among`, where it is given) and scores, without packing."""
    if among is not None:
        candidates = candidates[among]
        scale = None if scale is None else scale[among]
    m, n = len(queries), len(candidates)
    indices = np.full((m, k), -1, np.int32)
    best = np.full((m, k), -np.inf, queries.dtype)
    step = max(1, _SCORE_BYTES // (max(1, n) * queries.itemsize))
    for start in range(0, m, step):
        stop = min(start + step, m)
        scores = queries[start:stop] @ candidates.T
        if scale is not None:
            scores *= scale
        if excluded is not None:
            _leave_out(scores, excluded, start)
        if without is not None:
            scores[:, without] = -np.inf
        if scores.size <= _FEW_SCORES or is_long(k, n):
            for row, values in enumerate(scores, start):
                order, found = best_of(values, k)
                indices[row, : len(order)], best[row, : len(order)] = order, found
        else:
            from halfstep.kernels.cpu.ranking_select import select_rows

            select_rows(np.ascontiguousarray(scores), best[start:stop], indices[start:stop])
    return indices, best


def _leave_out(scores: Floats, excluded: sparse.csr_matrix, start: int) -> None:
    """Write -inf over the scores of what `excluded` stores in the rows from `start` on."""
    lines = excluded.indptr[start : start + len(scores) + 1]
    columns = excluded.indices[lines[0] : lines[-1]]
    row = np.repeat(np.arange(len(scores)), np.diff(lines))
    scores[row, columns] = -np.inf
