"""When two solvers are of equal quality: four questions, each with its figure.

Same data, same weights, same start, same number of iterations. Then, in this order:

(a) *Is each half-step solved?* The relative residual of every row's system after every half-step. An
    exact solver shows rounding here and an approximate one its approximation; this is a figure to
    read, not a verdict.
(b) *Is the objective the same?* In float64, after every iteration.
(c) *Are the predictions the same?* Factors are free up to an invertible transformation, so they are
    compared by the angles between their column spaces, and the lists they recommend by their overlap
    and rank correlation. Figures to read as well: near-ties swap places without harm.
(d) *Is the held-out quality the same?* A paired bootstrap over users and a verdict inside a stated
    margin; see `halfstep.evaluation.verdict`.

The overall verdict is that of (b) and (d) together.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import sparse
from scipy.linalg import subspace_angles
from scipy.stats import rankdata

from halfstep.errors import InputError
from halfstep.evaluation.metrics import Evaluation, evaluate
from halfstep.evaluation.objective import objective
from halfstep.evaluation.residual import relative_residuals
from halfstep.evaluation.verdict import Verdict, Word, overall, paired_verdict
from halfstep.interruption import interrupted_at_once
from halfstep.solvers import Solver
from halfstep.solvers.matrix import Floats, as_csr
from halfstep.solvers.start import RandomState
from halfstep.solvers.topk import top_k

OBJECTIVE_TOLERANCE = 0.005  # relative gap of the final objectives that does not matter
MARGIN = 0.02  # difference in held-out quality that does not matter, as a share of a's mean


@dataclass(frozen=True)
class Trace:
    """What one fit did: after each iteration its objective and residuals, at the end its factors.

    `user_residuals` and `item_residuals` hold (median, maximum) over the rows for each iteration,
    `seconds` the duration of its two half-steps.
    """

    name: str
    X: Floats
    Y: Floats
    objectives: list[float]
    user_residuals: list[tuple[float, float]]
    item_residuals: list[tuple[float, float]]
    seconds: list[float]


@interrupted_at_once()
def trace_fit(model: Solver, user_items: Any) -> Trace:
    """Fit `model` on `user_items` and audit every iteration in float64."""
    matrix = as_csr(user_items)
    exact = type(model)(**model.get_params())
    exact.dtype = np.float64
    users, items = exact.weights(matrix)
    objectives: list[float] = []
    residuals: dict[str, list[tuple[float, float]]] = {"user": [], "item": []}
    fixed: list[Floats] = []

    def audit(iteration: int, seconds: float, loss: float | None) -> None:
        X, Y = factors_of(model)
        # The users' systems were those of the item factors before this iteration.
        residuals["user"].append(_summary(relative_residuals(users.fixing(fixed[0]), X)))
        residuals["item"].append(_summary(relative_residuals(items.fixing(X), Y)))
        objectives.append(objective(users, items, X, Y))
        fixed[0] = Y.copy()

    start = model.init_factors
    if start is None:
        raise ValueError(
            "trace_fit needs init_factors: the first half-step is audited against them"
        )
    fixed.append(start[1])
    model.fit(matrix, show_progress=False, callback=audit)
    X, Y = factors_of(model)
    return Trace(
        model.solver_, X, Y, objectives, residuals["user"], residuals["item"], model.seconds_
    )


def factors_of(model: Solver) -> tuple[Floats, Floats]:
    """Return the factors of a fitted model on the host."""
    return model._fitted()


def _summary(residuals: npt.NDArray[np.float64]) -> tuple[float, float]:
    return float(np.median(residuals)), float(residuals.max())


@dataclass(frozen=True)
class Predictions:
    """How alike two models' predictions are.

    Attributes
    ----------
    overlap
        Mean share of common items in the two top-k lists of a user.
    rank_correlation
        Mean Spearman correlation of the two models' scores over the union of both lists.
    user_angle, item_angle
        Largest principal angle between the column spaces of the factor matrices, in degrees.
    """

    overlap: float
    rank_correlation: float
    user_angle: float
    item_angle: float
    k: int
    users: int


def compare_predictions(
    a: Trace, b: Trace, seen: sparse.csr_matrix, *, k: int = 10, users: int = 1000
) -> Predictions:
    """Compare two fits' recommendations for up to `users` evenly spaced users, seen items left out."""
    rows = np.unique(np.linspace(0, len(a.X) - 1, min(users, len(a.X))).astype(np.int64))
    excluded = seen[rows]
    lists = [top_k(t.X[rows], t.Y, k, excluded=excluded)[0] for t in (a, b)]
    overlaps, correlations = [], []
    for row, first, second in zip(rows, *lists, strict=True):
        first, second = first[first >= 0], second[second >= 0]
        if not len(first):
            continue
        overlaps.append(len(np.intersect1d(first, second)) / len(first))
        union = np.union1d(first, second)
        if len(union) > 1:
            scores = [rankdata(t.Y[union].astype(np.float64) @ t.X[row]) for t in (a, b)]
            centred = [s - s.mean() for s in scores]
            size = np.linalg.norm(centred[0]) * np.linalg.norm(centred[1])
            correlations.append(float(centred[0] @ centred[1] / size) if size else 0.0)
    return Predictions(
        overlap=float(np.mean(overlaps)) if overlaps else 1.0,
        rank_correlation=float(np.mean(correlations)) if correlations else 1.0,
        user_angle=_largest_angle(a.X, b.X),
        item_angle=_largest_angle(a.Y, b.Y),
        k=k,
        users=len(rows),
    )


