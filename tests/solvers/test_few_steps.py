"""What the eigenbasis rung allows itself where it takes few steps: 16 bits and over-relaxation."""

from dataclasses import replace

import numpy as np
import pytest
from cases.rows import ROW_CONVENTIONS, problem, row_objectives, solver, split_rows
from scipy import sparse

from halfstep.solvers.eigenbasis import Eigenbasis


@pytest.mark.parametrize("convention", ROW_CONVENTIONS)
def test_factors_in_16_bits_solve_the_system_to_8_bits(convention):
    half, X = problem(33, convention=convention)
    near, far = (
        solver(33, cg_steps=3000, compress=compress).half_step(half, X)
        for compress in (True, False)
    )
    # Against the objective of the rows, which is what the rounding may move: by the square of 2^-9.
    products = half.Y.astype(np.float64) @ (near - far).T.astype(np.float64)
    size = half.Y.astype(np.float64) @ far.T.astype(np.float64)
    assert 0 < np.linalg.norm(products) < 2**-6 * np.linalg.norm(size)


def test_factors_in_16_bits_move_the_objective_of_a_fit_by_millionths():
    rng = np.random.default_rng(8)
    matrix = sparse.random(400, 300, 0.06, format="csr", random_state=rng, dtype="float32")
    losses = [
        Eigenbasis(
            factors=24, iterations=40, calculate_training_loss=True, random_state=2,
            confidence="log", regularization=5.0, cg_steps=cg_steps, compress=compress,
        ).fit(matrix, show_progress=False).loss_history_[-1]
        for cg_steps, compress in ((12, True), (12, False))
    ]  # fmt: skip
    assert losses[0] == pytest.approx(losses[1], rel=2e-5)
    assert losses[0] != losses[1]


@pytest.mark.parametrize("split", [False, True])
def test_over_relaxation_goes_past_the_solution_on_the_same_line(split, monkeypatch):
    if split:
        split_rows(monkeypatch)
    half, X = problem(33, convention="scaled")
    model = solver(33, relaxation=1.7)
    plain = model.half_step(half, X)
    early, late = (model.half_step(replace(half, omega=model._omega(done)), X) for done in (1, 2))
    assert early.tobytes() == plain.tobytes() == model.half_step(half, X).tobytes()
    expected = X + 1.7 * (plain - X)
    expected[0] = 0  # the row without entries
    np.testing.assert_allclose(late, expected, atol=1e-5)


@pytest.mark.parametrize("relaxation", [0.5, 1.0, 1.5, 1.9])
def test_no_relaxed_half_step_raises_the_objective(relaxation):
    rng = np.random.default_rng(4)
    matrix = sparse.random(300, 200, 0.05, format="csr", random_state=rng, dtype="float32")
    model = Eigenbasis(
        factors=9, iterations=12, calculate_training_loss=True, random_state=1,
        confidence="linear", relaxation=relaxation, compress=False, dtype="float64",
    ).fit(matrix, show_progress=False)  # fmt: skip
    relaxed = model.loss_history_
    assert relaxed == sorted(relaxed, reverse=True)
    plain = model.set_params(relaxation=1.0).fit(matrix, show_progress=False).loss_history_
    assert relaxed[:2] == plain[:2]
    assert (plain[-1] == relaxed[-1]) == (relaxation == 1.0)


@pytest.mark.parametrize("settings", [{"exact": True}, {"cg_steps": 1}, {"cg_steps": 4}], ids=str)
@pytest.mark.parametrize("omega", [0.6, 1.4, 1.9])
@pytest.mark.parametrize("convention", ["linear", "log", "binary", "huge"])
def test_over_relaxation_costs_the_square_of_how_far_it_goes(convention, omega, settings):
    """E(x_0 + omega (x - x_0)) - E(x) = (omega - 1)^2 (E(x_0) - E(x)): x is best on that line."""
    half, X = problem(17, "float64", convention=convention)
    model = solver(17, "float64", **settings)
    stored = np.diff(half.indptr) > 0
    before = row_objectives(half, X)[stored]
    plain = row_objectives(half, model.half_step(half, X))[stored]
    relaxed = row_objectives(half, model.half_step(replace(half, omega=omega), X))[stored]
    expected = (omega - 1) ** 2 * (before - plain)
    scale = np.abs(before) + np.abs(plain)
    np.testing.assert_allclose((relaxed - plain) / scale, expected / scale, atol=1e-9)
