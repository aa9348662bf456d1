"""The rule by which a row of `eigenbasis` ends: its gain, its bound, and what a half-step reports."""

import numpy as np
import pytest
from cases.rows import ROW_CONVENTIONS, problem, reported, row_objectives, solver, split_rows
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

from halfstep.solvers.cholesky import Cholesky
from halfstep.solvers.eigenbasis import Eigenbasis
from halfstep.solvers.fit.stopping import THETA
from halfstep.solvers.fit.weights import weigh

pytestmark = pytest.mark.usefixtures("by_blocks")
BOUNDED = ("linear", "log", "binary", "explicit", "scaled", "huge")
SIZES = (7, 33, 130)


def best(half, X):
    """Return the exact solution in float64."""
    return Cholesky(factors=X.shape[1], dtype="float64").half_step(half, X)


def gained_and_left(half, X, solution):
    """Return, of each row with entries, by how much the objective fell, and by how much it still may."""
    stored = np.diff(half.indptr) > 0
    before, after, least = (
        row_objectives(half, x)[stored] for x in (X, solution, best(half, X))
    )  # fmt: skip
    return before - after, after - least


@pytest.mark.parametrize("split", [False, True])
@pytest.mark.parametrize("convention", ROW_CONVENTIONS)
@pytest.mark.parametrize("f", SIZES)
def test_what_a_half_step_reports_is_what_the_objective_says(f, convention, split, monkeypatch):
    """The identity, on rows whose steps, or exact solution after steps, the report sums up."""
    if split:
        split_rows(monkeypatch)
    half, X = problem(f, "float64", convention=convention)
    model = solver(f, "float64", cg_max_steps=400)
    solution, report = reported(model, half, X)
    gained, left = gained_and_left(half, X, solution)
    stored = np.diff(half.indptr) > 0
    assert report.rows == stored.sum()
    assert report.stepped <= report.rows
    assert report.unsolved == 0
    if report.stepped == report.rows:
        assert report.gained == pytest.approx(gained.sum(), rel=1e-6)
        if convention in BOUNDED:
            assert left.sum() <= report.left * (1 + 1e-6) + 1e-9 * gained.sum()


@pytest.mark.parametrize("split", [False, True])
@pytest.mark.parametrize("kept", [0, 256, 1 << 20])
@pytest.mark.parametrize("theta", [0.3, 0.05, 1e-3])
@pytest.mark.parametrize("convention", BOUNDED)
def test_every_row_keeps_the_bound(convention, theta, kept, split, monkeypatch):
    from halfstep.solvers import eigenbasis

    monkeypatch.setattr(eigenbasis, "KEPT", kept)
    if split:
        split_rows(monkeypatch)
    half, X = problem(33, "float64", convention=convention)
    model = solver(33, "float64", cg_tolerance=theta, cg_max_steps=4000)
    gained, left = gained_and_left(half, X, model.half_step(half, X))
    scale = np.abs(row_objectives(half, X)[np.diff(half.indptr) > 0])
    assert (left <= theta * gained + 1e-10 * scale).all(), left / gained


def rows_alike(counts, dtype, rows=200, columns=5000, f=32):
    """Return a half-step of rows of 30 entries with these play counts, and a start of zero."""
    rng = np.random.default_rng(2)
    indices = np.concatenate([rng.choice(columns, 30, replace=False) for _ in range(rows)])
    matrix = sparse.csr_matrix(
        (counts(rng, rows * 30), indices, np.arange(0, rows * 30 + 1, 30)), shape=(rows, columns)
    )
    Y = (rng.standard_normal((columns, f)) * 0.3).astype(dtype)
    return weigh(matrix, dtype=dtype, confidence="linear").fixing(Y), np.zeros((rows, f), dtype)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_mild_rows_take_one_step_and_heavy_ones_more(dtype):
    steps = {}
    for name, counts in (
        ("mild", lambda rng, n: np.ones(n)),
        ("heavier", lambda rng, n: np.floor(rng.pareto(1.5, n) * 40 + 1)),
    ):
        half, X = rows_alike(counts, dtype)
        _, report = reported(Eigenbasis(factors=32, dtype=dtype), half, X)
        assert report.stepped == 200
        steps[name] = report.steps / report.stepped
    assert steps["mild"] == 1
    assert steps["heavier"] > 1.5


