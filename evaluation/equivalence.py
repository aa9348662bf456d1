"""Decide whether two solvers have equal quality: four questions, each answered with numbers.

Both fits have the same data, weights, start and number of iterations. The questions, in this order:

(a) *Is each half-step solved?* The relative residual of every row's system after every half-step: for
    an exact solver it is rounding, for an approximate solver its approximation error. It is reported
    and does not enter the verdict.
(b) *Is the objective as low?* Computed in float64 after every iteration. A lower objective is no fault,
    and (d) tells what it is worth. A baseline minimises no objective, so it skips this question.
(c) *Are the predictions the same?* An invertible transformation of both factors leaves all predictions
    unchanged, so factors are compared by the angles between their column spaces, and recommended lists
    by their overlap and rank correlation. These numbers too are only reported: near-ties swap places
    without harm.
(d) *Is the held-out quality the same?* A paired bootstrap over users gives a verdict within a stated
    margin; see `halfstep.evaluation.verdict`.

The overall verdict combines (b) and (d): *equivalent* if no difference matters, *better* if a held-out
metric gained and none lost, *worse* if one lost or the objective is higher, *undecided* if there are too
few users to tell. `halfstep.evaluation.exact` says which fit to compare with.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from scipy import sparse

from halfstep import defaults
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

OBJECTIVE_TOLERANCE = 0.005  # how far b's final objective may be above a's, as a share of a's
MARGIN = 0.02  # difference in held-out quality that does not matter, as a share of a's mean


@dataclass(frozen=True)
class Comparison:
    """The four answers about a second fit b, compared with a first fit a.

    `objective_gaps` holds one number per iteration, relative to a's objective and negative where b's is
    lower. For a baseline it is empty, and `objective_verdict` is None.
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
        """How similar the lists of up to 1,000 users are; computed on first use."""
        return compare_predictions(self.a, self.b, self.train, k=self.k)

    @property
    def verdict(self) -> Word:
        """The overall verdict about b."""
        return overall([word for word, _ in self.parts.values()])

    @property
    def parts(self) -> dict[str, tuple[Word, float | None]]:
        """Each metric's verdict and b's difference relative to a's value, as `describe` takes them."""
        parts: dict[str, tuple[Word, float | None]] = {}
        if self.objective_verdict is not None:
            last = self.objective_gaps[-1] if self.objective_gaps else None
            parts["objective"] = self.objective_verdict, last
        for metric, paired in self.held_out.items():
            mean = self.means[metric][0]
            relative = paired.difference / mean if mean else None
            parts[metric.upper()] = paired.verdict, relative
        return parts

    @property
    def summary(self) -> str:
        """The verdict, and the metrics that decide it."""
        return describe(self.parts)


def compare(
    a: Trace,
    b: Trace,
    train: sparse.csr_matrix,
    test: sparse.csr_matrix,
    *,
    k: int = defaults.LIST_LENGTH,
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
        How far b's final objective may be above a's, as a share of a's.
    evaluations
        The results of `evaluate` for a and b with ks=(k,), if they are known already.

    Raises
    ------
    InputError
        `k` or a margin is out of range, or the fits have different numbers of iterations.
    """
    check_margins(k, margin, objective_tolerance)
    gaps, word = [], None
    if not (a.baseline or b.baseline):
        iterations = len(a.objectives), len(b.objectives)
        if iterations[0] != iterations[1]:
            raise InputError(f"a and b must have the same number of iterations, got {iterations}")
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
    if mean_a == 0:  # a share of zero would be no margin
        undecided = Verdict("undecided", mean_b - mean_a, -np.inf, np.inf, 0.0, len(of_a))
        return undecided, (mean_a, mean_b)
    verdict = paired_verdict(of_b, of_a, margin=margin * mean_a, random_state=random_state)
    return verdict, (mean_a, mean_b)


def check_margins(k: int, margin: float, objective_tolerance: float) -> None:
    """Raise InputError unless `k` is at least 1 and both margins are positive and finite."""
    if k < 1:
        raise InputError(f"k must be at least 1, got {k}")
    for name, value in (("margin", margin), ("tolerance", objective_tolerance)):
        if not (np.isfinite(value) and value > 0):
            raise InputError(f"{name} must be positive and finite, got {value}")


def _relative_gap(reference: float, other: float) -> float:
    return (other - reference) / abs(reference) if reference else other
