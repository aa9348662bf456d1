"""Draws follow the ids: other numbers for the same users and items, and the same pairs are drawn."""

import numpy as np
import pytest
from cases.solvers import require
from scipy import sparse, stats

from halfstep import InputError
from halfstep.evaluation.metrics.auc import lowest_negative_share, sampled_auc
from halfstep.evaluation.metrics.sampled import sample_negatives
from halfstep.evaluation.protocols.baselines import random_factors
from halfstep.evaluation.protocols.draws import (
    chosen_users,
    drawn_seed,
    entry_numbers,
    hashed,
    normal_numbers,
)
from halfstep.evaluation.protocols.partitions import PROTOCOLS, TIMED
from halfstep.evaluation.protocols.partitions import parts_of as any_parts
from halfstep.evaluation.protocols.split import per_user
from halfstep.evaluation.protocols.validation import validate
from halfstep.evaluation.tuning.trial import Tuner


def parts_of(protocol, matrix, *, user_ids, item_ids, repeats=1, **settings):
    """As the function of that name, with a time of each pair, many of them equal."""
    if protocol in TIMED:
        hashes = hashed(matrix.shape, user_ids, item_ids)
        numbers = entry_numbers(matrix, hashes, np.array([1], np.uint64))
        settings["times"] = (numbers % np.uint64(4)).astype(float)
        repeats = 1
    ids = {"user_ids": user_ids, "item_ids": item_ids, "repeats": repeats}
    return any_parts(protocol, matrix, **ids, **settings)


class Renumbered:
    """A matrix with ids, and the same with its users and items in another order."""

    def __init__(self, seed=0, users=60, items=45):
        rng = np.random.default_rng(seed)
        counts = sparse.csr_matrix(
            rng.integers(1, 9, (users, items)) * (rng.random((users, items)) < 0.3)
        )
        people, things = (
            np.arange(users) * 7 + 3,
            np.array([f"item {i}" for i in range(items)], object),
        )
        rows, columns = rng.permutation(users), rng.permutation(items)
        self.forms = [
            (counts.astype(np.float32), people, things),
            (counts[rows][:, columns].astype(np.float32), people[rows], things[columns]),
        ]  # fmt: skip
        for matrix, _, _ in self.forms:
            matrix.sort_indices()


def named(matrix, people, things):
    coo = matrix.tocoo()
    pairs = zip(people[coo.row].tolist(), things[coo.col].tolist(), coo.data.tolist(), strict=True)
    return sorted(pairs)


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_protocols_hold_the_same_pairs_out_of_renumbered_data(protocol):
    found = []
    for matrix, people, things in Renumbered().forms:
        parts = parts_of(
            protocol, matrix, repeats=2, user_ids=people, item_ids=things, random_state=4
        )
        found.append(
            [(p.label, *(named(M, people[p.users], things) for M in (p.history, p.test))) for p in parts]
        )  # fmt: skip
    assert found[0] == found[1]


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_no_metric_depends_on_the_numbering(protocol):
    """Popularity, whose scores tie, random scores, and both statistics once called AUC."""
    means = []
    for matrix, people, things in Renumbered(1).forms:
        parts = list(parts_of(protocol, matrix, user_ids=people, item_ids=things, random_state=0))
        results = validate({}, parts, ks=(1, 5), explain_auc=True, random_state=3)
        means.append(
            {n: {m: v.mean() for m, v in results.user_means(n)[1].items()} for n in results.judged}
        )
    for name, values in means[0].items():
        assert means[1][name] == pytest.approx(values, rel=1e-6), name


def test_fits_of_renumbered_data_agree_within_their_interval():
    """A fit starts from random factors by row number, which another numbering exchanges."""
    summaries = []
    for matrix, people, things in Renumbered(5, users=300).forms:
        parts = parts_of("per-user", matrix, user_ids=people, item_ids=things, random_state=0)
        als = require("cholesky")(factors=3, iterations=4, random_state=0)
        summaries.append(validate({"als": lambda als=als: als}, parts).summaries("als"))
    for metric, one in summaries[0].items():
        other = summaries[1][metric]
        assert one.low <= other.mean <= one.high, metric
        assert other.low <= one.mean <= other.high, metric


def test_negatives_and_drawn_users_follow_the_ids():
    drawn, users, judged = [], [], []
    for matrix, people, things in Renumbered(2).forms:
        split = per_user(matrix, 0.3, user_ids=people, item_ids=things, random_state=0)
        negatives = sample_negatives(
            split.train, split.test, 9, user_ids=people, item_ids=things, random_state=0
        )
        drawn.append({p: things[row].tolist() for p, row in zip(people, negatives, strict=True)})
        hashes = hashed(matrix.shape, people, things)
        users.append(set(people[chosen_users(np.arange(60), 20, hashes.users, 5)]))
        parts = list(parts_of("per-user", matrix, user_ids=people, item_ids=things))
        judged.append(set(people[Tuner(parts, users=20).judged_users(parts[0])]))
        assert len(users[-1]) == len(judged[-1]) == 20
    assert drawn[0] == drawn[1]
    assert users[0] == users[1]
    assert judged[0] == judged[1]


