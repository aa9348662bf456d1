"""Checks of arguments that every solver shares; each refusal names the argument, rule and value."""

from __future__ import annotations

import math
from numbers import Integral, Real
from typing import Any

import numpy as np

from halfstep.errors import InputError

MOST = 2**31 - 1  # of anything that is counted in a loop or a column; beyond, libraries overflow


def check_integers(values: dict[str, Any], **least: int) -> None:
    """Raise InputError unless each named value is an integer of at least the number given."""
    for name, minimum in least.items():
        value = values[name]
        if isinstance(value, bool) or not isinstance(value, Integral):
            raise InputError(f"{name} must be an integer, got {value!r}")
        if int(value) < minimum:
            raise InputError(f"{name} must be at least {minimum}, got {value}")
        if int(value) > MOST:
            raise InputError(f"{name} must be at most {MOST}, got {value}")


def check_number(name: str, value: Any) -> None:
    """Raise InputError unless the value is a finite number of at least 0."""
    if isinstance(value, bool) or not isinstance(value, Real):
        raise InputError(f"{name} must be a number, got {value!r}")
    if not (math.isfinite(value) and float(value) >= 0):
        raise InputError(f"{name} must be at least 0 and finite, got {value}")


def check_dtype(dtype: Any) -> None:
    """Raise InputError unless `dtype` means float32 or float64."""
    try:
        name = np.dtype(dtype).name
    except TypeError:
        name = repr(dtype)
    if name not in ("float32", "float64"):
        raise InputError(f"dtype must be float32 or float64, got {name}")
