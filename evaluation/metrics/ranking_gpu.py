"""Rank the items for each user on a GPU, as `ranking` does on the CPU; scores never leave the GPU."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.sparse import csr_matrix

from halfstep.errors import InputError, SolverUnavailable
from halfstep.evaluation.metrics.inputs import Array, Indices
from halfstep.evaluation.metrics.ranking import Ranking, may_overflow
from halfstep.kernels.cuda.backend import current, unavailable
from halfstep.solvers.gpu.device.queries import rows_on_device
from halfstep.solvers.gpu.device.top_k import device_ranking

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
    ranking = Ranking(
        top=np.empty((users.size, k), np.int32),
        hits=np.empty((users.size, k), np.bool_),
        areas=np.empty(users.size, np.float64),
    )
    for start in range(0, users.size, _BLOCK):
        part = slice(start, start + _BLOCK)
        chosen = users[part]
        seen, held_out = train[chosen], test[chosen]
        ids, hits, wins = device_ranking(
            backend,
            X,
            Y,
            backend.to_device(chosen.astype(np.int32)),
            rows_on_device(backend, seen),
            rows_on_device(backend, held_out),
            k,
            held_out.nnz,
        )
        positives = np.diff(held_out.indptr)
        negatives = Y.shape[0] - positives - np.diff(seen.indptr)
        pairs = 2.0 * positives * negatives
        ranking.top[part], ranking.hits[part] = backend.to_host(ids), backend.to_host(hits)
        ranking.areas[part] = np.where(pairs > 0, backend.to_host(wins) / np.maximum(pairs, 1), 0.5)
    return ranking
