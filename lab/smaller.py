"""The problems and right results of the exercises that are no half-steps, and the usual mistakes'."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from halfstep.lab.reference import Array


@dataclass(frozen=True)
class System:
    """A symmetric positive definite system A x = b with a start; A is (f, f), the others (f,)."""

    A: Array
    b: Array
    x: Array


def system() -> System:
    """Return the system that conjugate gradients are checked on, which is always the same."""
    rng = np.random.default_rng(7)
    B = rng.standard_normal((9, 6))
    return System(B.T @ B + 0.3 * np.eye(6), rng.standard_normal(6), rng.standard_normal(6))


def krylov(problem: System, steps: int) -> Array:
    """Return the minimum of x'Ax - 2 b'x over the start plus the Krylov space of `steps` vectors.

    This is where `steps` steps of conjugate gradients end, from the definition instead of the recursion.
    """
    A, r = problem.A, problem.b - problem.A @ problem.x
    basis = np.empty((len(r), 0))
    for _ in range(steps):
        basis = np.linalg.qr(np.column_stack([basis, r if not basis.size else A @ basis[:, -1]]))[0]
    if not steps:
        return problem.x
    inner = basis.T @ A @ basis
    return np.asarray(problem.x + basis @ np.linalg.solve(inner, basis.T @ r))


def step_mistakes(problem: System, steps: int) -> dict[str, Array]:
    """Return what `steps` steps with each of the usual mistakes end at."""
    found = {}
    for mistake, how in {
        "every step takes the residual as its direction": lambda new, old: 0.0,
        "the factor of the old direction is upside down": lambda new, old: old / new,
    }.items():
        found[mistake] = _steps(problem, steps, problem.x, how)
    zero = np.zeros_like(problem.x)
    found["the start is not used"] = _steps(problem, steps, zero, lambda new, old: new / old)
    found["one step is too many"] = _steps(
        problem, steps + 1, problem.x, lambda new, old: new / old
    )
    if steps:
        found["one step is missing"] = _steps(
            problem, steps - 1, problem.x, lambda new, old: new / old
        )
    return found


def _steps(problem: System, steps: int, x: Array, factor: Callable[[float, float], float]) -> Array:
    r = problem.b - problem.A @ x
    p, rr = r, float(r @ r)
    for _ in range(steps):
        if rr < 1e-24:
            break
        step = rr / (p @ problem.A @ p)
        x, r = x + step * p, r - step * (problem.A @ p)
        rr, before = float(r @ r), rr
        p = r + factor(rr, before) * p
    return x


@dataclass(frozen=True)
class Ranking:
    """One user's scores (items,), with equal ones among them, and the numbers of two kinds of items."""

    scores: Array
    hidden: tuple[int, ...]
    known: tuple[int, ...]


def rankings() -> list[Ranking]:
    """Return the rankings that the AUC is checked on: with ties, and one hidden item."""
    scores = np.array([0.9, 0.4, 0.7, 0.4, 0.1, 0.8, 0.4, 0.2, 0.6, 0.3, 0.4, 0.5])
    return [
        Ranking(scores, (2, 1, 5), (0, 3, 7)),
        Ranking(-scores[::-1].copy(), (2,), (0, 11, 4, 5)),
        Ranking(np.zeros(6), (0, 3), (1,)),
    ]


def area(ranking: Ranking) -> float:
    """Return the share of pairs (hidden, neither hidden nor known) in order, ties counting half."""
    return _area(ranking, {*ranking.hidden, *ranking.known}, 0.5)


def area_mistakes(ranking: Ranking) -> dict[str, float]:
    """Return the result with each of the usual mistakes."""
    hidden, known = set(ranking.hidden), set(ranking.known)
    return {
        "artists of the training part count as negatives": _area(ranking, hidden, 0.5),
        "hidden artists count as negatives of each other": _area(ranking, known, 0.5),
        "every artist counts as a negative": _area(ranking, set(), 0.5),
        "equal scores count as wrong": _area(ranking, hidden | known, 0.0),
        "equal scores count as right": _area(ranking, hidden | known, 1.0),
        "the pairs are compared the wrong way round": 1 - _area(ranking, hidden | known, 0.5),
    }


def _area(ranking: Ranking, left_out: set[int], tie: float) -> float:
    negatives = [n for n in range(len(ranking.scores)) if n not in left_out]
    above = [
        1.0
        if ranking.scores[h] > ranking.scores[n]
        else tie * (ranking.scores[h] == ranking.scores[n])
        for h in ranking.hidden
        for n in negatives
    ]
    return float(np.mean(above))


@dataclass(frozen=True)
class Choices:
    """The users' values (users,) on the validation part for each candidate of lambda."""

    values: dict[float, Array]

    def fit(self, regularization: float) -> tuple[Array, Array]:
        """Return factors X (users, 1) and Y (1, 1) that `score` recognises."""
        return self.values[regularization][:, None], np.ones((1, 1))

    def score(self, X: Array, Y: Array) -> Array:
        """Return the users' values (users,)."""
        return np.asarray((X @ Y.T)[:, 0])


def choices() -> list[Choices]:
    """Return the choices that are checked: one between near values, one with a clear winner."""
    spread = np.array([-1.0, 1.0, -0.5, 0.5, 0.0, 0.8, -0.8, 0.2, -0.2]) * 0.06
    means = {60.0: 0.772, 0.1: 0.795, 1.0: 0.8, 30.0: 0.79, 5.0: 0.7, 100.0: 0.72}
    clear = {2.0: 0.5, 0.02: 0.9, 20.0: 0.6}
    return [
        Choices({lam: mean + spread for lam, mean in means.items()}),
        Choices({lam: mean + spread for lam, mean in clear.items()}),
    ]


def chosen(problem: Choices) -> float:
    """Return the largest candidate whose mean is within one standard error of the best mean."""
    return max(_near(problem, 1 / np.sqrt(_users(problem))))


def choice_mistakes(problem: Choices) -> dict[str, float]:
    """Return the choice with each of the usual mistakes."""
    means = {lam: float(values.mean()) for lam, values in problem.values.items()}
    return {
        "the best mean is taken, not the largest lambda near it": max(means, key=means.__getitem__),
        "the smallest lambda near the best is taken": min(
            _near(problem, 1 / np.sqrt(_users(problem)))
        ),
        "the standard deviation is not divided by the root of the users": max(_near(problem, 1.0)),
        "the worst is taken": min(means, key=means.__getitem__),
        "the largest candidate is taken, whatever its values": max(means),
    }


def _near(problem: Choices, errors: float) -> list[float]:
    best = max(problem.values.values(), key=np.mean)
    least = best.mean() - errors * best.std(ddof=1)
    return [lam for lam, values in problem.values.items() if values.mean() >= least]


def _users(problem: Choices) -> int:
    return len(next(iter(problem.values.values())))
