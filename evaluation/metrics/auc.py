"""Three statistics called AUC: one to use, and two to understand numbers that were once reported.

| function | negatives | equal scores | mean for random scores |
| --- | --- | --- | --- |
| `exact_auc` | every item that the user has neither in train nor in test | count 1/2 | 0.5 |
| `sampled_auc` | as many of those as held-out items, drawn at random | count as wrong | 0.5 |
| `lowest_negative_share` | as many of the user's own *training* items | count as wrong | P / (P + 1) |

`exact_auc` is the share of all pairs of a held-out and a negative item that are in the right order; it
involves no chance. `sampled_auc` is the protocol that the lab used from 2016 to 2018. If no scores are
equal it estimates `exact_auc` without bias, but the noise of its draws is large for a user with few
held-out items. If scores tie, as popularity's do, it is too low.

`lowest_negative_share` is what the lab of 2019 computed and called AUC. It combines two mistakes. The
negatives were drawn from the user's training items, the very items that the model was fitted to rank
high. And the comparison went the wrong way, so that a held-out item counted as soon as it beat *any* of
them, that is, the lowest. For random scores each of P + 1 items is equally likely to be the lowest, so
a held-out item beats the lowest of P negatives with probability P / (P + 1): a user with a hundred
artists, ten of them held out, gets 0.91 from a model that knows nothing. The function is only here to
explain old numbers.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_matrix

from halfstep.errors import InputError
from halfstep.evaluation.metrics.held_out import evaluate
from halfstep.evaluation.metrics.inputs import Array, factor_pair
from halfstep.evaluation.metrics.judged import free_items, union
from halfstep.evaluation.protocols.draws import (
    drawn_seed,
    entry_numbers,
    hashed,
    integers_below,
    numbers_in_turn,
)
from halfstep.evaluation.protocols.split import shuffled_places
from halfstep.solvers.fit.start import RandomState
from halfstep.solvers.inputs import as_csr

PerUser = npt.NDArray[np.float64]
# Gathered factors of one block of pairs, in bytes.
_BLOCK_BYTES = 64 * 2**20


def exact_auc(user_factors: Any, item_factors: Any, train: Any, test: Any) -> PerUser:
    """Return each user's exact AUC over the whole catalogue, a tie counting 1/2; (users,).

    NaN for a user without a held-out item. `halfstep.evaluation.metrics.held_out.evaluate` computes the
    same numbers along with other metrics; its docstring says what raises.
    """
    measured = evaluate(user_factors, item_factors, train, test, ks=(1,))
    areas = np.full(np.shape(user_factors)[0], np.nan)
    for found in filter(None, (measured, measured.without_history)):
        areas[found.users] = found.per_user["auc"]
    return areas


def sampled_auc(
    user_factors: Any,
    item_factors: Any,
    train: Any,
    test: Any,
    *,
    user_ids: Any = None,
    item_ids: Any = None,
    random_state: RandomState,
) -> PerUser:
    """Return each user's AUC against as many random negatives as held-out items; (users,).

    Each negative is drawn, with replacement, from the items that the user has neither in train nor in
    test. Every pair of a held-out item and a negative is compared; equal scores count as wrong.

    Parameters
    ----------
    user_factors, item_factors : float32 or float64 arrays, shapes (users, f), (items, f)
    train, test : sparse matrices or arrays, shape (users, items)
        Only which entries are stored counts.
    user_ids, item_ids : array, optional
        Ids, (users,) and (items,), that draws follow; the numbers of rows and columns by default.
    random_state : int, numpy.random.Generator, numpy.random.RandomState or None

    Returns
    -------
    float64 array, shape (users,)
        NaN for a user without a held-out item or without a negative.
    """
    X, Y, seen, held_out = _checked(user_factors, item_factors, train, test)
    ids, seed = hashed(seen.shape, user_ids, item_ids), drawn_seed(random_state)
    # In the order of the items' hashes, so that a place means the same item however items are numbered.
    order = np.argsort(ids.items)
    taken = union(seen, held_out)[:, order]
    taken.sort_indices()
    available = Y.shape[0] - np.diff(taken.indptr).astype(np.int64)
    users = np.repeat(np.arange(X.shape[0]), np.diff(held_out.indptr))
    keep = available[users] > 0
    turn = np.arange(held_out.nnz) - np.repeat(held_out.indptr[:-1], np.diff(held_out.indptr))
    users, positives = users[keep], held_out.indices[keep].astype(np.int64)
    numbers = numbers_in_turn(ids.users[users], seed, turn[keep])
    negatives = order[free_items(integers_below(numbers, available[users]), users, taken)]
    scores = np.concatenate([scores_of(X, Y, users, items) for items in (positives, negatives)])
    # Within each user sorted by score; a held-out item sorts before a negative that ties with it, and
    # so does not beat it.
    owners = np.concatenate([users, users])
    is_negative = np.repeat([False, True], len(users))
    order = np.lexsort((is_negative, scores, owners))
    owners, is_negative = owners[order], is_negative[order]
    below = np.cumsum(is_negative) - is_negative
    # Subtract the negatives of earlier users, who have as many negatives as held-out items.
    counts = np.bincount(users, minlength=X.shape[0])
    below -= (np.cumsum(counts) - counts)[owners]
    wins = np.bincount(owners[~is_negative], below[~is_negative], minlength=X.shape[0])
    with np.errstate(invalid="ignore"):
        area: PerUser = wins / counts.astype(np.float64) ** 2
    return area


def lowest_negative_share(
    user_factors: Any,
    item_factors: Any,
    train: Any,
    test: Any,
    *,
    user_ids: Any = None,
    item_ids: Any = None,
    random_state: RandomState,
) -> PerUser:
    """Return the share of each user's held-out items above the lowest of some *training* items.

    This is not an AUC: see the head of this module. As many training items are drawn, without
    replacement, as the user has held-out items, or all if there are fewer. Arguments and result are
    those of `sampled_auc`; NaN for a user without a held-out item or without a training item.
    """
    X, Y, seen, held_out = _checked(user_factors, item_factors, train, test)
    owners, users = (np.repeat(np.arange(X.shape[0]), np.diff(M.indptr)) for M in (seen, held_out))
    wanted = np.diff(held_out.indptr)
    ids = hashed(seen.shape, user_ids, item_ids)
    numbers = entry_numbers(seen, ids, drawn_seed(random_state))
    drawn = shuffled_places(seen, numbers) < wanted[owners]
    lowest = np.full(X.shape[0], np.inf, X.dtype)
    np.minimum.at(lowest, owners[drawn], scores_of(X, Y, owners[drawn], seen.indices[drawn]))
    above = scores_of(X, Y, users, held_out.indices) > lowest[users]
    with np.errstate(invalid="ignore"):
        share: PerUser = np.bincount(users, above, minlength=X.shape[0]) / wanted.astype(np.float64)
    share[np.diff(seen.indptr) == 0] = np.nan
    return share


def scores_of(X: Array, Y: Array, users: Array, items: Array) -> Array:
    """Return x_u . y_i for each pair, (pairs,), gathering factors in blocks of bounded size."""
    scores = np.empty(len(users), X.dtype)
    step = max(1, _BLOCK_BYTES // (2 * max(1, X.shape[1]) * X.itemsize))
    for start in range(0, len(users), step):
        part = slice(start, start + step)
        np.einsum("pf,pf->p", X[users[part]], Y[items[part]], out=scores[part])
    return scores


def _checked(
    user_factors: Any, item_factors: Any, train: Any, test: Any
) -> tuple[Array, Array, csr_matrix, csr_matrix]:
    X, Y = factor_pair(user_factors, item_factors)
    seen, held_out = as_csr(train, "train"), as_csr(test, "test")
    for name, matrix in (("train", seen), ("test", held_out)):
        if matrix.shape != (X.shape[0], Y.shape[0]):
            raise InputError(
                f"{name} must have the factors' shape {(X.shape[0], Y.shape[0])}, got {matrix.shape}"
            )
    return X, Y, seen, held_out
