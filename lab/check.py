"""Check a student's exercises: which one is wrong, where, what was expected, what came, and perhaps why.

`loading` executes the file's functions. Those of the ladder are judged by `halfstep.lab.ladder`, the
others here. Every half-step of the notebook is called on a small problem through three iterations, with
separate half-steps for users and items. Each begins from the right factors, so that one mistake is
reported once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from halfstep.errors import InputError
from halfstep.lab import smaller
from halfstep.lab.few_steps import few_steps
from halfstep.lab.judging import (
    Finding,
    Judged,
    compare_number,
    compare_pair,
    compare_rows,
    finding,
    misshapen,
    unchanged,
)
from halfstep.lab.ladder.listing import LADDER as _LADDER
from halfstep.lab.loading import functions_of
from halfstep.lab.reference import (
    ALPHA,
    REGULARIZATION,
    Array,
    confidence_and_preference,
    half_step,
    mistakes,
    objective,
    toy,
)

ITERATIONS = 3
EXERCISES = {
    "weights": "confidence and preference of the plays",
    "objective": "the number that ALS minimises",
    "naive_half_step": "the normal equations as written",
    "cholesky_half_step": "Y'Y once, then only the stored entries",
    "conjugate_gradients": "solve A x = b with products A p only",
    "cg_half_step": "conjugate gradients without forming the matrix",
    "whiten": "coordinates in which the shared matrix is I",
    "woodbury_half_step": "systems as small as a row has entries",
    "auc_by_hand": "the share of pairs in the right order",
    "choose_regularization": "the largest lambda near the best",
}
LADDER = {name: exercise.what for name, exercise in _LADDER.items()}
_HALF_STEPS = [name for name in EXERCISES if name.endswith("half_step")]


def check(path: Path, exercise: str | None = None) -> list[Finding]:
    """Check a `.py` or `.ipynb` file; the first wrong call of an exercise is its last finding.

    Parameters
    ----------
    exercise
        The only exercise to check, in `EXERCISES` or `LADDER`; None checks all that the file has.

    Raises
    ------
    InputError
        There is no such exercise; or the file cannot be read, is not Python, or has none of the
        exercises.
    """
    names = [*EXERCISES, *LADDER]
    if exercise is not None and exercise not in names:
        raise InputError(f"EXERCISE must be one of {', '.join(names)}; got {exercise!r}")
    wanted = names if exercise is None else [exercise]
    functions = functions_of(path, wanted)
    findings: list[Finding] = []
    for name in wanted:
        if name in functions:
            for step, what, compare in _calls(name, functions[name]):
                findings.append(finding(name, step, what, compare, str(path)))
                if findings[-1].state != "right":
                    break
    if not findings:
        listed = f"function {exercise}" if exercise else f"of the functions {', '.join(names)}"
        raise InputError(f"{path} has {'no' if exercise else 'none'} {listed}")
    return findings


_Call = tuple[str, str, Callable[[], Judged]]


def _calls(name: str, function: Callable[..., Any]) -> Iterator[_Call]:
    """Yield, for each call of an exercise, its step, what it returns, and its comparison."""
    if name in LADDER:
        yield from _LADDER[name].calls(function)
    elif name in _HALF_STEPS:
        yield from _half_steps(name, function)
    else:
        yield from _OTHERS[name](function)


def _weights(function: Callable[..., Any]) -> Iterator[_Call]:
    plays = toy().plays
    pair = dict(zip(("confidence", "preference"), confidence_and_preference(plays), strict=True))
    yield "", "two arrays", lambda: compare_pair(function(plays, ALPHA), pair)


def _objective(function: Callable[..., Any]) -> Iterator[_Call]:
    problem = toy()
    C, P = confidence_and_preference(problem.plays)
    arguments = (problem.X, problem.Y, C, P, REGULARIZATION)
    total = objective(problem.plays, problem.X, problem.Y)
    yield "", "a number", lambda: compare_number(function(*arguments), total)


def _half_steps(name: str, function: Callable[..., Any]) -> Iterator[_Call]:
    problem = toy()
    plays, X, Y = problem.plays, problem.X, problem.Y
    for iteration in range(1, ITERATIONS + 1):
        for side in ("users", "items"):
            table, fixed, start = (plays, Y, X) if side == "users" else (plays.T, X, Y)
            right = half_step(table, fixed)

            def compare(
                table: Array = table,
                fixed: Array = fixed,
                start: Array = start,
                right: Array = right,
            ) -> Judged:
                result = _solved(name, function, table, fixed, start)
                return compare_rows(result, right, lambda: mistakes(table, fixed))

            yield f"iteration {iteration}, {side}", f"an array of shape {right.shape}", compare
            X, Y = (right, Y) if side == "users" else (X, right)
    if name == "cg_half_step":
        yield from few_steps(function)


def _solved(
    name: str, function: Callable[..., Any], table: Array, fixed: Array, start: Array
) -> Any:
    from scipy.sparse import csr_matrix

    if name == "naive_half_step":
        return function(fixed.copy(), *confidence_and_preference(table), REGULARIZATION)
    arguments = (fixed.copy(), csr_matrix(table), ALPHA, REGULARIZATION)
    if name == "cg_half_step":  # f steps solve a system of f unknowns, but for rounding
        return function(*arguments, start.copy(), 2 * fixed.shape[1])
    return function(*arguments)


def _conjugate_gradients(function: Callable[..., Any]) -> Iterator[_Call]:
    problem = smaller.system()
    what = f"an array of shape {problem.b.shape}"
    for steps in range(len(problem.b) + 1):

        def compare(steps: int = steps) -> Judged:
            x = problem.x.copy()
            judged = compare_rows(
                function(problem.A.copy(), problem.b.copy(), x, steps),
                smaller.krylov(problem, steps),
                lambda: smaller.step_mistakes(problem, steps),
            )
            return unchanged(judged, "x", x, problem.x)

        yield f"{steps} steps", what, compare
    A, x = 2 * np.eye(3), np.array([1.0, -2.0, 0.5])
    yield (
        "from the solution",
        "an array of shape (3,)",
        lambda: compare_rows(function(A, A @ x, x.copy(), 2), x, dict),
    )


def _whiten(function: Callable[..., Any]) -> Iterator[_Call]:
    Y = toy().Y
    M = Y.T @ Y + REGULARIZATION * np.eye(Y.shape[1])

    def compare() -> Judged:
        result = function(Y.copy(), REGULARIZATION)
        wanted = np.linalg.cholesky(M)
        wrong = misshapen(result, {"whitened factors Z": Y, "factor L": wanted})
        if wrong is not None:
            return wrong
        Z, L = (np.asarray(one, dtype=np.float64) for one in result)
        of_product = compare_rows(
            L @ L.T,
            M,
            lambda: {
                "lambda is left out": Y.T @ Y,
                "L'L is the matrix, not LL'": wanted.T @ wanted,
                "L is the matrix itself": M @ M,
            },
        )
        if of_product.state != "right":
            said = f"L @ L.T must be Y'Y + lambda I: {of_product.said}"
            return Judged("wrong", said, of_product.expected, of_product.got)
        return compare_rows(
            Z,
            np.linalg.solve(L, Y.T).T,
            lambda: {
                "L is inverted without being transposed": np.linalg.solve(L.T, Y.T).T,
                "Y is multiplied by L instead of its inverse": Y @ L,
            },
        )

    yield "", f"two arrays of shapes {Y.shape} and {M.shape}", compare


def _auc_by_hand(function: Callable[..., Any]) -> Iterator[_Call]:
    for place, ranking in enumerate(smaller.rankings(), 1):

        def compare(ranking: smaller.Ranking = ranking) -> Judged:
            sides = (np.array(side) for side in (ranking.hidden, ranking.known))
            result = function(ranking.scores.copy(), *sides)
            return compare_number(result, smaller.area(ranking), smaller.area_mistakes(ranking))

        yield f"ranking {place}", "a number", compare


def _choose_regularization(function: Callable[..., Any]) -> Iterator[_Call]:
    for place, problem in enumerate(smaller.choices(), 1):

        def compare(problem: smaller.Choices = problem) -> Judged:
            result = function(tuple(problem.values), problem.fit, problem.score)
            right, wrong = smaller.chosen(problem), smaller.choice_mistakes(problem)
            return compare_number(result, right, wrong)

        yield f"search {place}", "a candidate", compare


_OTHERS: dict[str, Callable[[Callable[..., Any]], Iterator[_Call]]] = {
    "weights": _weights,
    "objective": _objective,
    "conjugate_gradients": _conjugate_gradients,
    "whiten": _whiten,
    "auc_by_hand": _auc_by_hand,
    "choose_regularization": _choose_regularization,
}
