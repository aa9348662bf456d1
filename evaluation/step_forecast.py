"""Forecast how many CG steps the rows of a data set will take, by trying a sample of the rows.

Rows of one side are drawn with all of their entries until they have `WORK / f` entries, and the model
does two iterations on these rows alone. Then it repeats the next half-step of that side with different
limits on the steps: the rows that a limit of k leaves unsolved are the rows that take more than k.
Two iterations are enough to show how heavy the entries are: on HetRec's raw counts the users' rows take
7.8 steps (mean, f = 64), and 8.0 in the 15th iteration of a fit; the items' rows take 2.3 in both.

Cost: about fifteen half-steps by the stopping rule and four exact ones on the sample.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import sparse

from halfstep.blas import blas_threads
from halfstep.evaluation.heaviness import Quantiles, quantiles, rule_of
from halfstep.solvers.base import Solver
from halfstep.solvers.eigenbasis import Eigenbasis
from halfstep.solvers.fit.memory import check_memory
from halfstep.solvers.fit.start import starting_factors
from halfstep.solvers.fit.stopping import HalfStepReport
from halfstep.solvers.inputs import row_not_finite
from halfstep.solvers.problem import Problem
from halfstep.types import Floats, Integers

ITERATIONS = 2
WORK = 1 << 25
_BLOCK = 1 << 12
_REPEATS = 4
_COARSE = 1e-4  # seconds


@dataclass(frozen=True)
class StepForecast:
    """One half-step of the sampled rows of one side.

    Attributes
    ----------
    rows, of
        Rows with stored entries in the sample, and in the data.
    entries
        Stored entries of the sample.
    pull
        Quantiles of the entries' w |z|^2, excess weight times leverage: how far a single entry moves
        the row's matrix away from the identity in whitened coordinates.
    mean_steps
        Mean over the rows that took steps; 0 if all rows were solved exactly.
    steps_99
        Number of steps after which 99 % of the rows have ended.
    beyond_two
        Share of the rows that take more than two steps.
    most, unsolved
        Largest number of steps allowed, and number of rows that it leaves unsolved.
    completed
        Rows that are solved exactly after some steps, because more steps would cost more.
    seconds, seconds_exact
        CPU seconds of one thread for the half-step by the stopping rule, and for an exact one.
    """

    rows: int
    of: int
    entries: int
    pull: Quantiles
    mean_steps: float
    steps_99: int
    beyond_two: float
    most: int
    unsolved: int
    completed: int
    seconds: float
    seconds_exact: float


def forecast(model: Eigenbasis, matrix: sparse.csr_matrix, seed: int) -> StepForecast:
    """Try the half-step for the rows of a canonical matrix; pass the transpose for the items' half-step.

    Raises
    ------
    NotEnoughMemory
        The sample's factors would not fit in memory.
    FloatingPointError, numpy.linalg.LinAlgError
        Factors are not finite.
    ValueError
        The model has no stopping rule.
    """
    rng = np.random.default_rng(seed)
    part = sample(matrix, WORK // model.factors, rng)
    check_memory(model, part)
    stored_rows = int(np.count_nonzero(np.diff(matrix.indptr)))
    problem, X = _after_some_iterations(model, part, stored_rows, seed)
    report = _report(model, problem, X)
    exact = _changed(model, exact=True, cg_tolerance=None, cg_max_steps=None)
    seconds, seconds_exact = _fastest((model, exact), problem, X)
    most = rule_of(model, problem.a0, problem.side_rows).most

    def tried(limit: int) -> HalfStepReport:
        return _report(_changed(model, cg_max_steps=limit), problem, X)

    low, high = 0, report.most_steps
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if tried(middle).unsolved > 0.01 * report.rows else (low, middle)
    two = tried(min(2, most))
    return StepForecast(
        rows=report.rows,
        of=int(np.count_nonzero(np.diff(matrix.indptr))),
        entries=part.nnz,
        pull=quantiles(_pull(problem)),
        mean_steps=report.steps / max(report.stepped, 1),
        steps_99=high,
        beyond_two=(two.unsolved + two.completed) / report.rows,
        most=most,
        unsolved=report.unsolved,
        completed=report.completed,
        seconds=seconds,
        seconds_exact=seconds_exact,
    )


def steps_by_row(
    model: Solver, problem: Problem, X: Floats, rows: Integers | None = None
) -> npt.NDArray[np.int64]:
    """Return how many steps each of some rows of a half-step takes, (rows,).

    Every row runs as a half-step by itself, which costs some milliseconds for Y'Y and its
    factorisation. A row takes 0 steps if it has no entries or is solved exactly from the beginning.

    Parameters
    ----------
    model : Solver
        `eigenbasis` or `conjugate_gradient`.
    problem : Problem
        The whole side; its number of rows enters the stopping rule.
    X : array, shape (rows, factors)
        The start. Not written to.
    rows : int array, optional
        Indices of the rows; all rows if None.

    Returns
    -------
    steps : int64 array, shape (len(rows),)

    Raises
    ------
    ValueError
        The model does not count its steps.

    See Also
    --------
    halfstep.AlternatingLeastSquares : Its argument `cg_tolerance` is the stopping rule.

    Notes
    -----
    Saad, "Iterative methods for sparse linear systems", 2003, ch. 6.7 (conjugate gradients).

    Examples
    --------
    >>> from halfstep import SOLVERS, load_data
    >>> from halfstep.evaluation import steps_by_row
    >>> plays = load_data("music-small").interactions
    >>> model = SOLVERS["eigenbasis"](factors=8, iterations=2, confidence="log", random_state=0)
    >>> _ = model.fit(plays, show_progress=False)
    >>> users, items = model.weights(plays)
    >>> steps = steps_by_row(model, users.fixing(model.item_factors), model.user_factors, range(5))
    >>> steps.shape
    (5,)
    """
    chosen = np.arange(problem.rows) if rows is None else rows
    with blas_threads(1):
        steps = [
            _report(model, problem.block(u, u + 1), X[u : u + 1]).steps for u in map(int, chosen)
        ]
    return np.array(steps, dtype=np.int64)


def sample(matrix: sparse.csr_matrix, entries: int, rng: np.random.Generator) -> sparse.csr_matrix:
    """Return rows drawn from a canonical matrix until they have `entries` entries; at least one row.

    Rows and columns without entries are left out, because their factors are zero. Rows keep their order.
    """
    lengths = np.diff(matrix.indptr)
    rows = rng.permutation(np.flatnonzero(lengths))
    count = int(np.searchsorted(np.cumsum(lengths[rows]), entries, side="right"))
    chosen = matrix[np.sort(rows[: max(1, count)])]
    columns, indices = np.unique(chosen.indices, return_inverse=True)
    part = sparse.csr_matrix(
        (chosen.data, indices.astype(np.int32), chosen.indptr),
        shape=(chosen.shape[0], len(columns)),
    )
    part.has_canonical_format = True
    return part


def _after_some_iterations(
    model: Eigenbasis, part: sparse.csr_matrix, side_rows: int, seed: int
) -> tuple[Problem, Floats]:
    """Return the rows' next half-step after `ITERATIONS` iterations, and its start (rows, f)."""
    users, items = model.weights(part)
    X, Y = starting_factors(None, part.shape, model.factors, model.dtype, seed)
    with np.errstate(all="ignore"):
        for _ in range(ITERATIONS):
            X = model.half_step(users.fixing(Y), X)
            Y = model.half_step(items.fixing(X), Y)
    for side in (X, Y):
        if row_not_finite(side) is not None:
            raise FloatingPointError("factors are not finite after a few iterations")
    return replace(users.fixing(Y), side_rows=side_rows), X


