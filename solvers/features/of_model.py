"""A model's W and V (p, f): by what names it has them, and what fold-in takes of them."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import sparse

from halfstep.errors import InputError
from halfstep.solvers.features.given import as_features
from halfstep.solvers.features.prior import Prior
from halfstep.solvers.problem import Weights

NAMES = {"user": "user_features", "item": "item_features"}
FACTORS = {"user": "user_feature_factors", "item": "item_feature_factors"}


def features_of_rows(model: Any, side: str, value: Any, rows: int) -> sparse.csr_matrix | None:
    """Return the attributes (rows, p) of rows to fold in, or None without any.

    Raises
    ------
    InputError
        The model was fitted without attributes of this side, or with others than these.
    """
    if value is None:
        return None
    W, name = getattr(model, FACTORS[side]), NAMES[side]
    if W is None:
        raise InputError(
            f"{name} needs a model that was fitted with {name}, got one whose {FACTORS[side]} is None"
        )
    W = np.asarray(W)
    if W.ndim != 2 or W.dtype.kind != "f" or W.shape[1] != model.factors:
        raise InputError(
            f"{FACTORS[side]} must be a matrix of {model.factors} columns, "
            f"got {W.dtype} of shape {W.shape}"
        )
    F = as_features(value, rows, name, W.dtype)
    if F.shape[1] != len(W):
        raise InputError(f"{name} must have the {len(W)} columns of the fit's, got shape {F.shape}")
    return F


def prior_of_rows(model: Any, side: str, weights: Weights, F: sparse.csr_matrix) -> Prior:
    """Return the prior of rows to fold in with these weights and the attributes F (rows, p)."""
    kind = weights.values.dtype
    W = getattr(model, FACTORS[side]).astype(kind, copy=False)
    stored = np.diff(weights.indptr) > 0
    return Prior(F.astype(kind, copy=False), stored, weights.lam, np.ones(len(W)), W)
