"""What users of a library of this kind rely on, on every solver: small cases whose answer is known."""

import io
import pickle
import tempfile

import numpy as np
import pytest
from cases.solvers import RUNGS, awkward, dtypes, parameters, require, suited
from scipy import sparse

import halfstep
from halfstep import SOLVERS, AlternatingLeastSquares, InputError

COUNTS = np.array([[1, 1, 0, 1, 0, 0], [0, 1, 1, 1, 0, 0], [1, 0, 1, 0, 0, 0], [1, 1, 0, 0, 0, 0],
                   [0, 0, 1, 1, 0, 1], [0, 1, 0, 0, 0, 1], [0, 0, 0, 0, 1, 1]])  # fmt: skip


def two_camps(size=24):
    """Even users have all even items but their own, odd ones all odd: their own is what is left."""
    return sparse.csr_matrix(
        [[float(u % 2 == i % 2 and u != i) for i in range(size)] for u in range(size)]
    )


# The baseline knows no tastes; irspack cannot express confidences of 1.
@pytest.fixture(
    params=parameters(name for name in SOLVERS if name not in ("popularity", "irspack_cpu"))
)
def camps(request):
    """A model of the two camps."""
    model = require(request.param)(factors=3, iterations=8, random_state=23)
    return model.fit(two_camps(), show_progress=False), two_camps()


def test_the_one_item_that_is_left_is_recommended(camps):
    model, likes = camps
    users = np.arange(24)
    for user in users:
        assert model.recommend(user, likes[user], N=1)[0].tolist() == [user]
    ids, scores = model.recommend(users, likes, N=1)
    assert ids[:, 0].tolist() == users.tolist()
    assert (scores[:, 0] > 0.5).all()
    assert model.recommend_all(likes, N=1)[:, 0].tolist() == users.tolist()
    assert model.recommend_all(likes[4:], N=1, users_items_offset=4)[:, 0].tolist() == [*users[4:]]
    again, _ = model.recommend(users, likes, N=1, recalculate_user=True)
    assert again.tolist() == ids.tolist()
    # Their own and what they do not like is left; their own is banned, twice.
    for user in (0, 7):
        rest, _ = model.recommend(user, likes[user], N=24, filter_items=[user, user])
        assert set(rest) == {i for i in range(24) if i % 2 != user % 2}


def test_similar_are_those_of_the_camp(camps):
    model, _ = camps
    everybody = np.arange(24)
    for query in (model.similar_items, model.similar_users):
        for one in (0, 7):
            ids, scores = query(one, N=12)
            assert set(ids) == {i for i in range(24) if i % 2 == one % 2}
            assert list(scores) == sorted(scores, reverse=True)
            assert scores[0] == pytest.approx(1, abs=1e-4)
        ids, scores = query(everybody, N=5)
        assert ids.shape == scores.shape == (24, 5)
        assert (ids % 2 == everybody[:, None] % 2).all()
    even = everybody[::2]
    assert (model.similar_items(everybody, N=3, filter_items=even)[0] % 2 == 1).all()
    assert (model.similar_users(everybody, N=3, filter_users=even)[0] % 2 == 1).all()
    assert (model.similar_items(everybody, N=3, items=even)[0] % 2 == 0).all()
    assert (model.similar_users(everybody, N=3, users=even)[0] % 2 == 0).all()


def test_given_items_are_ranked(camps):
    model, likes = camps
    chosen = [20, 3, 9, 4, 11, 15]
    for user in (0, 7):
        ids, scores = model.rank_items(user, likes[user], chosen)
        assert set(ids) == set(chosen)
        assert {*ids[: sum(i % 2 == user % 2 for i in chosen)]} == {
            i for i in chosen if i % 2 == user % 2
        }
        np.testing.assert_allclose(
            scores, model.item_factors[ids] @ model.user_factors[user], rtol=1e-4, atol=1e-6
        )
    assert model.rank_items([0, 7], None, chosen)[0].shape == (2, 6)
    assert len(model.rank_items(0, likes[0], range(24))[0]) == 24
    assert len(model.rank_items(0, likes[0], [])[0]) == 0
    for items in ([24], [-1], [10**6]):
        with pytest.raises(IndexError, match="items must be from 0 to 23"):
            model.recommend(0, likes[0], items=items)


