"""Items that nobody has used yet: which they are, how a ranking of them is judged, how sure that is.

A fifth of the items with attributes and with at least five entries becomes new: all their entries leave
the training part. For each user who has some of these entries the new items are ranked, and its NDCG@10
is calculated. Three draws are judged. Settings are chosen by the mean over two other draws of items
that are new in none of the judged ones; the training part of each has lost one judged draw's items too.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import sparse

from halfstep.bench.features.data import Attributed
from halfstep.types import Floats

SHARE = 0.2
LEAST = 5
LENGTH = 10
DRAWS = 3
TUNING = 2
_DISCOUNTS = 1 / np.log2(np.arange(2, LENGTH + 2))


@dataclass(frozen=True)
class Draw:
    """One draw of new items.

    Attributes
    ----------
    train
        (users, other items): what there is to learn from. Items without entries are left out.
    attributes, new_attributes
        Of the other items and of the new ones.
    held_out
        (users, new items).
    """

    name: str
    train: sparse.csr_matrix
    attributes: sparse.csr_matrix
    new_attributes: sparse.csr_matrix
    held_out: sparse.csr_matrix
    new: npt.NDArray[np.int64]


def draws(data: Attributed) -> tuple[list[Draw], list[Draw]]:
    """Return the draws to choose settings by, and the draws to judge by."""
    entries = np.bincount(data.interactions.indices, minlength=data.interactions.shape[1])
    able = np.flatnonzero((entries >= LEAST) & (np.diff(data.attributes.indptr) > 0))
    count = round(SHARE * len(able))
    tests = [
        np.sort(np.random.default_rng(seed).choice(able, count, replace=False))
        for seed in range(DRAWS)
    ]
    left = np.setdiff1d(able, np.concatenate(tests))
    fewer = min(round(SHARE * (len(able) - count)), len(left))
    tuning = []
    for seed, gone in enumerate(tests[:TUNING]):
        rng = np.random.default_rng(DRAWS + seed)
        new = np.sort(rng.choice(left, fewer, replace=False))
        tuning.append(_draw(data, f"tuning {seed}", new, gone))
    return tuning, [_draw(data, f"draw {seed}", new) for seed, new in enumerate(tests)]


def _draw(
    data: Attributed,
    name: str,
    new: npt.NDArray[np.int64],
    gone: npt.NDArray[np.int64] | None = None,
) -> Draw:
    entries = np.bincount(data.interactions.indices, minlength=data.interactions.shape[1])
    rest = np.setdiff1d(np.flatnonzero(entries), new)
    if gone is not None:
        rest = np.setdiff1d(rest, gone)
    columns = data.interactions.tocsc()
    train = columns[:, rest].tocsr()
    held_out = columns[:, new].tocsr()
    train.sort_indices()
    return Draw(name, train, data.attributes[rest], data.attributes[new], held_out, new)


def ndcg(scores: Floats, held_out: sparse.csr_matrix, seed: int = 0) -> Floats:
    """Return NDCG@10 of each user with held-out entries; equal scores are in random order.

    `scores` has a row for each of these users.
    """
    order = np.random.default_rng(seed).permutation(scores.shape[1])
    relevant = held_out[users_of(held_out)].toarray()[:, order] > 0
    top = np.argsort(-scores[:, order], axis=1, kind="stable")[:, :LENGTH]
    gains = np.take_along_axis(relevant, top, axis=1) @ _DISCOUNTS[: top.shape[1]]
    found: Floats = gains / _ideal(relevant.sum(axis=1))
    return found


def random_ndcg(held_out: sparse.csr_matrix) -> Floats:
    """Return the NDCG@10 that each user is to expect of a random order."""
    count = np.diff(held_out.indptr)[users_of(held_out)]
    length = min(LENGTH, held_out.shape[1])
    found: Floats = count / held_out.shape[1] * _DISCOUNTS[:length].sum() / _ideal(count)
    return found


def users_of(held_out: sparse.csr_matrix) -> npt.NDArray[np.int64]:
    """Return the users that are judged."""
    return np.flatnonzero(np.diff(held_out.indptr))


def _ideal(count: npt.NDArray[np.int64]) -> Floats:
    best: Floats = np.cumsum(_DISCOUNTS)[np.minimum(count, LENGTH) - 1]
    return best


def interval(
    values: list[tuple[npt.NDArray[np.int64], Floats]], resamples: int = 2000, seed: int = 0
) -> dict[str, float]:
    """Return the mean over all draws' users with a 95 % bootstrap interval that resamples users.

    A user's values of several draws are resampled together: they are not independent.
    """
    users = np.concatenate([who for who, _ in values])
    flat = np.concatenate([value for _, value in values])
    _, place = np.unique(users, return_inverse=True)
    sums = np.bincount(place, weights=flat)
    counts = np.bincount(place).astype(float)
    rng = np.random.default_rng(seed)
    means = np.empty(resamples)
    for k in range(resamples):
        pick = rng.integers(len(sums), size=len(sums))
        means[k] = sums[pick].sum() / counts[pick].sum()
    low, high = np.quantile(means, (0.025, 0.975))
    return {"mean": float(flat.mean()), "low": float(low), "high": float(high)}
