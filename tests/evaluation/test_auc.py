"""AUC three ways: by hand, against all pairs, and what each of them says of scores that know nothing."""

import numpy as np
import pytest
from cases.solvers import awkward
from scipy import sparse

from halfstep import InputError
from halfstep.evaluation.metrics.auc import exact_auc, lowest_negative_share, sampled_auc, scores_of
from halfstep.evaluation.protocols.baselines import random_factors
from halfstep.evaluation.protocols.split import random_rows


@pytest.fixture
def split():
    dense = awkward(negative=False).toarray()
    dense[5] = 1  # a user who has every item
    return random_rows(sparse.csr_matrix(dense), 0.3, random_state=0)


def hundred_each(users=600, items=5000, seed=0):
    """A hundred entries for every user; ten of them are held out."""
    rng = np.random.default_rng(seed)
    indices = np.concatenate([rng.permutation(items)[:100] for _ in range(users)])
    rows = np.repeat(np.arange(users), 100)
    held_out = np.tile(np.arange(100) < 10, users)
    train, test = (
        sparse.csr_matrix((np.ones(c.sum()), (rows[c], indices[c])), shape=(users, items))
        for c in (~held_out, held_out)
    )
    return train, test


def test_random_scores_get_a_half_twice_and_091_from_the_statistic_of_2019():
    train, test = hundred_each()
    X, Y = random_factors(train, train.shape[0])
    # Standard errors: 0.29 / sqrt(10 held out) / sqrt(600) = 0.004, twice that with sampled negatives.
    assert exact_auc(X, Y, train, test).mean() == pytest.approx(0.5, abs=0.015)
    assert sampled_auc(X, Y, train, test, random_state=0).mean() == pytest.approx(0.5, abs=0.02)
    share = lowest_negative_share(X, Y, train, test, random_state=0).mean()
    assert share == pytest.approx(10 / 11, abs=0.012)
    assert round(share, 1) == 0.9


@pytest.mark.parametrize("held_out", [1, 3])
def test_the_statistic_of_2019_depends_on_the_number_of_held_out_items(held_out):
    train, test = hundred_each(users=800, items=300)
    few = test.tolil()
    for u in range(test.shape[0]):
        few.rows[u], few.data[u] = few.rows[u][:held_out], few.data[u][:held_out]
    X, Y = random_factors(train, train.shape[0])
    share = lowest_negative_share(X, Y, train, few.tocsr(), random_state=0).mean()
    assert share == pytest.approx(held_out / (held_out + 1), abs=0.05)


def test_sampled_estimates_exact_without_bias(split):
    rng = np.random.default_rng(0)
    X, Y = rng.standard_normal((43, 5)), rng.standard_normal((61, 5))
    exact = exact_auc(X, Y, split.train, split.test)
    draws = [sampled_auc(X, Y, split.train, split.test, random_state=s) for s in range(80)]
    judged = np.isfinite(draws[0])
    assert judged.sum() > 30
    noise = np.std(draws, axis=0)[judged] / 80**0.5
    assert (np.abs(np.mean(draws, axis=0) - exact)[judged] < 4.5 * noise + 1e-12).all()


def test_sampled_counts_ties_as_wrong_where_exact_counts_half(split):
    X, Y = np.ones((43, 1)), np.ones((61, 1))
    judged = np.diff(split.test.indptr) > 0
    judged[5] = False  # has every item: no negative
    assert (exact_auc(X, Y, split.train, split.test)[judged] == 0.5).all()
    assert (sampled_auc(X, Y, split.train, split.test, random_state=0)[judged] == 0).all()
    shares = lowest_negative_share(X, Y, split.train, split.test, random_state=0)
    assert (shares[judged] == 0).all()


def test_by_hand():
    # Items 0 and 1 are held out, 2 and 3 in train, 4 is the one negative; scores 5, 1, 4, 3, 2.
    train = sparse.csr_matrix(np.array([[0, 0, 1, 1, 0]]))
    test = sparse.csr_matrix(np.array([[1, 1, 0, 0, 0]]))
    X, Y = np.ones((1, 1)), np.array([[5.0], [1], [4], [3], [2]])
    assert exact_auc(X, Y, train, test) == [0.5]
    assert sampled_auc(X, Y, train, test, random_state=0) == [0.5]
    # The lowest of both training items is 3, and one of 5 and 1 is above it.
    assert lowest_negative_share(X, Y, train, test, random_state=0) == [0.5]
    better = np.array([[5.0], [3.5], [4], [3], [2]])
    assert sampled_auc(X, better, train, test, random_state=0) == [1]
    assert lowest_negative_share(X, better, train, test, random_state=0) == [1]


def test_who_cannot_be_judged_is_nan(split):
    X, Y = np.ones((43, 1)), np.arange(61.0)[:, None]
    nobody = np.diff(split.test.indptr) == 0
    full = np.arange(43) == 5
    for values, without in (
        (exact_auc(X, Y, split.train, split.test), nobody),
        (sampled_auc(X, Y, split.train, split.test, random_state=0), nobody | full),
        (
            lowest_negative_share(X, Y, split.train, split.test, random_state=0),
            nobody | (np.diff(split.train.indptr) == 0),
        ),
    ):
        np.testing.assert_array_equal(np.isnan(values), without)


def test_seed_decides(split):
    rng = np.random.default_rng(0)
    X, Y = rng.standard_normal((43, 5)), rng.standard_normal((61, 5))
    for statistic in (sampled_auc, lowest_negative_share):
        a, b, c = (statistic(X, Y, split.train, split.test, random_state=s) for s in (1, 1, 2))
        np.testing.assert_array_equal(a, b)
        assert not np.array_equal(a, c, equal_nan=True)


def test_scores_in_pieces(monkeypatch):
    from halfstep.evaluation.metrics import auc

    rng = np.random.default_rng(0)
    X, Y = rng.standard_normal((7, 3)), rng.standard_normal((9, 3))
    users, items = rng.integers(7, size=50), rng.integers(9, size=50)
    monkeypatch.setattr(auc, "_BLOCK_BYTES", 400)
    np.testing.assert_allclose(scores_of(X, Y, users, items), (X @ Y.T)[users, items], rtol=1e-12)


def test_bad_shapes(split):
    with pytest.raises(InputError, match="train must have the factors' shape"):
        sampled_auc(np.ones((42, 1)), np.ones((61, 1)), split.train, split.test, random_state=0)
