"""Factors that callers assign: what answers, what is refused, and that an assignment holds at once."""

import copy
import pickle
import threading
import tracemalloc

import numpy as np
import pytest
from cases.solvers import awkward
from scipy import sparse

from halfstep import SOLVERS, AlternatingLeastSquares, InputError
from halfstep.evaluation.metrics.held_out import evaluate
from halfstep.kernels.cpu.ranking import no_lists, rank
from halfstep.solvers.model import held

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


BOTH = {
    "unequal widths": (lambda X, Y: (X, np.c_[Y, Y]), r"got shapes \(700, 8\) and \(600, 16\)"),
    "narrow users": (lambda X, Y: (X[:, :3], Y), r"got shapes \(700, 3\) and \(600, 8\)"),
    "three dimensions": (lambda X, Y: (X[:, :, None], Y[:, :, None]), r"got shape \(700, 8, 1\)"),
    "one dimension": (lambda X, Y: (X, Y[:, 0]), r"item_factors .* got shape \(600,\)"),
    "no columns": (lambda X, Y: (X[:, :0], Y[:, :0]), r"got shape \(700, 0\)"),
    "float16": (lambda X, Y: (X, Y.astype(np.float16)), r"got float16: .*astype\(numpy.float32\)"),
    "integers": (lambda X, Y: (X.astype(int), Y), "float32 or float64, got int64"),
    "complex": (lambda X, Y: (X.astype(complex), Y), "float32 or float64, got complex128"),
    "objects": (lambda X, Y: (X, Y.astype(object)), "float32 or float64, got object"),
    "lists": (
        lambda X, Y: (X.tolist(), Y.tolist()),
        "user_factors must be a NumPy array, got list",
    ),
    "masked": (lambda X, Y: (X, np.ma.masked_less(Y, 0)), "a NumPy array, got MaskedArray"),
}


@pytest.mark.parametrize("what", BOTH)
def test_what_cannot_be_answered_for_is_refused_alike_everywhere(what):
    change, says = BOTH[what]
    model = model_of(*change(*factors()))
    for name, ask in {**QUERIES, **EXPORTS}.items():
        with pytest.raises(InputError, match=says) as refused:
            pytest.fail(f"{name} answered {ask(model)}")
        assert "\n" not in str(refused.value)


@pytest.mark.parametrize("bad", [np.nan, -np.inf])
@pytest.mark.parametrize("side", ["user_factors", "item_factors"])
def test_numbers_that_are_not_finite_are_refused_for_one_as_for_many(side, bad):
    X, Y = factors()
    (X if side == "user_factors" else Y)[11, 2] = bad
    model, good = model_of(X, Y), model_of(*factors())
    unread = READS_ITEMS_ONLY if side == "user_factors" else READS_USERS_ONLY
    for name, ask in {**QUERIES, **EXPORTS}.items():
        if name in unread:
            same(ask(model), ask(good))
            continue
        with pytest.raises(InputError, match=f"{side} must be finite, row 11 is not"):
            pytest.fail(f"{name} answered {ask(model)}")


def mapped(array, folder, name):
    np.save(folder / name, array)
    return np.load(folder / name, mmap_mode="r")


def unaligned(array):
    room = np.zeros(array.nbytes + 1, np.uint8)
    room[1:] = np.frombuffer(array.tobytes(), np.uint8)
    return room[1:].view(array.dtype).reshape(array.shape)


FORMS = {
    "big-endian": lambda a, name, folder: a.astype(">f4"),
    "by columns": lambda a, name, folder: np.asfortranarray(a),
    "every other row and column": lambda a, name, folder: np.repeat(np.repeat(a, 2, 0), 2, 1)[
        ::2, ::2
    ],
    "not aligned": lambda a, name, folder: unaligned(a),
    "a matrix": lambda a, name, folder: a.view(np.matrix),
    "mapped": lambda a, name, folder: mapped(a, folder, name),
}


@pytest.mark.filterwarnings("ignore::PendingDeprecationWarning")
@pytest.mark.parametrize("what", [name.replace(" ", "_") for name in FORMS])
def test_other_forms_of_the_same_numbers_answer_alike(what, tmp_path):
    X, Y = factors()
    form = FORMS[what.replace("_", " ")]
    model = model_of(form(X, "X.npy", tmp_path), form(Y, "Y.npy", tmp_path))
    plain = model_of(X, Y)
    given = model.item_factors
    for ask in QUERIES.values():
        same(ask(model), ask(plain))
    assert (model.item_factors is given) == (what not in ("big-endian", "not_aligned"))
    assert model.item_factors is model.item_factors
    assert model.item_factors.dtype.isnative
    same(pickle.loads(pickle.dumps(model)).recommend(3, MATRIX[3]), plain.recommend(3, MATRIX[3]))


