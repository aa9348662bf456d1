"""The numbers of many rows by which the stopping rule decides: dot products in float64, all finite."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from halfstep.errors import NotFinite
from halfstep.types import Floats, Integers

Doubles: TypeAlias = npt.NDArray[np.float64]


def dots(A: Floats, B: Floats) -> Doubles:
    """Return each row's dot product, in float64: squares of large float32 numbers overflow float32."""
    products: Doubles = np.einsum("uf,uf->u", A, B, dtype=np.float64)
    return products


def finite(values: Doubles, row: Integers) -> Doubles:
    """Return `values` (rows,) of the rows of these numbers; raise NotFinite for the first bad one."""
    good = np.isfinite(values)
    if not good.all():
        at = int(row[np.argmin(good)])
        raise NotFinite(f"the residual of row {at} is not finite", at)
    return values
