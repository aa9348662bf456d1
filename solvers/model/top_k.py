"""Select the N best candidates for each query, without storing the scores of all queries at once.

Many queries go through `halfstep.kernels.cpu.ranking`, which computes and selects scores block by block
in one compiled loop, so that they stay in the cache. A few queries, or few candidates, take one matrix
product and one partition instead. This path packs nothing, and for up to 2^18 scores it runs in NumPy
alone and compiles nothing, so that even the first query for a single user takes a fraction of a
millisecond.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy import sparse

from halfstep.types import Floats, Integers

# With fewer queries than this, packing the candidates costs more than the matrix product.
_FEW_QUERIES = 32
# NumPy partitions this number of scores in a millisecond or two.
_FEW_SCORES = 1 << 18
_SCORE_BYTES = 32 << 20
# Scores in a chunk of `_best`, which is used if a row has at least 4 k chunks.
_CHUNK = 64


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

    Returns
    -------
    indices (m, k) int32, scores (m, k)
        k = min(N, candidates in `among` and not in `without`). Equal scores come in ascending order of
        their indices. Where a query has fewer than k candidates left, its row ends in index -1 and
        score -inf.
    """
    m, n = len(queries), len(candidates)
    left = n if among is None else len(among)
    if without is not None and 2 * len(without) > n:
        among, without = np.setdiff1d(np.arange(n) if among is None else among, without), None
        left = len(among)
    elif without is not None:
        gone = without if among is None else np.intersect1d(among, without)
        left -= len(gone)
    k = min(N, left)
    if among is not None:
        if excluded is not None:
            excluded = excluded[:, among]
        if without is not None:
            without = np.searchsorted(among, np.intersect1d(among, without))
    if m * n <= _FEW_SCORES or m < _FEW_QUERIES:
        indices, best = _few(queries, candidates, k, scale, excluded, among, without)
    else:
        indices, best = _many(queries, candidates, k, scale, excluded, among, without, num_threads)
    if among is not None and len(among):
        indices = np.where(indices < 0, -1, among[indices]).astype(np.int32)
    return indices, best


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
    indices = np.empty((m, k), np.int32)
    best = np.empty((m, k), queries.dtype)
    step = max(1, _SCORE_BYTES // (max(1, n) * queries.itemsize))
    for start in range(0, m, step):
        stop = min(start + step, m)
        scores = queries[start:stop] @ candidates.T
        if scale is not None:
            scores *= scale
        if excluded is not None:
            first, last = excluded.indptr[start], excluded.indptr[stop]
            row = np.repeat(np.arange(stop - start), np.diff(excluded.indptr[start : stop + 1]))
            scores[row, excluded.indices[first:last]] = -np.inf
        if without is not None:
            scores[:, without] = -np.inf
        part = slice(start, stop)
        if scores.size <= _FEW_SCORES:
            indices[part], best[part] = _select(scores, k)
        else:
            from halfstep.kernels.cpu.ranking_select import select_rows

            select_rows(np.ascontiguousarray(scores), best[part], indices[part])
    indices[np.isneginf(best)] = -1
    return indices, best


def _select(scores: Floats, k: int) -> tuple[Integers, Floats]:
    """Return the indices and values of each row's k highest scores, ties by lower index."""
    n = scores.shape[1]
    if k == 0 or len(scores) == 0:
        return np.empty((len(scores), k), np.int64), scores[:, :k]
    if k <= n // (4 * _CHUNK):
        rows = [_best(row, k) for row in scores]
        return np.stack([order for order, _ in rows]), np.stack([values for _, values in rows])
    if k < n:
        # A partition breaks ties at the k-th place arbitrarily. So first all scores above the k-th are
        # taken, then as many of the scores equal to it as there is room for, by ascending index.
        threshold = np.partition(scores, n - k, axis=1)[:, n - k]
        order = np.empty((len(scores), k), np.int64)
        for row, (s, limit) in enumerate(zip(scores, threshold, strict=True)):
            better = np.flatnonzero(s > limit)
            ties = np.flatnonzero(s == limit)[: k - len(better)]
            order[row] = np.concatenate([better, ties])
        order.sort(axis=1)
    else:
        order = np.broadcast_to(np.arange(n), (len(scores), k))
    values = np.take_along_axis(scores, order, axis=1)
    by_score = np.argsort(-values, axis=1, kind="stable")
    return np.take_along_axis(order, by_score, axis=1), np.take_along_axis(values, by_score, axis=1)


def _best(scores: Floats, k: int) -> tuple[Integers, Floats]:
    """Return the indices and values of the k highest of many `scores` (n,), ties by lower index.

    The scores are divided into n / 64 chunks. The k-th highest of the chunks' maxima is a lower bound on
    the k-th highest score, so only scores that reach it are sorted. With 20,000 scores this takes a
    quarter of the time of partitioning them all.
    """
    whole = len(scores) // _CHUNK * _CHUNK
    highest = scores[:whole].reshape(_CHUNK, -1).max(axis=0)
    candidates = np.flatnonzero(scores >= np.partition(highest, -k)[-k])
    if len(candidates) < k:  # the bound is NaN, and no comparison with NaN is true
        candidates = np.arange(len(scores))
    values = scores[candidates]
    by_score = np.argsort(-values, kind="stable")[:k]
    return candidates[by_score], values[by_score]
