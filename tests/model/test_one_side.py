"""A model with the factors of one side: what it answers, and what it names as missing."""

import numpy as np
import pytest
from cases.recommender import SETTINGS, made
from cases.solvers import CONVENTIONS, awkward

from halfstep import SOLVERS, InputError, Recommender
from halfstep.errors import NotFitted
from halfstep.evaluation.metrics.held_out import evaluate

MATRIX = awkward(negative=False)
BY_ITEM = MATRIX.T.tocsr()
USERS, ITEMS = MATRIX.shape
EVERYBODY, EVERY_ITEM = np.arange(USERS), np.arange(ITEMS)
X, Y = (np.random.default_rng(n).normal(size=(n, 3)) for n in MATRIX.shape)


def having(X=None, Y=None, **settings):
    settings = {"factors": 3, "regularization": 0.1, "dtype": np.float64, **settings}
    model = SOLVERS["cholesky"](**settings)
    model.user_factors, model.item_factors = X, Y
    return model


def solved(matrix, fixed):
    """Return each row's factors by implicit's convention, from dense float64 systems."""
    dense = matrix.toarray()
    confidence = np.where(dense != 0, np.abs(dense), 1.0)
    return np.stack([
        np.linalg.solve((fixed.T * c) @ fixed + 0.1 * np.eye(3), fixed.T @ (c * (row > 0)))
        for c, row in zip(confidence, dense, strict=True)
    ])  # fmt: skip


def best(scores, n):
    return -np.sort(-scores, axis=-1)[..., :n]


def cosines(factors, row):
    lengths = np.linalg.norm(factors, axis=1)
    return factors @ factors[row] / (lengths * lengths[row])


OF_ITEMS = {
    "a user solved": (lambda m: m.recalculate_user(9, MATRIX[9]), lambda x: x[9]),
    "users solved": (lambda m: m.recalculate_user(EVERYBODY, MATRIX), lambda x: x),
    "recommended": (
        lambda m: m.recommend(9, MATRIX[9], 5, False, recalculate_user=True)[1],
        lambda x: best(Y @ x[9], 5),
    ),
    "all recommended": (
        lambda m: m.recommend(EVERYBODY, MATRIX, 5, False, recalculate_user=True)[1],
        lambda x: best(x @ Y.T, 5),
    ),
    "items ranked": (
        lambda m: m.rank_items(9, MATRIX[9], [3, 1, 40], recalculate_user=True)[1],
        lambda x: best(Y[[1, 3, 40]] @ x[9], 3),
    ),
    "like an item": (lambda m: m.similar_items(4, N=7)[1], lambda x: best(cosines(Y, 4), 7)),
    "explained": (lambda m: m.explain(9, MATRIX, 40)[0], lambda x: x[9] @ Y[40]),
    "gramian": (lambda m: m.YtY, lambda x: Y.T @ Y),
    "norms": (lambda m: m.item_norms, lambda x: np.linalg.norm(Y, axis=1)),
    "index": (
        lambda m: m.export_index("cosine", "similar_items").vectors,
        lambda x: Y / np.linalg.norm(Y, axis=1)[:, None],
    ),
    "users made": (lambda m: m.partial_fit_users(EVERYBODY, MATRIX).user_factors, lambda x: x),
}
OF_USERS = {
    "an item solved": (lambda m: m.recalculate_item(9, BY_ITEM[9]), lambda y: y[9]),
    "items solved": (lambda m: m.recalculate_item(EVERY_ITEM, BY_ITEM), lambda y: y),
    "like a user": (lambda m: m.similar_users(4, N=7)[1], lambda y: best(cosines(X, 4), 7)),
    "gramian": (lambda m: m.XtX, lambda y: X.T @ X),
    "norms": (lambda m: m.user_norms, lambda y: np.linalg.norm(X, axis=1)),
    "index": (
        lambda m: m.export_index("l2", "similar_users").queries,
        lambda y: X / np.linalg.norm(X, axis=1)[:, None],
    ),
    "items made": (lambda m: m.partial_fit_items(EVERY_ITEM, BY_ITEM).item_factors, lambda y: y),
}


@pytest.mark.parametrize("what", OF_ITEMS)
def test_items_are_enough(what):
    ask, expected = OF_ITEMS[what]
    np.testing.assert_allclose(ask(having(Y=Y.copy())), expected(solved(MATRIX, Y)), rtol=1e-8)


@pytest.mark.parametrize("what", OF_USERS)
def test_users_are_enough(what):
    ask, expected = OF_USERS[what]
    np.testing.assert_allclose(ask(having(X=X.copy())), expected(solved(BY_ITEM, X)), rtol=1e-8)


