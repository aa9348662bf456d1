"""Successive over-relaxation: from the third iteration on, a row moves beyond its solution.

Let x_0 be a row's factors before the half-step and x the factors that the half-step finds. The row gets
x_0 + omega (x - x_0). `halfstep.solvers.eigenbasis` says why this never raises the objective.
"""

from __future__ import annotations

from numbers import Real
from typing import Any

from halfstep.errors import InputError

FEW_STEPS = 3
_OMEGA = 1.4
_FIRST_ITERATIONS = 2  # tried: 1, also with three steps; no iteration fewer at f = 512


def check_relaxation(relaxation: Any) -> None:
    """Raise InputError unless `relaxation` is None or between 0 and 2."""
    if relaxation is not None and not (isinstance(relaxation, Real) and 0 < float(relaxation) < 2):
        raise InputError(f"relaxation must be between 0 and 2, got {relaxation!r}")


def over_relaxation(relaxation: float | None, few_steps: bool, done: int) -> float:
    """Return the over-relaxation factor omega of an iteration.

    Parameters
    ----------
    relaxation
        The solver's argument. None means 1.4 with `few_steps` and 1 otherwise.
    few_steps
        Whether rows take at most three steps, or as many as the stopping rule lets them.
    done
        The number of whole iterations of the fit so far. In the first two, which lead away from the
        random start, over-relaxation gains nothing.
    """
    if done < _FIRST_ITERATIONS:
        return 1.0
    if relaxation is not None:
        return relaxation
    return _OMEGA if few_steps else 1.0
