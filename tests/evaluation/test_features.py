"""Features in the protocols: which rows reach a fit and a fold-in, and what a search makes of them."""

from types import SimpleNamespace

import numpy as np
import pytest
from cases.solvers import require
from scipy import sparse

from halfstep import InputError
from halfstep.evaluation.protocols.cold_start import new_items, new_users
from halfstep.evaluation.protocols.early_stopping import EarlyStopping
from halfstep.evaluation.protocols.partitions import parts_of
from halfstep.evaluation.protocols.validation import validate
from halfstep.evaluation.tuning.budget import climb
from halfstep.evaluation.tuning.search import tune
from halfstep.evaluation.tuning.space import Choice, als_space, narrowed, settings_of, within
from halfstep.evaluation.tuning.store import fingerprint
from halfstep.evaluation.tuning.trial import Tuner

# Five users and six items, the last of which nobody has.
TABLE = sparse.csr_matrix(
    (np.random.default_rng(3).random((5, 6)) < 0.6) * np.float32([1] * 5 + [0])
)


def two_columns(rows, seed=0):
    return np.random.default_rng(seed).normal(size=(rows, 2)).astype(np.float32)


class Described:
    """A model whose factors are its features: W and V are the identity, and entries change nothing."""

    asked: tuple = ()

    def fit(self, user_items, show_progress=True, user_features=None, item_features=None):
        self.given = user_features, item_features
        people, things = (
            sparse.csr_matrix((n, 2)) if M is None else sparse.csr_matrix(M)
            for n, M in zip(user_items.shape, self.given, strict=True)
        )
        self.factors = people.toarray().astype(np.float32), things.toarray().astype(np.float32)
        self.user_feature_factors = self.item_feature_factors = np.eye(2, dtype=np.float32)
        type(self).last = self
        return self

    def _fitted(self):
        return self.factors

    def recalculate_user(self, ids, user_items=None, user_features=None):
        self.asked = user_items, user_features
        if user_features is None:
            return np.zeros((len(ids), 2), np.float32)
        return np.asarray(user_features, np.float32)


def test_features_rank_new_items():
    """By hand: a user's factors are the first two features, so the order is that of the products."""
    part = new_items(TABLE, 0.6, random_state=0)
    people, things = two_columns(5), two_columns(6, 1)
    results = validate(
        {"described": Described},
        [part],
        ks=(1,),
        user_features=people,
        item_features=sparse.csr_matrix(things),
    )
    given = Described.last.given
    np.testing.assert_array_equal(given[0], people)
    assert sparse.issparse(given[1])
    users, means = results.user_means("described")
    best = part.candidates[np.argmax(people[users] @ things[part.candidates].T, axis=1)]
    expected = [float(part.test[u, i] > 0) for u, i in zip(users, best, strict=True)]
    assert means["hit_rate@1"].tolist() == expected
    assert list(results.judged) == ["random", "popularity", "described"]


def test_features_of_new_users_are_all_that_is_known():
    part = new_users(TABLE, 0.4, random_state=0)
    people, things = two_columns(5), two_columns(6, 1)
    models = {"plain": Described, "described": Described}
    results = validate(
        models,
        [part],
        ks=(1,),
        user_features=people,
        item_features=things,
        without_features=["plain"],
    )
    model = Described.last
    np.testing.assert_array_equal(model.given[0], people[part.fitted])
    np.testing.assert_array_equal(model.given[1], things)
    assert list(results.judged) == ["random", "mean factor", "popularity", *models]
    users, means = results.user_means("described")
    np.testing.assert_array_equal(users, part.users)
    best = np.argmax(people[users] @ things.T, axis=1)
    expected = [float(TABLE[u, i] > 0) for u, i in zip(users, best, strict=True)]
    assert means["hit_rate@1"].tolist() == expected
    # Without features all tie.
    plain = results.user_means("plain")[1]["recall@1"]
    np.testing.assert_allclose(plain, 1 / 6)
    # The same list for everybody, by the mean of the fitted users.
    mean = np.argmax(people[part.fitted].mean(axis=0) @ things.T)
    expected = [float(TABLE[u, mean] > 0) for u in users]
    assert results.user_means("mean factor")[1]["hit_rate@1"].tolist() == expected
    assert len(validate({}, [part]).judged) == 2


def test_known_users_are_folded_in_by_both(two_tastes):
    matrix = two_tastes.interactions
    (part,) = parts_of("strong", matrix, random_state=0)
    people, things = two_columns(matrix.shape[0]), two_columns(matrix.shape[1], 1)
    validate({"described": Described}, [part], user_features=people, item_features=things)
    history, features = Described.last.asked
    assert history is part.history
    np.testing.assert_array_equal(features, people[part.users])
    assert Described.last.given[0].shape[0] == part.train.shape[0] == len(part.fitted)
    np.testing.assert_array_equal(Described.last.given[0], people[part.fitted])
    without = validate({"described": Described}, [part], item_features=things)
    assert Described.last.asked[1] is None
    assert without.judged.keys() == {"random", "popularity", "described"}


