"""Queries on fitted factors against sorting every score."""

import numpy as np
import pytest
from cases.solvers import awkward
from scipy import sparse

from halfstep import SOLVERS, InputError
from halfstep.solvers.model import top_k as topk
from halfstep.solvers.model.top_k import top_k


@pytest.fixture(scope="module", params=["cholesky", "popularity"])
def fitted(request):
    matrix = awkward(negative=False)
    model = SOLVERS[request.param](factors=5, iterations=3, random_state=0, dtype=np.float64)
    return model.fit(matrix, show_progress=False), matrix


def ranked(scores, without=()):
    order = sorted(range(len(scores)), key=lambda i: (-scores[i], i))
    return [i for i in order if i not in set(without)]


def test_recommend_one_user(fitted):
    model, matrix = fitted
    for user in (0, 1, 9):
        scores = model.user_factors[user] @ model.item_factors.T
        liked = matrix[user].indices
        ids, values = model.recommend(user, matrix[user], N=7)
        assert ids.tolist() == ranked(scores, liked)[:7]
        np.testing.assert_allclose(values, scores[ids])
        ids, _ = model.recommend(user, None, N=7, filter_already_liked_items=False)
        assert ids.tolist() == ranked(scores)[:7]
        banned = [ids[0], ids[0], ids[3]]
        filtered, _ = model.recommend(user, matrix[user], N=7, filter_items=banned)
        assert filtered.tolist() == ranked(scores, [*liked, *banned])[:7]
        among = [40, 3, 3, 17, 8]
        chosen, _ = model.recommend(user, matrix[user], N=7, items=among)
        assert chosen.tolist() == [i for i in ranked(scores, liked) if i in among]


def test_a_batch_is_its_single_users(fitted):
    model, matrix = fitted
    users = np.array([7, 0, 5, 7])
    ids, scores = model.recommend(users, matrix[users], N=6, filter_items=[1])
    assert ids.dtype == np.int32
    for row, user in enumerate(users):
        one, values = model.recommend(user, matrix[user], N=6, filter_items=[1])
        left = len(one)
        assert ids[row, :left].tolist() == one.tolist()
        np.testing.assert_allclose(scores[row, :left], values)
        # User 5 has all but two: a masked tail, not item 0.
        assert (ids[row, left:] == -1).all()
        assert np.isneginf(scores[row, left:]).all()
    assert sorted(ids[2].tolist()) == [-1, -1, -1, -1, 2, 60]


def test_more_than_there_are(fitted):
    model, matrix = fitted
    ids, scores = model.recommend(9, matrix[9], N=1000)
    assert len(ids) == len(scores) == 61 - matrix[9].nnz
    ids, scores = model.recommend([9, 5], matrix[[9, 5]], N=1000)
    assert ids.shape == scores.shape == (2, 1000)
    assert (ids[0] >= 0).sum() == 61 - matrix[9].nnz
    assert (ids[1] >= 0).sum() == 2
    assert len(model.recommend(9, matrix[9], N=3, items=matrix[9].indices)[0]) == 0
    assert model.similar_items(3, N=1000)[0].shape == (61,)


def test_a_row_of_a_sparse_array_is_a_row(fitted):
    model, matrix = fitted
    row = sparse.csr_array(matrix)[9]
    assert len(row.shape) == 1
    assert model.recommend(9, row)[0].tolist() == model.recommend(9, matrix[9])[0].tolist()
    assert model.recalculate_user(9, row).shape == (5,)


def test_already_liked_are_left_out_of_csc_too(fitted):
    model, matrix = fitted
    ids, _ = model.recommend(9, sparse.csc_matrix(matrix[9]), N=1000)
    assert not set(ids) & set(matrix[9].indices)


def test_similar_is_the_cosine(fitted):
    model, _ = fitted
    for query, factors in (
        (model.similar_items, model.item_factors),
        (model.similar_users, model.user_factors),
    ):
        norms = np.linalg.norm(factors, axis=1)
        cosines = factors @ factors[9] / np.where(norms == 0, 1, norms) / norms[9]
        ids, scores = query(9, N=4)
        np.testing.assert_allclose(scores, np.sort(cosines)[::-1][:4])
        np.testing.assert_allclose(cosines[ids], scores)
        batch, _ = query([9, 3], N=4)
        assert batch[0].tolist() == ids.tolist()
        assert scores[0] == pytest.approx(1)


def test_similarity_follows_a_refit():
    model = SOLVERS["cholesky"](factors=3, iterations=2, random_state=0)
    model.fit(awkward(), show_progress=False).similar_items(1)
    model.fit(awkward(seed=5), show_progress=False)
    fresh = SOLVERS["cholesky"](factors=3, iterations=2, random_state=0)
    fresh.fit(awkward(seed=5), show_progress=False)
    assert np.array_equal(model.similar_items(1)[1], fresh.similar_items(1)[1])


