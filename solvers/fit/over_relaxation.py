"""Successive over-relaxation: from the third iteration on a row goes further than its solution.

`halfstep.solvers.eigenbasis` tells why that never raises the objective, and how far is far enough.
"""

from __future__ import annotations

from halfstep.errors import InputError

FEW_STEPS = 3
_RELAXATION = 1.4
_UNRELAXED = 2


def check_relaxation(relaxation: float | None) -> None:
    """Raise InputError unless it is None or between 0 and 2."""
    if relaxation is not None and not 0 < relaxation < 2:
        raise InputError(f"relaxation must be between 0 and 2, got {relaxation}")


def way(relaxation: float | None, few_steps: bool, done: int) -> float:
    """Return how many times the way from a row's start to its solution is gone.

    Parameters
    ----------
    relaxation
        As given by the user; None means 1.4 with few steps and 1 otherwise.
    done
        Whole iterations of the fit so far. The first ones leave the random start behind: nothing
        there is worth going on with.
    """
    if done < _UNRELAXED:
        return 1.0
    if relaxation is not None:
        return relaxation
    return _RELAXATION if few_steps else 1.0
