"""The rule by which a row of `eigenbasis` ends: its gain, its bound, and what a half-step reports."""

import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rows_case import CONVENTIONS, problem, reported, row_objectives, solver
from scipy import sparse

from halfstep.errors import NotFinite, NumericalWarning
from halfstep.solvers.cholesky import Cholesky
from halfstep.solvers.eigenbasis import Eigenbasis
from halfstep.solvers.fit.stopping import THETA
from halfstep.solvers.fit.weights import weigh

BOUNDED = ("linear", "log", "binary", "explicit", "scaled", "huge")
SIZES = (7, 33, 130)


def best(half, X):
    """Return the exact solution in float64."""
    return Cholesky(factors=X.shape[1], dtype="float64").half_step(half, X)


def split_rows(monkeypatch):
    from halfstep.kernels.cpu import long_rows

    monkeypatch.setattr(long_rows, "SHORTEST", 3)
    monkeypatch.setattr(long_rows, "SHARE", 100)


def gained_and_left(half, X, solution):
    """Return, of each row with entries, by how much the objective fell, and by how much it still may."""
    stored = np.diff(half.indptr) > 0
    before, after, least = (
        row_objectives(half, x)[stored] for x in (X, solution, best(half, X))
    )  # fmt: skip
    return before - after, after - least


@pytest.mark.parametrize("split", [False, True])
@pytest.mark.parametrize("convention", CONVENTIONS)
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


def heavy_counts(users=400, items=300, seed=0):
    rng = np.random.default_rng(seed)
    matrix = sparse.random(users, items, 0.06, "csr", random_state=rng, dtype="float32")
    matrix.data[:] = np.floor(20 * rng.pareto(0.9, matrix.nnz) + 1).clip(max=1e6)
    return matrix


@pytest.mark.parametrize("alpha", [1.0, 20.0])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_raw_play_counts_come_as_far_as_exact_solutions_do(dtype, alpha):
    matrix = heavy_counts()
    losses = [
        Eigenbasis(
            factors=24, iterations=15, calculate_training_loss=True, random_state=2, alpha=alpha,
            dtype=dtype, **own,
        ).fit(matrix, show_progress=False).loss_history_[-1]
        for own in ({}, {"exact": True, "relaxation": 1.4}, {"cg_steps": 2})
    ]  # fmt: skip
    by_rule, exact, two_steps = losses
    assert by_rule < 1.01 * exact
    assert two_steps > 1.05 * exact  # or the data would not tell them apart


def test_a_fit_reports_every_iteration():
    model = Eigenbasis(factors=24, iterations=4, random_state=2).fit(
        heavy_counts(), show_progress=False
    )
    assert len(model.report_) == 4
    first = model.report_[0]
    assert first.users.rows == 400
    assert first.items.rows <= 300
    assert 0 < first.users.left <= THETA * first.users.gained
    assert model.fit(heavy_counts(), show_progress=False).report_[0] == first
    for own in ({"exact": True}, {"cg_steps": 2}):
        model = Eigenbasis(factors=24, iterations=4, **own).fit(heavy_counts(), show_progress=False)
        assert model.report_ == []


def test_rows_that_end_unsolved_are_told_once():
    model = Eigenbasis(factors=64, iterations=3, random_state=2, cg_max_steps=2, alpha=1e3)
    with pytest.warns(NumericalWarning, match=r"took all of 2 steps .* cg_max_steps") as told:
        model.fit(heavy_counts(), show_progress=False)
    assert len(told) <= 2  # a line for each side
    assert model.report_[-1].items.unsolved > 0
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model.set_params(cg_max_steps=None).fit(heavy_counts(), show_progress=False)


def test_what_a_row_takes_does_not_depend_on_threads_or_neighbours():
    half, X = problem(33, convention="huge")
    whole, report = reported(solver(33, num_threads=1), half, X)
    shared, again = reported(solver(33, num_threads=2), half, X)
    assert whole.tobytes() == shared.tobytes()
    assert report == again


@pytest.mark.parametrize("spoiled", [np.nan, np.inf])
def test_what_is_not_finite_names_its_row(spoiled):
    def spoil(iteration, seconds, loss):
        model.user_factors[7] = spoiled

    model = Eigenbasis(factors=9, iterations=3, confidence="log", random_state=0)
    half = model.weights(heavy_counts())[0].fixing(np.full((300, 9), 0.1, "float32"))
    X = np.full((400, 9), 0.1, "float32")
    X[7] = spoiled
    assert not np.isfinite(model.half_step(half, X)[7]).all()
    with pytest.raises(NotFinite, match="row 7") as error:
        model.fit(heavy_counts(), show_progress=False, callback=spoil)
    assert (error.value.row, error.value.side, error.value.iteration) == (7, "user", 1)


def test_a_subclass_with_a_half_step_of_its_own_takes_it():
    class Mine(Eigenbasis):
        def half_step(self, problem, X):
            called.append(problem.rows)
            return super().half_step(problem, X)

    called = []
    model = Mine(factors=5, iterations=2, random_state=0).fit(heavy_counts(), show_progress=False)
    assert called == [400, 300, 400, 300]
    assert len(model.report_) == 2


def test_long_rows_with_heavy_entries_are_held_to_less(monkeypatch):
    """As short ones are: what a half-step leaves does not depend on which rows are split."""
    half = Eigenbasis(factors=24, alpha=20.0).weights(heavy_counts())[0]
    rng = np.random.default_rng(1)
    half, X = (
        half.fixing(rng.normal(size=(300, 24)).astype("float32") * 0.2),
        np.zeros((400, 24), "f4"),
    )
    reports = [reported(Eigenbasis(factors=24, alpha=20.0), half, X)[1]]
    split_rows(monkeypatch)
    reports.append(reported(Eigenbasis(factors=24, alpha=20.0), half, X)[1])
    assert all(report.left <= 0.011 * report.gained for report in reports)


def test_rows_that_stop_at_the_limit_but_are_done_count_as_solved():
    matrix = heavy_counts()
    matrix.data[:] = 0.99  # w = -0.01: two steps at least, of which one is allowed
    half = Eigenbasis(factors=5).weights(matrix)[0]
    half = half.fixing(np.full((300, 5), 1e-3, "float32"))
    _, report = reported(Eigenbasis(factors=5, cg_max_steps=1), half, np.zeros((400, 5), "float32"))
    assert report.steps == report.stepped > 0
    assert report.unsolved == 0


def test_rows_without_entries_make_no_side_large():
    matrix = sparse.vstack([heavy_counts()[:20], sparse.csr_matrix((500, 300))], "csr")
    users, items = Eigenbasis(factors=16).weights(matrix)
    assert users.fixing(np.zeros((300, 16), "float32")).few_rows
    assert not items.fixing(np.zeros((520, 16), "float32")).few_rows
    assert users.fixing(np.zeros((300, 16), "float32")).block(0, 3).few_rows


def test_the_largest_excess_is_found_once_for_a_fit():
    users, _ = Eigenbasis(factors=3, alpha=2.0).weights(heavy_counts())
    half = users.fixing(np.zeros((300, 3), "float32"))
    assert half.largest_excess == users.largest_excess == pytest.approx(half.w.max())
