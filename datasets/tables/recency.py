"""Let old entries count less: a value halves with each half-life between its time and the last time."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from halfstep.datasets.canonical import canonical_csr
from halfstep.errors import InputError

DAY = 86_400.0


def recency_weights(times: NDArray[np.float64], half_life: float) -> NDArray[np.float64]:
    """Return 2^(-age / half_life) for each time, shape (entries,), between 0 and 1.

    Parameters
    ----------
    times : ndarray
        float64 seconds; an unknown time (NaN) counts like the earliest one.
    half_life : float
        Days. The age of an entry is the number of days from its time to the last of all times.

    Raises
    ------
    InputError
        No time is known.
    """
    known = np.isfinite(times)
    if not known.any():
        raise InputError("half_life needs times, and no time is known")
    filled = np.where(known, times, times[known].min())
    weights: NDArray[np.float64] = np.exp2((filled - filled.max()) / (DAY * half_life))
    return weights


def recent(data: Any, half_life: float) -> Any:
    """Return a `Dataset` with every value multiplied by its recency weight, and the held-out part.

    Raises
    ------
    InputError
        The data has no times, or its values were weighed so already.
    """
    if "half_life_days" in data.provenance:
        raise InputError(
            f"{data.name}: its values were halved by their age already, before they were saved"
        )
    if data.times is None:
        raise InputError(
            f"{data.name}: half_life needs the time of each entry, and there are none; name the column "
            "with --time-column (in Python time=)"
        )
    matrix: Any = data.interactions.copy()
    matrix.data = matrix.data * recency_weights(data.times, half_life)
    provenance = {**data.provenance, "half_life_days": half_life}
    return replace(data, interactions=canonical_csr(matrix), provenance=provenance)
