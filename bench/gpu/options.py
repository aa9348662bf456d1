"""Ways of the GPU backend that no emulator can run, and that are off until a card has shown parity.

A backend module that has any names them in `OPTIONS`, a dictionary from name to description, and turns
them on by `with optional(*names)`. Each is tried alone, then all together: the same fit with it off and
on, how far the objective and the factors are apart, and the seconds of both. Those that no fit asks for
are left to `queries`.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from types import ModuleType
from typing import Any

import numpy as np
from scipy import sparse

from halfstep.bench.gpu.parity import within
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
    off, good = _fit(matrix, factors, name, convention, nullcontext()), True
    tried = [(one, (one,)) for one in known] + ([("all", tuple(known))] if len(known) > 1 else [])
    for label, chosen in tried:
        found: dict[str, Any] = {
            "option": label, "description": known.get(label, ", ".join(chosen)), "solver": name,
            "factors": factors,
        }  # fmt: skip
        try:
            on = _fit(matrix, factors, name, convention, backend.optional(*chosen))
        except Exception as error:  # the other options must still be tried
            record(**found, error=f"{type(error).__name__}: {error}"[:300], equal=False)
            good = False
            continue
        apart = abs(on[0].loss_history_[-1] / off[0].loss_history_[-1] - 1)
        equal = bool(apart < within(name))
        good &= equal
        record(
            **found, equal=equal, objective_difference=apart,
            factors_difference=max(map(_apart, on[1:3], off[1:3])),
            seconds_on=on[3], seconds_off=off[3],
        )  # fmt: skip
    return good


def _fit(
    matrix: sparse.csr_matrix, factors: int, name: str, convention: dict[str, Any], switched: Any
) -> tuple[Any, Any, Any, float]:
    """Return the model, its factors, and the median seconds of an iteration but the first."""
    solver: Any = SOLVERS[name]
    common = {"factors": factors, "iterations": ITERATIONS, "random_state": 0, **convention}
    with switched:
        model = solver(**common, calculate_training_loss=True).fit(matrix, show_progress=False)
        timed = solver(**common).fit(matrix, show_progress=False)
        current().synchronize()
    each = float(np.median(timed.seconds_[1:]))
    return model, np.asarray(model.user_factors), np.asarray(model.item_factors), each


def _apart(on: Any, off: Any) -> float:
    """Return |on - off| / |off| by Frobenius norms; NaN where a number is NaN."""
    return float(np.linalg.norm(on - off) / np.linalg.norm(off))