def test_ids_are_text_and_default_to_numbers():
    matrix = Renumbered().forms[0][0]
    numbers = hashed(matrix.shape)
    for people in (
        np.arange(60),
        np.arange(60, dtype=np.uint8),
        np.array([str(i) for i in range(60)], object),
        np.array([str(i) for i in range(60)]),
        np.array(list(range(60)), object),
    ):
        np.testing.assert_array_equal(hashed(matrix.shape, people).users, numbers.users)
    assert len(np.unique(np.concatenate(numbers))) == 60
    assert len(set(hashed((2, 1), np.array(["\udc80", "\udc81"], object)).users)) == 2
    with pytest.raises(InputError, match=r"user_ids must have 60 rows, got \(3,\)"):
        per_user(matrix, user_ids=[1, 2, 3], random_state=0)


def test_a_seed_holds_out_the_same_in_every_process_and_release():
    """Python's own hashes change from one process to the next."""
    assert hashed((1, 1), ["halfstep"]).users.tolist() == [1845480687965378187]
    split = per_user(Renumbered().forms[0][0], user_ids=np.arange(60), random_state=0)
    assert split.test.indices[:8].tolist() == [13, 30, 10, 36, 1, 19, 30, 2]


@pytest.mark.parametrize("kind", ["numbers", "names", "alike"])
def test_every_entry_has_the_same_chance(kind):
    """Chi-square over items, and pairs of users, for ids that are numbers or begin alike."""
    users, items = 2000, 40
    matrix = sparse.csr_matrix(np.ones((users, items), np.float32))
    make = {
        "numbers": str,
        "names": "user{}".format,
        "alike": ("https://" + "a" * 60 + "/{}").format,
    }[kind]
    people, things = (np.array([make(i) for i in range(n)], object) for n in (users, items))
    held_out = (
        per_user(matrix, 0.2, user_ids=people, item_ids=things, random_state=0).test.toarray() > 0
    )
    assert (held_out.sum(axis=1) == 8).all()
    by_item = held_out.sum(axis=0)
    # A user's draws are without replacement, which shrinks the variance by the factor 1 - 8/40.
    chi = ((by_item - by_item.mean()) ** 2 / (by_item.mean() * 0.8)).sum()
    assert 1e-4 < stats.chi2.sf(chi, items - 1) < 1 - 1e-4
    # Pairs of users share items as often as by chance: the draws of users are independent.
    shared = held_out[:1000].astype(int) @ held_out[1000:].T.astype(int)
    expected = stats.hypergeom(items, 8, 8)
    assert shared.mean() == pytest.approx(expected.mean(), abs=5 * expected.std() / 1000)
    assert shared.var() == pytest.approx(expected.var(), rel=0.03)


def test_numbers_are_uniform_whatever_the_seed():
    matrix = sparse.csr_matrix(np.ones((300, 300), np.float32))
    for seed in range(3):
        numbers = entry_numbers(matrix, hashed(matrix.shape), drawn_seed(seed))
        assert len(np.unique(numbers)) == matrix.nnz
        for shift in (0, 31, 56):
            counts = np.bincount(
                (numbers >> np.uint64(shift)).astype(np.int64) & 255, minlength=256
            )
            assert stats.chisquare(counts).pvalue > 1e-4
    values = normal_numbers(hashed((20000, 1)).users, drawn_seed(0), 16)
    assert np.isfinite(values).all()
    assert stats.kstest(values[:, 3], "norm").pvalue > 1e-3
    assert np.abs(np.corrcoef(values.T) - np.eye(16)).max() < 0.04


def test_random_scores_differ_between_users_and_items_of_one_id():
    X, Y = random_factors(sparse.csr_matrix((50, 50)), 50)
    assert not np.isclose(X, Y).any(axis=1).all()
    again, _ = random_factors(sparse.csr_matrix((50, 50)), 50, 1)
    assert not np.array_equal(X, again)


def test_sampled_statistics_take_ids():
    results = []
    for matrix, people, things in Renumbered(3).forms:
        split = per_user(matrix, 0.4, user_ids=people, item_ids=things, random_state=0)
        X, Y = random_factors(split.train, 60, 0, hashed(matrix.shape, people, things))
        ids = {"user_ids": people, "item_ids": things, "random_state": 1}
        results.append(
            [
                statistic(X, Y, split.train, split.test, **ids)[np.argsort(people)]
                for statistic in (sampled_auc, lowest_negative_share)
            ]
        )
    for one, other in zip(*results, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-12)
