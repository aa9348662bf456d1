"""Rows after the fit: folded in, stored, explained; the model grows for ids that it did not have."""

import copy

import numpy as np
import pytest
from cases.solvers import CONVENTIONS, awkward, suited
from scipy import sparse

from halfstep import SOLVERS, InputError
from halfstep.errors import NotEnoughMemory, UnknownId
from halfstep.solvers.model import fold_in


@pytest.fixture
def fitted():
    matrix = awkward(negative=False)
    model = SOLVERS["cholesky"](factors=5, iterations=3, random_state=0, dtype=np.float64)
    return model.fit(matrix, show_progress=False), matrix


def test_explanations_add_up_to_the_score_in_every_convention(convention):
    matrix = awkward()
    model = SOLVERS["cholesky"](
        factors=5, iterations=3, random_state=0, dtype=np.float64, **convention
    )
    model.fit(matrix, show_progress=False)
    for user in (3, 5, 9):
        scores = model.recalculate_user(user, matrix[user]) @ model.item_factors.T
        weights = None
        for item in (0, 40):
            total, top, weights = model.explain(user, matrix, item, weights, N=100)
            assert total == pytest.approx(scores[item], rel=1e-8, abs=1e-12)
            assert sum(c for _, c in top) == pytest.approx(total, rel=1e-12, abs=1e-14)
            assert [c for _, c in top] == sorted((c for _, c in top), reverse=True)
            assert {i for i, _ in top} <= set(matrix[user].indices)
    for form in (matrix[9], sparse.csr_array(matrix)[9], matrix.tocsc(), sparse.coo_array(matrix)):
        assert model.explain(9, form, 4)[0] == pytest.approx(model.explain(9, matrix, 4)[0])


def test_explanations_on_every_solver(any_solver, positive):
    model = suited(any_solver, factors=4, iterations=2, random_state=0)
    model.fit(positive, show_progress=False)
    total, top, _ = model.explain(9, positive, 4, N=2)
    score = model.recalculate_user(9, positive[9]) @ model.item_factors[4]
    assert total == pytest.approx(score, rel=1e-3, abs=1e-4)
    assert len(top) == 2
    assert model.explain(0, positive, 4)[:2] == (0, [])


@pytest.mark.filterwarnings("ignore::halfstep.NumericalWarning")
def test_without_regularization_and_with_more_factors_than_entries():
    matrix = awkward(negative=False)
    model = SOLVERS["cholesky"](80, 0.0, dtype=np.float64, iterations=1, random_state=0)
    model.fit(matrix, show_progress=False)
    total, top, _ = model.explain(9, matrix, 40, N=100)
    assert total == pytest.approx(sum(c for _, c in top))
    score = model.recalculate_user(9, matrix[9]) @ model.item_factors[40]
    assert total == pytest.approx(score, rel=1e-2, abs=1e-3)


def test_wrong_explanations_are_refused(fitted):
    model, matrix = fitted
    for arguments, message in (
        ((43, matrix, 0), "userid must be from 0 to 42, got 43"),
        ((0, matrix, 61), "itemid must be from 0 to 60, got 61"),
        (([0], matrix, 1), r"userid must be one index, got \[0\]"),
        ((0, matrix.toarray(), 1), "user_items must be a SciPy sparse"),
        ((0, matrix, 1, None, -1), "N must be at least 0, got -1"),
    ):
        with pytest.raises(InputError, match=message):
            model.explain(*arguments)


def test_partial_fit_of_known_ids_is_the_half_step_and_touches_no_others(convention):
    matrix = awkward()
    model = SOLVERS["cholesky"](
        factors=4, iterations=2, random_state=0, dtype=np.float64, **convention
    )
    model.fit(matrix, show_progress=False)
    before = model.user_factors.copy()
    expected = model.recalculate_user([9, 3], matrix[[30, 5]])
    assert model.partial_fit_users([9, 3], matrix[[30, 5]]) is model
    np.testing.assert_allclose(model.user_factors[[9, 3]], expected)
    others = np.setdiff1d(np.arange(43), [9, 3])
    assert np.array_equal(model.user_factors[others], before[others])
    items = model.item_factors.copy()
    model.partial_fit_items([2], matrix.T.tocsr()[[4]])
    assert not np.array_equal(model.item_factors[2], items[2])
    np.testing.assert_allclose(
        model.item_factors[2], model.recalculate_item(0, matrix.T.tocsr()[4])
    )


