"""The steps that rows will take, tried on a sample: against the half-step itself and a whole fit."""

import numpy as np
import pytest
from cases.rows import reported
from cases.solvers import awkward
from scipy import sparse

from halfstep.datasets import load
from halfstep.datasets.generated.presets import generate_music
from halfstep.evaluation import step_forecast
from halfstep.evaluation.step_forecast import forecast, sample, steps_by_row
from halfstep.kernels.cpu.vectors import lanes
from halfstep.solvers.conjugate_gradient import ConjugateGradient
from halfstep.solvers.eigenbasis import Eigenbasis
from halfstep.solvers.inputs import as_csr


@pytest.fixture(scope="module")
def plays():
    return generate_music(30_000, tail=1.2).interactions


@pytest.fixture(scope="module")
def music():
    return generate_music(30_000).interactions


def test_sample_has_whole_rows_and_no_empty_ones():
    matrix = as_csr(awkward())
    part = sample(matrix, 100, np.random.default_rng(0))
    assert part.nnz <= 100
    assert np.diff(part.indptr).min() > 0
    assert np.bincount(part.indices).min() > 0
    lengths = {int(n) for n in np.diff(matrix.indptr)}
    assert {int(n) for n in np.diff(part.indptr)} <= lengths
    whole = sample(matrix, matrix.nnz, np.random.default_rng(0))
    assert whole.nnz == matrix.nnz
    assert whole.sum() == pytest.approx(matrix.sum())
    one = sample(matrix, 0, np.random.default_rng(0))
    assert one.shape[0] == 1


def test_counts_are_those_of_every_row_by_itself(plays):
    model = Eigenbasis(factors=8, num_threads=1)
    found = forecast(model, plays, 0)
    rng = np.random.default_rng(0)
    part = sample(plays, plays.nnz, rng)
    problem, X = step_forecast._after_some_iterations(model, part, plays.shape[0], 0)
    steps, completed = [], 0
    for u in range(problem.rows):
        report = reported(model, problem.block(u, u + 1), X[u : u + 1])[1]
        steps.append(report.steps)
        completed += report.completed
    steps = np.array(steps)
    assert found.rows == found.of == len(steps)
    assert found.entries == plays.nnz
    # Systems of sixteen bits and whole ones may round a row across the rule's line; more rows take steps
    # where vectors are short.
    near = 0.02 if lanes(4) == 16 else 0.04
    assert found.mean_steps == pytest.approx(steps.mean(), rel=near)
    assert abs(found.steps_99 - np.quantile(steps, 0.99)) <= 1
    assert found.beyond_two == pytest.approx(np.mean(steps > 2), abs=0.02)
    assert abs(found.completed - completed) <= 0.01 * len(steps)


@pytest.mark.parametrize("rung", [Eigenbasis, ConjugateGradient])
def test_the_steps_of_single_rows_are_those_of_the_half_step(plays, rung):
    """The rule for few rows is stricter: a row by itself must not be taken for a side of one row."""
    some = plays[:200].copy()
    some.data[some.indptr[7] : some.indptr[8]] *= 1e4
    some = sparse.vstack([some, sparse.csr_matrix((1, some.shape[1]))], "csr")
    model = rung(factors=8, dtype=np.float64, random_state=3, iterations=3)
    model.fit(some, show_progress=False)
    problem = model.weights(as_csr(some))[0].fixing(model.item_factors)
    whole = reported(model, problem, model.user_factors)[1]
    steps = steps_by_row(model, problem, model.user_factors)
    assert steps.sum() == whole.steps
    assert steps.max() == whole.most_steps
    assert np.count_nonzero(steps) == whole.stepped
    assert steps[-1] == 0
    assert len(np.unique(steps)) > 3
    picked = np.array([9, 3, 200])
    assert (steps_by_row(model, problem, model.user_factors, picked) == steps[picked]).all()


def test_the_steps_of_rows_are_not_known_of_exact_solutions(plays):
    model = Eigenbasis(factors=4, exact=True, iterations=1).fit(plays, show_progress=False)
    problem = model.weights(plays)[0].fixing(model.item_factors)
    with pytest.raises(ValueError, match="has no stopping rule for its steps"):
        steps_by_row(model, problem, model.user_factors, np.arange(2))


