"""From scores to the ids and scores that a query returns: filters, the best N, masked tails."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from scipy import sparse

from halfstep.blas import blas_threads
from halfstep.errors import InputError
from halfstep.solvers.inputs import as_ids, check_integers, norms, within
from halfstep.solvers.model.top_k import top_k
from halfstep.types import Floats, Integers


class Asked(NamedTuple):
    """What a query wants of the candidates, as its caller gave it.

    Attributes
    ----------
    single
        One query was asked for, not a list of them.
    N
        How many.
    among, without
        Ids to choose among, or to leave out.
    what
        What the candidates are: "items" or "users".
    num_threads
        0 for all cores.
    select
        What selects the best, `halfstep.solvers.model.top_k.top_k` or a device's equivalent.
    """

    single: bool
    N: int
    among: npt.ArrayLike | None
    without: npt.ArrayLike | None
    what: str
    num_threads: int
    select: Callable[..., tuple[Integers, Floats]] = top_k


def answer(
    asked: Asked,
    queries: Floats,
    candidates: Floats,
    *,
    excluded: sparse.csr_matrix | None = None,
    scale: Floats | None = None,
) -> tuple[Integers, Floats]:
    """Return ids and scores: (k,) for a single query, else (len(queries), N) with masked tails."""
    check_integers({"N": asked.N}, N=1)
    N = int(asked.N)
    chosen, filtered = _subset(asked, len(candidates))
    threads = int(asked.num_threads)
    with blas_threads(threads or None):
        found, best = asked.select(
            queries,
            candidates,
            N,
            scale=scale,
            excluded=excluded,
            among=chosen,
            without=filtered,
            num_threads=threads,
        )
    dtype: np.dtype[Any] = np.dtype(np.int32)
    if asked.among is not None:
        given = np.asarray(asked.among).dtype
        dtype = given if given.kind == "i" else np.dtype(np.int64)
    if asked.single:
        kept = found[0] >= 0
        return found[0][kept].astype(dtype), best[0][kept]
    k = found.shape[1]
    ids = np.full((len(queries), N), -1, dtype)
    scores = np.full((len(queries), N), -np.inf, best.dtype)
    ids[:, :k], scores[:, :k] = found, best
    return ids, scores


def nearest(
    asked: Asked, queries: Floats, candidates: Floats, candidate_norms: Floats
) -> tuple[Integers, Floats]:
    """Return the candidates of highest cosine; `candidate_norms` (n,) are theirs."""
    directions = queries / norms(queries)[:, None]
    return answer(asked, directions, candidates, scale=1 / candidate_norms)


def _subset(asked: Asked, candidates: int) -> tuple[Integers | None, Integers | None]:
    """Return the ids to choose among and those to leave out, ascending, each once; or None."""
    among, without, name = asked.among, asked.without, f"filter_{asked.what}"
    filtered = None
    if without is not None and np.size(without):
        if among is not None:
            raise InputError(f"{name} and {asked.what} exclude each other, got both")
        filtered = np.unique(within(as_ids(without, name)[1], candidates, name))
    if among is None:
        return None, filtered
    return np.unique(within(as_ids(among, asked.what)[1], candidates, asked.what)), None
