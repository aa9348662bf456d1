"""Exact ALS as the yardstick: what a fit comes to when every row of every half-step is solved exactly.

Another library's fit says how good that library is. The exact solution of each half-step says what the
model can give: same data, weights, start and number of iterations, and rung `eigenbasis` with
`exact=True` in place of the solver.

A solver that goes further than a row's solution (`halfstep.solvers.fit.over_relaxation`) is further
along after as many iterations, by 2 to 7 % of the objective on raw play counts, however well it solves
its rows. So there are two figures:

* Against exact ALS *relaxed alike*, which goes further just as the solver does, the verdict is made:
  what is missing there, the solver has left unsolved. Equal quality: an objective at most 1 % above,
  and held-out quality within the margin. A solver that does not relax is held to plain exact ALS.
* Against exact ALS without relaxation, and with the usual one, it is told what the fit comes to beside
  what everybody else would compute. A lower objective is not called better there either: on data that
  a model overfits, a lower one may recommend worse, with every solver.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from scipy import sparse

from halfstep.errors import InputError
from halfstep.evaluation.equivalence import MARGIN, Comparison, compare
from halfstep.evaluation.metrics.held_out import Evaluation, evaluate
from halfstep.evaluation.trace import Trace
from halfstep.solvers import Solver
from halfstep.solvers.eigenbasis import Eigenbasis
from halfstep.solvers.fit.over_relaxation import FEW_STEPS, over_relaxation
from halfstep.solvers.fit.start import RandomState

EXACT_TOLERANCE = 0.01  # how far a final objective may be above exact ALS's, relaxed alike
USUAL = 1.4


@dataclass(frozen=True)
class AgainstExact:
    """A fit compared with exact ALS.

    Attributes
    ----------
    relaxation
        Exact ALS's, from its third iteration on; 1 is none.
    alike
        Whether that is the fit's own: the comparison that decides.
    """

    relaxation: float
    alike: bool
    comparison: Comparison


@dataclass(frozen=True)
class Judged:
    """A fit with what is needed to compare it: `relaxation` is that of its last iteration."""

    trace: Trace
    evaluation: Evaluation
    relaxation: float


def judged(
    model: Solver, trace: Trace, train: sparse.csr_matrix, test: sparse.csr_matrix, k: int
) -> Judged:
    """Evaluate a traced fit of `model` on what was held out."""
    evaluation = evaluate(trace.X, trace.Y, train, test, ks=(k,))
    return Judged(trace, evaluation, relaxation_of(model))


def relaxation_of(model: Solver) -> float:
    """Return the over-relaxation factor omega of a model's last iteration."""
    settings = model.get_params()
    if "relaxation" not in settings:
        return 1.0
    steps = settings.get("cg_steps")
    few = not settings.get("exact") and (steps is None or steps <= FEW_STEPS)
    return float(over_relaxation(settings["relaxation"], few, model.iterations - 1))


def exact_models(relaxations: Sequence[float], **settings: Any) -> dict[float, Solver]:
    """Return exact ALS without relaxation, with the usual one, and with those of some solvers.

    `settings` are those that all solvers of the comparison share. A fit of two iterations relaxes
    nothing: there is one model then.
    """
    models: dict[float, Solver] = {}
    for relaxation in sorted({1.0, USUAL, *relaxations}):
        model = Eigenbasis(**settings, exact=True, relaxation=relaxation)
        models.setdefault(relaxation_of(model), model)
    return models


def name_of(relaxation: float) -> str:
    """Return what exact ALS with this relaxation is called."""
    return "exact ALS" if relaxation == 1 else f"exact ALS, relaxation {relaxation:g}"


def against_exact(
    fit: Judged,
    exact: Sequence[Judged],
    train: sparse.csr_matrix,
    test: sparse.csr_matrix,
    *,
    k: int = 10,
    margin: float = MARGIN,
    objective_tolerance: float = EXACT_TOLERANCE,
    random_state: RandomState = 0,
) -> list[AgainstExact]:
    """Compare a fit with each of the exact ones; arguments as for `compare`.

    Raises
    ------
    InputError
        None of the exact fits is relaxed as this one is.
    """
    if fit.relaxation not in [e.relaxation for e in exact]:
        raise InputError(f"exact must hold a fit with relaxation {fit.relaxation:g}, got none")
    return [
        AgainstExact(
            e.relaxation,
            e.relaxation == fit.relaxation,
            compare(
                e.trace,
                fit.trace,
                train,
                test,
                k=k,
                margin=margin,
                objective_tolerance=objective_tolerance,
                random_state=random_state,
                evaluations=(e.evaluation, fit.evaluation),
            ),
        )
        for e in exact
    ]