def test_new_data_counts_from_the_next_call_on(camps):
    model, likes = camps
    model.partial_fit_users([0], likes[1])
    assert model.recommend(0, likes[1], N=1)[0].tolist() == [1]
    model.partial_fit_users([40], likes[1])
    assert model.recommend(40, likes[1], N=1)[0].tolist() == [1]
    model.partial_fit_items([40], likes[1])
    assert set(model.recommend(1, likes[1], N=2)[0]) == {1, 40}
    model.partial_fit_users([41], likes[1])
    model.partial_fit_items([41], likes[1])
    assert set(model.recommend(41, likes[1], N=3)[0]) == {1, 40, 41}


@pytest.mark.filterwarnings("ignore::halfstep.NumericalWarning")
def test_small_counts_are_reconstructed_in_every_dtype(rung):
    for dtype, counts in (
        (np.float32, COUNTS * 2.0),
        ("float32", COUNTS.astype(np.uint8) * 2),
        (np.dtype(np.float64), COUNTS.astype(np.int64) * 2),
    ):
        model = rung(factors=6, regularization=0, dtype=dtype, random_state=23)
        model.fit(sparse.csr_matrix(counts), show_progress=False)
        assert model.user_factors.dtype == dtype
        assert np.abs(model.user_factors @ model.item_factors.T - COUNTS).max() < 1e-4


@pytest.mark.filterwarnings("ignore::halfstep.NumericalWarning")
def test_tiny_matrices_and_zero_iterations(any_solver):
    # irspack gives up on a singular system.
    ridges = (0.1,) if any_solver.name == "irspack_cpu" else (0.0, 0.1)
    for size in ((1, 1), (3, 1), (2, 4)):
        for iterations in (0, 2):
            for regularization in ridges:
                model = suited(
                    any_solver, factors=9, iterations=iterations, regularization=regularization,
                    calculate_training_loss=True, random_state=0,
                )  # fmt: skip
                ones = sparse.csr_matrix(np.ones(size) * 3)
                model.fit(ones, show_progress=False)
                assert np.isfinite(model.user_factors).all()
                assert model.item_factors.shape == (size[1], 9)
                ids, scores = model.recommend(0, ones[0], N=3)
                assert (len(ids), len(scores)) == (0, 0)
                assert len(model.recommend(0, None, 3, filter_already_liked_items=False)[0]) == min(
                    3, size[1]
                )
                assert len(model.similar_items(0)[0]) == size[1]


def test_no_entries_or_one(any_solver, caplog):
    model = suited(any_solver, factors=3, random_state=0)
    model.fit(sparse.csr_matrix((3, 4)), show_progress=False)
    assert "stores no entry" in caplog.text
    assert not (model.user_factors @ model.item_factors.T).any()
    one = sparse.csr_matrix(([5.0], ([1], [2])), shape=(3, 4))
    model.fit(one, show_progress=False)
    product = model.user_factors @ model.item_factors.T
    assert product.argmax() in (1 * 4 + 2, 2)  # for popularity everybody has it
    if any_solver.kind != "baseline":
        assert not model.user_factors[[0, 2]].any()
        assert not model.item_factors[[0, 1, 3]].any()
        assert product[1, 2] > 0.9
    # What nobody has resembles nothing, itself included.
    assert not model.similar_items(0)[1].any()


def test_cold_rows_are_zero_and_recommended_to(any_solver, positive):
    model = suited(any_solver, factors=4, iterations=3, random_state=0)
    model.fit(positive, show_progress=False)
    assert not model.item_factors[[2, 60]].any()
    if any_solver.kind != "baseline":
        assert not model.user_factors[[0, 17]].any()
    for item in (4, 30):
        assert not {2, 60} & set(model.similar_items(item, N=5)[0])
    assert not model.recalculate_user(0, positive[0]).any()
    assert not model.recalculate_user([0, 17], positive[[0, 17]]).any()
    ids, scores = model.recommend(0, positive[0], recalculate_user=True)
    assert ids.tolist() == list(range(10))
    assert not scores.any()


