"""The arguments that all GPU solvers have beside those of every solver."""

from __future__ import annotations

from typing import Any

import numpy as np

from halfstep.errors import InputError
from halfstep.solvers.inputs import check_number

MAX_FACTORS = 1024


def check_settings(model: Any) -> None:
    """Raise InputError for an argument of `halfstep.solvers.gpu.base.GpuSolver` that breaks its rule."""
    if model.factors > MAX_FACTORS:
        raise InputError(
            f"factors must be at most {MAX_FACTORS} for {model.name}, got {model.factors}"
        )
    if model.deterministic is not True:
        raise InputError(
            f"deterministic must be True for {model.name}, whose sums have a fixed order, "
            f"got {model.deterministic!r}"
        )
    if model.memory_limit is not None:
        check_number("memory_limit", model.memory_limit)
        if model.memory_limit <= 0:
            raise InputError(f"memory_limit must be positive, got {model.memory_limit}")
    if model.devices is not None:
        numbers = list(model.devices)
        valid = all(isinstance(k, int | np.integer) and k >= 0 for k in numbers)
        if not numbers or not valid or len(set(numbers)) < len(numbers):
            raise InputError(f"devices must be different numbers from 0, got {numbers}")
