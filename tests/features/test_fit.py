"""Fits with attributes against dense ALS with prior means, in every CPU rung."""

from __future__ import annotations

import numpy as np
import pytest
from features import oracle

from halfstep.errors import InputError
from halfstep.solvers import SOLVERS
from halfstep.solvers.objective import objective

RUNGS = {
    "naive": ("naive", {}),
    "cholesky": ("cholesky", {}),
    "cg": ("conjugate_gradient", {"cg_steps": 30}),
    "subspace": ("subspace", {}),
    "eigenbasis": ("eigenbasis", {"cg_steps": 30, "relaxation": 1.0}),
    "exact": ("eigenbasis", {"exact": True}),
}
CLOSE = {np.float64: 1e-9, np.float32: 2e-4}


def model(rung, confidence="implicit", dtype=np.float64, iterations=4, **more):
    name, settings = RUNGS[rung]
    return SOLVERS[name](
        oracle.FACTORS,
        **{
            "regularization": oracle.LAM,
            "alpha": oracle.alpha(confidence),
            "confidence": confidence,
            "dtype": dtype,
            "iterations": iterations,
            "init_factors": oracle.start(dtype),
            "calculate_training_loss": True,
            "feature_regularization": oracle.MU,
            **settings,
            **more,
        },
    )


def assert_equal(found, expected, close):
    names = ("user_factors", "item_factors", "user_feature_factors", "item_feature_factors")
    for name, value in zip(names, expected[:4], strict=True):
        np.testing.assert_allclose(getattr(found, name), value, atol=close, err_msg=name)
    assert found.loss_history_[-1] == pytest.approx(expected.objective, rel=max(1e-12, close / 50))


@pytest.mark.parametrize("confidence", oracle.CONFIDENCES)
@pytest.mark.parametrize("rung", RUNGS)
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_every_rung_fits_to_prior_means(rung, confidence, dtype):
    R, F, G = oracle.data()
    found = model(rung, confidence, dtype)
    found.fit(R, False, user_features=F, item_features=G)
    assert_equal(found, oracle.fit(confidence, 4, F, G), CLOSE[dtype])


@pytest.mark.parametrize("rung", ["cholesky", "cg", "eigenbasis", "exact"])
def test_rows_of_different_lambda_weigh_their_attributes_by_it(rung):
    R, F, G = oracle.data()
    found = model(rung, regularization_exponent=0.5)
    found.fit(R, False, user_features=F, item_features=G)
    assert_equal(found, oracle.fit("implicit", 4, F, G, exponent=0.5), 1e-9)


@pytest.mark.parametrize("side", ["user", "item"])
def test_one_side_alone_may_have_attributes(side):
    R, F, G = oracle.data()
    given = {"user": (F, None), "item": (None, G)}[side]
    found = model("cholesky").fit(R, False, user_features=given[0], item_features=given[1])
    expected = oracle.fit("implicit", 4, *given)
    np.testing.assert_allclose(found.user_factors, expected.X, atol=1e-9)
    np.testing.assert_allclose(found.item_factors, expected.Y, atol=1e-9)
    assert (found.user_feature_factors is None) == (side == "item")


@pytest.mark.parametrize("rung", RUNGS)
def test_attributes_of_zero_change_no_bit(rung):
    R, F, G = oracle.data()
    for dtype in (np.float32, np.float64):
        with_zeros = model(rung, dtype=dtype)
        with_zeros.fit(R, False, user_features=F * 0, item_features=G * 0)
        without = model(rung, dtype=dtype).fit(R, False)
        np.testing.assert_array_equal(with_zeros.user_factors, without.user_factors)
        np.testing.assert_array_equal(with_zeros.item_factors, without.item_factors)
        assert with_zeros.loss_history_ == pytest.approx(without.loss_history_, rel=1e-12)


