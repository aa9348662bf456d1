"""What holds after an assignment: nothing that was computed before, and no copy of a mapped file."""

import copy
import pickle
import threading
import tracemalloc

import numpy as np
import pytest
from cases.solvers import awkward
from model.assigned import (
    BY_ITEM,
    EVERYBODY,
    ITEMS,
    MATRIX,
    QUERIES,
    USERS,
    F,
    factors,
    mapped,
    model_of,
    same,
)
from scipy import sparse

from halfstep import AlternatingLeastSquares, InputError
from halfstep.errors import FactorsDropped
from halfstep.kernels.cpu.ranking import no_lists, rank
from halfstep.solvers.model import held


def write(model, side):
    getattr(model, side)[5] = 3
    setattr(model, side, getattr(model, side))


def scaled(model, side):
    if side == "user_factors":
        model.user_factors *= 2
    else:
        model.item_factors *= 2


CHANGES = {
    "scaled": scaled,
    "a row, then assigned": write,
    "others": lambda m, side: setattr(m, side, getattr(m, side)[::-1]),
    "fewer": lambda m, side: setattr(m, side, getattr(m, side)[: -len(MATRIX.shape)]),
    "another type": lambda m, side: setattr(m, side, getattr(m, side).astype(np.float64)),
}


@pytest.mark.parametrize("side", ["user_factors", "item_factors"])
@pytest.mark.parametrize("what", CHANGES)
def test_an_assignment_is_answered_for_at_once_by_everything(what, side):
    model = model_of(*factors())
    asked = {
        "users": lambda m: m.recommend([3, 5], MATRIX[[3, 5], : len(m.item_factors)], N=4),
        "solved": lambda m: m.recommend(
            [3, 5], MATRIX[[3, 5], : len(m.item_factors)], N=4, recalculate_user=True
        ),
        "items": lambda m: m.similar_items([3, 5], N=4),
        "like users": lambda m: m.similar_users([3, 5], N=4),
        "an item": lambda m: m.recalculate_item(3, BY_ITEM[3, : len(m.user_factors)]),
        "explained": lambda m: m.explain(3, MATRIX[3, : len(m.item_factors)], 5)[0],
        "index": lambda m: m.export_index("cosine", "similar_items").vectors[5],
        "gramians and norms": QUERIES["gramians and norms"],
    }
    for ask in asked.values():
        ask(model)
    CHANGES[what](model, side)
    fresh = model_of(model.user_factors.copy(), model.item_factors.copy())
    for ask in asked.values():
        same(ask(model), ask(fresh), rtol=1e-4)


