"""Checks of the arguments of every evaluation: factors, indices, whole numbers."""

import operator
from collections.abc import Iterable
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from halfstep.errors import InputError
from halfstep.solvers.inputs import on_host

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

    Factors on a device or from another library are copied by `halfstep.solvers.inputs.on_host`.

    Raises
    ------
    InputError
        One is not a two-dimensional floating-point array, their numbers of columns differ, or an
        element is NaN or infinite.
    """
    factors = {"user_factors": user_factors, "item_factors": item_factors}
    pair = {name: np.asarray(on_host(matrix, name)) for name, matrix in factors.items()}
    for name, matrix in pair.items():
        if matrix.ndim != 2 or matrix.dtype not in (np.float32, np.float64):
            raise InputError(
                f"{name} must be a two-dimensional float32 or float64 array, "
                f"got {matrix.ndim} dimensions of {matrix.dtype}"
            )
        finite = np.isfinite(matrix).all(axis=1)
        if not finite.all():
            row = int(np.argmin(finite))
            raise InputError(
                f"{name} must be finite, got {matrix[row].tolist()} in row {row}"[:200]
            )
    X, Y = pair.values()
    if X.shape[1] != Y.shape[1]:
        raise InputError(
            f"item_factors must have as many columns as user_factors ({X.shape[1]}), got {Y.shape[1]}"
        )
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
