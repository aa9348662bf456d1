"""Exact ALS as the yardstick: the result of a fit that solves every row of every half-step exactly.

A comparison with another library shows how good that library is. A comparison with exact half-steps
shows how much of the model's quality a solver reaches. Both fits have the same data, weights, start and
number of iterations; exact ALS is the rung `eigenbasis` with `exact=True`.

Over-relaxation (`halfstep.solvers.fit.over_relaxation`) lowers the objective after a given number of
iterations, by 2 to 7 % on raw play counts, however well a solver solves its rows. So there are two
comparisons:

* The verdict comes from exact ALS with *the same over-relaxation* as the solver: a deficit there is
  what the solver left unsolved. Equal quality means an objective at most 1 % higher, and held-out
  quality within the margin. A solver without over-relaxation is compared with plain exact ALS.
* Exact ALS without over-relaxation, and with the usual one of 1.4, show the fit beside what other
  implementations would compute. A lower objective does not count as better here either: on data that
  a model overfits, a lower objective may recommend worse, with every solver.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from scipy import sparse

from halfstep import defaults
from halfstep.errors import InputError
from halfstep.evaluation.equivalence import MARGIN, Comparison, compare
from halfstep.evaluation.metrics.held_out import Evaluation, evaluate
from halfstep.evaluation.metrics.judged import Overlap
from halfstep.evaluation.trace import Trace
from halfstep.solvers import Solver
from halfstep.solvers.eigenbasis import Eigenbasis
from halfstep.solvers.fit.over_relaxation import FEW_STEPS, over_relaxation
from halfstep.solvers.fit.start import RandomState

# How far a final objective may be above that of exact ALS with the same over-relaxation.
EXACT_TOLERANCE = 0.01
USUAL = 1.4


@dataclass(frozen=True)
class AgainstExact:
    """A fit compared with exact ALS.

    Attributes
    ----------
    relaxation
        The over-relaxation of exact ALS in its last iteration; 1 means none.
    alike
        Whether the fit has the same over-relaxation, so that this comparison gives the verdict.
    """

    relaxation: float
    alike: bool
    comparison: Comparison


@dataclass(frozen=True)
class EvaluatedFit:
    """A traced fit and its evaluation; `relaxation` is the over-relaxation of its last iteration."""

    trace: Trace
    evaluation: Evaluation
    relaxation: float


def evaluated(
    model: Solver,
    trace: Trace,
    train: sparse.csr_matrix,
    test: sparse.csr_matrix,
    k: int,
    *,
    min_value: float | None = None,
    overlap: Overlap = "error",
) -> EvaluatedFit:
    """Evaluate a traced fit of `model` on the held-out entries, as `evaluate` does."""
    evaluation = evaluate(
        trace.X, trace.Y, train, test, ks=(k,), min_value=min_value, overlap=overlap
    )
    return EvaluatedFit(trace, evaluation, relaxation_of(model))


def relaxation_of(model: Solver) -> float:
    """Return the over-relaxation of a model's last iteration; 1 means none."""
    settings = model._settings()
    if "relaxation" not in settings:
        return 1.0
    steps = settings.get("cg_steps")
    few = not settings.get("exact") and (steps is None or steps <= FEW_STEPS)
    return float(over_relaxation(settings["relaxation"], few, model.iterations - 1))


def exact_models(relaxations: Sequence[float], **settings: Any) -> dict[float, Solver]:
    """Return exact ALS models by over-relaxation: without, with the usual one, and with `relaxations`.

    `settings` are those that all solvers of the comparison share. In a fit of two iterations there is
    no over-relaxation, so there is one model.
    """
    models: dict[float, Solver] = {}
    for relaxation in sorted({1.0, USUAL, *relaxations}):
        model = Eigenbasis(**settings, exact=True, relaxation=relaxation)
        models.setdefault(relaxation_of(model), model)
    return models


def name_of(relaxation: float) -> str:
    """Return the name of exact ALS with this over-relaxation."""
    return "exact ALS" if relaxation == 1 else f"exact ALS, relaxation {relaxation:g}"


def against_exact(
    fit: EvaluatedFit,
    exact: Sequence[EvaluatedFit],
    train: sparse.csr_matrix,
    test: sparse.csr_matrix,
    *,
    k: int = defaults.LIST_LENGTH,
    margin: float = MARGIN,
    objective_tolerance: float = EXACT_TOLERANCE,
    random_state: RandomState = 0,
) -> list[AgainstExact]:
    """Compare a fit with each of the exact fits; the other arguments are those of `compare`.

    Raises
    ------
    InputError
        No exact fit has the same over-relaxation as `fit`.
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
