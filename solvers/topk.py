"""The N best candidates for each query, a bounded block of scores at a time."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy import sparse

from halfstep.solvers.matrix import Floats, Integers

_SCORE_BYTES = 32 << 20


def top_k(
    queries: Floats,
    candidates: Floats,
    N: int,
    *,
    scale: Floats | None = None,
    excluded: sparse.csr_matrix | None = None,
) -> tuple[npt.NDArray[np.int32], Floats]:
    """Return the N candidates of highest score for each query, best first.

    Parameters
    ----------
    queries, candidates
        (m, f) and (n, f); the score is their dot product.
    N
        At least 0.
    scale
        (n,) factor of each candidate's score, or None.
    excluded
        (m, n): stored entries name candidates that are not to be returned. None excludes nothing.

    Returns
    -------
    indices (m, k) int32, scores (m, k)
        k = min(N, n). Equal scores come in the order of their index. Where fewer than k candidates
        are left, the tail holds index -1 and score -inf.
    """
    m, n = len(queries), len(candidates)
    k = min(N, n)
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
        indices[start:stop], best[start:stop] = _select(scores, k)
    indices[np.isneginf(best)] = -1
    return indices, best


def _select(scores: Floats, k: int) -> tuple[Integers, Floats]:
    """Return the indices and values of each row's k highest scores, ties by lower index."""
    n = scores.shape[1]
    if k == 0:
        return np.empty((len(scores), 0), np.int64), scores[:, :0]
    if k < n:
        # Partitioning alone breaks ties at the k-th place at random: whatever equals the k-th score
        # is kept in index order by taking strictly better ones first.
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
