"""What a fit with attributes leaves, whatever ends it, runs beside it or follows it."""

from __future__ import annotations

import signal

import numpy as np
import pytest
from features import oracle
from features.test_fit import model

from halfstep.errors import InputError
from halfstep.solvers import SOLVERS


def test_a_callback_may_ask_for_weights():
    R, F, G = oracle.data()
    given = {"user_features": F, "item_features": G}
    found = model("exact")
    found.fit(R, False, callback=lambda *_: bool(found.weights(R)) and None, **given)
    plain = model("exact").fit(R, False, **given)
    np.testing.assert_array_equal(found.item_factors, plain.item_factors)
    np.testing.assert_array_equal(found.user_feature_factors, plain.user_feature_factors)


def test_a_model_from_a_file_goes_on_as_the_one_that_was_saved(tmp_path):
    R, F, G = oracle.data()
    given = {"user_features": F, "item_features": G}
    first = model("exact", warm_start=True).fit(R, False, **given)
    first.save(tmp_path / "model.npz")
    loaded = SOLVERS["eigenbasis"].load(tmp_path / "model.npz")
    for one in (first, loaded):
        one.fit(R, False, **given)
    np.testing.assert_allclose(loaded.item_factors, first.item_factors, atol=1e-10)
    assert loaded.loss_history_[-1] == pytest.approx(first.loss_history_[-1], rel=1e-10)


def test_a_fit_that_ends_at_once_leaves_the_model_of_before(monkeypatch):
    R, F, G = oracle.data()
    found = model("exact", iterations=3).fit(R, False, user_features=F, item_features=G)
    before = found.user_factors.copy(), found.user_feature_factors.copy()
    half_step = type(found).half_step

    def interrupted(self, problem, X):
        signal.raise_signal(signal.SIGINT)
        return half_step(self, problem, X)

    monkeypatch.setattr(type(found), "half_step", interrupted)
    for given in ({"user_features": F * 2}, {}):
        found.fit(R, False, on_interrupt="keep", **given)
        np.testing.assert_array_equal(found.user_factors, before[0])
        np.testing.assert_array_equal(found.user_feature_factors, before[1])


def test_pulls_of_zero_change_nothing_without_regularization():
    R, F, _ = oracle.data()
    settings = {"confidence": "explicit", "regularization": 0.0, "iterations": 1}
    plain = model("exact", **settings)
    users, items = plain.weights(R)
    pulled, _ = plain.weights(R, user_features=F)
    assert pulled.pulled
    X, Y = oracle.start()
    np.testing.assert_allclose(
        plain.half_step(pulled.fixing(Y), X), plain.half_step(users.fixing(Y), X), atol=1e-9
    )


def test_two_problems_of_a_side_have_arrays_of_their_own():
    R, F, _ = oracle.data()
    users, _ = model("exact").weights(R, user_features=F)
    _, Y = oracle.start()
    first = users.fixing(Y)
    users.fixing(2 * Y)
    np.testing.assert_array_equal(first.Y[: len(Y)], Y)


def test_als_wr_takes_none():
    from halfstep.solvers.als_wr import als_wr

    R, F, _ = oracle.data()
    with pytest.raises(InputError, match="ALS-WR takes no"):
        als_wr(SOLVERS["cholesky"])(5).fit(R, False, user_features=F)