def _changed(model: Eigenbasis, **changes: Any) -> Eigenbasis:
    return Eigenbasis(**{**model._settings(), **changes})


def _report(model: Solver, problem: Problem, X: Floats) -> HalfStepReport:
    reports: list[HalfStepReport] = []
    model.half_step(replace(problem, reports=reports), X)
    if not reports:
        raise ValueError(f"{model!r} has no stopping rule for its steps")
    return reports[0]


def _fastest(models: Sequence[Eigenbasis], problem: Problem, X: Floats) -> list[float]:
    """Return the seconds of each model's fastest half-step; they take turns, and the first may compile.

    These are CPU seconds of one thread: on a shared machine the ratio of two wall times varied from 1.7
    to 4.4 where the ratio of CPU times is 1.9. If the CPU clock is coarse (Windows), wall time is used.
    """
    coarse = time.get_clock_info("process_time").resolution > _COARSE
    clock = time.perf_counter if coarse else time.process_time
    single = [_changed(model, num_threads=1) for model in models]
    seconds = [float("inf")] * len(single)
    for _ in range(_REPEATS):
        for place, model in enumerate(single):
            start = clock()
            model.half_step(problem, X)
            seconds[place] = min(seconds[place], clock() - start)
    return seconds


def _pull(problem: Problem) -> npt.NDArray[np.float64]:
    """Return w |z|^2 of each entry, (entries,), with the smallest lambda of all rows.

    Directions in which a0 Y'Y + lambda I is singular are left out; if all are, the result is zero.
    """
    shared = problem.gramian().astype(np.float64) + problem.lam.min() * np.eye(problem.Y.shape[1])
    values, vectors = np.linalg.eigh(shared)
    known = values > values[-1] * np.finfo(problem.Y.dtype).eps
    whiten = vectors[:, known] / np.sqrt(values[known])
    leverage = np.empty(problem.columns)
    for first in range(0, problem.columns, _BLOCK):
        block = slice(first, first + _BLOCK)
        leverage[block] = np.square(problem.Y[block] @ whiten).sum(axis=1)
    return np.asarray(problem.w * leverage[problem.indices])
