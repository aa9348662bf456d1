"""When a row may stop, as a compiled half-step is told; `halfstep.solvers.fit.stopping` has the rule."""

from __future__ import annotations

from typing import NamedTuple


class Stopping(NamedTuple):
    """How many steps a row takes.

    Attributes
    ----------
    least, most
        At least, and at most; equal for a fixed number.
    theta, theta_heavy
        The rule's, and that of rows with heavy entries; 0 for a fixed number of steps.
    """

    least: int
    most: int
    theta: float
    theta_heavy: float
