"""Ways of the GPU backend that no emulator can run, and that are off until a card has shown parity.

A backend module that has any names them in `OPTIONS`, a dictionary from name to description, and turns
them on by `with optional(*names)`. Each is tried alone, or beside those that it cannot be without, which
the module's `NEEDS` names; then all together: the same fit with it off and on, how far the objective and
the factors are apart, the seconds of both, and what only the fit with it on warned of. A warning says
that the option was not used, or not to the end. Those that no fit asks for are left to `queries`.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from contextlib import nullcontext
from types import ModuleType
from typing import Any, NamedTuple

import numpy as np
from scipy import sparse

from halfstep.bench.gpu.parity import within
from halfstep.errors import NumericalWarning
from halfstep.kernels.cuda import backend as _backend
from halfstep.kernels.cuda.backend import current
from halfstep.kernels.device.options import OF_QUERIES
from halfstep.solvers import SOLVERS

ITERATIONS = 6


def options(
    matrix: sparse.csr_matrix,
    factors: int,
    name: str,
    convention: dict[str, Any],
    record: Callable[..., None],
    backend: ModuleType = _backend,
) -> bool:
    """Try each option; return whether all kept parity. One that raises is recorded with its error.

    Parameters
    ----------
    name
        The rung that fits.
    record
        Called with `option` and what was found, or once with `none` where the backend has no options.
    backend
        The module that may have `OPTIONS` and `optional`.
    """
    every: dict[str, str] = getattr(backend, "OPTIONS", {})
    known = {one: text for one, text in every.items() if one not in OF_QUERIES}
    if not known:
        record(none="no options")
        return True
    needs: dict[str, tuple[str, ...]] = getattr(backend, "NEEDS", {})
    off, good = _fit(matrix, factors, name, convention, nullcontext()), True
    tried = [(one, (one, *needs.get(one, ()))) for one in known]
    tried += [("all", tuple(known))] if len(known) > 1 else []
    for label, chosen in tried:
        found: dict[str, Any] = {
            "option": label, "description": known.get(label, ", ".join(chosen)), "solver": name,
            "factors": factors, "beside": list(needs.get(label, ())),
        }  # fmt: skip
        try:
            on = _fit(matrix, factors, name, convention, backend.optional(*chosen))
        except Exception as error:  # the other options must still be tried
            record(**found, error=f"{type(error).__name__}: {error}"[:300], equal=False)
            good = False
            continue
        apart = abs(on.loss / off.loss - 1)
        equal = bool(apart < within(name))
        good &= equal
        record(
            **found, equal=equal, objective_difference=apart,
            factors_difference=max(_apart(on.X, off.X), _apart(on.Y, off.Y)),
            seconds_on=on.seconds, seconds_off=off.seconds,
            warned=[text for text in on.warned if text not in off.warned],
        )  # fmt: skip
    return good


class _Fit(NamedTuple):
    """A fit's objective and factors, the median seconds of its later iterations, what it warned of."""

    loss: float
    X: Any
    Y: Any
    seconds: float
    warned: list[str]


def _fit(
    matrix: sparse.csr_matrix, factors: int, name: str, convention: dict[str, Any], switched: Any
) -> _Fit:
    solver: Any = SOLVERS[name]
    common = {"factors": factors, "iterations": ITERATIONS, "random_state": 0, **convention}
    with switched, warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        model = solver(**common, calculate_training_loss=True).fit(matrix, show_progress=False)
        timed = solver(**common).fit(matrix, show_progress=False)
        current().synchronize()
    each = float(np.median(timed.seconds_[1:]))
    warned = [str(one.message) for one in caught if issubclass(one.category, NumericalWarning)]
    X, Y = np.asarray(model.user_factors), np.asarray(model.item_factors)
    return _Fit(model.loss_history_[-1], X, Y, each, list(dict.fromkeys(warned)))


def _apart(on: Any, off: Any) -> float:
    """Return |on - off| / |off| by Frobenius norms; NaN where a number is NaN."""
    return float(np.linalg.norm(on - off) / np.linalg.norm(off))