def test_an_encoder_goes_on_to_the_fit():
    part = new_users(TABLE, 0.4, random_state=0)
    encoder = object()
    encoded = SimpleNamespace(matrix=two_columns(5), encoder=encoder)
    given = part.with_features(encoded).features_to_fit()["user_features"]
    assert given.encoder is encoder
    np.testing.assert_array_equal(given.matrix, encoded.matrix[part.fitted])
    with pytest.raises(
        InputError, match=r"user_features must have a row for each of 5, got .*\(4,"
    ):
        part.with_features(two_columns(4))
    with pytest.raises(InputError, match=r"item_features must have a row for each of 6, got"):
        part.with_features(item_features=two_columns(5))
    assert part.with_features() is part
    assert part.features_to_fit() == {}


def test_factors_during_a_fit_are_those_of_its_end():
    """In a callback the rows without entries have none of their features yet."""
    part = new_items(TABLE, 0.4, random_state=0).with_features(item_features=two_columns(6))
    model = Described()
    model.factors = np.ones((5, 2), np.float32), np.ones((6, 2), np.float32)
    model.item_feature_factors = None
    V = np.array([[0, 2], [1, 0]], np.float32)
    model._priors = {"item": SimpleNamespace(W=V)}
    _, Y = part.judged_factors(model)
    cold = np.flatnonzero(part.train.getnnz(axis=0) == 0)
    np.testing.assert_allclose(Y[cold], two_columns(6)[cold] @ V)
    np.testing.assert_array_equal(np.delete(Y, cold, axis=0), 1)
    np.testing.assert_array_equal(model.factors[1], 1)
    assert model.item_feature_factors is None


def test_a_search_is_named_after_its_features_and_items():
    part = new_items(TABLE, 0.4, random_state=0)
    people, things = two_columns(5), two_columns(6, 1)
    named = {
        fingerprint([one])
        for one in (
            part, part.with_features(people), part.with_features(item_features=things),
            part.with_features(people, things), part.with_features(2 * people, things),
        )
    }  # fmt: skip
    assert len(named) == 5
    assert fingerprint([part.with_features(people).without_features()]) == fingerprint([part])


def test_the_space_has_the_strength_of_features():
    space = als_space(TABLE, features=True)
    assert space.keys() - als_space(TABLE).keys() == {"shrinkage"}
    params = {"background": 0.1, "strength": 0.01, "exponent": 0, "shrinkage": 20.0}
    plain = {name: value for name, value in params.items() if name != "shrinkage"}
    found = settings_of(params, TABLE)
    # Each row has the same lambda, and the ridge is a multiple of it.
    assert found["feature_regularization"] == pytest.approx(20 * found["regularization"])
    del found["feature_regularization"]
    assert found == settings_of(plain, TABLE)
    # With exponent 1, lambda is a share of a row's weight; the mean lambda of the sides by hand.
    of_users, of_items = settings_of(params | {"exponent": 1}, TABLE)["feature_regularization"]
    for side, found in ((1, of_users), (0, of_items)):
        weight = TABLE.getnnz(axis=side) + 0.1 * TABLE.shape[side]
        assert found == pytest.approx(20 * 0.01 * weight.mean())
    counts = settings_of(params | {"confidence": "log"}, TABLE)
    assert counts["feature_regularization"] == pytest.approx(20 * counts["regularization"])
    assert within(narrowed(space, [params]), params)


def test_a_search_chooses_by_new_items(two_tastes):
    """The trial's value is what `validate` says, of the new items alone; features reach every fit."""
    pytest.importorskip("optuna")
    parts = list(parts_of("new-items", two_tastes.interactions, random_state=0))
    tuner = Tuner(parts, "ndcg@5", "cholesky", {"factors": 3}, iterations=2)
    (trial,) = tune(tuner, {"regularization": Choice((0.1,))}, search="grid").trials
    model = require("cholesky")(factors=3, regularization=0.1, iterations=2, random_state=0)
    results = validate({"als": lambda: model}, parts, ks=(5,))
    assert trial.value == pytest.approx(results.summaries("als")["ndcg@5"].mean, rel=1e-9)
    tied = results.summaries("popularity")["ndcg@5"].mean
    assert trial.value == pytest.approx(tied, rel=1e-6)
    found = climb(two_tastes.interactions, trials=1, part=parts[0], metric="ndcg@5", max_factors=2)
    assert found.best.value == pytest.approx(tied, rel=1e-6)


