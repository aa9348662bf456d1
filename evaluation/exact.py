"""Exact ALS as the yardstick: the result of a fit that solves every row of every half-step exactly.

A comparison with another library shows how good that library is. A comparison with exact half-steps
shows how much of the model's quality a solver reaches. Both fits have the same data, weights, start and
number of iterations; exact ALS is the rung `eigenbasis` with `exact=True`.

Over-relaxation (`halfstep.solvers.fit.over_relaxation`) lowers the objective after a given number of
iterations, by 5 to 40 % on raw play counts, however well a solver solves its rows. So there are two
comparisons:

* The verdict comes from exact ALS with *the same over-relaxation* as the solver, which is the factor of
  each of its iterations: a deficit there is what the solver left unsolved. Equal quality means an
  objective at most 1 % higher, and held-out quality within the margin. A solver without over-relaxation
  is compared with plain exact ALS.
* Exact ALS without over-relaxation shows the fit beside what other implementations would compute. A
  lower objective does not count as better here either: on data that a model overfits, a lower objective
  may recommend worse, with every solver.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from scipy import sparse

from halfstep import defaults
from halfstep.errors import InputError
from halfstep.evaluation.equivalence import MARGIN, Comparison, compare
from halfstep.evaluation.metrics.held_out import Evaluation, evaluate
from halfstep.evaluation.metrics.judged import Overlap
from halfstep.evaluation.trace import Trace
from halfstep.solvers import Solver
from halfstep.solvers.eigenbasis import Eigenbasis
from halfstep.solvers.fit.start import RandomState

# How far a final objective may be above that of exact ALS with the same over-relaxation.
EXACT_TOLERANCE = 0.01
# The over-relaxation factor of each iteration; 1 is none.
Factors: TypeAlias = tuple[float, ...]


@dataclass(frozen=True)
class AgainstExact:
    """A fit compared with exact ALS.

    Attributes
    ----------
    relaxation
        The over-relaxation of exact ALS.
    alike
        Whether the fit has the same over-relaxation, so that this comparison gives the verdict.
    """

    relaxation: Factors
    alike: bool
    comparison: Comparison


@dataclass(frozen=True)
class EvaluatedFit:
    """A traced fit, its evaluation and its over-relaxation."""

    trace: Trace
    evaluation: Evaluation
    relaxation: Factors


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
    return EvaluatedFit(trace, evaluation, tuple(model.relaxation_))


def exact_models(relaxations: Sequence[Factors], **settings: Any) -> dict[Factors, Solver]:
    """Return exact ALS models by over-relaxation: without, and with each of `relaxations`.

    `settings` are those that all solvers of the comparison share.
    """
    plain = (1.0,) * int(settings.get("iterations", defaults.ITERATIONS))
    relaxed = {factors for factors in relaxations if set(factors) - {1.0}}
    return {
        factors: Eigenbasis(**settings, exact=True, relaxation=factors)
        for factors in sorted({plain, *relaxed})
    }


def name_of(relaxation: Factors) -> str:
    """Return the name of exact ALS with this over-relaxation."""
    beyond = [omega for omega in relaxation if omega != 1]
    if not beyond:
        return "exact ALS"
    low, high = min(beyond), max(beyond)
    return f"exact ALS, relaxation {low:g}" + (f" to {high:g}" if low != high else "")


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
        raise InputError(f"exact must hold a fit with relaxation {fit.relaxation}, got none")
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
