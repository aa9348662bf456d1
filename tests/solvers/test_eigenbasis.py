import subprocess
import sys

import numpy as np
import pytest
from cases.rows import FACTORS, ROW_CONVENTIONS, eps, problem, solver, split_rows
from scipy import sparse

from halfstep.errors import InputError
from halfstep.solvers.cholesky import Cholesky
from halfstep.solvers.eigenbasis import Eigenbasis
from halfstep.solvers.fit.weights import weigh
from halfstep.solvers.naive import Naive
from halfstep.solvers.objective import relative_residuals

pytestmark = pytest.mark.usefixtures("by_blocks")


@pytest.mark.parametrize("convention", ROW_CONVENTIONS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("f", FACTORS)
def test_exact_rows_have_no_residual(f, dtype, convention):
    half, X = problem(f, dtype, convention=convention)
    solution = solver(f, dtype, exact=True).half_step(half, X)
    assert solution.dtype == dtype
    assert not solution[0].any()
    residuals = relative_residuals(half, solution)
    # Where the excess is 1e6, f32's digits of w z z' x alone make hundreds of eps.
    assert (residuals < (3e4 if convention == "huge" else 300) * eps(dtype)).all(), residuals


@pytest.mark.parametrize("convention", ROW_CONVENTIONS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("f", FACTORS)
def test_many_steps_reach_the_solution(f, dtype, convention):
    half, X = problem(f, dtype, convention=convention)
    solution = solver(f, dtype, cg_steps=3000 if convention == "huge" else 500).half_step(half, X)
    residuals = relative_residuals(half, solution)
    assert (residuals < 3e4 * eps(dtype)).all(), residuals


@pytest.mark.parametrize("settings", [{"exact": True}, {"cg_steps": 60}], ids=str)
@pytest.mark.parametrize("f", [*FACTORS, 2048])
def test_rows_of_fifty_thousand_entries_and_factors_by_the_thousand(f, settings):
    half, X = problem(f, longest=2100 if f == 2048 else 50_000)
    residuals = relative_residuals(half, solver(f, **settings).half_step(half, X))
    # At f = 1 terms of both signs cancel in a sum of 50,000: their digits, not the sum's, are kept.
    assert (residuals < (3e4 if f == 1 else 3e3) * eps("float32")).all(), residuals


@pytest.mark.parametrize("settings", [{"exact": True}, {}], ids=str)
@pytest.mark.parametrize("tiny", [1e-20, 1e-39])
@pytest.mark.parametrize("array", ["Y", "X", "values"])
def test_numbers_next_to_zero_are_no_nan(array, tiny, settings):
    """1e-39 is denormal in float32, and the square of 1e-20 is."""
    half, X = problem(33)
    (X if array == "X" else half.__dict__[array])[:] *= tiny
    solution = solver(33, **settings).half_step(half, X)
    assert np.isfinite(solution).all()
    # With next to no weight, or next to no factors, the targets alone decide, or nothing does.
    assert np.abs(solution).max() < 1e3


@pytest.mark.parametrize("settings", [{"exact": True}, {"cg_steps": 300}], ids=str)
@pytest.mark.parametrize("rank", [None, 5])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_without_regularization_the_solution_has_minimum_norm(dtype, rank, settings):
    half, X = problem(33, dtype, rank=rank, regularization=0.0, convention="binary")
    wide, _ = problem(33, "float64", rank=rank, regularization=0.0, convention="binary")
    expected = Naive(factors=33, dtype="float64").half_step(wide, X.astype("float64"))
    solution = solver(33, dtype, **settings).half_step(half, X)
    error = np.linalg.norm(solution - expected, axis=1)
    assert (error <= 3e4 * eps(dtype) * np.linalg.norm(expected, axis=1)).all(), error


@pytest.mark.parametrize("settings", [{"exact": True}, {"cg_steps": 3}], ids=str)
@pytest.mark.parametrize("rank", [None, 5])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_explicit_rows_without_regularization_stay_finite(dtype, rank, settings):
    half, X = problem(33, dtype, rank=rank, regularization=0.0, convention="explicit")
    solution = solver(33, dtype, **settings).half_step(half, X)
    assert np.isfinite(solution).all()
    assert (relative_residuals(half, solution) < 1).all()


@pytest.mark.parametrize("settings", [{"exact": True}, {}], ids=str)
def test_threads_and_blocks_change_no_bit(settings):
    rng = np.random.default_rng(3)
    matrix = sparse.random(5000, 900, 0.02, format="csr", random_state=rng, dtype="float32")
    half = weigh(matrix, confidence="linear", regularization_exponent=0.5).fixing(
        rng.standard_normal((900, 33)).astype("float32")
    )
    X = rng.standard_normal((5000, 33)).astype("float32")
    one, two, three = (solver(33, num_threads=n, **settings).half_step(half, X) for n in (1, 2, 3))
    assert one.tobytes() == two.tobytes() == three.tobytes()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("settings", [{"exact": True}, {}, {"cg_tolerance": 1e-2}], ids=str)
def test_rows_split_over_threads_solve_the_same_system(by_blocks, monkeypatch, settings, dtype):
    from halfstep.kernels.cpu import high_degree

    half, X = problem(33, dtype, convention="scaled")
    whole = solver(33, dtype, **settings).half_step(half, X)
    split_rows(monkeypatch)
    half, X = problem(33, dtype, convention="scaled")  # which keeps no plan of its blocks
    assert len(high_degree.high_degree_rows(half)) > 1
    one, two = (solver(33, dtype, num_threads=n, **settings).half_step(half, X) for n in (1, 2))
    assert one.tobytes() == two.tobytes()
    assert not np.array_equal(one, whole)
    np.testing.assert_allclose(one, whole, atol=1e3 * eps(dtype))


def test_wide_indices_give_the_same_bits():
    half, X = problem(33)
    narrow = solver(33).half_step(half, X)
    object.__setattr__(half, "indices", half.indices.astype(np.int64))
    assert narrow.tobytes() == solver(33).half_step(half, X).tobytes()


@pytest.mark.parametrize("settings", [{"exact": True}, {}], ids=str)
@pytest.mark.parametrize("array", ["Y", "values", "X"])
def test_a_nan_reaches_the_solution(array, settings):
    half, X = problem(33)
    if array == "X" and "exact" in settings:
        X[5] = np.nan
        assert np.isfinite(solver(33, **settings).half_step(half, X)).all()
        return
    target = (
        X[5] if array == "X" else half.Y[half.indices[-1]] if array == "Y" else half.__dict__[array]
    )
    target[-1] = np.nan
    try:
        solution = solver(33, **settings).half_step(half, X)
    except (np.linalg.LinAlgError, FloatingPointError):
        return
    assert not np.isfinite(solution).all()


def test_matrices_without_entries_give_zeros():
    matrix = sparse.csr_matrix((3, 5), dtype="float32")
    half = weigh(matrix).fixing(np.ones((5, 7), "float32"))
    for settings in ({"exact": True}, {}):
        assert not solver(7, **settings).half_step(half, np.ones((3, 7), "float32")).any()


def test_every_parameter_changes_something():
    half, X = problem(33)
    default = solver(33).half_step(half, X)
    one = solver(33, cg_steps=1).half_step(half, X)
    loose = solver(33, cg_tolerance=0.9).half_step(half, X)
    exact = solver(33, exact=True).half_step(half, X)
    for other in (one, loose, exact):
        assert not np.array_equal(other, default)
    packed, whole = (
        solver(33, cg_tolerance=0.05, compress=c).half_step(half, X) for c in (None, False)
    )  # fmt: skip
    assert not np.array_equal(packed, whole)
    capped = solver(33, cg_max_steps=1).half_step(half, X)
    assert not np.array_equal(capped, default)
    tight = solver(33, cg_max_steps=500, cg_tolerance=1e-9).half_step(half, X)
    assert (relative_residuals(half, tight) < 0.01).all()


@pytest.mark.parametrize(
    "settings",
    [
        {"cg_steps": 0},
        {"cg_max_steps": 0},
        {"cg_tolerance": 0.0},
        {"cg_tolerance": 1.5},
        {"cg_tolerance": float("nan")},
        {"cg_steps": 2, "cg_tolerance": 0.1},
        {"cg_steps": 2, "cg_max_steps": 5},
        {"exact": True, "cg_steps": 2},
        {"exact": True, "cg_tolerance": 0.1},
        {"exact": True, "cg_max_steps": 40},
        {"compress": True, "dtype": "float64"},
        {"compress": True, "exact": True},
        {"relaxation": 0.0},
        {"relaxation": 2.0},
    ],
    ids=str,
)
def test_arguments_that_break_a_rule_are_errors(settings):
    with pytest.raises(InputError, match=r"cg_|compress|relaxation"):
        Eigenbasis(**settings)


def test_a_fit_lowers_the_objective_and_keeps_the_start():
    rng = np.random.default_rng(5)
    matrix = sparse.random(300, 200, 0.05, format="csr", random_state=rng, dtype="float32")
    model = Eigenbasis(
        factors=9, iterations=5, calculate_training_loss=True, random_state=1, confidence="linear"
    ).fit(matrix, show_progress=False)
    assert model.loss_history_ == sorted(model.loss_history_, reverse=True)


@pytest.mark.parametrize("convention", ["implicit", "linear", "scaled"])
def test_ten_iterations_end_at_the_objective_of_the_float64_reference(convention):
    rng = np.random.default_rng(6)
    matrix = sparse.random(200, 150, 0.08, format="csr", random_state=rng, dtype="float32")
    X, Y = (rng.random((n, 16)).astype("float32") * 0.1 for n in matrix.shape)
    settings = {"factors": 16, "iterations": 10, "calculate_training_loss": True}
    settings.update(ROW_CONVENTIONS[convention])
    wide = Cholesky(
        dtype="float64", init_factors=(X.astype("float64"), Y.astype("float64")), **settings
    )
    expected = wide.fit(matrix, show_progress=False).loss_history_[-1]
    for steps in ({"exact": True}, {"cg_steps": 30}):
        model = Eigenbasis(init_factors=(X, Y), **settings, **steps)
        got = model.fit(matrix, show_progress=False).loss_history_[-1]
        assert abs(got - expected) <= 1e-5 * expected


def test_importing_the_package_imports_no_compiler():
    code = "import sys, halfstep.solvers.eigenbasis; sys.exit('numba' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize("done", [0, 2])
@pytest.mark.parametrize("f", [64, 130, 257])
def test_a_row_is_solved_from_its_own_start_among_short_ones(f, done):
    """Starts of short rows are not rotated, so the others' are put together and apart again."""
    rng = np.random.default_rng(1)
    lengths = np.where(np.arange(200) % 10 == 3, 40, rng.integers(0, 4, 200))
    columns = [np.sort(rng.choice(300, n, replace=False)) for n in lengths]
    indptr = np.concatenate([[0], np.cumsum(lengths)])
    values = np.ones(indptr[-1], "float32")
    matrix = sparse.csr_matrix((values, np.concatenate(columns), indptr), shape=(200, 300))
    half = weigh(matrix, confidence="linear", regularization=0.1).fixing(
        rng.standard_normal((300, f), "float32")
    )
    X = rng.standard_normal((200, f), "float32")
    model = solver(f)
    whole = model._half_step("user", half, X, done)
    for u in np.flatnonzero(lengths == 40):
        alone = model._half_step("user", half.block(u, u + 1), X[u : u + 1], done)[0]
        assert np.abs(whole[u] - alone).max() <= 1e-4 * np.abs(alone).max(), u
    assert not whole[lengths == 0].any()


def test_going_further_brings_nothing_back_that_y_does_not_know():
    half, X = problem(33, rank=5, regularization=0.0, convention="binary")
    _, _, V = np.linalg.svd(half.Y.astype("float64"), full_matrices=False)
    further = solver(33)._half_step("user", half, X, 2)
    unknown = further - further @ V[:5].T @ V[:5]
    assert np.abs(unknown).max() <= 1e-4 * np.abs(further).max()


def test_rows_that_start_from_zero_go_no_further():
    half, X = problem(33, regularization=0.0, convention="explicit")
    model = solver(33)
    assert np.array_equal(model._half_step("user", half, X, 2), model.half_step(half, X))
