"""Factors that are not formed yet: numbers in whitened coordinates, and the matrix that leads out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from halfstep.kernels.cuda.backend import Array, Backend


@dataclass(frozen=True, eq=False)
class Coordinates:
    """The factors X = numbers outward of one side, as a half-step ends with them.

    Attributes
    ----------
    backend
        The device that `numbers` is on.
    numbers
        (rows, wide) in the factors' dtype.
    outward
        (wide, f) float64: an array of the algebra by which the half-step was done.
    """

    backend: Backend
    numbers: Array
    outward: Any

    @property
    def shape(self) -> tuple[int, int]:
        """(rows, f), as of the factors."""
        return len(self.numbers), self.outward.shape[1]

    @property
    def dtype(self) -> Any:
        """The factors' dtype."""
        return self.numbers.dtype

    def formed(self) -> Array:
        """Return the factors (rows, f) on the device, a new array."""
        with self.backend.on_card():  # where CuPy converts `outward`, if that is its own
            outward = self.backend.to_device(self.outward.astype(np.dtype(self.dtype)))
        return self.backend.product(self.numbers, outward)


def numbers_of(factors: Array | Coordinates) -> Array:
    """Return factors as they are, or the numbers of `Coordinates`: finite if the factors are."""
    return factors.numbers if isinstance(factors, Coordinates) else factors


def formed(factors: Array | Coordinates) -> Array:
    """Return factors (rows, f) on the device."""
    return factors.formed() if isinstance(factors, Coordinates) else factors
