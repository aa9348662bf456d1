"""The ranking that all metrics are computed from, made on a GPU: scores never leave it."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.sparse import csr_matrix

from halfstep.evaluation.metrics_blocks import Ranking
from halfstep.evaluation.metrics_inputs import Indices
from halfstep.solvers.gpu_topk import Rows, device_ranking

_BLOCK = 1 << 16


def rank_on_device(
    backend: Any, X: Any, Y: Any, train: csr_matrix, test: csr_matrix, users: Indices, *, k: int
) -> Ranking:
    """Rank all unseen items for `users`, as `metrics_blocks.rank` does on the CPU.

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
            _rows(backend, seen),
            _rows(backend, held_out),
            k,
            held_out.nnz,
        )
        positives = np.diff(held_out.indptr)
        negatives = Y.shape[0] - positives - np.diff(seen.indptr)
        pairs = 2.0 * positives * negatives
        ranking.top[part], ranking.hits[part] = backend.to_host(ids), backend.to_host(hits)
        ranking.areas[part] = np.where(pairs > 0, backend.to_host(wins) / np.maximum(pairs, 1), 0.5)
    return ranking


def _rows(backend: Any, matrix: csr_matrix) -> Rows:
    return Rows(
        backend.to_device(matrix.indptr.astype(np.int64)),
        backend.to_device(matrix.indices.astype(np.int32)),
    )
