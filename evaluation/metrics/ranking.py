"""Rank the items for each user: the best items, hits and areas under the ROC curve of all metrics.

`halfstep.kernels.cpu.ranking`, which `recommend` also uses, does the work: it ranks and counts scores
right after the product, while they are in the cache. Without the AUC most of the product is left out, by
the bounds of `halfstep.kernels.cpu.ranking_sort`.

Tried for the AUC: bounds on the scores that decide the order of most pairs without the full product
(f = 64, `music-medium`, 20 held-out items a user). The 16 leading principal coordinates of the items
leave 93 % of a user's items undecided, 32 leave 89 %; factors rounded to 8 bits leave 26 %, whose dot
products would cost about as much as is saved.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_matrix

from halfstep.errors import InputError
from halfstep.evaluation.metrics.inputs import Array, Indices
from halfstep.evaluation.metrics.ties import TieBlocks, tie_blocks

_CHECKED_ROWS = 64


@dataclass(frozen=True)
class Ranking:
    """The rankings of the evaluated users, from which all metrics are computed.

    Attributes
    ----------
    top : int32 array, shape (users, k)
        Best unseen items, best first, equal scores by ascending index; -1 where none is left.
    hits : bool array, shape (users, k)
        Which of the items in `top` are held out.
    areas : float64 array, shape (users,)
        Area under the ROC curve; meaningless if it was not requested.
    ties : TieBlocks
        The blocks of equal scores of the users who have any.
    """

    top: npt.NDArray[np.int32]
    hits: npt.NDArray[np.bool_]
    areas: npt.NDArray[np.float64]
    ties: TieBlocks


def rank(
    X: Array,
    Y: Array,
    train: csr_matrix,
    test: csr_matrix,
    users: Indices,
    *,
    k: int,
    auc: bool,
    block_bytes: int,
    num_threads: int,
) -> Ranking:
    """Rank all unseen items for `users`; the arguments must have been checked.

    Raises
    ------
    InputError
        A score overflows to NaN or infinity.
    """
    # Imported here so that importing halfstep does not import Numba.
    from halfstep.kernels.cpu.ranking import Lists, held_out_scores
    from halfstep.kernels.cpu.ranking import rank as rank_all

    if may_overflow(X, Y):
        _require_finite_scores(X, Y, users)
    seen, held_out = (Lists(M.indptr.astype(np.int64), M.indices) for M in (train, test))
    # One more than the list, to see whether its last item has equals beyond it.
    top, scores, pairs = rank_all(
        X,
        Y,
        users,
        k + 1,
        excluded=seen,
        lists=users,
        held_out=held_out if auc else None,
        slab_bytes=block_bytes,
        num_threads=num_threads,
    )
    areas = np.full(users.size, 0.5)
    if auc:
        P = np.diff(held_out.indptr)[users]
        negatives = Y.shape[0] - np.diff(seen.indptr)[users] - P
        # Subtract the pairs of held-out items with each other: 2 for each two of them and 1 for each
        # with itself, together P^2. Seen items have the score -inf and have added nothing.
        defined = negatives > 0
        out_of_order = (pairs - P * P)[defined] / (2.0 * P * negatives)[defined]
        areas[defined] = 1.0 - out_of_order

    def count(places: Indices, wanted: Array) -> tuple[Indices, Indices]:
        scored = held_out_scores(X, Y, users[places], held_out, num_threads)
        found = equals_among(scored, wanted, held_out.indptr, users[places])
        # How many items are equal matters only where held-out ones are among them.
        items, some = np.maximum(found, 1), np.flatnonzero(found)
        if some.size:
            # The last item of the list as the only held-out one: 2 pairs for each better item, all of
            # which are in the list, and 1 for each equal one.
            chosen = users[places[some]]
            alone = Lists(np.zeros(len(X) + 1, np.int64), top[places[some], k - 1])
            alone.indptr[1:][chosen] = 1
            order = np.argsort(chosen)
            np.cumsum(alone.indptr, out=alone.indptr)
            _, _, counted = rank_all(
                X, Y, chosen, 0, excluded=seen, lists=chosen,
                held_out=Lists(alone.indptr, alone.indices[order]), slab_bytes=block_bytes,
                num_threads=num_threads,
            )  # fmt: skip
            better = (scores[places[some], :k] > wanted[some, None]).sum(axis=1)
            items[some] = counted - 2 * better
        return items, found

    hits = _hits(top[:, :k], test, users)
    return Ranking(top[:, :k], hits, areas, tie_blocks(scores, top >= 0, hits, count))


def equals_among(
    scores: Array, wanted: Array, indptr: npt.NDArray[np.int64], rows: Indices
) -> Indices:
    """Count, for each of the CSR rows `rows`, the entries of `scores` that equal its wanted one.

    `scores` (entries,) is in the order of the CSR structure, `wanted` (rows,) in that of `rows`.
    """
    counts = np.diff(indptr)[rows]
    owners = np.repeat(np.arange(len(rows)), counts)
    begin = np.cumsum(counts) - counts
    entries = np.arange(len(owners)) + np.repeat(indptr[rows] - begin, counts)
    equal = scores[entries] == wanted[owners]
    return np.bincount(owners[equal], minlength=len(rows)).astype(np.int64)


def _hits(top: npt.NDArray[np.int32], test: csr_matrix, users: Indices) -> npt.NDArray[np.bool_]:
    """Return which of the users' top items are stored in `test`, by one sorted search for all users."""
    items = test.shape[1]
    counts = np.diff(test.indptr)
    keys = np.repeat(np.arange(len(counts)) * items, counts) + test.indices
    wanted = users[:, None] * items + top
    place = np.minimum(np.searchsorted(keys, wanted), max(0, len(keys) - 1))
    found: npt.NDArray[np.bool_] = (keys[place] == wanted) & (top >= 0)
    return found


def may_overflow(X: Array, Y: Array) -> bool:
    """Return whether a score of X (users, f) and Y (items, f) might not be finite."""
    # |x . y| and its partial sums are at most |x| |y|, so two cheap norms save a check of every score.
    with np.errstate(over="ignore"):
        longest = [np.sqrt(np.einsum("rf,rf->r", M, M, dtype=np.float64).max()) for M in (X, Y)]
        return not longest[0] * longest[1] < 0.5 * np.finfo(X.dtype).max


def _require_finite_scores(X: Array, Y: Array, users: Indices) -> None:
    for start in range(0, users.size, _CHECKED_ROWS):
        chosen = users[start : start + _CHECKED_ROWS]
        with np.errstate(over="ignore", invalid="ignore"):
            scores = X[chosen] @ Y.T
        finite = np.isfinite(scores)
        if not finite.all():
            row, item = np.argwhere(~finite)[0]
            raise InputError(
                f"scores must be finite, got {scores[row, item]} for user {chosen[row]} "
                f"and item {item}"
            )
