"""When two solvers are of equal quality: four questions, each with its figure.

Same data, same weights, same start, same number of iterations. Then, in this order:

(a) *Is each half-step solved?* The relative residual of every row's system after every half-step. An
    exact solver shows rounding here and an approximate one its approximation; this is a figure to
    read, not a verdict.
(b) *Is the objective as low?* In float64, after every iteration. A lower one is no fault; what it is
    worth, (d) says. A baseline minimises nothing and is not asked.
(c) *Are the predictions the same?* Factors are free up to an invertible transformation, so they are
    compared by the angles between their column spaces, and the lists they recommend by their overlap
    and rank correlation. Figures to read as well: near-ties swap places without harm.
(d) *Is the held-out quality the same?* A paired bootstrap over users and a verdict inside a stated
    margin; see `halfstep.evaluation.verdict`.

The overall verdict is that of (b) and (d) together: *equivalent* where nothing is found to matter,
*better* where a held-out metric gained and none lost, *worse* where one lost or the objective is
higher, *undecided* where the users are too few to tell. Against whom it is best to ask, see
`halfstep.evaluation.exact`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from scipy import sparse

from halfstep.errors import InputError
from halfstep.evaluation.metrics.held_out import Evaluation, evaluate
from halfstep.evaluation.predictions import Predictions, compare_predictions
from halfstep.evaluation.trace import Trace
from halfstep.evaluation.verdict import (
    Verdict,
    Word,
    describe,
    objective_word,
    overall,
    paired_verdict,
)
from halfstep.solvers.fit.start import RandomState

OBJECTIVE_TOLERANCE = 0.005  # how far a final objective may be above a's, as a share of it
MARGIN = 0.02  # difference in held-out quality that does not matter, as a share of a's mean


@dataclass(frozen=True)
class Comparison:
    """The four answers about a second fit b, measured against a first fit a.

    `objective_gaps` are relative to a's objective, and negative where b's is lower. Of a baseline
    there are none, and `objective_verdict` is None.
    """

    a: Trace
    b: Trace
    objective_gaps: list[float]
    objective_tolerance: float
    objective_verdict: Word | None
    held_out: dict[str, Verdict]
    means: dict[str, tuple[float, float]]
    k: int
    train: sparse.csr_matrix = field(repr=False)

    @cached_property
    def predictions(self) -> Predictions:
        """How alike the lists of up to 1,000 users are; computed when it is asked for."""
        return compare_predictions(self.a, self.b, self.train, k=self.k)

    @property
    def verdict(self) -> Word:
        """The overall verdict about b."""
        return overall([word for word, _ in self.parts.values()])

    @property
    def parts(self) -> dict[str, tuple[Word, float | None]]:
        """What `describe` takes: each metric's word and b's difference relative to a's figure."""
        parts: dict[str, tuple[Word, float | None]] = {}
        if self.objective_verdict is not None:
            last = self.objective_gaps[-1] if self.objective_gaps else None
            parts["objective"] = self.objective_verdict, last
        for metric, found in self.held_out.items():
            mean = self.means[metric][0]
            relative = found.difference / mean if mean else None
            parts[metric.upper()] = found.verdict, relative
        return parts

    @property
    def said(self) -> str:
        """The verdict, and the metrics that it is owed to."""
        return describe(self.parts)


def compare(
    a: Trace,
    b: Trace,
    train: sparse.csr_matrix,
    test: sparse.csr_matrix,
    *,
    k: int = 10,
    margin: float = MARGIN,
    objective_tolerance: float = OBJECTIVE_TOLERANCE,
    random_state: RandomState = 0,
    evaluations: tuple[Evaluation, Evaluation] | None = None,
) -> Comparison:
    """Answer the four questions for two audited fits on the same training matrix.

    Parameters
    ----------
    margin
        Difference in held-out NDCG@k and AUC that does not matter, as a share of a's mean.
    objective_tolerance
        How far b's final objective may be above a's, as a share of it.
    evaluations
        What `evaluate` found for a and b with ks=(k,), where that is known.

    Raises
    ------
    InputError
        A k or margin that allows nothing, or fits of different numbers of iterations.
    """
    check_margins(k, margin, objective_tolerance)
    gaps, word = [], None
    if not (a.baseline or b.baseline):
        iterations = len(a.objectives), len(b.objectives)
        if iterations[0] != iterations[1]:
            raise InputError(f"a and b must have as many iterations, got {iterations}")
        gaps = [_relative_gap(*pair) for pair in zip(a.objectives, b.objectives, strict=True)]
        word = objective_word(gaps[-1] if gaps else None, objective_tolerance)
    if evaluations is None:
        first, second = (evaluate(t.X, t.Y, train, test, ks=(k,)) for t in (a, b))
        evaluations = first, second
    held_out, means = {}, {}
    for metric in (f"ndcg@{k}", "auc"):
        held_out[metric], means[metric] = _held_out(evaluations, metric, margin, random_state)
    return Comparison(
        a=a,
        b=b,
        objective_gaps=gaps,
        objective_tolerance=objective_tolerance,
        objective_verdict=word,
        held_out=held_out,
        means=means,
        k=k,
        train=train,
    )


def _held_out(
    evaluations: tuple[Evaluation, Evaluation],
    metric: str,
    margin: float,
    random_state: RandomState,
) -> tuple[Verdict, tuple[float, float]]:
    of_a, of_b = (e.per_user[metric] for e in evaluations)
    mean_a, mean_b = (float(m.mean()) if len(m) else 0.0 for m in (of_a, of_b))
    if mean_a == 0:  # a share of nothing is no margin
        nothing = Verdict("undecided", mean_b - mean_a, -np.inf, np.inf, 0.0, len(of_a))
        return nothing, (mean_a, mean_b)
    verdict = paired_verdict(of_b, of_a, margin=margin * mean_a, random_state=random_state)
    return verdict, (mean_a, mean_b)


def check_margins(k: int, margin: float, objective_tolerance: float) -> None:
    """Raise InputError for a list of no items or a margin that allows nothing."""
    if k < 1:
        raise InputError(f"k must be at least 1, got {k}")
    for name, value in (("margin", margin), ("tolerance", objective_tolerance)):
        if not (np.isfinite(value) and value > 0):
            raise InputError(f"{name} must be positive and finite, got {value}")


def _relative_gap(reference: float, other: float) -> float:
    return (other - reference) / abs(reference) if reference else other
