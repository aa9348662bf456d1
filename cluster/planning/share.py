"""How many of the other side's rows a machine needs, if it has a random part of the entries."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from halfstep.types import Floats

_POINTS = 1 << 14  # of a distribution, each for as many rows as any other


def share_needed(degrees: npt.ArrayLike, part: float) -> float:
    """Return the expected share of rows that are named by a random `part` of the entries.

    A row with d entries is named with probability 1 - (1 - part)^d: each of its entries lies elsewhere
    with probability 1 - part. With W equal machines `part` is 1 / W.

    Parameters
    ----------
    degrees
        (rows,) the stored entries of each row; rows without entries count, and are never named.
    """
    d = np.asarray(degrees, np.float64)
    if part >= 1:
        return float(np.mean(d > 0)) if d.size else 0.0
    return float(np.mean(-np.expm1(d * np.log1p(-part)))) if d.size else 0.0


def lognormal_degrees(mean: float, sigma: float) -> Floats:
    """Return numbers of entries that stand for a log-normal distribution, (·,), rising.

    Parameters
    ----------
    mean
        Of the numbers of entries, not of their logarithms.
    sigma
        Standard deviation of their natural logarithms.
    """
    from scipy.special import ndtri

    quantiles = (np.arange(_POINTS) + 0.5) / _POINTS
    return np.asarray(mean * np.exp(sigma * ndtri(quantiles) - sigma**2 / 2))


def bytes_of_row(
    factors: int, dtype: str = "float32", packed: bool = True, multiple: int = 32
) -> int:
    """Return the bytes of a row as it travels.

    Parameters
    ----------
    factors
        f, the row's length.
    dtype
        Of the factors.
    packed
        Whether whitened rows travel as bfloat16, padded to a `multiple` of coordinates. Otherwise they
        travel in `dtype`, and are taken as not padded.
    """
    if packed:
        return 2 * (-(-factors // multiple) * multiple)
    return factors * np.dtype(dtype).itemsize
