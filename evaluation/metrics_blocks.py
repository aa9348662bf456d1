"""Scores in blocks of bounded memory: threads that each multiply a block and rank it at once.

Every thread calls BLAS on one thread for its own block and hands the block to a compiled loop that
holds no lock. So there is no barrier between the product and the ranking, BLAS's threads and Numba's
never wait on each other, and several evaluations may run in one process (Numba's own parallel loops
abort there when OpenMP and TBB are missing).
"""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from queue import SimpleQueue

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_matrix
from threadpoolctl import threadpool_limits

from halfstep.errors import InputError
from halfstep.evaluation.metrics_inputs import Array, Indices

# Beyond this many rows the product gets no faster, and the block only leaves the cache.
BLOCK_ROWS = 256


@dataclass(frozen=True)
class Ranking:
    """What all metrics are computed from, for each evaluated user.

    Attributes
    ----------
    top : int32 array, shape (users, k)
        Best unseen items, best first, equal scores by ascending index; -1 where none is left.
    hits : bool array, shape (users, k)
        Which of them are held out.
    areas : float64 array, shape (users,)
        Area under the ROC curve; unset unless it was asked for.
    """

    top: npt.NDArray[np.int32]
    hits: npt.NDArray[np.bool_]
    areas: npt.NDArray[np.float64]


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
    """Rank all unseen items for `users`; the arguments are checked already.

    Raises
    ------
    InputError
        Where a score overflows to NaN or infinity.
    """
    # Imported here so that importing halfstep does not import Numba.
    import numba

    from halfstep.evaluation.metrics_kernels import rank_block

    ranking = Ranking(
        top=np.empty((users.size, k), np.int32),
        hits=np.empty((users.size, k), np.bool_),
        areas=np.empty(users.size, np.float64),
    )
    threads = num_threads or numba.get_num_threads()
    row_bytes = Y.shape[0] * Y.itemsize
    rows = min(BLOCK_ROWS, max(1, block_bytes // (threads * row_bytes)), -(-users.size // threads))
    starts = range(0, users.size, rows)
    threads = min(threads, len(starts))
    may_overflow = _may_overflow(X, Y)
    spare: SimpleQueue[Array] = SimpleQueue()
    for _ in range(threads):
        spare.put(np.empty((rows, Y.shape[0]), Y.dtype))

    def one_block(start: int) -> None:
        chosen = users[start : start + rows]
        part = slice(start, start + chosen.size)
        block = spare.get()
        try:
            rank_users(chosen, part, block[: chosen.size])
        finally:  # another block waits for this one, also after an error
            spare.put(block)

    def rank_users(chosen: Indices, part: slice, scores: Array) -> None:
        with np.errstate(over="ignore", invalid="ignore"):
            np.matmul(X[chosen], Y.T, out=scores)
        if may_overflow:
            _require_finite(scores, chosen)
        rank_block(
            scores,
            train.indptr,
            train.indices,
            test.indptr,
            test.indices,
            chosen,
            auc,
            ranking.top[part],
            ranking.hits[part],
            ranking.areas[part],
        )

    with threadpool_limits(1, user_api="blas"), ThreadPoolExecutor(threads) as pool:
        # list() raises what a thread raised.
        list(pool.map(one_block, starts))
    return ranking


def _may_overflow(X: Array, Y: Array) -> bool:
    # |x . y| and all its partial sums are at most |x| |y|: two cheap norms spare a look at every score.
    with np.errstate(over="ignore"):
        longest = [np.sqrt(np.einsum("rf,rf->r", M, M, dtype=np.float64).max()) for M in (X, Y)]
        return not longest[0] * longest[1] < 0.5 * np.finfo(X.dtype).max


def _require_finite(scores: Array, users: Indices) -> None:
    finite = np.isfinite(scores)
    if not finite.all():
        row, item = np.argwhere(~finite)[0]
        raise InputError(
            f"scores must be finite, got {scores[row, item]} for user {users[row]} and item {item}"
        )
