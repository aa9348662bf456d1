"""When a row has taken enough conjugate gradient steps: the rule of all rungs that take them.

A half-step minimises, for each row, E(x) = x'Ax / 2 - b'x (the objective is twice that, and a constant).
Let M be what all rows share, a0 Y'Y + lambda_u I, so that A = M + sum w y y'. The steps are conjugate
gradients preconditioned by M, or plain ones in coordinates where M is the identity, which is the same.
With r = b - A x and |r|^2 = r'M^-1 r, a step of length alpha

* has gained  2 (E(x_j) - E(x_j+1)) = alpha_j |r_j|^2,  exactly, whatever A is;
* has left    2 (E(x_j) - E*) = r_j'A^-1 r_j <= |r_j|^2,  because A >= M where no w is negative; and so
              2 (E(x_j+1) - E*) <= (1 - alpha_j) |r_j|^2.

A row may stop when what it can still gain is at most `theta` times what it has gained:

    (1 - alpha_j) |r_j|^2  <=  theta  sum_{i <= j} alpha_i |r_i|^2

It has then made at least 1 / (1 + theta) of the progress that the exact solution of this half-step would
make. Nothing in the test depends on how heavy the weights are: mild rows pass it after one step, a row
of play counts in the thousands after ten or twenty. (A residual relative to |b| cannot tell them
apart: for an entry of weight w, |b|^2 grows with w^2 while all that the row can gain grows with w.)

Where a row has a negative w (`"implicit"` with alpha r < 1) A >= M does not hold. The test then takes
|1 - alpha| and is a good guess, no bound: such rows take two steps at least.

With `"explicit"` weights the rows share nothing but lambda, the residual says little about the error,
and `theta` is smaller.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from halfstep.errors import InputError
from halfstep.solvers.arguments import check_integers, check_number

THETA = 0.05
THETA_EXPLICIT = 0.02
MAX_STEPS = 32


class Stopping(NamedTuple):
    """How many steps a row takes.

    Attributes
    ----------
    least, most
        At least, and at most; equal for a fixed number.
    theta
        The rule's; 0 for a fixed number of steps.
    """

    least: int
    most: int
    theta: float


def stopping(
    cg_steps: int | None, cg_tolerance: float | None, cg_max_steps: int | None, a0: float
) -> Stopping:
    """Return what the arguments of a rung mean for weights with the background `a0`."""
    if cg_steps is not None:
        return Stopping(cg_steps, cg_steps, 0.0)
    theta = cg_tolerance or (THETA if a0 > 0 else THETA_EXPLICIT)
    return Stopping(1, cg_max_steps or MAX_STEPS, theta)


def check_stopping(
    cg_steps: int | None, cg_tolerance: float | None, cg_max_steps: int | None
) -> None:
    """Raise InputError for an argument that breaks its rule or would be ignored."""
    given = {"cg_steps": cg_steps, "cg_max_steps": cg_max_steps}
    check_integers(given, **{name: 1 for name, value in given.items() if value is not None})
    if cg_tolerance is not None:
        check_number("cg_tolerance", cg_tolerance)
        if not 0 < cg_tolerance < 1:
            raise InputError(f"cg_tolerance must be between 0 and 1, got {cg_tolerance}")
    if cg_steps is not None:
        for name, value in (("cg_tolerance", cg_tolerance), ("cg_max_steps", cg_max_steps)):
            if value is not None:
                raise InputError(
                    f"{name} has no meaning with a fixed number of cg_steps, got {value} "
                    f"with cg_steps={cg_steps}"
                )


@dataclass(frozen=True)
class HalfStepReport:
    """How far one half-step solved its rows, by the rule's own figures.

    Attributes
    ----------
    rows
        Rows with stored entries.
    stepped
        Those of them that took conjugate gradient steps; the others were solved exactly.
    steps
        Steps of all rows together.
    most_steps
        Steps of the row that took the most.
    unsolved
        Rows that took as many steps as they may and could still gain more than `theta` times what they
        had gained.
    gained
        By how much the steps lowered the objective, before over-relaxation.
    left
        A bound on how much more the exact solution of the rows that took steps would have lowered it.
    """

    rows: int
    stepped: int
    steps: int
    most_steps: int
    unsolved: int
    gained: float
    left: float


class IterationReport(NamedTuple):
    """The two half-steps of one iteration."""

    users: HalfStepReport
    items: HalfStepReport