def test_filters_and_subsets_of_similar(fitted):
    model, _ = fitted
    ids, _ = model.similar_items(9, N=5)
    assert ids[0] not in model.similar_items(9, N=5, filter_items=[ids[0]])[0]
    assert set(model.similar_items(9, N=5, items=[4, 6])[0]) == {4, 6}
    users, _ = model.similar_users(9, N=5)
    assert users[1] not in model.similar_users(9, N=5, filter_users=[users[1]])[0]
    assert set(model.similar_users(9, users=[4, 6])[0]) == {4, 6}


def test_recalculating_a_fitted_user_gives_the_half_step(convention):
    matrix = awkward()
    model = SOLVERS["cholesky"](
        factors=5, iterations=2, random_state=0, dtype=np.float64, **convention
    )
    model.fit(matrix, show_progress=False)
    users, _ = model.weights(matrix)
    exact = model.half_step(users.fixing(model.item_factors), model.user_factors)
    np.testing.assert_allclose(model.recalculate_user(9, matrix[9]), exact[9], rtol=1e-10)
    np.testing.assert_allclose(model.recalculate_user([9, 0], matrix[[9, 0]]), exact[[9, 0]])
    items = model.recalculate_item([4, 2], matrix.T.tocsr()[[4, 2]])
    np.testing.assert_allclose(items, model.item_factors[[4, 2]], rtol=1e-9)
    other = model.recommend(9, matrix[1], recalculate_user=True, filter_already_liked_items=False)
    direct = model.recalculate_user(9, matrix[1]) @ model.item_factors.T
    assert other[0].tolist() == ranked(direct)[:10]
    renewed = model.similar_items(4, recalculate_item=True, item_users=matrix.T.tocsr()[4])
    assert renewed[0].tolist() == model.similar_items(4)[0].tolist()


def test_top_k_breaks_ties_by_index_in_every_block(monkeypatch):
    rng = np.random.default_rng(0)
    queries = rng.integers(-2, 3, (23, 3)).astype(np.float32)
    candidates = rng.integers(-2, 3, (37, 3)).astype(np.float32)
    scale = rng.integers(1, 3, 37).astype(np.float32)
    excluded = sparse.random(23, 37, 0.3, format="csr", random_state=rng)
    scores = queries @ candidates.T * scale
    monkeypatch.setattr(topk, "_SCORE_BYTES", 5 * 37 * 4)
    for k in (0, 1, 10, 36, 37, 50):
        ids, best = top_k(queries, candidates, k, scale=scale, excluded=excluded)
        for row in range(23):
            order = ranked(scores[row], excluded[row].indices)[:k]
            assert ids[row, : len(order)].tolist() == order
            assert (ids[row, len(order) :] == -1).all()
            assert best[row, : len(order)].tolist() == scores[row, order].tolist()


@pytest.mark.parametrize(
    "fault", ["unsorted", "twice", "room at the end", "int64", "whole numbers"]
)
def test_a_row_in_any_state_is_answered_as_its_canonical_form(fitted, fault):
    model, matrix = fitted
    row = sparse.csr_matrix(matrix[9])
    assert row.nnz > 3
    asked = {"recalculate_user": model.name != "popularity", "N": 7}
    expected = model.recommend(9, row, **asked)
    indices, data = row.indices.copy(), row.data.copy()
    if fault == "unsorted":
        row.indices, row.data = indices[::-1].copy(), data[::-1].copy()
    elif fault == "twice":
        row.indices, row.data = np.repeat(indices, 2), np.repeat(data / 2, 2)
        row.indptr = row.indptr * 2
    elif fault == "room at the end":
        row.indices, row.data = np.append(indices, 0), np.append(data, np.nan)
    elif fault == "int64":
        row.indices, row.indptr = indices.astype(np.int64), row.indptr.astype(np.int64)
    else:
        row.data = data.astype(np.int16)
        expected = model.recommend(9, sparse.csr_matrix(row.astype(float)), **asked)
    for got, wanted in zip(model.recommend(9, row, **asked), expected, strict=True):
        np.testing.assert_allclose(got, wanted, rtol=1e-12)


@pytest.mark.parametrize("fault", ["NaN", "a column too many", "a negative id", "pointers"])
def test_a_single_row_is_checked(fitted, fault):
    model, matrix = fitted
    row = sparse.csr_matrix(matrix[9])
    if fault == "NaN":
        row.data[2] = np.nan
    elif fault == "pointers":
        row.indptr[1] += 1
    else:
        row.indices[-1 if fault == "a column too many" else 0] = 61 if "column" in fault else -1
    with pytest.raises(InputError, match="user_items must"):
        model.recommend(9, row)