@pytest.mark.parametrize("dtypes", [("f4", "f8"), ("f8", "f4")])
def test_sides_of_two_types_answer_in_the_type_of_the_items_or_of_what_is_compared(dtypes):
    X, Y = factors()
    model, plain = model_of(X.astype(dtypes[0]), Y.astype(dtypes[1])), model_of(X, Y)
    for name, ask in QUERIES.items():
        same(ask(model), ask(plain), rtol=1e-3)
        if name.startswith("recommend") and name != "recommend_all":
            assert ask(model)[1].dtype == dtypes[1]
    assert model.recalculate_user(3, MATRIX[3]).dtype == dtypes[1]
    assert model.recalculate_item(EVERY_ITEM, BY_ITEM).dtype == dtypes[0]


def test_weights_are_in_the_type_of_the_factors():
    """Values of a model of float32 would be rounded, although the factors that are assigned are not."""
    X, Y = factors(np.float64)
    row = MATRIX[3] * 0.1
    assert np.array_equal(
        model_of(X, Y).recalculate_user(3, row),
        model_of(X, Y, dtype=np.float64).recalculate_user(3, row),
    )


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


def test_a_type_that_is_set_in_place_is_seen():
    model = model_of(*factors())
    model.recommend(3, MATRIX[3])
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


@pytest.mark.parametrize("dtypes", [("f4", "f4"), ("f8", "f4")])
def test_scores_that_overflow_are_refused_for_one_as_for_many(dtypes):
    X, Y = (side.astype(dtype) for side, dtype in zip(factors(), dtypes, strict=True))
    X[3] *= 1e20
    Y[7] *= 1e20
    model = model_of(X, Y)
    for users in (3, [3, 5], EVERYBODY):
        with pytest.raises(InputError, match=r"scores must be finite, got -?(inf|nan) for user"):
            model.recommend(users, MATRIX[users])
    same(model.recommend(5, MATRIX[5])[0], model.recommend([5], MATRIX[5])[0][0])
    for item in (5, EVERY_ITEM):
        with pytest.raises(InputError, match="must have a norm in float32, row 7 is too large"):
            model.similar_items(item)


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
    same(model.fit(matrix, show_progress=False).recommend(5, matrix[5]), expected)


BROKEN = {
    "one width": lambda X, Y, q, none: rank(X, Y[:, :3].copy(), q, 3, excluded=none),
    "and type": lambda X, Y, q, none: rank(X, Y.astype(np.float64), q, 3, excluded=none),
    "must be matrices": lambda X, Y, q, none: rank(X[:, :, None], Y, q, 3, excluded=none),
    "queries must be from 0": lambda X, Y, q, none: rank(X, Y, q + 690, 3, excluded=none),
    "lists must have shape": lambda X, Y, q, none: rank(X, Y, q, 3, excluded=none, lists=q[:9]),
    "lists must be from 0": lambda X, Y, q, none: rank(X, Y, q, 3, excluded=none, lists=q + 5),
    "chosen must be from 0": lambda X, Y, q, none: rank(
        X, Y, q, 3, excluded=none, chosen=np.array([1, 600])
    ),
    "scale must have shape": lambda X, Y, q, none: rank(
        X, Y, q, 3, excluded=none, scale=np.ones(9, np.float32)
    ),
    "excluded must have row": lambda X, Y, q, none: rank(
        X, Y, q, 3, excluded=none._replace(indptr=none.indptr + np.arange(41))
    ),
    "held_out must be from 0": lambda X, Y, q, none: rank(
        X, Y, q, 3, excluded=none, held_out=type(none)(none.indptr.clip(0) + (np.arange(41) > 3),
                                                       np.array([600])),
    ),
}  # fmt: skip


@pytest.mark.parametrize("says", BROKEN)
def test_compiled_loops_refuse_arrays_that_they_would_read_beyond(says):
    with pytest.raises(ValueError, match=says):
        BROKEN[says](*factors(), np.arange(40), no_lists(40))


def test_compiled_loops_stay_within_a_row_though_a_list_falls():
    X, Y = factors()
    lists = no_lists(40)
    falling = type(lists)(lists.indptr + 3 * (np.arange(41) > 0), np.array([599, 300, 0]))
    ids, _, _ = rank(X, Y, np.arange(40), 5, excluded=falling)
    expected, _, _ = rank(X, Y, np.arange(40), 5, excluded=lists)
    np.testing.assert_array_equal(ids[1:], expected[1:])


@pytest.mark.parametrize("name", ["eigenbasis", "subspace"])
def test_a_half_step_refuses_arrays_that_it_would_read_beyond(name):
    matrix = awkward()
    solver = SOLVERS[name](factors=4)
    users, _ = solver.weights(matrix.astype(np.float32))
    X, Y = (np.ones((n, 4), np.float32) for n in matrix.shape)
    for problem, start, says in (
        (users.fixing(Y[:9]), X, "must have 43 and 61 rows, got 43 and 9"),
        (users.fixing(Y), X[:9], "must have 43 and 61 rows, got 9 and 61"),
        (users.fixing(Y[:, :3]), X, "matrices of one width and type"),
        (users.fixing(Y.astype(np.float64)), X, "matrices of one width and type"),
        (users.fixing(Y.astype(np.float64)), X.astype(np.float64), "values must be float64"),
    ):
        with pytest.raises(ValueError, match=says):
            solver.half_step(problem, start)
