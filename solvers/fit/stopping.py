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

`theta` is 0.05, and less in three cases:

* 0.01 for rows with heavy entries (`kernels.cpu.rule` says which). Where all rows have them, what is
  left adds up, in 15 iterations, to 1.5 to 3.4 % of the objective with 0.05 and to 0.8 to 1.6 % with
  0.01, for a tenth more steps (generated play counts with medians of 200 to 8,000, f = 32).
* 0.005 with `"explicit"` weights: there the rows share nothing but lambda, the residual says little
  about the error, and exact solutions cost many steps.
* 0.001 for a side of no more rows than twice the factors: these can fit nearly all there is, every
  half-step goes far, and what it leaves is missed. (On generated play counts of 60 listeners, f = 64,
  the objective after 15 iterations was 4.8 % above that of exact half-steps with 0.05, and 0.4 % with
  0.001, in the same time; of 200 listeners 0.2 % and 0.0 %.)

Of these the GPU rungs have the second alone, and `conjugate_gradient` the second and the third.
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from halfstep.errors import InputError, NumericalWarning
from halfstep.kernels.stopping import Stopping
from halfstep.solvers.inputs import check_integers, check_number

log = logging.getLogger("halfstep")

THETA = 0.05
THETA_HEAVY = 0.01
THETA_EXPLICIT = 0.005
THETA_FEW_ROWS = 0.001
MAX_STEPS = 64


def stopping(
    cg_steps: int | None,
    cg_tolerance: float | None,
    cg_max_steps: int | None,
    *,
    a0: float,
    few_rows: bool = False,
) -> Stopping:
    """Return what the arguments of a rung mean for a side of that background weight.

    `few_rows` says whether the whole side has no more rows than twice the factors.
    """
    if cg_steps is not None:
        return Stopping(cg_steps, cg_steps, 0.0, 0.0)
    theta = cg_tolerance or (THETA_FEW_ROWS if few_rows else THETA if a0 else THETA_EXPLICIT)
    heavy = cg_tolerance or min(theta, THETA_HEAVY)
    return Stopping(1, cg_max_steps or MAX_STEPS, theta, heavy)


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
    completed
        Rows that were solved exactly after some steps, since more of them would have cost more.
    """

    rows: int
    stepped: int
    steps: int
    most_steps: int
    unsolved: int
    gained: float
    left: float
    completed: int = 0


class IterationReport(NamedTuple):
    """The two half-steps of one iteration."""

    users: HalfStepReport
    items: HalfStepReport


def warn_of_unsolved_rows(reports: Sequence[IterationReport]) -> None:
    """Warn, where a fit's last half-steps left rows unsolved, of how many and of what can be done."""
    if not reports:
        return
    for side, report in zip(("user", "item"), reports[-1], strict=True):
        if not report.unsolved:
            continue
        message = (
            f"{report.unsolved} of {report.rows} {side} rows of the last iteration took all of "
            f"{report.most_steps} steps and are not solved: its half-step gained {report.gained:.3g} "
            f"and may have left up to {report.left:.3g}; set a higher cg_max_steps, or exact=True"
        )
        if report.left > THETA * report.gained:
            warnings.warn(message, NumericalWarning, stacklevel=3)
        else:
            log.info(message)
