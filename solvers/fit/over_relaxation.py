"""Successive over-relaxation: from the third iteration on, a row goes past its solution.

With x_0 a row's factors before the half-step and x where the half-step would leave it, the row gets
x_0 + omega (x - x_0). `halfstep.solvers.eigenbasis` says why that never raises the objective, and which
omega is large enough.
"""

from __future__ import annotations

from halfstep.errors import InputError

FEW_STEPS = 3
_OMEGA = 1.4
_FIRST_ITERATIONS = 2


def check_relaxation(relaxation: float | None) -> None:
    """Raise InputError unless it is None or between 0 and 2."""
    if relaxation is not None and not 0 < relaxation < 2:
        raise InputError(f"relaxation must be between 0 and 2, got {relaxation}")


def over_relaxation(relaxation: float | None, few_steps: bool, done: int) -> float:
    """Return the over-relaxation factor omega of an iteration.

    Parameters
    ----------
    relaxation
        As the user gave it; None means 1.4 where rows take few steps and 1 otherwise.
    few_steps
        Whether rows take at most three steps, or as many as the stopping rule lets them.
    done
        Whole iterations of the fit so far. The first two leave the random start behind: to go past
        their solutions gains nothing.
    """
    if done < _FIRST_ITERATIONS:
        return 1.0
    if relaxation is not None:
        return relaxation
    return _OMEGA if few_steps else 1.0