def test_one_at_a_time_or_all_at_once(any_solver, positive):
    for dtype in dtypes(any_solver):
        model = suited(any_solver, factors=4, iterations=2, random_state=0, dtype=dtype)
        model.fit(positive, show_progress=False)
        users = np.arange(43)
        ids, scores = model.recommend(users, positive, N=5)
        assert scores.dtype == dtype
        folded = model.recalculate_user(users, positive)
        for user in (0, 5, 9, 42):
            one, values = model.recommend(user, positive[user], N=5)
            count = len(one)
            assert ids[user, :count].tolist() == one.tolist()
            np.testing.assert_allclose(scores[user, :count], values, rtol=1e-4, atol=1e-6)
            assert (ids[user, count:] == -1).all()
            assert not np.isin(one, positive[user].indices).any()
            np.testing.assert_allclose(
                model.recalculate_user(user, positive[user]), folded[user], rtol=1e-3, atol=1e-5
            )


def test_rows_that_do_not_belong_to_the_ids_are_refused(camps):
    model, likes = camps
    for query in (
        lambda: model.recommend(0, likes),
        lambda: model.recommend(range(10), likes),
        lambda: model.recommend([0, 1], likes[0]),
        lambda: model.recommend(0, likes[0], recalculate_user=True, N=0),
        lambda: model.recommend(0, likes.T.tocsr()[[0, 1]]),
        lambda: model.similar_items(0, recalculate_item=True),
        lambda: model.partial_fit_users([0, 1], likes),
        lambda: model.partial_fit_items([0, 1], likes),
        lambda: model.recommend("a", likes[0]),
        lambda: model.recommend([[0]], likes[0]),
        lambda: model.recommend([0, [1]], likes[0]),
        lambda: model.recommend(True, likes[0]),
        lambda: model.recommend(0, sparse.hstack([likes[0], likes[0]])),
    ):
        with pytest.raises(ValueError):
            query()
    for user in (24, -1, 10**9):
        with pytest.raises(IndexError, match="userid must be from 0 to 23"):
            model.recommend(user, likes[0])


def test_files_and_pickles_answer_as_the_model_does(camps, tmp_path):
    model, likes = camps
    expected = model.recommend(7, likes[7], N=5)
    model.save(tmp_path / "model")
    assert (tmp_path / "model.npz").is_file()
    stream = io.BytesIO()
    model.save(stream)
    stream.seek(0)
    with tempfile.TemporaryFile() as file:
        model.save(file)
        file.seek(0)
        from_file = model.load(file)
    for again in (
        pickle.loads(pickle.dumps(model)),
        type(model).load(tmp_path / "model"),
        AlternatingLeastSquares.load(str(tmp_path / "model.npz")),
        halfstep.Solver.load(stream),
        from_file,
        model.to_cpu(),
    ):
        for mine, their in zip(again.recommend(7, likes[7], N=5), expected, strict=True):
            assert np.array_equal(mine, their)


@pytest.mark.parametrize("name", RUNGS)
def test_not_a_number_is_refused_before_anything_is_set(name):
    model = SOLVERS[name](factors=2)
    with pytest.raises(InputError, match="must be finite"):
        model.fit(sparse.csr_matrix([[1, np.nan], [1, 0]]), show_progress=False)
    assert model.user_factors is None


def test_a_callback_set_on_the_model_is_called(positive):
    seen = []
    model = SOLVERS["cholesky"](factors=2, iterations=3)
    model.fit_callback = lambda *arguments: seen.append(arguments)
    model.fit(positive, show_progress=False)
    assert [s[0] for s in seen] == [0, 1, 2]
    assert [s[2] for s in seen] == [None] * 3
    model.fit(awkward(), show_progress=False, callback=lambda *arguments: True)
    assert len(seen) == 3
