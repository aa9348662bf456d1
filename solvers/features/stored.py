"""A model's W and V in its file, and in copies of it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import numpy as np

from halfstep.errors import InputError
from halfstep.solvers.features.of_model import FACTORS

_ENCODERS = "feature_encoders"


def members(model: Any, dtype: Any) -> dict[str, Any]:
    """Return the arrays that a model's file keeps of a fit with attributes, by name."""
    sides = {name: getattr(model, name) for name in FACTORS.values()}
    found: dict[str, Any] = {
        name: W.astype(dtype, copy=False) for name, W in sides.items() if W is not None
    }
    if found and model.feature_encoders_:
        found[_ENCODERS] = np.array(json.dumps(dict(model.feature_encoders_), sort_keys=True))
    return found


def take_members(model: Any, label: str, archive: Mapping[str, Any]) -> None:
    """Set what `members` has written; `label` is what errors call the file."""
    for name in FACTORS.values():
        W = archive.get(name)
        if W is None:
            continue
        if W.ndim != 2 or W.shape[1] != model.factors or W.dtype != np.dtype(model.dtype):
            raise InputError(f"{label} is damaged: {name} of shape {W.shape}")
        if not np.isfinite(W).all():
            raise InputError(f"{label} is damaged: {name} that are not finite")
        setattr(model, name, np.ascontiguousarray(W))
    if _ENCODERS in archive:
        model.feature_encoders_ = json.loads(str(archive[_ENCODERS]))


def copy_to(model: Any, other: Any) -> None:
    """Give another model of the same factors what this one has of a fit with attributes."""
    for name in FACTORS.values():
        W = getattr(model, name)
        if W is not None:
            setattr(other, name, np.array(W, other.dtype))
    other.feature_encoders_ = dict(model.feature_encoders_)
