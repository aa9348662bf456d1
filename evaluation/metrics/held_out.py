"""How well factors rank held-out items: every metric for every user, in one pass over the scores.

The whole catalogue is ranked, without the items that the user has in `train`. Equal scores count in
expectation over their order (`ties`), so no metric depends on how users or items are numbered.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from halfstep import defaults
from halfstep.errors import InputError
from halfstep.evaluation.metrics.beyond_accuracy import beyond_accuracy, exposure_gini
from halfstep.evaluation.metrics.inputs import (
    Array,
    Indices,
    cut_offs,
    factor_pair,
    whole_number,
)
from halfstep.evaluation.metrics.judged import (
    Overlap,
    among,
    distinct_places,
    judged,
    nobody,
)
from halfstep.evaluation.metrics.ranking import rank
from halfstep.evaluation.metrics.ties import Hits, expected_hits
from halfstep.solvers.inputs import as_csr

PerUser = dict[str, npt.NDArray[np.float64]]


@dataclass(frozen=True)
class Evaluation:
    """The metrics of each evaluated user, and how much of the catalogue they are recommended.

    Attributes
    ----------
    users : int64 array, shape (evaluated,)
        Evaluated rows of the matrices: those with a relevant held-out item and with an entry in train.
    per_user : dict of str to float64 array, shape (evaluated,)
        The metrics in the table of `evaluate`, the ones with `@k` for each k; never NaN.
    coverage : dict of int to float
        For each k, the share of all items that are in some evaluated user's top k. The lists are those
        that `recommend` gives, where of equal scores the lower item number comes first: this number
        alone depends on how the items are numbered.
    without_history : Evaluation or None
        The same of the users without any entry in train, of whom a model knows nothing: their factors
        are zero and all their scores are equal. None if there are no such users, or no others.
    not_relevant : int
        Test entries that were left out of the ranking because of their value; see `evaluate`.
    beyond : dict of str to float64 array, shape (evaluated,)
        If asked for: `novelty@k`, `diversity@k` and `popularity_lift@k` of each user's list for each k,
        as `halfstep.evaluation.metrics.beyond_accuracy` defines them; NaN where one is not defined. The
        lists are those of `coverage`.
    gini : dict of int to float
        If asked for: for each k, the Gini index of how often items are in these lists.

    See Also
    --------
    halfstep.evaluation.evaluate : What returns it, with the definitions of all metrics.

    Examples
    --------
    >>> import numpy as np
    >>> from halfstep.evaluation import Evaluation
    >>> ndcg = {"ndcg@10": np.array([0.2, 0.6])}
    >>> Evaluation(users=np.array([0, 4]), per_user=ndcg, coverage={10: 0.5}).means()
    {'ndcg@10': 0.4}
    """

    users: Indices
    per_user: PerUser
    coverage: dict[int, float]
    without_history: Evaluation | None = None
    not_relevant: int = 0
    beyond: PerUser = field(default_factory=dict)
    gini: dict[int, float] = field(default_factory=dict)

    def means(self) -> dict[str, float]:
        """Return each metric's mean over the evaluated users, with equal weights.

        See Also
        --------
        halfstep.evaluation.validate : Means with intervals over users.
        """
        return {name: float(values.mean()) for name, values in self.per_user.items()}


def evaluate(
    user_factors: Any,
    item_factors: Any,
    train: Any,
    test: Any,
    *,
    ks: Iterable[int] = (defaults.LIST_LENGTH,),
    auc: bool = True,
    users: Any = None,
    items: Any = None,
    min_value: float | None = None,
    overlap: Overlap = "error",
    block_bytes: int = 256 * 2**20,
    num_threads: int = 0,
    device: str = "cpu",
    beyond: Any = False,
) -> Evaluation:
    """Rank all items that a user does not have in `train`, and compare with the items in `test`.

    For a user with n held-out items, let h_r be 1 if the item at rank r = 1, 2, ... is held out, else 0:

    | key | value |
    | --- | --- |
    | `precision@k` | (h_1 + ... + h_k) / k |
    | `recall@k` | (h_1 + ... + h_k) / n |
    | `recall_capped@k` | (h_1 + ... + h_k) / min(k, n): 1 for the best possible list |
    | `ndcg@k` | sum of h_r / log2(r + 1), over the same sum with h_r = 1 up to min(k, n) |
    | `map@k` | sum of h_r (h_1 + ... + h_r) / r, over min(k, n) |
    | `hit_rate@k` | 1 if any of h_1 ... h_k is 1, else 0 |
    | `auc` | share of the pairs of a held-out and a negative item that are in the right order |

    Of items with exactly equal scores every order is equally likely, and a metric is its expected value
    over these orders: scores that say nothing get what random scores get on average.

    A user's negatives are all items of the catalogue that are neither in train nor in test for that
    user. Every pair counts, and a pair of equal scores counts half. A user without negatives gets 0.5,
    the `auc` of random scores.

    Parameters
    ----------
    user_factors, item_factors : float32 or float64 arrays, shapes (users, factors), (items, factors)
        Scores are their products, in float32 if both are float32, else in float64. They may lie on a
        device or belong to another library that `halfstep.solvers.inputs` reads.
    train, test : sparse matrices or arrays, shape (users, items)
        What a user has, and what was held out. Of train only which entries are stored counts.
    ks : iterable of int
        Lengths of the recommended lists; a list may be longer than the catalogue.
    auc : bool
        False leaves `auc` out.
    users : integer array, optional
        Rows to evaluate, in this order; rows without a held-out item are left out. All by default.
    items : integer array, optional
        The only columns that are ranked, as if the catalogue had no others; only an item's popularity
        and a user's history are still those of all items. All by default.
    min_value : float, optional
        The least value of a relevant entry of `test`; if not given, all values above 0 are relevant. The
        items of other entries are no hits and no negatives: they are not ranked.
    overlap : "error", "drop" or "keep"
        What to do with entries in both matrices: raise, ignore them in `test`, or rank these items and
        count them as held out although they are in train.
    block_bytes : int
        Upper limit, in bytes, of the copy of `item_factors` in the order that the product reads; the
        catalogue is ranked in pieces of that size. Scores take 70 kB per thread.
    num_threads : int
        Number of threads; 0 means all cores.
    device : "cpu" or "gpu"
        Where to rank. On a GPU `block_bytes` and `num_threads` have no effect, and `ks` must be at most
        896.
    beyond : bool, or sparse matrix or array, shape (any users, items)
        True measures the lists beside their accuracy as well, with the items' popularity counted in
        `train`; a matrix, in this matrix: what the model was fitted on, where that is not `train`.

    Returns
    -------
    Evaluation
        Each evaluated user's metrics; `means()` has their means.

    Raises
    ------
    SolverUnavailable
        `device` is "gpu", and no GPU can be used.
    InputError
        Shapes disagree, a factor or score is NaN or infinite, train and test share an entry, none of
        `users` has a relevant held-out item to rank, or another argument is outside its range.

    See Also
    --------
    halfstep.evaluate : The same for a model and its data in one call.
    halfstep.evaluation.per_user : Hold out a share of each user's entries.

    Notes
    -----
    Järvelin and Kekäläinen, "Cumulated gain-based evaluation of IR techniques", TOIS 2002 (NDCG).
    Both recalls are in use: papers on graph models divide by n, papers on autoencoders by min(k, n).

    Examples
    --------
    Of user 0, item 1 was held out and is ranked first; of user 1, item 0 is ranked second.

    >>> import numpy as np
    >>> from halfstep.evaluation import evaluate
    >>> from scipy.sparse import csr_matrix
    >>> X, Y = np.eye(2), np.array([[0.1, 0.3], [0.9, 0.2], [0.2, 0.8], [0.3, 0.1]])
    >>> train = csr_matrix([[0, 0, 1, 0], [0, 1, 0, 0]])
    >>> test = csr_matrix([[0, 1, 0, 0], [1, 0, 0, 0]])
    >>> found = evaluate(X, Y, train, test, ks=[2])
    >>> found.per_user["ndcg@2"].round(3)
    array([1.   , 0.631])
    """
    X, Y = factor_pair(user_factors, item_factors)
    seen, held_out = as_csr(train, "train"), as_csr(test, "test")
    for name, matrix in (("train", seen), ("test", held_out)):
        if matrix.shape != (X.shape[0], Y.shape[0]):
            raise InputError(
                f"{name} must have the factors' shape {(X.shape[0], Y.shape[0])}, got {matrix.shape}"
            )
    lengths = cut_offs(ks)
    asked = distinct_places("users", users, held_out.shape[0])
    columns = None if items is None else distinct_places("items", items, held_out.shape[1])
    history, whole = seen, Y
    counted = None if beyond is False else seen if beyond is True else as_csr(beyond, "beyond")
    compared = judged(seen, held_out, min_value, overlap)
    if columns is not None:
        compared, Y = among(compared, columns), np.ascontiguousarray(Y[columns])
    seen, held_out, ignored, has_history = compared
    rows = asked[np.diff(held_out.indptr)[asked] > 0]
    if rows.size == 0:
        raise InputError(nobody(ignored, asked, min_value))
    if device not in ("cpu", "gpu"):
        raise InputError(f"device must be cpu or gpu, got {device!r}")
    block_bytes = whole_number("block_bytes", block_bytes, least=1)
    num_threads = whole_number("num_threads", num_threads, least=0)
    if device == "gpu":
        from halfstep.evaluation.metrics.ranking_gpu import rank_on_gpu

        ranking = rank_on_gpu(X, Y, seen, held_out, rows, k=max(lengths))
    else:
        ranking = rank(
            X, Y, seen, held_out, rows, k=max(lengths), auc=auc, block_bytes=block_bytes,
            num_threads=num_threads,
        )  # fmt: skip
    per_user: PerUser = {}
    counts = np.diff(held_out.indptr)[rows]
    for k in lengths:
        per_user |= top_k_metrics(expected_hits(ranking.hits[:, :k], ranking.ties), counts)
    if auc:
        per_user["auc"] = ranking.areas

    further: PerUser = {}
    listed = ranking.top if columns is None else np.append(columns, -1)[ranking.top]
    for k in lengths if counted is not None else ():
        measured = beyond_accuracy(listed[:, :k], whole, history, rows, counted)
        further |= {f"{name}@{k}": values for name, values in measured.items()}

    def of(chosen: Any, **more: Any) -> Evaluation:
        tops = {k: ranking.top[chosen, :k] for k in lengths}
        return Evaluation(
            users=rows[chosen],
            per_user={name: values[chosen] for name, values in per_user.items()},
            coverage={k: _coverage(top, Y.shape[0]) for k, top in tops.items()},
            beyond={name: values[chosen] for name, values in further.items()},
            gini={k: exposure_gini(top, Y.shape[0]) for k, top in tops.items() if further},
            **more,
        )

    known = has_history[rows]
    left_out = int(np.diff(ignored.indptr)[asked].sum())
    if known.all() or not known.any():
        return of(slice(None), not_relevant=left_out)
    return of(known, without_history=of(~known), not_relevant=left_out)


def top_k_metrics(hits: Hits, held_out: Array) -> PerUser:
    """Compute the metrics of lists of length k from what is expected of their hits.

    Parameters
    ----------
    hits
        Of each list; `halfstep.evaluation.metrics.ties` defines them.
    held_out : int array, shape (users,)
        Number of held-out items of each user, at least 1.
    """
    k = hits.chance.shape[1]
    ranks = np.arange(1, k + 1)
    discounts = 1 / np.log2(ranks + 1)
    reachable = np.minimum(k, held_out)
    count = hits.chance.sum(axis=1)
    return {
        f"precision@{k}": count / k,
        f"recall@{k}": count / held_out,
        f"recall_capped@{k}": count / reachable,
        f"ndcg@{k}": (hits.chance * discounts).sum(axis=1) / np.cumsum(discounts)[reachable - 1],
        f"map@{k}": (hits.running / ranks).sum(axis=1) / reachable,
        f"hit_rate@{k}": 1 - hits.none,
    }


def _coverage(top: npt.NDArray[np.int32], items: int) -> float:
    recommended = np.zeros(items + 1, dtype=bool)
    recommended[top] = True  # -1, which means no item, marks the extra place at the end
    return float(recommended[:items].mean())
