"""The functions at the top level that take models and data, and the scorer for scikit-learn."""

import numpy as np
import pytest
from cases.solvers import awkward
from scipy import sparse

import halfstep
from halfstep import AlternatingLeastSquares, Dataset, InputError, Solver
from halfstep.errors import NotFitted
from halfstep.evaluation import evaluate as evaluate_factors
from halfstep.evaluation import per_user, scorer

SETTINGS = {"factors": 5, "iterations": 3, "regularization": 1.0, "random_state": 0}


@pytest.fixture(scope="module")
def plays():
    rng = np.random.default_rng(0)
    tastes = rng.random((60, 3)) @ rng.random((3, 40))
    return sparse.csr_matrix((tastes > np.quantile(tastes, 0.8)).astype(np.float32))


def test_what_is_offered_is_there():
    assert set(halfstep.__all__) <= set(dir(halfstep))
    for name in halfstep.__all__:
        assert getattr(halfstep, name) is not None


def test_evaluate_holds_out_fits_a_copy_and_ranks(plays):
    model = AlternatingLeastSquares(**SETTINGS)
    found = halfstep.evaluate(model, plays, k=5, random_state=3)
    assert model.user_factors is None
    split = per_user(plays, 0.2, random_state=3)
    by_hand = AlternatingLeastSquares(**SETTINGS).fit(split.train, show_progress=False)
    factors = by_hand.user_factors, by_hand.item_factors
    expected = evaluate_factors(*factors, split.train, split.test, ks=(5,)).means()
    assert found.means() == expected
    assert halfstep.evaluate(by_hand, split.train, split.test, k=5).means() == expected
    data = Dataset.from_csr(split.train)
    assert halfstep.evaluate(by_hand, data, split.test, k=5).means() == expected
    with pytest.raises(NotFitted, match="must be fitted on data first"):
        halfstep.evaluate(model, split.train, split.test)
    with pytest.raises(InputError, match=r"data must be a halfstep.Dataset .* got ndarray"):
        halfstep.evaluate(model, plays.toarray())
    with pytest.raises(InputError, match=r"got Dataset: give its \.interactions"):
        model.fit(data)
    for call in (
        lambda: halfstep.evaluate("als", plays),
        lambda: halfstep.evaluate("als", plays, plays),
        lambda: halfstep.compare(model, "als", plays),
    ):
        with pytest.raises(InputError, match="model must be a solver of halfstep, got str"):
            call()
    model.random_state = np.random.default_rng(0)
    before = model.random_state.bit_generator.state
    halfstep.evaluate(model, plays)
    assert model.random_state.bit_generator.state == before


def test_compare_says_whether_two_models_are_equal(plays):
    exact = AlternatingLeastSquares(**SETTINGS, solver="cholesky")
    same = halfstep.compare(exact, AlternatingLeastSquares(**SETTINGS, solver="naive"), plays)
    assert same.verdict == "equivalent"
    assert exact.user_factors is None
    assert exact.init_factors is None
    other = AlternatingLeastSquares(**{**SETTINGS, "regularization": 300.0}, solver="naive")
    assert halfstep.compare(exact, other, plays).verdict != "equivalent"
    with pytest.raises(InputError, match="factors must be the same for both models, got 5 and 6"):
        halfstep.compare(exact, AlternatingLeastSquares(factors=6, iterations=3), plays)


def test_tune_returns_settings_that_fit(plays):
    pytest.importorskip("optuna", reason="optuna is not installed")
    found = halfstep.tune(plays, seconds=2, max_factors=8, iterations=2, solver="cholesky")
    model = AlternatingLeastSquares(**found.best.settings, iterations=found.best.iterations)
    assert model.fit(plays, show_progress=False).user_factors is not None
    with pytest.raises(InputError, match="budget must be at least 1 second"):
        halfstep.tune(plays, seconds=0.5)


def test_recommend_all_and_load(plays, tmp_path):
    model = AlternatingLeastSquares(**SETTINGS).fit(plays, show_progress=False)
    lists = halfstep.recommend_all(model, plays, N=4)
    np.testing.assert_array_equal(lists, model.recommend(np.arange(60), plays, N=4)[0])
    model.save(tmp_path / "model.npz")
    again = halfstep.load(tmp_path / "model.npz")
    assert isinstance(again, AlternatingLeastSquares)
    np.testing.assert_array_equal(halfstep.recommend_all(again, plays, N=4), lists)


def test_the_scorer_folds_in_users_that_the_fit_does_not_know(plays):
    known, new = plays[:40], plays[40:]
    model = AlternatingLeastSquares(**SETTINGS).fit(known, show_progress=False)
    split = per_user(new, 0.2, min_test=1, random_state=0)
    folded = model.recalculate_user(np.arange(20), split.train)
    expected = evaluate_factors(folded, model.item_factors, split.train, split.test, ks=(5,))
    assert scorer("recall@5")(model, new) == expected.means()["recall@5"]
    assert scorer("auc")(model, new) > 0.7  # of users of the same tastes
    with pytest.raises(InputError):
        scorer("rmse")
    with pytest.raises(InputError):
        scorer(hide=1.5)
    with pytest.raises(InputError, match="no user of this fold has two entries"):
        scorer()(model, sparse.eye(40, format="csr"))


def test_scikit_learn_takes_models_of_ours(plays):
    sklearn = pytest.importorskip("sklearn", minversion="1.6")
    from sklearn.exceptions import NotFittedError
    from sklearn.model_selection import GridSearchCV, cross_val_score
    from sklearn.pipeline import make_pipeline
    from sklearn.utils import get_tags
    from sklearn.utils.validation import check_is_fitted

    assert sklearn is not None
    for model in (AlternatingLeastSquares(**SETTINGS), halfstep.SOLVERS["cholesky"](**SETTINGS)):
        with pytest.raises(NotFittedError):
            check_is_fitted(model)
        tags = get_tags(model)
        assert tags.input_tags.sparse
        assert not tags.target_tags.required
        scores = cross_val_score(model, plays, scoring=scorer("auc"), cv=3)
        assert (scores > 0.7).all()
    grid = {"factors": [1, 3], "solver": ["cholesky", "naive"]}
    search = GridSearchCV(AlternatingLeastSquares(**SETTINGS), grid, scoring=scorer("auc"), cv=2)
    search.fit(plays)
    check_is_fitted(search.best_estimator_)
    assert search.best_estimator_.solver_ == search.best_params_["solver"]
    assert isinstance(search.best_estimator_, Solver)
    assert search.best_score_ == max(search.cv_results_["mean_test_score"])
    make_pipeline(AlternatingLeastSquares(**SETTINGS)).fit(plays)
    with pytest.raises(InputError, match="got ndarray: the second argument of fit is no y"):
        model.fit(plays, np.ones(60))
    # Here users have no entries.
    cross_val_score(model, awkward(negative=False), scoring=scorer("ndcg@5"), cv=2)