def test_pull_is_weight_times_leverage(plays):
    model = Eigenbasis(factors=5, regularization=0.7, dtype=np.float64)
    part = sample(plays, 2000, np.random.default_rng(0))
    problem, _ = step_forecast._after_some_iterations(model, part, part.shape[0], 0)
    shared = problem.Y.T @ problem.Y + 0.7 * np.eye(5)
    expected = [y @ np.linalg.solve(shared, y) for y in problem.Y]
    found = step_forecast._pull(problem)
    assert np.allclose(found, problem.w * np.array(expected)[problem.indices], rtol=1e-9)
    assert np.all(found <= problem.w * (1 + 1e-9))  # |z|^2 <= 1 / a0


def test_heavy_weights_take_more_steps_than_mild_ones(plays, music):
    heavy = forecast(Eigenbasis(factors=16), plays, 0)
    mild = forecast(Eigenbasis(factors=16, confidence="log", regularization=20.0), music, 0)
    assert heavy.mean_steps > 2.3 > 2 >= mild.mean_steps
    assert heavy.steps_99 > 2 >= mild.steps_99
    assert heavy.beyond_two > 0.3 > 0.01 > mild.beyond_two
    assert heavy.pull.largest > 100 * mild.pull.largest


def test_forecast_is_near_what_a_fit_takes(plays):
    model = Eigenbasis(factors=16, iterations=8, random_state=0)
    model.fit(plays, show_progress=False)
    last = model.report_[-1]
    for matrix, side in ((plays, last.users), (plays.T.tocsr(), last.items)):
        found = forecast(model, matrix, 0)
        assert found.mean_steps == pytest.approx(side.steps / side.stepped, rel=0.35)


def test_a_part_of_the_rows_stands_for_all(plays, monkeypatch):
    whole = forecast(Eigenbasis(factors=16), plays, 0)
    monkeypatch.setattr(step_forecast, "WORK", 16 * 8_000)
    part = forecast(Eigenbasis(factors=16), plays, 0)
    assert part.entries <= 8_000
    assert part.rows < whole.rows / 2
    assert part.of == whole.of
    assert part.mean_steps == pytest.approx(whole.mean_steps, rel=0.35)


def test_rows_that_end_at_the_most_steps(plays):
    found = forecast(Eigenbasis(factors=16, cg_max_steps=2), plays, 0)
    assert found.most == 2
    assert found.steps_99 == 2
    assert found.unsolved > 0
    assert found.beyond_two == pytest.approx((found.unsolved + found.completed) / found.rows)


def test_same_seed_same_figures(plays):
    def figures(seed):
        found = vars(forecast(Eigenbasis(factors=8, num_threads=1), plays, seed)).copy()
        return {k: v for k, v in found.items() if not k.startswith("seconds")}

    assert figures(3) == figures(3)
    assert figures(3) != figures(4)


@pytest.mark.parametrize(
    "convention",
    [{"confidence": "explicit"}, {"confidence": "explicit", "regularization": 0.0}, {"alpha": 0.1}],
)
def test_conventions_without_a_bound(convention):
    found = forecast(Eigenbasis(factors=3, **convention), as_csr(awkward(negative=False)), 0)
    assert np.isfinite([found.mean_steps, found.pull.largest, found.beyond_two]).all()
    assert 1 <= found.steps_99 <= found.most


def test_a_fixed_number_of_steps_has_no_forecast(plays):
    with pytest.raises(ValueError, match="rule"):
        forecast(Eigenbasis(factors=3, cg_steps=2), plays, 0)


def test_weights_out_of_range_are_refused():
    matrix = as_csr(sparse.csr_matrix(np.full((30, 20), 3e38, np.float32)))
    with pytest.raises((FloatingPointError, np.linalg.LinAlgError)):
        forecast(Eigenbasis(factors=3), matrix, 0)


def test_plays_small_is_heavy():
    assert forecast(Eigenbasis(factors=32), load("plays-small").interactions, 0).steps_99 > 5
