"""Checks of the arguments of every evaluation: factors, indices, whole numbers."""

import operator
from collections.abc import Iterable
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from halfstep.errors import InputError
from halfstep.solvers.model.held import checked

Array: TypeAlias = npt.NDArray[Any]
Indices: TypeAlias = npt.NDArray[np.int64]


def whole_number(name: str, value: Any, *, least: int) -> int:
    """Return `value` as an int of at least `least`, or raise InputError, also for a bool."""
    try:
        number = operator.index(value)
    except TypeError:
        number = least - 1
    if number < least or isinstance(value, bool | np.bool_):
        raise InputError(f"{name} must be an integer of at least {least}, got {value!r}")
    return number


def factor_pair(user_factors: Any, item_factors: Any) -> tuple[Array, Array]:
    """Return both factor matrices, C-contiguous and of one dtype: float32 if both are, else float64.

    Raises
    ------
    InputError
        They are not what a model's queries take: see `halfstep.solvers.model.held`.
    """
    names = ("user_factors", "item_factors")
    for name, factors in zip(names, (user_factors, item_factors), strict=True):
        if factors is None:
            raise InputError(f"{name} must be a NumPy array, got None")
    X, Y = checked(dict(zip(names, (user_factors, item_factors), strict=True))).values()
    dtype = np.result_type(X, Y)
    return np.ascontiguousarray(X, dtype), np.ascontiguousarray(Y, dtype)


def index_array(name: str, values: Any, *, dimensions: int, below: int, least: int = 0) -> Indices:
    """Return integers in [least, below) as an int64 array, or raise InputError."""
    array = np.asarray(values)
    if array.ndim != dimensions or not (np.issubdtype(array.dtype, np.integer) or array.size == 0):
        raise InputError(
            f"{name} must be an integer array of {dimensions} dimensions, "
            f"got {array.ndim} dimensions of {array.dtype}"
        )
    outside = (array < least) | (array >= below)
    if outside.any():
        raise InputError(f"{name} must lie in [{least}, {below}), got {array[outside][0]}")
    return array.astype(np.int64)


def cut_offs(ks: Iterable[Any]) -> tuple[int, ...]:
    """Return the list lengths `ks` as a tuple of ints in their order, or raise InputError."""
    if not isinstance(ks, Iterable):
        raise InputError(f"ks must be a sequence of integers, got {ks!r}")
    lengths = tuple(whole_number("ks", k, least=1) for k in ks)
    if not lengths or len(set(lengths)) != len(lengths):
        raise InputError(f"ks must hold at least one integer and none twice, got {lengths}")
    if max(lengths) > np.iinfo(np.int32).max:
        raise InputError(f"ks must be at most {np.iinfo(np.int32).max}, got {max(lengths)}")
    return lengths
