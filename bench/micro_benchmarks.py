"""Micro-benchmarks of single operations: a half-step, a recommendation, the objective.

Run as `pytest bench/micro_benchmarks.py --benchmark-only`, with `-k` to choose one. Ordinary test runs
do not collect a file of this name.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy import sparse

from halfstep.datasets.generated.presets import generate_music
from halfstep.errors import InputError
from halfstep.evaluation.trace import factors_of
from halfstep.solvers import SOLVERS, Solver
from halfstep.solvers.objective import objective

FACTORS = (32, 64, 128)
ENTRIES = 20_000


@pytest.fixture(scope="module")
def user_items() -> sparse.csr_matrix:
    """Return generated play counts of a few hundred users, few enough for `naive`."""
    return generate_music(ENTRIES, seed=0).interactions


@pytest.fixture(params=list(SOLVERS))
def solver(request: pytest.FixtureRequest) -> type[Solver]:
    """Return each solver that can run here."""
    chosen = SOLVERS[request.param]
    reason = chosen.unavailable()
    if reason is not None:
        pytest.skip(reason)
    return chosen


def fitted(solver: type[Solver], factors: int, user_items: sparse.csr_matrix) -> Solver:
    """Return a model after one iteration, when its factors have the size that they have in a fit."""
    try:
        model = solver(factors=factors, iterations=1, confidence="log", random_state=0)
    except InputError as error:
        pytest.skip(str(error))
    return model.fit(user_items, show_progress=False)


@pytest.mark.parametrize("factors", FACTORS)
def test_half_step(
    benchmark: Any, solver: type[Solver], factors: int, user_items: sparse.csr_matrix
) -> None:
    """Solve all users once, with the items fixed."""
    model = fitted(solver, factors, user_items)
    users, _ = model.weights(user_items)
    X, Y = factors_of(model)
    result = benchmark(model.half_step, users.fixing(Y), X)
    assert np.isfinite(result).all()


@pytest.mark.parametrize("factors", FACTORS)
def test_recommend(benchmark: Any, factors: int, user_items: sparse.csr_matrix) -> None:
    """Recommend ten items to each of a hundred users."""
    model = fitted(SOLVERS["conjugate_gradient"], factors, user_items)
    users = np.arange(100)
    ids, _ = benchmark(model.recommend, users, user_items[users])
    assert ids.shape == (100, 10)


@pytest.mark.parametrize("factors", FACTORS)
def test_objective(benchmark: Any, factors: int, user_items: sparse.csr_matrix) -> None:
    """Calculate the float64 objective."""
    model = fitted(SOLVERS["conjugate_gradient"], factors, user_items)
    users, items = model.weights(user_items)
    value = benchmark(objective, users, items, *factors_of(model))
    assert value > 0
