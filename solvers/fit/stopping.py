"""When a row has taken enough conjugate gradient steps: the rule of all rungs that take them.

For each row a half-step minimises E(x) = x'A x / 2 - b'x, where A is the row's matrix and b its
right-hand side; the row's part of the objective is 2 E(x) plus a constant. Let M = a0 Y'Y + lambda_u I,
so that A = M + sum w y y'. The steps are conjugate gradients preconditioned by M, or plain ones in
coordinates where M is the identity; both take the same steps. Let x* minimise E, let r_j = b - A x_j be
the residual after j steps, and |r|^2 = r'M^-1 r. A step of length alpha_j

* gains  2 (E(x_j) - E(x_j+1)) = alpha_j |r_j|^2,  exactly, whatever A is;
* out of at most  2 (E(x_j) - E(x*)) = r_j'A^-1 r_j <= |r_j|^2,  since A >= M if no w is negative;
* and so leaves at most  2 (E(x_j+1) - E(x*)) <= (1 - alpha_j) |r_j|^2.

The steps that were taken tell more than the last one does. Conjugate gradients are a Gauss quadrature of
r_0'A^-1 r_0. With one more node at 1, below which M^-1 A has no eigenvalue, it becomes a Gauss-Radau
quadrature, which is an upper bound (Golub and Meurant, Matrices, Moments and Quadrature, chapters 6 and
12). Written for one step at a time, r_j'A^-1 r_j <= g_j |r_j|^2 with

    g_0 = 1,     g_j+1 = (g_j - alpha_j) / (g_j - alpha_j + |r_j+1|^2 / |r_j|^2)

So step j leaves at most (g_j - alpha_j) |r_j|^2. Once r_j+1 is known, for which a step needs its second
half, it leaves at most g_j+1 |r_j+1|^2, which is less.

A row stops when it can still gain at most `theta` times what it has gained, by the first of these bounds
before the second half of a step, and by the second after it:

    (g_j - alpha_j) |r_j|^2  or  g_j+1 |r_j+1|^2  <=  theta  sum_{i <= j} alpha_i |r_i|^2

(The GPU rungs have g = 1 throughout: they compare the smaller of (1 - alpha_j) |r_j|^2 and |r_j+1|^2,
with the larger thetas of `LAST_STEP`. Rows leave less than these looser bounds say.)

It has then made at least 1 / (1 + theta) of the progress that the exact solution of this half-step would
make. Nothing in the test depends on the size of the weights: rows of small weights pass it after one
step, rows of play counts in the thousands after ten or twenty. (The residual relative to |b| cannot tell
the two apart: for an entry of weight w, |b|^2 grows with w^2, but all that the row can gain grows with
w.)

In a row with a negative w (`"implicit"` with alpha r < 1), A >= M is false. The test then uses
|1 - alpha_j|, which is a good guess and not a bound, and keeps g = 1, so such a row takes at least two
steps.

`theta` is 0.02, but smaller in three cases:

* 0.004 for rows with heavy entries (defined in `kernels.cpu.ways`). If all rows have them, what the
  steps leave adds up over the iterations.
* 0.002 with `"explicit"` weights. There M is lambda_u I alone, so the residual says little about the
  error, and exact solutions cost many steps.
* 0.0004 for a side of at most 2 f rows. So few rows can fit nearly all the data, so every half-step
  gains much, and what it leaves matters.

(f = 64, objective after 15 iterations over that of exact half-steps relaxed alike, and passes over the
entries to within 0.5 % of exact ALS. Raw plays of HetRec: 1.003 with 74, where thetas 2.5 times as large
have 1.005 with 69; with alpha 10 1.006 with 59, and 1.009 with 56; of 50 listeners of the Audioscrobbler
dump 1.023 with 33, and 1.054 with 33; generated 1.000 with 46, and 1.001 with 43. Under the looser
bounds, 2.5 times the thetas took 82, 65, 34 and 53 passes.)

`conjugate_gradient` has the second and the third case only.
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

THETA = 0.02
THETA_HEAVY = 0.004
THETA_EXPLICIT = 0.002
THETA_FEW_ROWS = 0.0004
# How many times as large they are where only a row's last step bounds what it leaves.
LAST_STEP = 2.5
MAX_STEPS = 64


def stopping(
    cg_steps: int | None,
    cg_tolerance: float | None,
    cg_max_steps: int | None,
    *,
    a0: float,
    few_rows: bool = False,
    by_last_step: bool = False,
) -> Stopping:
    """Return the rule's numbers for a rung's arguments and a side's background weight a0.

    `few_rows` says whether the whole side has at most 2 f rows, `by_last_step` whether only a row's last
    step bounds what it leaves.
    """
    if cg_steps is not None:
        return Stopping(cg_steps, cg_steps, 0.0, 0.0)
    times = LAST_STEP if by_last_step else 1.0
    usual = THETA_FEW_ROWS if few_rows else THETA if a0 else THETA_EXPLICIT
    theta = cg_tolerance or times * usual
    heavy = cg_tolerance or min(theta, times * THETA_HEAVY)
    # At least one step: with rows that took none, fits came to rest one per cent short.
    return Stopping(1, cg_max_steps or MAX_STEPS, theta, heavy)


def check_stopping(
    cg_steps: int | None, cg_tolerance: float | None, cg_max_steps: int | None
) -> None:
    """Raise InputError for an argument that breaks its rule or would be ignored."""
    counts = {"cg_steps": cg_steps, "cg_max_steps": cg_max_steps}
    check_integers(counts, **{name: 1 for name, value in counts.items() if value is not None})
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
    """How far one half-step solved its rows, as the rule measures it.

    Attributes
    ----------
    rows
        The number of rows with stored entries.
    stepped
        The number of rows that took conjugate gradient steps; the others were solved exactly.
    steps
        The number of steps of all rows together.
    most_steps
        The largest number of steps of a row.
    unsolved
        The number of rows that took `cg_max_steps` steps and could still gain more than `theta` times
        what they had gained.
    gained
        How much the steps lowered the objective, before over-relaxation.
    left
        A bound on how much more the exact solution of the rows that took steps would have lowered it.
    completed
        The number of rows that were solved exactly after some steps, since more steps would have cost
        more.
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
    """Warn if a fit's last half-steps left rows unsolved: how many, and which argument helps."""
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
        if report.left > LAST_STEP * THETA * report.gained:
            warnings.warn(message, NumericalWarning, stacklevel=4)
        else:
            log.info(message)