def _largest_angle(A: Floats, B: Floats) -> float:
    angles = subspace_angles(A.astype(np.float64), B.astype(np.float64))
    # Factors of zero span nothing.
    return float(np.degrees(angles.max())) if len(angles) else 90.0


@dataclass(frozen=True)
class Comparison:
    """The four answers about a second fit b, measured against a first fit a."""

    a: Trace
    b: Trace
    objective_gaps: list[float]
    objective_tolerance: float
    objective_verdict: Word
    predictions: Predictions
    held_out: dict[str, Verdict]
    means: dict[str, tuple[float, float]]

    @property
    def verdict(self) -> Word:
        """The overall verdict about b."""
        return overall([self.objective_verdict, *(v.verdict for v in self.held_out.values())])


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
) -> Comparison:
    """Answer the four questions for two audited fits on the same training matrix.

    Parameters
    ----------
    margin
        Difference in held-out NDCG@k and AUC that does not matter, as a share of a's mean.
    objective_tolerance
        Relative gap of the final objectives that does not matter.
    """
    check_margins(k, margin, objective_tolerance)
    # Up to the last of both: a baseline has one iteration only.
    iterations = max(len(a.objectives), len(b.objectives))
    gaps = [
        _relative_gap(a.objectives[min(i, len(a.objectives) - 1)],
                      b.objectives[min(i, len(b.objectives) - 1)])
        for i in range(iterations if a.objectives and b.objectives else 0)
    ]  # fmt: skip
    word: Word = "equivalent"
    if not gaps or not np.isfinite(gaps[-1]):
        word = "undecided"
    elif abs(gaps[-1]) > objective_tolerance:
        word = "worse" if gaps[-1] > 0 else "better"
    evaluations = [evaluate(t.X, t.Y, train, test, ks=(k,)) for t in (a, b)]
    held_out, means = {}, {}
    for metric in (f"ndcg@{k}", "auc"):
        held_out[metric], means[metric] = _held_out(evaluations, metric, margin, random_state)
    return Comparison(
        a=a,
        b=b,
        objective_gaps=gaps,
        objective_tolerance=objective_tolerance,
        objective_verdict=word,
        predictions=compare_predictions(a, b, train, k=k),
        held_out=held_out,
        means=means,
    )


def _held_out(
    evaluations: list[Evaluation], metric: str, margin: float, random_state: RandomState
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