def test_an_attribute_of_each_row_alone_is_a_ridge_of_its_own():
    """With F = I, |x - w|^2 lambda + mu |w|^2 is least at lambda mu / (lambda + mu) |x|^2."""
    R, *_ = oracle.data()
    lam, mu = 6.0, 3.0
    given = {"user_features": np.eye(oracle.USERS), "item_features": np.eye(oracle.ITEMS)}
    more = {"regularization": lam, "feature_regularization": mu, "iterations": 300}
    found = model("exact", **more).fit(R, False, **given)
    plain = model("exact", **{**more, "regularization": lam * mu / (lam + mu)}).fit(R, False)
    assert found.loss_history_[-1] == pytest.approx(plain.loss_history_[-1], rel=1e-6)


def test_the_objective_of_the_fitted_factors_is_the_last_loss():
    R, F, G = oracle.data()
    found = model("exact").fit(R, False, user_features=F, item_features=G)
    users, items = found.weights(R, user_features=F, item_features=G)
    value = objective(users, items, found.user_factors, found.item_factors)
    assert value == pytest.approx(found.loss_history_[-1], rel=1e-10)


def test_many_attributes_are_fitted_by_steps(monkeypatch):
    from halfstep.solvers.features import ridge

    R, F, G = oracle.data()
    monkeypatch.setattr(ridge, "MOST_FACTORISED", 0)
    for rung in ("cholesky", "exact"):
        found = model(rung).fit(R, False, user_features=F, item_features=G)
        assert_equal(found, oracle.fit("implicit", 4, F, G), 1e-9)


def test_steps_on_many_attributes_lower_the_objective_to_the_same_end(monkeypatch):
    from halfstep.solvers.features import ridge

    R, F, G = oracle.data()
    given = {"user_features": F, "item_features": G}
    settings = {"iterations": 200, "cg_steps": 30}
    direct = model("eigenbasis", **settings).fit(R, False, **given)
    monkeypatch.setattr(ridge, "MOST_FACTORISED", 0)
    stepped = model("eigenbasis", **settings).fit(R, False, **given)
    assert np.all(np.diff(stepped.loss_history_) < 1e-9 * stepped.loss_history_[0])
    assert stepped.loss_history_[-1] == pytest.approx(direct.loss_history_[-1], rel=1e-4)


def test_a_fit_that_resumes_ends_with_the_same_bits(tmp_path):
    R, F, G = oracle.data()
    given = {"user_features": F, "item_features": G}
    whole = model("eigenbasis", iterations=5).fit(R, False, **given)
    path = tmp_path / "fit.checkpoint"
    model("eigenbasis", iterations=2).fit(R, False, checkpoint=path, **given)
    resumed = model("eigenbasis", iterations=5)
    resumed.fit(R, False, checkpoint=path, resume=True, **given)
    for name in ("user_factors", "item_factors", "user_feature_factors", "item_feature_factors"):
        np.testing.assert_array_equal(getattr(resumed, name), getattr(whole, name))
    with pytest.raises(InputError, match="another fit: its user_features differ"):
        resumed.fit(R, False, checkpoint=path, resume=True, user_features=2 * F, item_features=G)
    with pytest.raises(InputError, match="another fit: its item_features differ"):
        resumed.fit(R, False, checkpoint=path, resume=True, user_features=F)


def test_a_warm_start_goes_on_from_the_prior_means():
    R, F, G = oracle.data()
    given = {"user_features": F, "item_features": G}
    whole = model("exact", iterations=6).fit(R, False, **given)
    twice = model("exact", iterations=3, warm_start=True)
    twice.fit(R, False, **given).fit(R, False, **given)
    np.testing.assert_allclose(twice.user_factors, whole.user_factors, atol=1e-10)
    assert twice.loss_history_[-1] == pytest.approx(whole.loss_history_[-1], rel=1e-12)


def test_a_fit_without_attributes_forgets_those_of_before():
    R, F, G = oracle.data()
    found = model("exact").fit(R, False, user_features=F, item_features=G)
    found.fit(R, False)
    assert found.user_feature_factors is None
    assert found.item_feature_factors is None


