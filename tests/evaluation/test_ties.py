"""Equal scores count in expectation: against every order of them, and whatever the numbering."""

from itertools import permutations

import numpy as np
import pytest
from scipy import sparse

from halfstep.evaluation.metrics.held_out import evaluate
from halfstep.evaluation.metrics.ties import TieBlocks, expected_hits


def by_scores(scores, train, test, **options):
    """Evaluate given scores: they are the item factors of users that are unit vectors."""
    scores = np.asarray(scores, dtype=np.float64)
    train, test = (sparse.csr_matrix(M) for M in (train, test))
    return evaluate(np.eye(len(scores)), scores.T.copy(), train, test, **options)


def of_one_order(h, n, k):
    """Each metric of one list by its definition."""
    h = np.asarray(h[:k], float)
    discounts = 1 / np.log2(np.arange(len(h)) + 2)
    ideal = (1 / np.log2(np.arange(min(k, n)) + 2)).sum()
    running = np.cumsum(h) / (np.arange(len(h)) + 1)
    return {
        "precision": h.sum() / k,
        "recall": h.sum() / n,
        "recall_capped": h.sum() / min(k, n),
        "ndcg": h @ discounts / ideal,
        "map": (h * running).sum() / min(k, n),
        "hit_rate": float(h.any()),
    }


def over_orders(scores, seen, held_out, k, orders):
    """The mean of each metric over orders of the items, between equals alone."""
    found = []
    for order in orders:
        order = np.asarray(order)
        ranked = order[np.argsort(-scores[order], kind="stable")]
        h = held_out[ranked][~seen[ranked]]
        found.append(of_one_order(h, held_out.sum(), k))
    return {name: np.mean([one[name] for one in found]) for name in found[0]}


@pytest.mark.parametrize("seed", range(12))
def test_every_metric_is_the_mean_over_all_orders_of_equal_items(seed):
    rng = np.random.default_rng(seed)
    items = 6
    scores = rng.integers(0, 1 + seed % 4, items).astype(float)
    kinds = rng.choice(3, items, p=[0.4, 0.2, 0.4])
    kinds[rng.integers(items)] = 2
    seen, held_out = kinds == 1, kinds == 2
    ks = (1, 2, 3, 5, 9)
    result = by_scores(scores[None], seen[None].astype(float), held_out[None].astype(float), ks=ks)
    for k in ks:
        expected = over_orders(scores, seen, held_out, k, permutations(range(items)))
        for name, value in expected.items():
            got = result.per_user[f"{name}@{k}"][0]
            assert got == pytest.approx(value, rel=1e-12, abs=1e-15), (name, k)


def test_long_blocks_agree_with_random_orders():
    """Blocks that begin in the list and end far beyond it, in a catalogue of several strips."""
    rng = np.random.default_rng(5)
    items, k, draws = 5000, 10, 1500
    scores = np.zeros(items)
    scores[rng.choice(items, 7, replace=False)] = [3, 3, 2, 2, 2, 2, 1]
    held_out, seen = np.zeros(items, bool), rng.random(items) < 0.1
    free = np.flatnonzero(~seen)
    held_out[free[scores[free] > 0][:3]] = True
    held_out[rng.choice(free, 900, replace=False)] = True
    result = by_scores(scores[None], seen[None].astype(float), held_out[None].astype(float))
    orders = (rng.permutation(items) for _ in range(draws))
    found = [over_orders(scores, seen, held_out, k, [order]) for order in orders]
    for name in found[0]:
        values = np.array([one[name] for one in found])
        error = values.std() / np.sqrt(draws)
        assert abs(result.per_user[f"{name}@{k}"][0] - values.mean()) <= 4.5 * error + 1e-9, name


@pytest.mark.parametrize("place", [0, 29])
def test_a_constant_model_knows_nothing_wherever_the_held_out_item_stands(place):
    test = np.zeros((1, 30))
    test[0, place] = 1
    means = by_scores(np.full((1, 30), 7.0), np.zeros((1, 30)), test).means()
    assert round(means["ndcg@10"], 4) == 0.1515
    assert means["hit_rate@10"] == pytest.approx(1 / 3)
    assert means["auc"] == 0.5


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_renumbering_users_and_items_changes_no_metric(dtype):
    rng = np.random.default_rng(0)
    users, items = 60, 400
    X, Y = (np.round(rng.standard_normal((n, 3))).astype(dtype) for n in (users, items))
    X[:5] = 0
    kinds = rng.choice(3, (users, items), p=[0.7, 0.2, 0.1])
    people, things = rng.permutation(users), rng.permutation(items)
    results = []
    for rows, columns in ((np.arange(users), np.arange(items)), (people, things)):
        train, test = (
            sparse.csr_matrix((kinds == kind)[rows][:, columns].astype(float)) for kind in (1, 2)
        )
        results.append(evaluate(X[rows], Y[columns], train, test, ks=(1, 10, 50)))
    for name, values in results[0].per_user.items():
        again = results[1].per_user[name]
        np.testing.assert_allclose(again, values[people], rtol=1e-12, atol=1e-15, err_msg=name)


def test_scores_that_differ_by_rounding_are_no_ties():
    rng = np.random.default_rng(1)
    scores = 1 + np.arange(40)[rng.permutation(40)] * np.finfo(float).eps
    test = (scores == scores.max())[None].astype(float)
    assert by_scores(scores[None], np.zeros((1, 40)), test).means()["ndcg@10"] == 1


def test_a_block_beyond_a_list_counts_as_many_as_there_are():
    blocks = TieBlocks(
        rows=np.array([0]), start=np.zeros((1, 2), int), size=np.full((1, 2), 10**9),
        held=np.full((1, 2), 10**9 - 1), earlier=np.zeros((1, 2), int),
    )  # fmt: skip
    hits = expected_hits(np.zeros((1, 2), bool), blocks)
    assert hits.none[0] == 0
    np.testing.assert_allclose(hits.chance, 1 - 1e-9)
    assert np.isfinite(hits.running).all()
