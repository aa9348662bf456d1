"""Answer a query: apply its filters, select the N best candidates, mask the ends of short lists."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from scipy import sparse

from halfstep.blas import blas_threads
from halfstep.errors import InputError
from halfstep.solvers.inputs import as_ids, check_integers, within
from halfstep.solvers.model.top_k import top_k
from halfstep.types import Floats, Integers


class Query(NamedTuple):
    """What the caller of `recommend`, `similar_items` or `similar_users` asks for.

    Attributes
    ----------
    single
        Whether the caller gave one index rather than a list; the answer is then one list.
    N
        The number of candidates to return.
    among, without
        Ids to choose among, and ids to leave out; None for no such filter.
    what
        What the candidates are: "items" or "users".
    num_threads
        0 for all cores.
    select
        The function that selects the best candidates: `halfstep.solvers.model.top_k.top_k`, or its
        equivalent on a device.
    """

    single: bool
    N: int
    among: npt.ArrayLike | None
    without: npt.ArrayLike | None
    what: str
    num_threads: int
    select: Callable[..., tuple[Integers, Floats]] = top_k


def answer(
    query: Query,
    vectors: Floats,
    candidates: Floats,
    *,
    excluded: sparse.csr_matrix | None = None,
    scale: Floats | None = None,
) -> tuple[Integers, Floats]:
    """Return the ids and scores of the best candidates.

    Parameters
    ----------
    vectors
        (m, f), one for each index of the query; a score is the dot product with a candidate's factors.
    candidates
        (n, f) factors of all candidates.
    excluded, scale
        As in `top_k`.

    Returns
    -------
    ids, scores
        (k,) for a single query. (m, N) for a list, where a row with fewer than N candidates ends in id
        -1 and score -inf.
    """
    check_integers({"N": query.N}, N=1)
    N = int(query.N)
    among, without, dtype = _subset(query, len(candidates))
    threads = int(query.num_threads)
    with blas_threads(threads or None):
        indices, best = query.select(
            vectors,
            candidates,
            N,
            scale=scale,
            excluded=excluded,
            among=among,
            without=without,
            num_threads=threads,
        )
    if query.single:
        ids, scores = indices[0].astype(dtype, copy=False), best[0]
        if len(ids) and ids[-1] < 0:
            there = ids >= 0
            ids, scores = ids[there], scores[there]
        return ids, scores
    k = indices.shape[1]
    ids = np.full((len(vectors), N), -1, dtype)
    scores = np.full((len(vectors), N), -np.inf, best.dtype)
    ids[:, :k], scores[:, :k] = indices, best
    return ids, scores


def nearest(
    query: Query, vectors: Floats, candidates: Floats, scale: Floats
) -> tuple[Integers, Floats]:
    """Return the candidates of highest cosine and their cosines, in the shapes of `answer`.

    `scale` (n,) is 1 / the Euclidean norms of the candidates.
    """
    lengths = np.sqrt(np.vecdot(vectors, vectors))
    lengths[lengths == 0] = 1
    return answer(query, vectors / lengths[:, None], candidates, scale=scale)


def _subset(
    query: Query, candidates: int
) -> tuple[Integers | None, Integers | None, npt.DTypeLike]:
    """Return the ids to choose among and to leave out, ascending, or None; and the dtype of the answer.

    Raises InputError if the query has both filters.
    """
    among: Any = query.among  # an array once it has been read
    without, name = query.without, f"filter_{query.what}"
    filtered = None
    if without is not None and np.size(without):
        if among is not None:
            raise InputError(f"{name} and {query.what} exclude each other, got both")
        filtered = _unique(within(as_ids(without, name)[1], candidates, name))
    if among is None:
        return None, filtered, np.int32
    if not isinstance(among, np.ndarray):
        with suppress(ValueError):  # lists of unequal lengths, which `as_ids` refuses
            among = np.asarray(among)
    ids = _unique(within(as_ids(among, query.what)[1], candidates, query.what))
    signed = isinstance(among, np.ndarray) and among.dtype.kind == "i"
    return ids, None, among.dtype if signed else np.int64


def _unique(ids: Integers) -> Integers:
    """Return the ids ascending and once each; filters are often so already."""
    return ids if (ids[1:] > ids[:-1]).all() else np.unique(ids)
