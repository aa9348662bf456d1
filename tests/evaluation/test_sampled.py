"""Ranking among negatives: by hand, against every order of ties, and a published pair of numbers."""

import numpy as np
import pytest
from cases.real_data import data_folder
from scipy import sparse

from halfstep.errors import InputError
from halfstep.evaluation.metrics import sampled
from halfstep.evaluation.metrics.sampled import rank_among_negatives, sample_negatives


def by_scores(scores, positives, negatives, k=10):
    scores = np.asarray(scores, dtype=np.float64)
    return rank_among_negatives(np.eye(len(scores)), scores.T.copy(), positives, negatives, k=k)


def test_ranks_by_hand():
    scores = [[9, 8, 7, 6, 5], [9, 8, 7, 6, 5], [9, 8, 7, 6, 5], [9, 8, 7, 6, 5]]
    negatives = [[1, 2, 3], [0, 3, 4], [0, 1, 2], [0, 1, 2]]
    result = by_scores(scores, [0, 1, 4, -1], negatives, k=2)
    np.testing.assert_array_equal(result.users, [0, 1, 2])
    np.testing.assert_array_equal(result.per_user["rank"], [0, 1, 3])
    np.testing.assert_array_equal(result.per_user["hit_rate@2"], [1, 1, 0])
    np.testing.assert_allclose(result.per_user["ndcg@2"], [1, np.log(2) / np.log(3), 0], rtol=1e-15)
    assert result.means() == pytest.approx(
        {"rank": 4 / 3, "hit_rate@2": 2 / 3, "ndcg@2": (1 + np.log(2) / np.log(3)) / 3}
    )


def test_ties_count_as_the_mean_over_their_orders():
    # One better, two equal: ranks 1, 2, 3 each with a third of the chance; a list of 3 holds two.
    result = by_scores([[5, 7, 5, 5, 1]], [0], [[1, 2, 3, 4]], k=3)
    assert result.per_user["rank"] == [2]
    assert result.per_user["hit_rate@3"] == pytest.approx([2 / 3])
    ndcg = (np.log(2) / np.log(3) + np.log(2) / np.log(4)) / 3
    assert result.per_user["ndcg@3"] == pytest.approx([ndcg])


def test_repeated_negatives_padding_and_the_positive_itself_do_not_count():
    scores = [[5, 7, 6, 1]]
    once = by_scores(scores, [0], [[1, 3]], k=2)
    for negatives in ([1, 1, 3, 1], [-1, 3, 1, -1], [0, 1, 3, 0]):
        again = by_scores(scores, [0], [negatives], k=2)
        assert again.means() == once.means()
    assert by_scores(scores, [0], [[1, 2]], k=2).means() != once.means()
    assert by_scores(scores, [0], [[-1, 0]], k=2).means()["rank"] == 0
    assert by_scores(scores, [0], np.empty((1, 0), int), k=2).means()["rank"] == 0


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("k", [1, 4, 40])
def test_agrees_with_a_loop_over_users(monkeypatch, dtype, k):
    rng = np.random.default_rng(k)
    X, Y = (np.round(rng.standard_normal((n, 5))).astype(dtype) for n in (57, 83))
    positives = rng.integers(-1, 83, 57)
    negatives = rng.integers(-1, 83, (57, 21))
    monkeypatch.setattr(sampled, "BLOCK_BYTES", 5000)
    result = rank_among_negatives(X, Y, positives, negatives, k=k)
    for row, u in enumerate(np.flatnonzero(positives >= 0)):
        others = sorted(set(negatives[u].tolist()) - {-1, positives[u]})
        own, rest = X[u] @ Y[positives[u]], Y[others] @ X[u]
        ranks = (rest > own).sum() + np.arange((rest == own).sum() + 1)
        assert result.users[row] == u
        assert result.per_user["rank"][row] == ranks.mean()
        assert result.per_user[f"hit_rate@{k}"][row] == pytest.approx((ranks < k).mean())
        gains = np.where(ranks < k, np.log(2) / np.log(ranks + 2), 0)
        assert result.per_user[f"ndcg@{k}"][row] == pytest.approx(gains.mean())


def test_equal_factors_tie_exactly():
    rng = np.random.default_rng(0)
    X, Y = rng.standard_normal((31, 33)).astype(np.float32), np.empty((103, 33), np.float32)
    Y[:] = rng.standard_normal(33)
    result = rank_among_negatives(X, Y, np.zeros(31, int), np.tile(np.arange(1, 100), (31, 1)))
    assert (result.per_user["rank"] == 49.5).all()
    np.testing.assert_allclose(result.per_user["hit_rate@10"], 0.1, rtol=1e-15)


def test_popularity_on_movielens_gives_the_published_numbers():
    folder = data_folder("ncf-ml-1m")
    train = np.loadtxt(folder / "ml-1m.train.rating", dtype=np.int64, usecols=(0, 1))
    test = np.loadtxt(folder / "ml-1m.test.rating", dtype=np.int64, usecols=(0, 1))
    negatives = np.loadtxt(
        folder / "ml-1m.test.negative", dtype=np.int64, delimiter="\t", usecols=range(1, 100)
    )
    np.testing.assert_array_equal(test[:, 0], np.arange(6040))
    popularity = np.bincount(train[:, 1], minlength=3706).astype(np.float64)
    result = rank_among_negatives(np.ones((6040, 1)), popularity[:, None], test[:, 1], negatives)
    # Published to four digits by Dacrema et al., TOIS 2021; ties may go either way there.
    assert result.means()["hit_rate@10"] == pytest.approx(0.4538, abs=5e-4)
    assert result.means()["ndcg@10"] == pytest.approx(0.2545, abs=5e-4)


