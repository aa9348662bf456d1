"""The baselines of every table of held-out quality: popularity, random scores, a mean user."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from scipy.sparse import csr_matrix

from halfstep.evaluation.metrics.inputs import factor_pair
from halfstep.evaluation.protocols.draws import IdHashes, drawn_seed, hashed, normal_numbers
from halfstep.types import Floats

MEAN_FACTOR = "mean factor"
_COLUMNS = 16


def popularity_factors(
    train: csr_matrix, users: int, seed: int = 0, ids: IdHashes | None = None
) -> tuple[Floats, Floats]:
    """Return factors (users, 1) and (items, 1) that rank items by their number of training users."""
    counts = np.bincount(train.indices, minlength=train.shape[1])
    return np.ones((users, 1), np.float32), counts.astype(np.float32)[:, None]


def random_factors(
    train: csr_matrix, users: int, seed: int = 0, ids: IdHashes | None = None
) -> tuple[Floats, Floats]:
    """Return normal factors (users, 16) and (items, 16): every user gets a different random order.

    They follow `ids`, the hashes of users and items, or the numbers of rows and columns.
    """
    rng = np.random.default_rng(seed)
    of_users, of_items = ids or hashed((users, train.shape[1]))
    X, Y = (normal_numbers(h, drawn_seed(rng), _COLUMNS) for h in (of_users, of_items))
    return X, Y


BASELINES: dict[str, Callable[..., tuple[Floats, Floats]]] = {
    "random": random_factors,
    "popularity": popularity_factors,
}


def baselines_of(mean_factor: Any) -> list[str]:
    """Return the names of a table's baselines in their order, `MEAN_FACTOR` if it is asked for.

    Popularity is the last, so that a single model is compared with it.
    """
    first, *others = BASELINES
    return [first, *([MEAN_FACTOR] if mean_factor else []), *others]


def mean_factors(model: Any, train: csr_matrix, users: int) -> tuple[Floats, Floats]:
    """Return factors (users, f) and (items, f) of a model that takes everybody for the mean user.

    All rows of the first are the mean factors of those users with an entry in `train`, (any users,
    items), which the model was fitted to.
    """
    X, Y = factor_pair(*model._fitted())
    mean = X[np.diff(train.indptr) > 0].mean(axis=0, dtype=np.float64)
    return np.tile(mean.astype(X.dtype), (users, 1)), Y
