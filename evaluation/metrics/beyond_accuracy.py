"""What recommended lists are like beside right: how novel, varied and popular, and how evenly spread.

| key | value | source |
| --- | --- | --- |
| `novelty` | mean of -log2(share of users who have the item), in bits | Zhou et al. 2010 |
| `diversity` | mean of 1 - cos(y_i, y_j) over the pairs of the list, 0 to 2 | Ziegler et al. 2005 |
| `popularity_lift` | share of the list over that of the history, less 1 | Abdollahpouri et al. 2019 |
| Gini index | how unevenly items share the places of all lists | Fleder and Hosanagar 2009 |

None of them knows what is right: random lists are novel, varied and evenly spread. They are read beside
the accuracy. The diversity is by the model's own item factors, so it compares fits of one model (other
parameters, other lists), and not models whose factors mean different things.

Zhou, Kuscsik, Liu, Medo, Wakeling, Zhang: Solving the apparent diversity-accuracy dilemma of recommender
systems, PNAS 2010. Ziegler, McNee, Konstan, Lausen: Improving Recommendation Lists Through Topic
Diversification, WWW 2005. Abdollahpouri, Mansoury, Burke, Mobasher: The Unfairness of Popularity Bias in
Recommendation, RMSE workshop at RecSys 2019. Fleder, Hosanagar: Blockbuster Culture's Next Rise or Fall,
Management Science 2009.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_matrix

from halfstep.errors import InputError
from halfstep.evaluation.metrics.inputs import Array, Indices

PerUser = dict[str, npt.NDArray[np.float64]]
METRICS = ("novelty", "diversity", "popularity_lift")
# Sums of a block's item factors, in bytes.
_BLOCK_BYTES = 32 * 2**20


def beyond_accuracy(
    top: npt.NDArray[np.integer],
    item_factors: Array,
    history: csr_matrix,
    users: Indices,
    population: csr_matrix | None = None,
) -> PerUser:
    """Return the metrics of each user's list; NaN where a list or a history does not define one.

    Parameters
    ----------
    top : integer array, shape (lists, k)
        Recommended items, best first; -1 where a list is shorter.
    item_factors : array, shape (items, factors)
        An item whose factors are all zero points nowhere, and is left out of the diversity.
    history : csr_matrix, shape (all users, items)
        What users have; only which entries are stored counts.
    users : int64 array, shape (lists,)
        The row of `history` for each list.
    population : csr_matrix, shape (any users, items), optional
        The entries by which an item's popularity is counted, as shares of these users; `history` if not
        given. It is another matrix where new users are folded in.

    Returns
    -------
    dict of str to float64 array, shape (lists,)
        `novelty`: an item that nobody has counts as one that a single user has. NaN for an empty list.
        `diversity`: NaN for a list with fewer than two items that have factors.
        `popularity_lift`: 0 means as popular as what the user has, 1 twice as popular. The source
        divides means of a group of users; here each user is a group. NaN for an empty list, and for a
        user whose history is empty or has nothing that anybody in `population` has.

    Raises
    ------
    InputError
        The shapes disagree.
    """
    items = len(item_factors)
    counted = history if population is None else population
    for name, found, wanted in (
        ("history", history.shape[1], items),
        ("population", counted.shape[1], items),
    ):
        if found != wanted:
            raise InputError(f"{name} must have a column for each of {wanted} items, got {found}")
    if top.ndim != 2 or len(top) != len(users):
        raise InputError(
            f"top must have a row for each of {len(users)} users, got shape {top.shape}"
        )
    holders = np.bincount(counted.indices, minlength=items).astype(np.float64)
    people = max(1, counted.shape[0])
    listed = top >= 0
    lengths = listed.sum(axis=1).astype(np.float64)
    # The value 0 in one more place stands for the -1 of a short list.
    bits = np.append(np.log2(people) - np.log2(np.maximum(holders, 1)), 0.0)
    shares = np.append(holders / people, 0.0)
    with np.errstate(invalid="ignore", divide="ignore"):
        novelty = bits[top].sum(axis=1) / lengths
        recommended = shares[top].sum(axis=1) / lengths
        own = _history_means(history, shares[:items])[users]
        lift = np.where(own > 0, recommended / own - 1, np.nan)
    return {
        "novelty": novelty,
        "diversity": _diversity(top, item_factors),
        "popularity_lift": lift,
    }


def exposure_gini(top: npt.NDArray[np.integer], items: int) -> float:
    """Return the Gini index of how often each of `items` items is in a list of `top` (lists, k).

    With the counts in ascending order c_1 <= ... <= c_n it is the sum of (2 i - n - 1) c_i, over n times
    the sum of c_i: 0 where every item is listed equally often, 1 - m/n where m items share all places
    equally and the others have none. NaN where nothing is listed.
    """
    counts = np.sort(np.bincount(top[top >= 0].ravel(), minlength=items)).astype(np.float64)
    total = counts.sum()
    if not total:
        return float("nan")
    return float((2 * np.arange(1, items + 1) - items - 1) @ counts / (items * total))


def _history_means(history: csr_matrix, shares: npt.NDArray[np.float64]) -> Array:
    """Return the mean share of each user's items (users,); NaN for a user without any."""
    lengths = np.diff(history.indptr)
    means = np.full(len(lengths), np.nan)
    some = lengths > 0
    if some.any():
        # Rows without entries begin where the next one does, so the others' begins cut all entries.
        sums = np.add.reduceat(shares[history.indices], history.indptr[:-1][some])
        means[some] = sums / lengths[some]
    return means


def _diversity(top: npt.NDArray[np.integer], item_factors: Array) -> npt.NDArray[np.float64]:
    """Return the mean of 1 - cos over the pairs of each list.

    For unit vectors v_1 ... v_n the cosines of all pairs add up to (|v_1 + ... + v_n|^2 - n) / 2, so a
    list takes n additions of vectors in place of a product for each pair.
    """
    # The largest element goes out first, so that no square overflows or vanishes.
    largest = np.abs(item_factors).max(axis=1, initial=0, keepdims=True)
    points = largest[:, 0] > 0
    unit = item_factors / np.where(largest > 0, largest, 1)
    unit /= np.maximum(np.sqrt(np.einsum("if,if->i", unit, unit)), 1)[:, None]
    k = top.shape[1]
    found = np.full(len(top), np.nan)
    width = unit.itemsize * max(1, unit.shape[1])
    step = max(1, _BLOCK_BYTES // width)
    for start in range(0, len(top), step):
        part = top[start : start + step]
        used = (part >= 0) & points[part]
        n = used.sum(axis=1)
        # A product with a sparse matrix adds the rows of a list where they lie, without copying them.
        sums = (
            csr_matrix(
                (used.ravel().astype(unit.dtype), np.maximum(part, 0).ravel(),
                 np.arange(0, part.size + 1, k) if k else np.zeros(len(part) + 1, np.int64)),
                shape=(len(part), len(unit)),
            ) @ unit
        )  # fmt: skip
        squared = np.einsum("uf,uf->u", sums, sums, dtype=np.float64)
        pairs = n * (n - 1.0)
        several = n > 1
        found[start : start + step][several] = np.clip(
            1 - (squared - n)[several] / pairs[several], 0, 2
        )
    return found
