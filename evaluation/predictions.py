"""How similar two fits' predictions are: the column spaces of the factors, and the recommended lists."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import sparse
from scipy.linalg import subspace_angles
from scipy.stats import rankdata

from halfstep import defaults
from halfstep.evaluation.trace import Trace
from halfstep.solvers.model.top_k import top_k
from halfstep.types import Floats


@dataclass(frozen=True)
class Predictions:
    """How similar two models' predictions are.

    Attributes
    ----------
    overlap
        Mean share of common items in a user's two top-k lists.
    rank_correlation
        Mean Spearman correlation of the two models' scores over the union of both lists.
    user_angle, item_angle
        Largest principal angle between the column spaces of the factor matrices, in degrees.
    k, users
        Length of the lists, and number of users compared.
    """

    overlap: float
    rank_correlation: float
    user_angle: float
    item_angle: float
    k: int
    users: int


def compare_predictions(
    a: Trace, b: Trace, seen: sparse.csr_matrix, *, k: int = defaults.LIST_LENGTH, users: int = 1000
) -> Predictions:
    """Compare two fits' recommendations for up to `users` evenly spaced users, seen items left out."""
    rows = np.unique(np.linspace(0, len(a.X) - 1, min(users, len(a.X))).astype(np.int64))
    excluded = seen[rows]
    lists = [top_k(t.X[rows], t.Y, k, excluded=excluded)[0] for t in (a, b)]
    overlaps, correlations = [], []
    for row, first, second in zip(rows, *lists, strict=True):
        first, second = first[first >= 0], second[second >= 0]
        if not len(first):
            continue
        overlaps.append(len(np.intersect1d(first, second)) / len(first))
        union = np.union1d(first, second)
        if len(union) > 1:
            scores = [rankdata(t.Y[union].astype(np.float64) @ t.X[row]) for t in (a, b)]
            centred = [s - s.mean() for s in scores]
            size = np.linalg.norm(centred[0]) * np.linalg.norm(centred[1])
            correlations.append(float(centred[0] @ centred[1] / size) if size else 0.0)
    return Predictions(
        overlap=float(np.mean(overlaps)) if overlaps else 1.0,
        rank_correlation=float(np.mean(correlations)) if correlations else 1.0,
        user_angle=_largest_angle(a.X, b.X),
        item_angle=_largest_angle(a.Y, b.Y),
        k=k,
        users=len(rows),
    )


def _largest_angle(A: Floats, B: Floats) -> float:
    angles = subspace_angles(A.astype(np.float64), B.astype(np.float64))
    # The column space of zero factors is empty, and then there is no angle.
    return float(np.degrees(angles.max())) if len(angles) else 90.0
