"""Every rung against the dense float64 oracle: the residual first, then the solution."""

import numpy as np
import oracle
import pytest
from cases.solvers import CONVENTIONS, EXACT, RUNGS, awkward, parameters, require
from scipy import sparse

from halfstep import NumericalWarning
from halfstep.solvers.inputs import as_csr
from halfstep.solvers.objective import relative_residuals

pytestmark = pytest.mark.usefixtures("by_blocks")
EPS = {np.float32: np.finfo(np.float32).eps, np.float64: np.finfo(np.float64).eps}


def model(solver, **settings):
    return solver(**{"regularization": 0.5, **EXACT.get(solver.name, {}), **settings})


def sides(m, matrix, seed=1):
    users, _ = m.weights(as_csr(matrix))
    rng = np.random.default_rng(seed)
    Y = rng.normal(size=(matrix.shape[1], m.factors)).astype(m.dtype) * np.dtype(m.dtype).type(0.3)
    X = rng.normal(size=(matrix.shape[0], m.factors)).astype(m.dtype)
    return users.fixing(Y), X


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("factors", [1, 7, 33, 130])
def test_solves_every_row(rung, convention, factors, dtype, matrix):
    m = model(rung, factors=factors, dtype=dtype, **convention)
    problem, X = sides(m, matrix)
    before = X.copy()
    solution = m.half_step(problem, X)
    assert solution.dtype == dtype
    assert np.array_equal(X, before)
    residuals = relative_residuals(problem, solution)
    # Rounding grows with the conditioning; the awkward matrix has weights from 0.01 to 100.
    assert residuals.max() < 2000 * EPS[dtype]
    exact = oracle.solve(matrix, problem.Y, regularization=0.5, **convention)
    np.testing.assert_allclose(solution, exact, rtol=0, atol=1e5 * EPS[dtype] * np.abs(exact).max())


@pytest.mark.parametrize("exponent", [0.0, 0.5, 1.0])
def test_frequency_scaled_regularization(rung, convention, exponent, matrix):
    settings = {"regularization_exponent": exponent, "regularization": 0.02}
    m = model(rung, factors=7, dtype=np.float64, **settings, **convention)
    problem, X = sides(m, matrix)
    exact = oracle.solve(matrix, problem.Y, regularization=0.02, exponent=exponent, **convention)
    np.testing.assert_allclose(m.half_step(problem, X), exact, rtol=1e-7, atol=1e-9)


def test_rows_without_entries_are_exactly_zero(rung, convention, matrix):
    m = model(rung, factors=5, **convention)
    problem, X = sides(m, matrix)
    solution = m.half_step(problem, X)
    assert not solution[[0, 17]].any()
    assert solution[1].any()


@pytest.mark.parametrize("shape", [(0, 4), (4, 0), (3, 5)])
def test_nothing_stored_gives_zeros(rung, shape):
    m = model(rung, factors=3)
    problem, X = sides(m, sparse.csr_matrix(shape))
    assert np.array_equal(m.half_step(problem, X), np.zeros_like(X))


@pytest.mark.parametrize("factors", [4, 20])
def test_no_regularization(rung, convention, factors):
    """Full rank gives the solution; rank 9 with 20 factors a minimum-norm one or a stated ridge."""
    matrix = awkward(items=61, negative=False)
    m = model(rung, factors=factors, dtype=np.float64, regularization=0.0, **convention)
    problem, X = sides(m, matrix)
    if factors > 9:
        rng = np.random.default_rng(3)
        low_rank = rng.normal(size=(61, 9)) @ rng.normal(size=(9, factors))
        problem = problem.fixing(low_rank)
    if rung.name == "cholesky":
        with pytest.warns(NumericalWarning, match="added .* to their diagonals"):
            solution = m.half_step(problem, X)
    else:
        solution = m.half_step(problem, X)
    assert np.isfinite(solution).all()
    assert np.median(relative_residuals(problem, solution)) < 1e-9
    exact = oracle.solve(matrix, problem.Y, regularization=0.0, **convention)
    products = problem.Y @ (solution - exact).T
    if convention["confidence"] != "explicit":
        assert np.abs(products).max() < 1e-5 * np.abs(problem.Y @ exact.T).max()
    # The compiled rung, too, answers a row's own null space, which only "explicit" has, by a ridge.
    ridged = rung.name == "cholesky" or (
        rung.name in ("eigenbasis", "subspace") and convention["confidence"] == "explicit"
    )
    if not ridged:
        assert np.abs(solution - exact).max() < 1e-5 * np.abs(exact).max()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_no_regularization_and_factors_of_zero(rung, dtype):
    m = model(rung, factors=3, dtype=dtype, regularization=0.0, confidence="explicit")
    problem, X = sides(m, awkward())
    solution = m.half_step(problem.fixing(np.zeros_like(problem.Y)), X)
    assert np.array_equal(solution, np.zeros_like(X))