@pytest.fixture
def seen():
    """Train and test of 61 x 29 with empty and full rows; a user with 3 items left, one with 1."""
    rng = np.random.default_rng(3)
    draw = rng.random((61, 29))
    train, test = draw < 0.3, (draw >= 0.3) & (draw < 0.4)
    train[0], test[0] = False, False
    train[1], test[1] = True, False
    train[2], test[2] = np.arange(29) >= 3, False
    train[60], test[60] = np.arange(29) != 28, False
    return tuple(sparse.csr_matrix(M.astype(np.int8)) for M in (train, test))


@pytest.mark.parametrize("n", [1, 5, 40])
def test_negatives_are_distinct_unseen_items_as_many_as_there_are(seen, n):
    negatives = sample_negatives(*seen, n, random_state=0)
    taken = (seen[0] + seen[1]).toarray() > 0
    assert negatives.shape == (61, n)
    assert negatives.dtype == np.int64
    for u, row in enumerate(negatives):
        free = np.flatnonzero(~taken[u])
        drawn = row[row >= 0]
        assert drawn.size == min(n, free.size)
        assert (row[drawn.size :] == -1).all()
        assert np.unique(drawn).size == drawn.size
        assert np.isin(drawn, free).all()


def test_negatives_are_uniform():
    train = sparse.csr_matrix(
        (np.ones(6000, np.int8), (np.arange(6000), np.full(6000, 2))), (6000, 9)
    )
    test = sparse.csr_matrix(
        (np.ones(6000, np.int8), (np.arange(6000), np.full(6000, 7))), (6000, 9)
    )
    negatives = sample_negatives(train, test, 3, random_state=1)
    share = np.bincount(negatives.ravel(), minlength=9) / 6000
    free = np.setdiff1d(np.arange(9), [2, 7])
    # Five standard deviations of a share over 6,000 users.
    np.testing.assert_allclose(share[free], 3 / 7, atol=5 * 0.5 / np.sqrt(6000))
    assert share[[2, 7]].sum() == 0


def test_seed_decides_the_negatives(seen):
    drawn = [sample_negatives(*seen, 5, random_state=seed) for seed in (1, 1, 2)]
    np.testing.assert_array_equal(drawn[0], drawn[1])
    assert (drawn[0] != drawn[2]).any()
    legacy = [
        sample_negatives(*seen, 5, random_state=np.random.RandomState(seed)) for seed in (1, 1, 2)
    ]
    np.testing.assert_array_equal(legacy[0], legacy[1])
    assert (legacy[0] != legacy[2]).any()


def test_stored_values_and_forms_do_not_matter(seen):
    train, test = seen
    expected = sample_negatives(train, test, 5, random_state=1)
    other = sample_negatives(
        sparse.csc_matrix(train.astype(np.float32) * -2), sparse.coo_array(test), 5, random_state=1
    )
    np.testing.assert_array_equal(other, expected)


def test_bad_arguments_are_named(seen):
    X, Y = np.ones((3, 2)), np.ones((5, 2))
    broken, overflowing = X.copy(), X.copy()
    broken[1, 1] = np.nan
    overflowing[1] = 1e308
    positives, negatives = [0, 1, 2], [[3], [4], [4]]
    for message, call in {
        "user_factors must be finite": lambda: rank_among_negatives(
            broken, Y, positives, negatives
        ),
        "item_factors must be finite": lambda: rank_among_negatives(
            X[:, :2], np.full((5, 2), np.inf), positives, negatives
        ),
        "scores must be finite": lambda: rank_among_negatives(
            overflowing, Y * 10, positives, negatives
        ),
        "positives must lie in": lambda: rank_among_negatives(X, Y, [0, 1, 5], negatives),
        "positives must have a row": lambda: rank_among_negatives(X, Y, [0, 1], negatives),
        "positives must hold an item": lambda: rank_among_negatives(X, Y, [-1] * 3, negatives),
        "negatives must lie in": lambda: rank_among_negatives(X, Y, positives, [[3], [4], [-2]]),
        "negatives must have a row": lambda: rank_among_negatives(X, Y, positives, [[3], [4]]),
        "negatives must be an integer": lambda: rank_among_negatives(X, Y, positives, [3, 4, 4]),
        "k must be an integer": lambda: rank_among_negatives(X, Y, positives, negatives, k=0),
        "n must be an integer": lambda: sample_negatives(*seen, 0, random_state=0),
        "test must have the shape": lambda: sample_negatives(
            seen[0], seen[1][:3], 2, random_state=0
        ),
        "random_state must be": lambda: sample_negatives(*seen, 2, random_state=-3),
    }.items():
        with pytest.raises(InputError, match=rf"^{message}.*( got |, row \d)") as raised:
            call()
        assert "\n" not in str(raised.value)
