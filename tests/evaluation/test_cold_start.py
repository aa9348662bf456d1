"""New items and new users: what is held out, what is ranked, and what ties get."""

import numpy as np
import pytest
from cases.solvers import require
from scipy import sparse

from halfstep import InputError
from halfstep.evaluation.metrics.auc import sampled_auc
from halfstep.evaluation.metrics.held_out import evaluate
from halfstep.evaluation.protocols.cold_start import new_items, new_users
from halfstep.evaluation.protocols.part_result import LOWEST, SAMPLED
from halfstep.evaluation.protocols.partitions import parts_of
from halfstep.evaluation.protocols.validation import validate

TABLE = sparse.csr_matrix(
    np.array(
        [
            [1, 1, 0, 0, 1, 0],
            [0, 1, 1, 0, 0, 0],
            [1, 0, 0, 1, 1, 0],
            [0, 0, 1, 1, 0, 0],
            [1, 1, 1, 1, 1, 0],
        ],
        np.float32,
    )
)


def held_out_by_hand(part, matrix):
    return [
        (u, i, matrix[u, i])
        for u in range(matrix.shape[0])
        for i in range(matrix.shape[1])
        if matrix[u, i] and i in part.candidates
    ]


def triples(matrix):
    coo = matrix.tocoo()
    found = zip(coo.row.tolist(), coo.col.tolist(), coo.data.tolist(), strict=True)
    return sorted(found)


def test_all_entries_of_new_items_are_held_out():
    part = new_items(TABLE, 0.4, random_state=0)
    assert len(part.candidates) == 2  # of the five with entries
    assert 5 not in part.candidates
    assert (np.diff(part.candidates) > 0).all()
    assert part.train.shape == part.test.shape == TABLE.shape
    assert not part.train[:, part.candidates].nnz
    assert triples(part.test) == held_out_by_hand(part, TABLE)
    assert triples(part.train + part.test) == triples(TABLE)
    assert part.history is part.train
    np.testing.assert_array_equal(part.users, np.arange(5))


def test_all_entries_of_new_users_are_held_out():
    part = new_users(TABLE, 0.4, random_state=0)
    assert part.folded
    assert part.new_users
    assert len(part.users) == 2
    assert (part.test != TABLE[part.users]).nnz == 0
    assert part.history.shape == part.test.shape
    assert not part.history.nnz
    assert sorted([*part.fitted, *part.users]) == list(range(5))
    assert (part.train != TABLE[part.fitted]).nnz == 0
    assert part.candidates is None
    # Rows without entries are not drawn, and there is one drawn at least, and one left.
    padded = sparse.vstack([sparse.csr_matrix((3, 6)), TABLE]).tocsr()
    for share, number in ((0.01, 1), (0.99, 4)):
        drawn = new_users(padded, share, random_state=1).users
        assert len(drawn) == number
        assert (drawn >= 3).all()


def test_sizes_and_refusals():
    assert len(new_items(TABLE, 0.01, random_state=0).candidates) == 2
    assert len(new_items(TABLE, 0.99, random_state=0).candidates) == 4
    with pytest.raises(InputError, match="must have 3 items with entries, got 2"):
        new_items(TABLE[:, :2], random_state=0)
    with pytest.raises(InputError, match="must have 2 users with entries, got 1"):
        new_users(TABLE[:1], random_state=0)
    for new in (new_items, new_users):
        with pytest.raises(InputError, match="test_fraction must lie strictly between 0 and 1"):
            new(TABLE, 1.0, random_state=0)
    (part,) = parts_of("new-items", TABLE, test_fraction=0.8)
    assert len(part.candidates) == 4


