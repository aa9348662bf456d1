"""The stopping rule in whole fits by `eigenbasis`: as far as exact rows come, and what is reported."""

import warnings

import numpy as np
import pytest
from cases.rows import reported, split_rows
from scipy import sparse

from halfstep.errors import NotFinite, NumericalWarning
from halfstep.solvers.eigenbasis import Eigenbasis
from halfstep.solvers.fit.stopping import THETA


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
    of_steps = [each for each in told if "took all of" in str(each.message)]
    assert len(of_steps) <= 2  # a line for each side
    assert model.report_[-1].items.unsolved > 0
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.filterwarnings("ignore", "the weights are too large for float32")
        model.set_params(cg_max_steps=None).fit(heavy_counts(), show_progress=False)


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


def test_high_degree_rows_with_heavy_entries_are_held_to_less(monkeypatch):
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
