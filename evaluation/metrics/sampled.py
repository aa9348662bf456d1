"""Rank one held-out item among a few negatives: He et al., "Neural collaborative filtering", WWW 2017.

Many papers report the two metrics of this ranking, hit rate and NDCG. They differ from the metrics of
ranking the whole catalogue, and may order two models the other way round (Krichene and Rendle, KDD
2020): use `halfstep.evaluation.metrics.held_out.evaluate` to decide between models, and this module to
compare with a paper.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from halfstep import defaults
from halfstep.errors import InputError
from halfstep.evaluation.metrics.inputs import (
    Array,
    Indices,
    factor_pair,
    index_array,
    whole_number,
)
from halfstep.evaluation.metrics.judged import free_items, union
from halfstep.evaluation.protocols.draws import (
    Numbers,
    drawn_seed,
    hashed,
    integers_below,
    numbers_in_turn,
)
from halfstep.solvers.fit.start import RandomState
from halfstep.solvers.inputs import as_csr

# Gathered factors of one block of users, in bytes.
BLOCK_BYTES = 32 * 2**20
# Number of users that draw their negatives together.
DRAWN_TOGETHER = 4096


@dataclass(frozen=True)
class SampledEvaluation:
    """The metrics of each user that has a positive item.

    Attributes
    ----------
    users : int64 array, shape (evaluated,)
        The evaluated rows.
    per_user : dict of str to float64 array, shape (evaluated,)
        `rank` (from 0), `hit_rate@k` and `ndcg@k`, each the expected value over the order of ties.
    k : int
        Length of the list.
    """

    users: Indices
    per_user: dict[str, npt.NDArray[np.float64]]
    k: int

    @property
    def hit_rate(self) -> float:
        """Mean of `hit_rate@k` over the evaluated users."""
        return float(self.per_user[f"hit_rate@{self.k}"].mean())

    @property
    def ndcg(self) -> float:
        """Mean of `ndcg@k` over the evaluated users."""
        return float(self.per_user[f"ndcg@{self.k}"].mean())

    def means(self) -> dict[str, float]:
        """Return each metric's mean over the evaluated users."""
        return {name: float(values.mean()) for name, values in self.per_user.items()}


