"""Dense algebra of the emulated device, with NumPy in the place of CuPy and its libraries."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np
from scipy.linalg import solve_triangular

from halfstep.kernels.device.dense import CardAlgebra


class Product(NamedTuple):
    """A matrix product that was asked for: shapes of the factors, and whether TF32 would do."""

    left: tuple[int, ...]
    right: tuple[int, ...]
    tf32: bool


def as_tf32(values: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Return float32 numbers cut, where a card rounds, to the 11 significant bits of TF32."""
    return (values.view(np.uint32) & np.uint32(0xFFFFE000)).view(np.float32)


class QuietNumpy:
    """NumPy, but what cannot be factorised gives wrong numbers as on a device, instead of an error."""

    def __init__(self) -> None:
        self.linalg = self

    def __getattr__(self, name: str) -> Any:
        return getattr(np, name)

    def cholesky(self, A: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        try:
            return np.linalg.cholesky(A)
        except np.linalg.LinAlgError:
            return np.tril(A)

    def eigh(self, A: np.ndarray[Any, Any]) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
        try:
            return tuple(np.linalg.eigh(A))
        except np.linalg.LinAlgError:
            return A[0], A


def product(left: np.ndarray[Any, Any], right: np.ndarray[Any, Any], tf32: bool) -> Any:
    """Return the matrix product, of numbers cut to TF32 if they are float32 and that was asked for.

    Sums of float32 numbers are float64: in float32, some machines' BLAS adds up those of a row in an
    order that depends on the row's place.
    """
    if tf32 and left.dtype == np.float32:
        left, right = as_tf32(left), as_tf32(right)
    return (left.astype(np.float64) @ right.astype(np.float64)).astype(left.dtype)


@contextmanager
def on_card() -> Iterator[CardAlgebra]:
    """Return the device's algebra, with NumPy in CuPy's place."""
    yield CardAlgebra(QuietNumpy(), solve_triangular)