def test_the_heaviest_rows_are_solved_exactly_without_a_step():
    def counts(rng, n):
        return np.floor(rng.pareto(0.7, n) * 1e4 + 1).clip(max=1e6)

    half, X = rows_alike(counts, "float64")
    solution, report = reported(Eigenbasis(factors=32, dtype="float64"), half, X)
    assert report.stepped < 0.2 * report.rows
    _, left = gained_and_left(half, X, solution)
    exact = solver(32, "float64", exact=True).half_step(half, X)
    assert np.abs(left).max() <= 2 * np.abs(gained_and_left(half, X, exact)[1]).max() + 1e-3


@pytest.mark.parametrize("steps", [1, 2, 3, 7])
def test_a_number_of_steps_is_that_number(steps):
    """The rule with a theta that nothing reaches takes the same steps as that number of them."""
    half, X = problem(33, "float64")
    fixed = solver(33, "float64", cg_steps=steps).half_step(half, X)
    capped, report = reported(solver(
        33, "float64", cg_tolerance=1e-300, cg_max_steps=steps
    ), half, X)  # fmt: skip
    if report.completed == 0:
        np.testing.assert_allclose(capped, fixed, rtol=1e-9, atol=1e-12)
    assert report.most_steps <= steps


def test_rows_with_a_negative_excess_take_two_steps():
    """Of two rows that differ in the sign of one small excess only that one takes a second step."""
    rng = np.random.default_rng(1)
    Y = rng.standard_normal((400, 9)) * 0.3
    columns = np.sort(rng.choice(400, 20, replace=False))
    values = np.ones((2, 20))
    values[:, 4] = (1.01, 0.99)  # of confidence "implicit": w = 0.01 and -0.01
    matrix = sparse.csr_matrix(
        (values.reshape(-1), np.tile(columns, 2), [0, 20, 40]), shape=(2, 400)
    )
    half = weigh(matrix, dtype="float64").fixing(Y)
    steps = []
    for u in (0, 1):
        row = half.block(u, u + 1)
        model = solver(9, "float64", cg_tolerance=0.9)
        _, report = reported(model, row, np.zeros((1, 9)))
        steps.append(report.steps)
    assert steps == [1, 2]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_weights_over_nine_orders_of_magnitude_are_solved(dtype):
    rng = np.random.default_rng(6)
    rows, columns, f = 120, 900, 33
    matrix = sparse.random(rows, columns, 0.05, "csr", random_state=rng)
    matrix.data[:] = 10 ** rng.uniform(-3, 6, matrix.nnz)
    matrix.data[::17] = 0  # stored, of no weight
    Y = rng.standard_normal((columns, f)) * 0.2
    X = rng.standard_normal((rows, f))
    wide = weigh(matrix, dtype="float64", confidence="linear").fixing(Y)
    half = weigh(matrix, dtype=dtype, confidence="linear").fixing(Y.astype(dtype))
    found, report = reported(Eigenbasis(factors=f, dtype=dtype), half, X.astype(dtype))
    gained, left = gained_and_left(wide, X, found)
    assert report.unsolved == 0
    assert (left <= (THETA + 0.01) * gained).all()


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    rows=st.integers(1, 4),
    f=st.integers(1, 24),
    decay=st.floats(0, 6),
    heavy=st.floats(-3, 6),
    lam=st.floats(1e-3, 1e3),
    theta=st.floats(1e-4, 0.9),
)
def test_the_bound_holds_for_any_spectrum(seed, rows, f, decay, heavy, lam, theta):
    rng = np.random.default_rng(seed)
    columns = 60
    Y = rng.standard_normal((columns, f)) * 10 ** -np.linspace(0, decay, f)
    dense = np.where(
        rng.random((rows, columns)) < 0.4, 10 ** rng.uniform(-3, heavy, (rows, columns)), 0
    )
    weights = weigh(
        sparse.csr_matrix(dense), dtype="float64", confidence="linear", regularization=lam
    )
    half, X = weights.fixing(Y), rng.standard_normal((rows, f))
    solution, report = reported(
        Eigenbasis(factors=f, dtype="float64", cg_tolerance=theta, cg_max_steps=5000), half, X
    )
    gained, left = gained_and_left(half, X, solution)
    scale = np.abs(row_objectives(half, X)[np.diff(half.indptr) > 0])
    assert report.unsolved == 0
    assert (left <= theta * gained + 1e-9 * scale).all()


def test_what_a_row_takes_does_not_depend_on_threads_or_neighbours():
    half, X = problem(33, convention="huge")
    whole, report = reported(solver(33, num_threads=1), half, X)
    shared, again = reported(solver(33, num_threads=2), half, X)
    assert whole.tobytes() == shared.tobytes()
    assert report == again
