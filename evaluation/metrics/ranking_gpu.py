"""Rank the items for each user on a GPU, as `ranking` does on the CPU; scores never leave the GPU."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.sparse import csr_matrix

from halfstep.errors import InputError, SolverUnavailable
from halfstep.evaluation.metrics.inputs import Array, Indices
from halfstep.evaluation.metrics.ranking import Ranking, equals_among, may_overflow
from halfstep.evaluation.metrics.ties import TieBlocks, tie_blocks
from halfstep.kernels.cuda.backend import current, unavailable
from halfstep.solvers.gpu.device.queries import rows_on_device
from halfstep.solvers.gpu.device.top_k import LONGEST_LIST, device_pairs, device_ranking

_BLOCK = 1 << 16


def rank_on_gpu(
    X: Array, Y: Array, train: csr_matrix, test: csr_matrix, users: Indices, *, k: int
) -> Ranking:
    """Copy factors (users, f) and (items, f) to the current GPU, and rank with `rank_on_device`.

    Raises
    ------
    SolverUnavailable
        No GPU can be used.
    InputError
        A factor is so large that a score may overflow.
    """
    reason = unavailable()
    if reason is not None:
        raise SolverUnavailable(f"device 'gpu' cannot be used here: {reason}")
    if may_overflow(X, Y):
        raise InputError(
            f"scores must be finite, got factors whose products may overflow {X.dtype.name}"
        )
    backend = current()
    X, Y = (backend.to_device(np.ascontiguousarray(M)) for M in (X, Y))
    return rank_on_device(backend, X, Y, train, test, users, k=k)


def rank_on_device(
    backend: Any, X: Any, Y: Any, train: csr_matrix, test: csr_matrix, users: Indices, *, k: int
) -> Ranking:
    """Rank all unseen items for `users`, as `halfstep.evaluation.metrics.ranking.rank` does on the CPU.

    Parameters
    ----------
    X, Y
        (users, f) and (items, f) device arrays.
    train, test
        Canonical CSR on the host; the chosen rows are copied to the device.
    """
    blocks = [
        _ranked(backend, X, Y, train, test, users[start : start + _BLOCK], k, start)
        for start in range(0, users.size, _BLOCK)
    ]
    top, hits, areas, ties = zip(*blocks, strict=True)
    return Ranking(
        top=np.concatenate(top),
        hits=np.concatenate(hits),
        areas=np.concatenate(areas),
        ties=TieBlocks(*map(np.concatenate, zip(*ties, strict=True))),
    )


def _ranked(
    backend: Any,
    X: Any,
    Y: Any,
    train: csr_matrix,
    test: csr_matrix,
    users: Indices,
    k: int,
    start: int,
) -> tuple[Array, Array, Array, TieBlocks]:
    """Return the parts of a `Ranking` for a block of users, of whom the first has the place `start`."""
    seen, held_out = train[users], test[users]
    # One more than the list, to see whether its last item has equals beyond it.
    length = min(k + 1, LONGEST_LIST)
    found = device_ranking(
        backend,
        X,
        Y,
        backend.to_device(users.astype(np.int32)),
        rows_on_device(backend, seen),
        rows_on_device(backend, held_out),
        length,
        held_out.nnz,
    )
    top, scores, hits, wins, held_out_scores = map(backend.to_host, found)
    if (
        length == k
    ):  # there is no room for one more, so all full lists are taken to be cut in a block
        top = np.column_stack((top, top[:, -1:]))
        scores = np.column_stack((scores, scores[:, -1:]))
    hits = hits[:, :k].astype(bool)
    negatives = Y.shape[0] - np.diff(held_out.indptr) - np.diff(seen.indptr)
    pairs = 2.0 * np.diff(held_out.indptr) * negatives
    areas = np.where(pairs > 0, wins / np.maximum(pairs, 1), 0.5)

    def count(places: Indices, wanted: Array) -> tuple[Indices, Indices]:
        held = equals_among(held_out_scores, wanted, held_out.indptr, places)
        # How many items are equal matters only where held-out ones are among them.
        items, some = np.maximum(held, 1), np.flatnonzero(held)
        if some.size:
            # The last item of the list as the only held-out one: it wins no pair against the better
            # ones, which are all in the list, one of two against an equal one, and both against others.
            chosen = places[some]
            last = csr_matrix(
                (np.ones(len(chosen), np.float32), top[chosen, k - 1], np.arange(len(chosen) + 1)),
                shape=(len(chosen), Y.shape[0]),
            )
            counted, _ = device_pairs(
                backend,
                X,
                Y,
                backend.to_device(users[chosen].astype(np.int32)),
                rows_on_device(backend, seen[chosen]),
                rows_on_device(backend, last),
                len(chosen),
            )
            better = (scores[chosen, :k] > wanted[some, None]).sum(axis=1)
            others = Y.shape[0] - np.diff(seen.indptr)[chosen] - 1
            items[some] = 1 + 2 * (others - better) - backend.to_host(counted)
        return items, held

    ties = tie_blocks(scores, top >= 0, hits, count)
    return top[:, :k], hits, areas, ties._replace(rows=ties.rows + start)