def test_partial_fit_grows_the_model_and_old_matrices_still_ask_it(any_solver, positive):
    model = suited(any_solver, factors=4, iterations=2, random_state=0, regularization=0.1)
    model.fit(positive, show_progress=False)
    model.partial_fit_users([50], positive[9])
    assert model.user_factors.shape == (51, 4)
    assert not model.user_factors[43:50].any()
    ids, _ = model.recommend(50, positive[9], N=5)
    assert ids.tolist() == model.recommend(50, positive[9], N=5, recalculate_user=True)[0].tolist()
    # The matrix has 61 items and 43 users, the model more of both.
    model.partial_fit_items([70], positive.T.tocsr()[4])
    assert model.item_factors.shape == (71, 4)
    np.testing.assert_allclose(
        model.similar_items(4, recalculate_item=True, item_users=positive.T.tocsr()[4])[1][:1], 1,
        rtol=1e-3,
    )  # fmt: skip
    assert 70 in model.recommend(9, positive[9], N=71)[0]
    assert model.user_factors.dtype == model.item_factors.dtype == model.dtype
    model.partial_fit_users([51], positive[1])
    assert len(model.user_factors) == 52
    model.partial_fit_users([], positive[[]])
    assert len(model.user_factors) == 52
    assert not model.partial_fit_users([9], sparse.csr_matrix((1, 61))).user_factors[9].any()


def test_similarity_follows_what_was_stored(fitted):
    model, matrix = fitted
    model.similar_items(4)
    model.similar_users(9)
    model.partial_fit_items([70], matrix.T.tocsr()[4])
    model.partial_fit_items([4], matrix.T.tocsr()[4])
    assert set(model.similar_items(70, N=2)[0]) == {4, 70}
    model.partial_fit_users([9], matrix[30])
    model.partial_fit_users([30], matrix[30])
    assert set(model.similar_users(9, N=2)[0]) == {9, 30}


def test_replaced_factors_are_answered_for_at_once(fitted):
    model, _ = fitted
    assert model.similar_items(4, N=1)[1] == pytest.approx(1)
    model.item_factors = model.item_factors * np.arange(1, 62)[:, None]
    assert model.similar_items(4, N=61)[1].max() == pytest.approx(1)
    np.testing.assert_allclose(model.item_norms, np.linalg.norm(model.item_factors, axis=1) +
                               (np.arange(61) == 2) + (np.arange(61) == 60))  # fmt: skip
    np.testing.assert_allclose(model.YtY, model.item_factors.T @ model.item_factors)
    np.testing.assert_allclose(model.XtX, model.user_factors.T @ model.user_factors)


def test_the_last_row_of_a_repeated_id_holds(fitted):
    model, matrix = fitted
    model.partial_fit_users([9, 9], matrix[[1, 30]])
    np.testing.assert_allclose(model.user_factors[9], model.recalculate_user(9, matrix[30]))


def test_ids_that_cannot_be_stored_change_nothing(fitted, monkeypatch):
    monkeypatch.setenv("HALFSTEP_MEMORY_GB", "1")
    model, matrix = fitted
    before = model.user_factors.copy()
    for ids, rows, error, message in (
        ([-1], matrix[[0]], UnknownId, "userids must be from 0 to"),
        ([2**31], matrix[[0]], UnknownId, "userids must be from 0 to"),
        (
            [2**31 - 2],
            matrix[[0]],
            NotEnoughMemory,
            "userids: factors for ids up to 2147483646 need",
        ),
        (7, matrix[[0]], InputError, "userids must be a list of ids, got 7"),
        ([1, 2], matrix[[0]], InputError, "one row for each id"),
        ([1.5], matrix[[0]], InputError, "userids must be an index"),
        ([1], sparse.csr_matrix((1, 62)), InputError, "at most one column"),
        ([1], matrix[[0]] * np.nan + sparse.eye(1, 61, 3) * np.nan, InputError, "must be finite"),
    ):
        with pytest.raises(error, match=message):
            model.partial_fit_users(ids, rows)
    assert np.array_equal(model.user_factors, before)


@pytest.mark.parametrize("name", list(CONVENTIONS))
def test_many_rows_are_compiled_and_the_same(fitted, monkeypatch, name):
    matrix = awkward()
    model = SOLVERS["cholesky"](
        factors=5, iterations=2, random_state=0, dtype=np.float64, **CONVENTIONS[name]
    )
    model.fit(matrix, show_progress=False)
    by_row = model.recalculate_user(np.arange(43), matrix)
    monkeypatch.setattr(fold_in, "_COMPILED_ROWS", 2)
    np.testing.assert_allclose(
        model.recalculate_user(np.arange(43), matrix), by_row, rtol=1e-8, atol=1e-10
    )


@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy])
def test_a_copy_is_its_own(fitted, copied):
    model, matrix = fitted
    model.similar_items(4)
    other = copied(model)
    assert other.get_params() == model.get_params()
    other.partial_fit_users([9], matrix[30])
    other.loss_history_.append(1.0)
    assert not np.array_equal(other.user_factors[9], model.user_factors[9])
    assert model.loss_history_ == []
    assert copied(SOLVERS["cholesky"]()).user_factors is None
