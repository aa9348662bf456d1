"""Models whose factors were assigned, and everything that can be asked of a model."""

import copy

import numpy as np
from scipy import sparse

from halfstep import SOLVERS
from halfstep.evaluation.metrics.held_out import evaluate

USERS, ITEMS, F = 700, 600, 8
MATRIX = sparse.random(USERS, ITEMS, 0.02, format="csr", random_state=0, dtype=np.float32)
MATRIX.data[:] = 1
BY_ITEM = MATRIX.T.tocsr()
EVERYBODY, EVERY_ITEM = np.arange(USERS), np.arange(ITEMS)

QUERIES = {
    "recommend one": lambda m: m.recommend(3, MATRIX[3], N=3),
    "recommend": lambda m: m.recommend(EVERYBODY, MATRIX, N=3),
    "recommend, solved": lambda m: m.recommend(EVERYBODY, MATRIX, N=3, recalculate_user=True),
    "recommend_all": lambda m: m.recommend_all(MATRIX, N=3),
    "rank_items": lambda m: m.rank_items(EVERYBODY, MATRIX, [1, 5, 7]),
    "similar_items one": lambda m: m.similar_items(3, N=4),
    "similar_items": lambda m: m.similar_items(EVERY_ITEM, N=4),
    "similar_items, solved": lambda m: m.similar_items(3, 4, True, BY_ITEM[3]),
    "similar_users one": lambda m: m.similar_users(3, N=4),
    "similar_users": lambda m: m.similar_users(EVERYBODY, N=4),
    "recalculate_user": lambda m: m.recalculate_user(3, MATRIX[3]),
    "recalculate_user, many": lambda m: m.recalculate_user(EVERYBODY, MATRIX),
    "recalculate_item": lambda m: m.recalculate_item(3, BY_ITEM[3]),
    "explain": lambda m: m.explain(3, MATRIX, 5)[0],
    "export_index": lambda m: m.export_index("l2"),
    "export_index, items": lambda m: m.export_index("cosine", "similar_items"),
    "partial_fit_users": lambda m: copy.copy(m).partial_fit_users([3], MATRIX[3]).user_factors[3],
    "partial_fit_items": lambda m: copy.copy(m).partial_fit_items([3], BY_ITEM[3]).item_factors[3],
    "gramians and norms": lambda m: (m.YtY, m.XtX, m.item_norms, m.user_norms),
}
EXPORTS = {
    "evaluate": lambda m: evaluate(m.user_factors, m.item_factors, MATRIX, MATRIX, overlap="keep"),
    "to_cpu": lambda m: m.to_cpu(),
    "members": lambda m: m.save("nowhere.npz"),
}
# The sides that a query reads; a side that is not read need only be of the right form.
READS_ITEMS_ONLY = {
    *("recommend, solved", "similar_items one", "similar_items", "recalculate_user"),
    *("recalculate_user, many", "explain", "export_index, items", "partial_fit_users"),
}
READS_USERS_ONLY = {"similar_users one", "similar_users", "recalculate_item", "partial_fit_items"}


def factors(dtype=np.float32, width=F, seed=0):
    rng = np.random.default_rng(seed)
    return [rng.normal(size=(n, width)).astype(dtype) for n in (USERS, ITEMS)]


def model_of(X, Y, **settings):
    model = SOLVERS["cholesky"](factors=F, regularization=0.5, num_threads=1, **settings)
    model.user_factors, model.item_factors = X, Y
    return model


def same(found, expected, rtol=1e-5):
    """Raise AssertionError unless numbers are equal but for rounding, and ids exactly."""
    if isinstance(expected, tuple | list):
        assert len(found) == len(expected)
        for one, other in zip(found, expected, strict=True):
            same(one, other, rtol)
    elif np.asarray(expected).dtype.kind == "f":
        np.testing.assert_allclose(found, expected, rtol=rtol, atol=1e-5)
    else:
        np.testing.assert_array_equal(found, expected)


def mapped(array, folder, name):
    np.save(folder / name, array)
    return np.load(folder / name, mmap_mode="r")
