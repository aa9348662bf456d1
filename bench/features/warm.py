"""Known users and items: what attributes change for those who have entries.

A fifth of each user's entries is held out, and the catalogue without the user's items is ranked.
The same starting factors and settings are fitted with the attributes of the items and without them.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import sparse

from halfstep.bench.features.data import Attributed
from halfstep.bench.features.entrants import Halfstep, Setting
from halfstep.bench.features.protocol import interval
from halfstep.evaluation import evaluate
from halfstep.types import Floats

FEW = 10
STRENGTHS = (1.0, 10.0, 100.0, 1000.0)  # in multiples of the ridge


def split(
    matrix: sparse.csr_matrix, seed: int, share: float = 0.2
) -> tuple[sparse.csr_matrix, sparse.csr_matrix]:
    """Return a training and a held-out part: of each user's entries `share`, rounded, is held out."""
    rng = np.random.default_rng(seed)
    sizes = np.diff(matrix.indptr)
    rows = np.repeat(np.arange(len(sizes)), sizes)
    order = np.lexsort((rng.random(matrix.nnz), rows))
    place = np.empty(matrix.nnz, np.int64)
    place[order] = np.arange(matrix.nnz) - np.repeat(matrix.indptr[:-1], sizes)
    out = place < np.round(share * sizes)[rows]

    def part(kept: npt.NDArray[np.bool_]) -> sparse.csr_matrix:
        return sparse.csr_matrix(
            (matrix.data[kept], (rows[kept], matrix.indices[kept])), shape=matrix.shape
        )

    return part(~out), part(out)


def fewer(matrix: sparse.csr_matrix, most: int, seed: int) -> sparse.csr_matrix:
    """Return the matrix with `most` random entries of every user that has more."""
    rng = np.random.default_rng(seed)
    sizes = np.diff(matrix.indptr)
    rows = np.repeat(np.arange(len(sizes)), sizes)
    order = np.lexsort((rng.random(matrix.nnz), rows))
    place = np.arange(matrix.nnz) - np.repeat(matrix.indptr[:-1], sizes)
    kept = np.sort(order[place < most])
    return sparse.csr_matrix(
        (matrix.data[kept], (rows[kept], matrix.indices[kept])), shape=matrix.shape
    )


def warm(data: Attributed, setting: Setting, seeds: int = 3) -> dict[str, Any]:
    """Return NDCG@10 with and without the attributes: for all users, for those with few entries.

    Where hardly anyone has fewer than 10 entries, a third of the users is cut to 5. The strength of the
    attributes is the best of `STRENGTHS` on one more split; the other settings are the same.
    """
    setting = setting | {"mu": _strength_for(data, setting, seeds)}
    ways: dict[str, dict[str, list[Any]]] = {"all users": {}, "fewer than 10 entries": {}}
    for seed in range(seeds):
        train, held_out = _parts(data, seed)
        few = np.flatnonzero(np.diff(train.indptr) < FEW)
        found = {
            name: _values(train, held_out, attributes, setting, seed)
            for name, attributes in (("without", None), ("with", data.attributes))
        }
        found["difference"] = (
            found["with"][0],
            found["with"][1] - found["without"][1],
        )
        for name, (users, values) in found.items():
            ways["all users"].setdefault(name, []).append((users, values))
            mask = np.isin(users, few)
            ways["fewer than 10 entries"].setdefault(name, []).append((users[mask], values[mask]))
    return {
        group: {name: interval(values) for name, values in rows.items()}
        | {"users": len(rows["with"][0][0])}
        | {"strength": setting["mu"]}
        for group, rows in ways.items()
    }


def _strength_for(data: Attributed, setting: Setting, seed: int) -> float:
    train, held_out = _parts(data, seed)
    means = {
        mu: _values(train, held_out, data.attributes, setting | {"mu": mu}, seed)[1].mean()
        for mu in STRENGTHS
    }
    return max(means, key=means.__getitem__)


def _parts(data: Attributed, seed: int) -> tuple[sparse.csr_matrix, sparse.csr_matrix]:
    train, held_out = split(data.interactions, seed)
    cut = np.random.default_rng(seed).random(train.shape[0]) < 1 / 3
    keep = sparse.diags((~cut).astype(np.float32)) @ train
    train = (keep + sparse.diags(cut.astype(np.float32)) @ fewer(train, 5, seed)).tocsr()
    train.eliminate_zeros()
    return train, held_out


def _values(
    train: sparse.csr_matrix,
    held_out: sparse.csr_matrix,
    attributes: sparse.csr_matrix | None,
    setting: Setting,
    seed: int,
) -> tuple[npt.NDArray[np.int64], Floats]:
    fit = Halfstep().fit(train, attributes, None, setting, seed)
    judged = evaluate(fit.users, fit.items, train, held_out, ks=(10,), auc=False)
    return judged.users, judged.per_user["ndcg@10"]