def test_a_shape_that_is_set_in_place_is_seen():
    X, Y = factors()
    model = model_of(X, Y.copy())
    asked = (lambda m: m.similar_items(3, N=5), lambda m: m.recalculate_user(3, MATRIX[3, :500]))
    for ask in asked:
        ask(model)
    model.item_factors.resize((ITEMS - 100, F), refcheck=False)
    for ask in asked:
        same(ask(model), ask(model_of(X, Y[:-100])))
    model.item_factors.resize((ITEMS * 2, F // 2), refcheck=False)
    with pytest.raises(InputError, match=r"got shapes \(700, 8\) and \(1200, 4\)"):
        model.recommend(EVERYBODY, MATRIX)


def test_all_factors_are_read_once_in_an_assignment(monkeypatch):
    read = []
    whole_norm = held.whole_norm
    monkeypatch.setattr(held, "whole_norm", lambda a: read.append(len(a)) or whole_norm(a))
    model = model_of(*factors())
    for _ in range(3):
        model.recommend(3, MATRIX[3])
        model.recommend(EVERYBODY, MATRIX)
        model.similar_items(3)
    assert sorted(read) == [ITEMS, USERS]
    model.partial_fit_users([3], MATRIX[3])  # a row at a time is cheap however many users there are
    model.recommend(3, MATRIX[3])
    assert sorted(read) == [1, ITEMS, USERS]
    model.item_factors = model.item_factors
    model.recommend(3, MATRIX[3])
    assert sorted(read) == [1, ITEMS, ITEMS, USERS]


def test_a_file_that_is_mapped_is_never_copied(tmp_path):
    """Two files of 16 MB: a copy of either would be seen in the peak of what NumPy allocates."""
    rng = np.random.default_rng(0)
    whole = rng.normal(size=(62_500, 64)).astype(np.float32)
    X, Y = (mapped(whole[::step], tmp_path, f"{step}.npy") for step in (1, -1))
    model = AlternatingLeastSquares(solver="eigenbasis", factors=64, num_threads=1)
    model.user_factors, model.item_factors = X, Y
    row = sparse.csr_matrix(([1.0, 2.0], ([0, 0], [5, 40_000])), shape=(1, len(Y)))
    asked = (
        lambda: model.recommend(5, row, recalculate_user=True),
        lambda: model.recommend([5, 7], sparse.vstack([row, row])),
        lambda: model.similar_items(5),
        lambda: model.similar_users([5, 9]),
        lambda: model.explain(0, row, 5),
        lambda: rank(X, Y, np.arange(40), 5, excluded=no_lists(40), slab_bytes=1 << 20),
    )
    expected = model_of(whole, whole[::-1].copy()).recommend([5, 7], sparse.vstack([row, row]))
    for ask in asked:
        tracemalloc.start()
        found = ask()
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < 8e6
    same(asked[1](), expected)
    same(
        rank(whole[:40].copy(), whole[::-1].copy(), np.arange(40), 5, excluded=no_lists(40)), found
    )
    assert model.item_factors is Y


def test_of_mapped_users_only_those_who_ask_are_read(tmp_path):
    X, Y = factors()
    X[11] = np.nan
    model = model_of(mapped(X, tmp_path, "X.npy"), Y)
    same(
        model.recommend([3, 5], MATRIX[[3, 5]]),
        model_of(X[:11], Y).recommend([3, 5], MATRIX[[3, 5]]),
    )
    for users in (11, [3, 11], EVERYBODY):
        with pytest.raises(InputError, match="the factors of userid 11 must be finite"):
            model.recommend(users, MATRIX[users])


def test_a_row_that_was_spoilt_in_place_is_not_answered_for():
    model = model_of(*factors())
    model.recommend(EVERYBODY, MATRIX)
    model.user_factors[11, 0] = np.nan
    for users in (11, [3, 11], EVERYBODY):
        with pytest.raises(InputError, match="the factors of userid 11 must be finite"):
            model.recommend(users, MATRIX[users])


def test_a_query_takes_its_factors_once_while_others_assign():
    X, Y = factors()
    model, ends, wrong = model_of(X, Y), threading.Event(), []

    def assign():
        while not ends.is_set():
            model.item_factors = Y[:500]
            model.item_factors = 3 * Y

    other = threading.Thread(target=assign)
    other.start()
    try:
        for _ in range(300):
            ids, cosines = model.similar_items(3, N=5)
            wrong += [cosines] if ids[0] != 3 or abs(cosines[0] - 1) > 1e-5 else []
    finally:
        ends.set()
        other.join()
    assert not wrong


def test_the_weights_of_other_factors_explain_nothing():
    X, Y = factors()
    model = model_of(X, Y)
    weights = model.explain(3, MATRIX, 5)[2]
    model.user_factors, model.item_factors = np.c_[X, X], np.c_[Y, Y]
    with pytest.raises(
        InputError, match=r"user_weights must be .* 16 columns .*got shape \(8, 8\)"
    ):
        model.explain(3, MATRIX, 5, weights)


def test_a_copy_and_a_pickle_keep_odd_forms_and_no_results():
    X, Y = factors()
    model = model_of(X.tolist(), np.ma.masked_less(Y, 0))
    for again in (copy.copy(model), copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        assert type(again.user_factors) is list
        assert type(again.item_factors) is np.ma.MaskedArray
        with pytest.raises(InputError, match="must be a NumPy array"):
            again.recommend(3, MATRIX[3])
    model = model_of(X, Y)
    size = len(pickle.dumps(model))
    model.similar_items(3)
    assert len(pickle.dumps(model)) == size


def test_a_fit_after_an_assignment_is_a_fit():
    matrix = awkward()
    model = AlternatingLeastSquares(solver="cholesky", factors=3, iterations=1, random_state=0)
    expected = copy.deepcopy(model).fit(matrix, show_progress=False).recommend(5, matrix[5])
    model.user_factors, model.item_factors = np.ones((2, 9)), [1, 2]
    with pytest.warns(FactorsDropped, match="user_factors and item_factors were set by hand"):
        model.fit(matrix, show_progress=False)
    same(model.recommend(5, matrix[5]), expected)
