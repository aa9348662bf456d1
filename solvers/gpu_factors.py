"""Factor matrices that are copied between host and device when they are asked for there, once."""

from __future__ import annotations

from typing import Any

import numpy as np

from halfstep.kernels.cuda.backend import Array, current
from halfstep.solvers.inputs import on_host
from halfstep.types import Floats


class Factors:
    """One side's factors (rows, f), wherever they were made."""

    def __init__(self, factors: Any) -> None:
        if not type(factors).__module__.startswith("cupy"):  # which is kept where it is
            factors = on_host(factors)
        self._host = factors if isinstance(factors, np.ndarray) else None
        self._device = None if self._host is not None else factors
        self._backend = None if self._host is not None else current()

    def on_host(self) -> Floats:
        """Return them as a NumPy array, the same one every time."""
        if self._host is None:
            assert self._backend is not None
            self._host = self._backend.to_host(self._device)
        return self._host

    def on_device(self) -> Array:
        """Return them as an array of the current device, the same one every time."""
        backend = current()
        if self._device is None or self._backend is not backend:
            host = np.ascontiguousarray(self.on_host())
            self._device, self._backend = backend.to_device(host), backend
        return self._device

    def __getstate__(self) -> dict[str, Any]:
        return {"_host": self.on_host(), "_device": None, "_backend": None}


def lazily(side: str) -> Any:
    """Return a property for a model's `side`: set from anywhere, got on the host."""

    def get(model: Any) -> Floats | None:
        kept = model._kept.get(side)
        return None if kept is None else kept.on_host()

    def set_(model: Any, factors: Any) -> None:
        others = model.__dict__.get("_kept", {})
        model._kept = {**others, side: None if factors is None else Factors(factors)}

    return property(get, set_)