def rank_among_negatives(
    user_factors: Any,
    item_factors: Any,
    positives: Any,
    negatives: Any,
    *,
    k: int = defaults.LIST_LENGTH,
) -> SampledEvaluation:
    """Rank each user's positive item among itself and the user's negatives, best score first.

    At rank r, from 0, hit_rate@k is 1 and ndcg@k is ln 2 / ln(r + 2) if r < k, else both are 0. If t
    negatives have exactly the positive's score and b negatives have a higher score, each rank from b to
    b + t is equally likely, and the metrics are the means over these ranks.

    Parameters
    ----------
    user_factors, item_factors : float32 or float64 arrays, shapes (users, factors), (items, factors)
    positives : integer array, shape (users,)
        Item of each user; -1 leaves the user out.
    negatives : integer array, shape (users, n)
        Items to rank the positive among; -1 means no item. An item that a row repeats counts once, and
        an item that equals the positive does not count.
    k : int
        Length of the list.

    Raises
    ------
    InputError
        Shapes disagree, an index is out of range, a factor or score is NaN or infinite, every positive
        is -1, or `k` is below 1.
    """
    X, Y = factor_pair(user_factors, item_factors)
    length = whole_number("k", k, least=1)
    wanted = index_array("positives", positives, dimensions=1, below=Y.shape[0], least=-1)
    others = index_array("negatives", negatives, dimensions=2, below=Y.shape[0], least=-1)
    for name, rows in (("positives", wanted.shape[0]), ("negatives", others.shape[0])):
        if rows != X.shape[0]:
            raise InputError(f"{name} must have a row for each user ({X.shape[0]}), got {rows}")
    users = np.flatnonzero(wanted >= 0)
    if users.size == 0:
        raise InputError("positives must hold an item of a user, got -1 for all")
    better = np.empty(users.size, dtype=np.int64)
    ties = np.empty(users.size, dtype=np.int64)
    row_bytes = (others.shape[1] + 1) * X.shape[1] * X.itemsize
    block = max(1, BLOCK_BYTES // max(1, row_bytes))
    for start in range(0, users.size, block):
        part = slice(start, start + block)
        chosen = users[part]
        better[part], ties[part] = _better_and_ties(X[chosen], Y, wanted[chosen], others[chosen])
    discounts = np.zeros(length + 1)
    np.cumsum(1 / np.log2(np.arange(length) + 2), out=discounts[1:])
    first, last = np.minimum(better, length), np.minimum(better + ties + 1, length)
    return SampledEvaluation(
        users=users,
        per_user={
            "rank": better + ties / 2,
            f"hit_rate@{length}": (last - first) / (ties + 1),
            f"ndcg@{length}": (discounts[last] - discounts[first]) / (ties + 1),
        },
        k=length,
    )


def _better_and_ties(
    X: Array, Y: Array, positives: Indices, negatives: Indices
) -> tuple[Indices, Indices]:
    negatives = np.sort(negatives, axis=1)
    counted = (negatives >= 0) & (negatives != positives[:, None])
    counted[:, 1:] &= negatives[:, 1:] != negatives[:, :-1]
    items = np.column_stack((positives, negatives))
    # One sum computes the scores of the positive and of the negatives, so equal factors tie exactly.
    with np.errstate(over="ignore", invalid="ignore"):
        scores = np.einsum("unf,uf->un", Y[items], X)
    if not np.isfinite(scores).all():
        row, column = np.argwhere(~np.isfinite(scores))[0]
        raise InputError(
            f"scores must be finite, got {scores[row, column]} for item {items[row, column]}"
        )
    positive, others = scores[:, :1], scores[:, 1:]
    better, ties = counted & (others > positive), counted & (others == positive)
    return better.sum(axis=1), ties.sum(axis=1)


def sample_negatives(
    train: Any,
    test: Any,
    n: int,
    *,
    user_ids: Any = None,
    item_ids: Any = None,
    random_state: RandomState,
) -> Indices:
    """Draw n items for each user, uniformly without replacement, from the items in neither matrix.

    Parameters
    ----------
    train, test : sparse matrices or arrays, shape (users, items)
    n : int
        Number of negatives for each user; 99 is usual.
    user_ids, item_ids : array, optional
        Ids, (users,) and (items,), that draws follow; the numbers of rows and columns by default.
    random_state : int, numpy.random.Generator, numpy.random.RandomState or None
        The same seed gives the same negatives.

    Returns
    -------
    int64 array, shape (users, n)
        A user with fewer than n such items gets all of them, then -1.

    Raises
    ------
    InputError
        A matrix cannot be read, the shapes differ, `n` is below 1, or `random_state` is invalid.
    """
    seen, held_out = as_csr(train, "train"), as_csr(test, "test")
    if seen.shape != held_out.shape:
        raise InputError(f"test must have the shape of train {seen.shape}, got {held_out.shape}")
    size = whole_number("n", n, least=1)
    seed = drawn_seed(random_state)
    ids = hashed(seen.shape, user_ids, item_ids)
    # In the order of the items' hashes, so that a place means the same item however items are numbered.
    order = np.argsort(ids.items)
    users, items = seen.shape
    drawn = np.empty((users, size), dtype=np.int64)
    for start in range(0, users, DRAWN_TOGETHER):
        part = slice(start, start + DRAWN_TOGETHER)
        taken = union(seen[part], held_out[part])[:, order]
        taken.sort_indices()
        available = items - np.diff(taken.indptr).astype(np.int64)
        places = _distinct_places(available, size, ids.users[part], seed)
        rows, turns = np.nonzero(places >= 0)
        drawn[part] = -1
        drawn[part][rows, turns] = order[free_items(places[rows, turns], rows, taken)]
    return drawn


def _distinct_places(available: Indices, n: int, users: Numbers, seed: Numbers) -> Indices:
    """Draw min(n, available) distinct integers below `available` for each user, then -1.

    Floyd's algorithm (Bentley and Floyd, "A sample of brilliance", CACM 1987), for all users at once:
    at step j draw from the first `available - m + j + 1` integers, and if the draw is taken, take the
    last of them. No draw is wasted, however few integers are left.
    """
    chosen = np.full((n, available.size), -1, dtype=np.int64)
    m = np.minimum(n, available)
    for j in range(n):
        last = available - m + j
        active = j < m
        draw = integers_below(numbers_in_turn(users, seed, j), np.where(active, last, 0) + 1)
        taken = (chosen[:j] == draw).any(axis=0)
        chosen[j] = np.where(active, np.where(taken, last, draw), -1)
    return np.ascontiguousarray(chosen.T)