@pytest.mark.parametrize("protocol", ["new-items", "new-users"])
def test_draws_follow_ids_and_the_seed(protocol):
    rng = np.random.default_rng(1)
    matrix = sparse.random(40, 30, 0.3, "csr", random_state=0)
    people, things = np.arange(40) * 3, np.array([f"i{k}" for k in range(30)], object)
    rows, columns = rng.permutation(40), rng.permutation(30)

    def drawn(matrix, people, things, seed):
        ids = {"user_ids": people, "item_ids": things}
        parts = parts_of(protocol, matrix, repeats=2, random_state=seed, **ids)
        return [
            sorted(things[p.candidates] if p.folded is False else people[p.users]) for p in parts
        ]

    first = drawn(matrix, people, things, 0)
    other = matrix[rows][:, columns].tocsr()
    assert first == drawn(other, people[rows], things[columns], 0)
    assert first == drawn(matrix, people, things, 0) != drawn(matrix, people, things, 1)
    assert first[0] != first[1]


def test_only_chosen_items_are_ranked():
    """The same as a catalogue of these items alone, except who has a history."""
    rng = np.random.default_rng(0)
    X, Y = (rng.integers(-2, 3, (n, 2)).astype(np.float32) for n in (30, 20))  # many ties
    drawn = rng.random((30, 20))
    drawn[7] += 0.2  # who has nothing in train
    train, test = (sparse.csr_matrix(M.astype(float)) for M in (drawn < 0.2, drawn > 0.8))
    items = np.array([11, 2, 3, 17, 8])
    how = {"ks": (1, 3), "num_threads": 1}
    found = evaluate(X, Y, train, test, items=items, beyond=True, **how)
    alone = evaluate(X, Y[items], train[:, items], test[:, items], **how)
    together = np.zeros((30, len(found.per_user)))
    expected = together.copy()
    for one, into in ((found, together), (alone, expected)):
        for of in filter(None, (one, one.without_history)):
            into[of.users] = np.column_stack(list(of.per_user.values()))
    np.testing.assert_array_equal(together, expected)
    assert together.any()
    has_history = np.diff(train.indptr) > 0
    assert has_history[found.users].all()
    assert found.coverage.keys() == alone.coverage.keys()
    # Popularity is that among all entries.
    holders = np.bincount(train.indices, minlength=20)
    best = items[np.argsort(-(X[found.users[0]] @ Y[items].T), kind="stable")]
    free = [i for i in best if not train[found.users[0], i]][:1]
    assert found.beyond["novelty@1"][0] == pytest.approx(np.log2(30 / max(1, holders[free[0]])))
    for wrong, message in (([0, 0], "must not repeat a column, got 0"), ([20], r"in \[0, 20\)")):
        with pytest.raises(InputError, match=message):
            evaluate(X, Y, train, test, items=wrong)


def test_new_items_are_ranked_among_themselves_with_ties_as_random_order():
    part = new_items(TABLE, 0.6, random_state=0)
    assert part.ranked == len(part.candidates) == 3
    results = validate({}, [part], ks=(1, 2), explain_auc=True)
    users, means = results.user_means("popularity")
    held = part.test.getnnz(axis=1)
    np.testing.assert_array_equal(
        users, np.flatnonzero((held > 0) & (part.history.getnnz(axis=1) > 0))
    )
    # Nobody has a new item: all scores are equal, and every order of the three is as likely.
    for user, recall, hit in zip(users, means["recall@1"], means["hit_rate@2"], strict=True):
        h = held[user]
        assert recall == pytest.approx(1 / 3)
        misses = (3 - h) * (2 - h) / 6
        assert hit == pytest.approx(1 - misses)
    np.testing.assert_array_equal(means["auc"], 0.5)
    assert {SAMPLED, LOWEST} <= means.keys()
    X, Y = part.judged_factors(require("popularity")(factors=1).fit(part.train, False))
    columns = part.candidates
    small = sampled_auc(
        X, Y[columns], part.history[:, columns], part.test[:, columns], random_state=0
    )
    assert means[SAMPLED] == pytest.approx(np.where(np.isnan(small), 0.5, small)[users])
    assert results.coverage("random")[2] <= 1