BAD = {
    "rows": (lambda F: F[:5], "must have a row for each user, 60, got shape"),
    "nan": (lambda F: F.toarray() * np.nan, "must be finite"),
    "inf": (lambda F: F * np.inf, "must be finite"),
    "text": (lambda F: np.full((60, 2), "rock"), "encode categories and tags first"),
    "objects": (lambda F: np.full((60, 2), "rock", object), "encode categories"),
    "columns": (lambda F: F[:, :0], "at least one column"),
    "vector": (lambda F: np.ones(60), "two dimensions"),
    "masked": (lambda F: np.ma.masked_greater(F.toarray(), 0.5), "no masked values"),
    "huge": (lambda F: F * 1e200, "scale them"),
    "complex": (lambda F: F.toarray() * 1j, "matrix of numbers"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_attributes_are_refused_before_the_fit(case):
    R, F, _ = oracle.data()
    make, words = BAD[case]
    found = model("exact")
    with pytest.raises(InputError, match=words):
        found.fit(R, False, user_features=make(F))
    assert found.user_factors is None


def test_attributes_of_rows_without_entries_alone_are_refused():
    R, *_ = oracle.data()
    F = np.zeros((oracle.USERS, 2))
    F[5] = 1
    with pytest.raises(InputError, match="must describe users that have entries"):
        model("exact").fit(R, False, user_features=F)


def test_more_columns_than_memory_are_refused(monkeypatch):
    from halfstep.solvers.features import given

    R, F, _ = oracle.data()
    monkeypatch.setattr(given, "available", lambda: 1 << 28)
    wide = F.copy()
    wide.resize((oracle.USERS, 10_000_000))
    with pytest.raises(MemoryError, match="10000000 columns"):
        model("exact").fit(R, False, user_features=wide)


@pytest.mark.parametrize("value", [0, -1, np.nan, np.inf, "1", True, [1.0, 0], {"tag": -1}, (1,)])
def test_a_bad_strength_is_refused(value):
    with pytest.raises(InputError, match="feature_regularization"):
        model("exact", feature_regularization=value)


@pytest.mark.parametrize("name", ["popularity"])
def test_solvers_that_are_no_rungs_take_none(name):
    R, F, _ = oracle.data()
    with pytest.raises(InputError, match="takes no side information"):
        SOLVERS[name](5).fit(R, False, user_features=F)


def test_the_ridge_is_the_mean_lambda_if_none_is_given():
    R, F, G = oracle.data()
    given = {"user_features": F, "item_features": G}
    more = {"regularization": 30.0, "feature_regularization": None}
    found = model("exact", **more).fit(R, False, **given)
    same = model("exact", **{**more, "feature_regularization": 30.0}).fit(R, False, **given)
    np.testing.assert_array_equal(found.item_factors, same.item_factors)
    half = model("exact", **{**more, "feature_regularization": (None, 5.0)}).fit(R, False, **given)
    other = model("exact", **{**more, "feature_regularization": (30.0, 5.0)}).fit(R, False, **given)
    np.testing.assert_array_equal(half.item_factors, other.item_factors)
    assert not np.array_equal(half.item_factors, same.item_factors)


def test_columns_that_cannot_be_told_apart_are_refused():
    R, F, _ = oracle.data()
    three = np.hstack([F.toarray()] * 3)
    with pytest.raises(InputError, match="feature_regularization must be large enough"):
        model("exact", feature_regularization=1e-300).fit(R, False, user_features=three)
    found = model("exact", dtype=np.float32).fit(R, False, user_features=F.toarray().astype("f2"))
    assert found.user_feature_factors.shape == (7, oracle.FACTORS)


def test_strengths_may_differ_by_side_and_field():
    R, F, G = oracle.data()
    both = model("exact", feature_regularization=(oracle.MU, 50.0))
    both.fit(R, False, user_features=F, item_features=G)
    one = model("exact").fit(R, False, user_features=F, item_features=G)
    small = np.linalg.norm(both.item_feature_factors), np.linalg.norm(one.item_feature_factors)
    assert small[0] < small[1]
    with pytest.raises(InputError, match="needs attributes with named fields"):
        model("exact", feature_regularization={"tag": 1.0}).fit(R, False, user_features=F)
