"""What a model that was fitted with attributes answers: fold-in, explanations, files, copies."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest
from features import oracle

import halfstep
from halfstep.errors import InputError
from halfstep.solvers import SOLVERS


@pytest.fixture(scope="module")
def fitted():
    R, F, G = oracle.data()
    model = SOLVERS["cholesky"](
        oracle.FACTORS, regularization=oracle.LAM, dtype=np.float64, iterations=300, random_state=0,
        feature_regularization=oracle.MU,
    )  # fmt: skip
    return model.fit(R, False, user_features=F, item_features=G)


def test_fold_in_by_both_history_and_attributes(fitted):
    R, F, _ = oracle.data()
    fitted = copy.copy(fitted)
    stored = np.diff(R.tocsc().indptr) > 0  # an item without entries is no part of the fit
    fitted.item_factors = fitted.item_factors * stored[:, None]
    both = fitted.recalculate_user(np.arange(oracle.USERS), R, user_features=F)
    np.testing.assert_allclose(both, fitted.user_factors, atol=1e-4)
    one = fitted.recalculate_user(3, R[[3]], user_features=F[[3]])
    np.testing.assert_allclose(one, both[3], atol=1e-12)
    many = np.arange(300) % oracle.USERS  # compiled, where few are not
    users = fitted.recalculate_user(many, R[many], user_features=F[many])
    np.testing.assert_allclose(users[: oracle.USERS], both, atol=1e-10)


def test_fold_in_by_attributes_alone_is_the_prior_mean(fitted):
    _, F, G = oracle.data()
    users = fitted.recalculate_user(np.arange(oracle.USERS), None, user_features=F)
    np.testing.assert_allclose(users, F @ fitted.user_feature_factors, atol=1e-12)
    item = fitted.recalculate_item(0, None, item_features=G[:1])
    np.testing.assert_allclose(item, G[0] @ fitted.item_feature_factors, atol=1e-12)


def test_fold_in_by_history_alone_has_a_prior_mean_of_zero(fitted):
    R, *_ = oracle.data()
    alone = fitted.recalculate_user(np.arange(oracle.USERS), R)
    zero = fitted.recalculate_user(
        np.arange(oracle.USERS), R, user_features=np.zeros((oracle.USERS, 7))
    )
    np.testing.assert_allclose(alone, zero, atol=1e-12)


def test_new_items_are_stored_and_recommended():
    R, F, G = oracle.data()
    model = halfstep.AlternatingLeastSquares(5, regularization=0.5, random_state=0, iterations=20)
    model.fit(R, False, item_features=G)
    likely = np.argmax(model.user_factors @ model.item_feature_factors.T, axis=1)
    new = np.zeros((1, 3))
    new[0, likely[3]] = 50.0
    model.partial_fit_items([oracle.ITEMS], None, item_features=new)
    assert model.item_factors.shape == (oracle.ITEMS + 1, 5)
    wide = R.copy()
    wide.resize((oracle.USERS, oracle.ITEMS + 1))
    ids, _ = model.recommend(3, wide[[3]], 3)
    assert ids[0] == oracle.ITEMS


def test_recommend_takes_attributes_in_place_of_history(fitted):
    _, F, _ = oracle.data()
    ids, scores = fitted.recommend(0, None, 40, recalculate_user=True, user_features=F[[0]])
    expected = fitted.item_factors @ (F.toarray()[0] @ fitted.user_feature_factors)
    np.testing.assert_allclose(scores, expected[ids], atol=1e-12)
    with pytest.raises(InputError, match="needs recalculate_user"):
        fitted.recommend(0, None, 3, False, user_features=F[[0]])


def test_explanations_add_up(fitted):
    R, F, G = oracle.data()
    for user in range(8):
        for given in (F, F[[user]]):
            found = fitted.explain_features(user, R, 9, given, G)
            x = fitted.recalculate_user(user, R[[user]], user_features=F[[user]])
            assert found.score == pytest.approx(x @ fitted.item_factors[9], abs=1e-12)
            for parts in (found.user, found.item):
                assert parts.history + parts.attributes == pytest.approx(found.score, abs=1e-12)
                assert sum(value for _, value in parts.top) == pytest.approx(parts.attributes)
        history = fitted.recalculate_user(user, R[[user]]) @ fitted.item_factors[9]
        assert found.user.history == pytest.approx(history, abs=1e-9)


def test_of_an_item_or_a_user_without_entries_attributes_explain_all(fitted):
    R, F, G = oracle.data()
    found = fitted.explain_features(5, R, 7, F, G)  # both are empty in the data
    assert found.user.history == pytest.approx(0, abs=1e-12)
    assert found.item.history == pytest.approx(0, abs=1e-12)
    assert fitted.explain_features(3, R, 9, F).item is None


@pytest.mark.parametrize("how", ["file", "pickle", "copy", "to_cpu"])
def test_a_model_keeps_its_attributes(fitted, how, tmp_path):
    _, F, _ = oracle.data()
    if how == "file":
        fitted.save(tmp_path / "model.npz")
        other = halfstep.load(tmp_path / "model.npz")
    elif how == "pickle":
        other = pickle.loads(pickle.dumps(fitted))
    else:
        other = copy.copy(fitted) if how == "copy" else fitted.to_cpu()
    np.testing.assert_array_equal(other.user_feature_factors, fitted.user_feature_factors)
    np.testing.assert_array_equal(
        other.recalculate_user(0, None, user_features=F[[0]]),
        fitted.recalculate_user(0, None, user_features=F[[0]]),
    )


def test_attributes_that_do_not_suit_the_model_are_refused(fitted):
    R, F, G = oracle.data()
    with pytest.raises(InputError, match="must have the 7 columns of the fit's"):
        fitted.recalculate_user(0, R[[0]], user_features=F[[0]][:, :3])
    with pytest.raises(InputError, match="a row for each user, 1"):
        fitted.recalculate_user(0, R[[0]], user_features=F)
    plain = SOLVERS["cholesky"](5, iterations=1).fit(R, False)
    with pytest.raises(InputError, match="fitted with item_features"):
        plain.recalculate_item(0, None, item_features=G[:1])
    with pytest.raises(InputError, match="user_items"):
        fitted.recalculate_user(0, None)


def test_what_attributes_say_is_found_again():
    """The prior means are the true ones up to a linear map, which no fit can tell."""
    from halfstep.bench.features.data import generated

    data = generated(users=1500, items=800, tags=30, factors=6, each=60)
    settings = {"confidence": "binary", "background": 0.1, "regularization": 3.0}
    model = halfstep.AlternatingLeastSquares(6, random_state=0, iterations=15, **settings)
    model.fit(data.interactions, False, item_features=data.attributes)
    means = np.c_[data.attributes @ model.item_feature_factors, np.ones(800)]
    _, _, known = data.truth
    mapped = means @ np.linalg.lstsq(means, known, rcond=None)[0]
    assert np.corrcoef(mapped.ravel(), known.ravel())[0, 1] > 0.95