def test_one_huge_confidence(rung):
    dense = awkward(negative=False).toarray()
    dense[7, 11] = 1e6
    matrix = sparse.csr_matrix(dense)
    m = model(rung, factors=7, dtype=np.float64, confidence="linear", alpha=1.0)
    problem, X = sides(m, matrix)
    solution = m.half_step(problem, X)
    assert relative_residuals(problem, solution).max() < 1e-8
    assert solution[7] @ problem.Y[11] == pytest.approx(1, abs=1e-3)


# `naive` has no blocks, and this row would take it a minute.
@pytest.mark.parametrize("rung", parameters(n for n in RUNGS if n != "naive"), indirect=True)
def test_a_row_longer_than_any_block(rung):
    rng = np.random.default_rng(0)
    items = 150_001
    dense_row = sparse.csr_matrix(rng.integers(1, 9, (1, items)).astype(np.float64))
    few = sparse.random(6, items, 1e-4, format="csr", random_state=rng)
    matrix = sparse.vstack([few, dense_row, few]).tocsr()
    m = model(rung, factors=5, dtype=np.float64, confidence="linear")
    problem, X = sides(m, matrix)
    assert relative_residuals(problem, m.half_step(problem, X)).max() < 1e-9


def test_more_steps_come_nearer():
    residuals = []
    for steps in (1, 3, 6, 30):
        m = require("conjugate_gradient")(
            factors=33, cg_steps=steps, dtype=np.float64, **CONVENTIONS["linear"]
        )
        problem, X = sides(m, awkward())
        residuals.append(np.median(relative_residuals(problem, m.half_step(problem, X))))
    assert residuals == sorted(residuals, reverse=True)
    assert residuals[-1] < residuals[0] / 10


def test_residual_of_a_wrong_solution_is_seen(matrix):
    m = model(require("cholesky"), factors=7, dtype=np.float64)
    problem, X = sides(m, matrix)
    solution = m.half_step(problem, X)
    solution[9] *= 1.001
    solution[0, 0] = 0.1
    residuals = relative_residuals(problem, solution)
    assert residuals[9] == pytest.approx(0.001, rel=1e-6)
    assert residuals[0] == pytest.approx(0.1)
    solution[4, 2] = np.nan
    assert np.isnan(relative_residuals(problem, solution)[4])


def test_the_lab_toy_example():
    """All-ones factors of rank 2 on a 5 x 5 rating matrix; then one coordinate after the other."""
    ratings = np.array(
        [[5, 2, 4, 4, 3], [3, 1, 2, 4, 1], [2, 0, 3, 1, 4], [2, 5, 4, 3, 5], [4, 4, 5, 4, 0]], float
    )
    known = ratings > 0
    X, Y = np.ones((5, 2)), np.ones((5, 2))
    errors = (known * (ratings - X @ Y.T) ** 2).sum(axis=1)
    assert errors.tolist() == [18, 7, 6, 23, 21]
    assert np.sqrt(errors.sum() / known.sum()) == pytest.approx(1.806, abs=5e-4)

    def coordinate(side, X, Y, row):
        """Optimise X[row, 0] alone: a half-step with one factor on what the others leave."""
        rest = np.where(side > 0, side - X[:, 1:] @ Y[:, 1:].T, 0)
        m = model(
            require("cholesky"),
            factors=1,
            dtype=np.float64,
            confidence="explicit",
            regularization=0.0,
        )
        m._warned_of_ridge = True
        weights, _ = m.weights(as_csr(sparse.csr_matrix(rest)))
        X[row, 0] = m.half_step(weights.fixing(np.ascontiguousarray(Y[:, :1])), X[:, :1])[row, 0]

    coordinate(ratings, X, Y, 0)
    assert X[0, 0] == pytest.approx(2.6)
    coordinate(ratings.T, Y, X, 0)
    assert Y[0, 0] == pytest.approx(1.617, abs=5e-4)
