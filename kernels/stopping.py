"""The stopping rule's numbers, as a compiled half-step is given them.

`halfstep.solvers.fit.stopping` states the rule.
"""

from __future__ import annotations

from typing import NamedTuple

# An entry is heavy if w |z|^2 is more than this: it makes an eigenvalue far from 1.
HEAVY = 10


class Stopping(NamedTuple):
    """How many steps a row takes.

    Attributes
    ----------
    least, most
        The smallest and the largest number of steps; equal for a fixed number of steps.
    theta, theta_heavy
        The rule's theta, and its theta for rows with heavy entries; 0 for a fixed number of steps.
    """

    least: int
    most: int
    theta: float
    theta_heavy: float
