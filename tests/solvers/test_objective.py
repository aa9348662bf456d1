"""The objective against the sum over every entry, written out."""

import numpy as np
import oracle
import pytest
from cases.solvers import awkward

from halfstep import SOLVERS
from halfstep.solvers import objective as module
from halfstep.solvers.objective import objective
from halfstep.solvers.problem import Problem


@pytest.mark.parametrize("exponent", [0.0, 0.7])
def test_equals_the_sum_over_all_entries(convention, exponent):
    matrix = awkward()
    rng = np.random.default_rng(0)
    X, Y = rng.normal(size=(43, 5)), rng.normal(size=(61, 5))
    settings = {"regularization": 0.3, **convention}
    model = SOLVERS["naive"](dtype=np.float64, regularization_exponent=exponent, **settings)
    expected = oracle.objective(matrix, X, Y, exponent=exponent, **settings)
    assert objective(*model.weights(matrix), X, Y) == pytest.approx(expected, rel=1e-12)
    zero = objective(*model.weights(matrix), 0 * X, 0 * Y)
    assert zero == pytest.approx(
        oracle.objective(matrix, 0 * X, 0 * Y, exponent=exponent, **settings)
    )


def test_is_float64_whatever_the_factors_are_and_sees_nan():
    matrix = awkward()
    model = SOLVERS["naive"](dtype=np.float64)
    rng = np.random.default_rng(0)
    X, Y = (rng.normal(size=(n, 5)).astype(np.float32) for n in matrix.shape)
    weights = model.weights(matrix)
    single = objective(*weights, X, Y)
    assert single == objective(*weights, X.astype(np.float64), Y.astype(np.float64))
    X[3, 2] = np.nan
    assert np.isnan(objective(*weights, X, Y))


def test_blocks_do_not_change_it(monkeypatch):
    matrix = awkward()
    model = SOLVERS["naive"](dtype=np.float64, confidence="linear")
    rng = np.random.default_rng(0)
    X, Y = (rng.normal(size=(n, 5)) for n in matrix.shape)
    whole = objective(*model.weights(matrix), X, Y)
    blocks = Problem.blocks
    monkeypatch.setattr(Problem, "blocks", lambda self, entries: blocks(self, 7))
    assert module.objective(*model.weights(matrix), X, Y) == pytest.approx(whole, rel=1e-13)


def test_rung_minimises_it(rung):
    """A solved half-step has no better neighbour."""
    matrix = awkward()
    settings = {
        "factors": 4,
        "iterations": 3,
        "dtype": np.float64,
        "random_state": 0,
        "confidence": "linear",
    }
    model = rung(**settings).fit(matrix, show_progress=False)
    weights = model.weights(matrix)
    users = SOLVERS["naive"](**settings).half_step(
        weights[0].fixing(model.item_factors), model.user_factors
    )
    best = objective(*weights, users, model.item_factors)
    assert best <= objective(*weights, model.user_factors, model.item_factors)
    rng = np.random.default_rng(1)
    for _ in range(5):
        nudged = users + 1e-3 * rng.normal(size=users.shape)
        assert objective(*weights, nudged, model.item_factors) > best