@pytest.fixture(scope="module")
def tastes():
    """Two halves of users, each with plays of its own half of the items, and which half that is."""
    rng = np.random.default_rng(0)
    of_users, of_items = np.arange(60) % 2, np.arange(40) % 2
    likes = rng.random((60, 40)) < np.where(of_users[:, None] == of_items, 0.4, 0.04)
    halves = (sparse.csr_matrix(np.eye(2, dtype=np.float32)[of]) for of in (of_users, of_items))
    return sparse.csr_matrix(likes.astype(np.float32)), *halves


def als(**settings):
    return require("cholesky")(factors=3, iterations=3, random_state=0, **settings)


@pytest.mark.parametrize("protocol", ["new-items", "new-users"])
def test_a_fit_with_features_beats_ties_on_what_is_new(tastes, protocol):
    matrix, people, things = tastes
    parts = list(parts_of(protocol, matrix, repeats=2, random_state=0))
    models = {"plain": als, "features": als}
    features = {"user_features": people, "item_features": things}
    results = validate(models, parts, ks=(3,), without_features=["plain"], **features)
    assert results.paired("features", "plain", "ndcg@3").verdict == "better"
    assert results.paired("features", "popularity", "auc").verdict == "better"
    plain = results.user_means("plain")[1]["auc"]
    np.testing.assert_array_equal(plain, 0.5)
    # Cold factors are the features' own, as the model's exact fold-in says.
    part = parts[0].with_features(people, things)
    model = als().fit(part.train, False, **part.features_to_fit())
    X, Y = part.judged_factors(model)
    if protocol == "new-items":
        cold = part.candidates
        by_hand = model.recalculate_item(cold, None, item_features=things[cold])
        np.testing.assert_allclose(Y[cold], by_hand, rtol=1e-5)
        np.testing.assert_array_equal(model.item_factors, Y)
    else:
        by_hand = model.recalculate_user(np.arange(len(X)), None, user_features=people[part.users])
        np.testing.assert_allclose(X, by_hand, rtol=1e-5)


def test_known_new_users_get_both(tastes):
    matrix, people, things = tastes
    (part,) = parts_of("strong", matrix, random_state=0)
    part = part.with_features(people, things)
    model = als().fit(part.train, False, **part.features_to_fit())
    X, _ = part.judged_factors(model)
    by_hand = model.recalculate_user(
        np.arange(len(X)), part.history, user_features=people[part.users]
    )
    np.testing.assert_array_equal(X, by_hand)
    assert not np.allclose(X, model.recalculate_user(np.arange(len(X)), part.history), rtol=1e-3)


@pytest.mark.parametrize("protocol", ["new-items", "new-users", "strong", "per-user"])
def test_a_trial_measures_what_the_end_of_its_fit_has(tastes, protocol):
    """In a fit's callback too: cold rows have what W and V say then; shared weights are pulled."""
    pytest.importorskip("optuna")
    matrix, people, things = tastes
    parts = [p.with_features(people, things) for p in parts_of(protocol, matrix, random_state=0)]
    tuner = Tuner(parts, "ndcg@3", "cholesky", {"factors": 3}, iterations=3, patience=9)
    space = {"feature_regularization": Choice((0.5, 50.0))}
    for trial in tune(tuner, space, search="grid").trials:
        results = validate({"als": lambda trial=trial: als(**trial.params)}, parts, ks=(3,))
        expected = results.summaries("als")["ndcg@3"].mean
        assert trial.curve[-1] == pytest.approx(expected, rel=1e-6)
    (part,), model = parts, als(**trial.params)
    stop = EarlyStopping(
        model, part.history, part.test, metric="ndcg@3", patience=9, items=part.candidates,
        judged_factors=part.judged_factors,
    )  # fmt: skip
    model.fit(part.train, False, stop, **part.features_to_fit())
    assert stop.history == pytest.approx(trial.curve, rel=1e-6)


def test_the_default_search_chooses_the_strength_of_features(tastes):
    pytest.importorskip("optuna")
    matrix, people, things = tastes
    (part,) = parts_of("new-items", matrix, random_state=0)
    features = {"user_features": people, "item_features": things}
    how = {"metric": "ndcg@3", "solver": "cholesky", "max_factors": 4, "iterations": 2}
    found = climb(matrix, part=part, trials=3, **features, **how).best
    assert "shrinkage" in found.params
    assert found.settings["feature_regularization"]
    ties = validate({}, [part], ks=(3,)).summaries("popularity")["ndcg@3"]
    assert found.value > ties.mean
    by_entries = climb(matrix, trials=2, item_features=things, **how)
    assert "shrinkage" in by_entries.best.params