NEEDS_USERS = {
    "recommend": lambda m: m.recommend(9, MATRIX[9]),
    "recommend_all": lambda m: m.recommend_all(MATRIX),
    "similar_users": lambda m: m.similar_users(9),
    "similar_items, solved": lambda m: m.similar_items(9, 4, True, BY_ITEM[9]),
    "recalculate_item": lambda m: m.recalculate_item(9, BY_ITEM[9]),
    "partial_fit_items": lambda m: m.partial_fit_items([9], BY_ITEM[9]),
    "export_index": lambda m: m.export_index(),
    "users' norms": lambda m: m.user_norms,
    "users' gramian": lambda m: m.XtX,
}
NEEDS_ITEMS = {
    "recommend": lambda m: m.recommend(9, MATRIX[9]),
    "recommend, solved": lambda m: m.recommend(9, MATRIX[9], recalculate_user=True),
    "similar_items": lambda m: m.similar_items(9),
    "recalculate_user": lambda m: m.recalculate_user(9, MATRIX[9]),
    "partial_fit_users": lambda m: m.partial_fit_users([9], MATRIX[9]),
    "explain": lambda m: m.explain(9, MATRIX, 4),
    "export_index": lambda m: m.export_index("l2"),
    "items' norms": lambda m: m.item_norms,
    "items' gramian": lambda m: m.YtY,
}


@pytest.mark.parametrize(
    ("side", "model", "asked"),
    [("user_factors", having(Y=Y), NEEDS_USERS), ("item_factors", having(X=X), NEEDS_ITEMS)],
)
def test_the_side_that_is_missing_is_named_with_what_to_do(side, model, asked):
    for name, ask in asked.items():
        with pytest.raises(NotFitted, match=f"^Cholesky {side} is None, .*fit .*assign") as refused:
            pytest.fail(f"{name} answered {ask(model)}")
        assert f"partial_fit_{side[:4]}s" in str(refused.value)
    with pytest.raises(InputError, match=f"{side} must be a NumPy array, got None"):
        evaluate(model.user_factors, model.item_factors, MATRIX, MATRIX)
    with pytest.raises(NotFitted, match="must be fitted first: "):
        next(iter(asked.values()))(having())


@pytest.mark.parametrize("name", list(CONVENTIONS))
def test_a_side_that_is_made_answers_as_the_half_step_does(name):
    convention = CONVENTIONS[name]
    model = having(Y=Y.copy(), **convention)
    users, _ = model.weights(MATRIX)
    expected = model.half_step(users.fixing(Y), np.zeros((USERS, 3)))
    model.partial_fit_users([9, 4], MATRIX[[9, 4]])
    np.testing.assert_allclose(model.user_factors[[4, 9]], expected[[4, 9]], rtol=1e-9)
    assert len(model.user_factors) == 10
    assert not model.user_factors[[0, 5]].any()
    both = having(expected[:10], Y, **convention)
    for one, other in zip(model.recommend(9, MATRIX[9]), both.recommend(9, MATRIX[9]), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-9)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_side_that_is_made_has_the_other_side_s_type(dtype):
    model = having(Y=Y.astype(dtype), dtype=np.float32)
    assert model.partial_fit_users([1], MATRIX[9]).user_factors.dtype == dtype
    assert model.partial_fit_users([], MATRIX[[]]).user_factors.shape == (2, 3)


def test_a_recommender_of_items_answers_for_new_users_and_names_what_it_cannot(tmp_path):
    data = made()
    whole = Recommender.fit(data, **SETTINGS)
    whole.model.user_factors = None
    whole.save(tmp_path / "items.npz")
    user, item = data.user_ids[0], data.item_ids[0]
    for one in (Recommender(whole.model, data), Recommender.load(tmp_path / "items.npz")):
        owned = one.owned(user)
        assert one.similar_items(item, 3)
        assert one.explain(user, item).score == pytest.approx(
            whole.model.explain(0, data.interactions, 0)[0]
        )
        assert one.recommend_new({row.item: row.value for row in owned}, 3)
        for ask in (
            lambda one=one: one.recommend(user),
            lambda one=one: one.similar_users(user),
            lambda one=one: list(one.recommend_all()),
        ):
            with pytest.raises(NotFitted, match=r"of shop has no user factors.*give a history"):
                ask()


def test_a_recommender_of_users_says_which_factors_it_lacks(tmp_path):
    data = made()
    whole = Recommender.fit(data, **SETTINGS)
    whole.model.item_factors = None
    whole.save(tmp_path / "users.npz")
    one = Recommender.load(tmp_path / "users.npz")
    assert one.similar_users(data.user_ids[0], 3)
    for ask in (
        lambda: one.recommend(data.user_ids[0]),
        lambda: one.similar_items(data.item_ids[0]),
        lambda: one.recommend_new([data.item_ids[0]]),
        lambda: list(one.recommend_all()),
    ):
        with pytest.raises(NotFitted, match="item_factors is None"):
            ask()
    whole.model.user_factors = whole.model.user_factors[:-1]
    with pytest.raises(InputError, match="the factors are of 40 users x 23 items, the ids of 41 x"):
        Recommender(whole.model, data)
