"""Go on with the host's algebra if the device's failed (option `factor-on-card`).

Nobody waits for a factorisation on the device. One that fails turns the rows solved with it NaN, which
is found when the iteration ends. The fit then goes on from the factors of the last good iteration,
with the factorisations on the host. If a row is not finite for another reason, that
raises the error again.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from functools import wraps
from typing import Any

from halfstep.errors import NotFinite, NumericalWarning
from halfstep.kernels.device.options import enabled, suspended

OPTION = "factor-on-card"


def falling_back(alternate: Callable[..., None]) -> Callable[..., None]:
    """Decorate `GpuSolver._alternate`: called again, on the host's algebra, if the device's fails."""

    @wraps(alternate)
    def either(model: Any, users: Any, items: Any, X: Any, Y: Any, monitor: Any) -> None:
        if not enabled(OPTION):
            alternate(model, users, items, X, Y, monitor)
            return
        try:
            alternate(model, users, items, X, Y, monitor)
            return
        except NotFinite as error:
            failed = str(error)
        # Outside of the handler, whose traceback would hold the arrays of the attempt.
        warnings.warn(
            f"{failed}: the iteration is done again, and those after it, with factorisations on the "
            "host",
            NumericalWarning,
            stacklevel=3,
        )
        with suspended(OPTION):
            alternate(model, users, items, *monitor.whole(), monitor)

    return either
