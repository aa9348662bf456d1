"""The comparison of rankings of new items: its draws, its metric, its entrants and its record."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import sparse

from halfstep.bench.beside_features import table
from halfstep.bench.features.data import generated
from halfstep.bench.features.others import ENTRANTS
from halfstep.bench.features.protocol import draws, interval, ndcg, random_ndcg
from halfstep.bench.features.search import contest
from halfstep.bench.features.warm import split

SMALL = generated(users=120, items=200, tags=40, factors=4, each=25)
SETTING = {
    "factors": 8, "scaling": "none", "background": 0.1, "ridge": 1.0, "epochs": 8, "exponent": 1.0,
    "mu": 1.0, "side": 10.0, "constant": True,
}  # fmt: skip


def test_no_new_item_of_a_tuning_draw_is_judged() -> None:
    tuning, tests = draws(SMALL)
    judged = np.concatenate([one.new for one in tests])
    for one in tuning:
        assert not np.isin(one.new, judged).any()
    for one in (*tuning, *tests):
        assert one.train.shape[1] == one.attributes.shape[0]
        assert one.held_out.shape[1] == one.new_attributes.shape[0] == len(one.new)
        assert (np.bincount(one.train.indices, minlength=one.train.shape[1]) > 0).all()
    assert tests[0].train.nnz + tests[0].held_out.nnz == SMALL.interactions.nnz


def test_ndcg_by_hand() -> None:
    held_out = sparse.csr_matrix([[1.0, 0, 1], [0, 0, 0], [0, 1, 0]])
    found = ndcg(np.array([[3.0, 2, 1], [1, 3, 2]]), held_out)
    np.testing.assert_allclose(found, [1.5 / (1 + 1 / np.log2(3)), 1])


def test_equal_scores_have_the_expected_ndcg_of_a_random_order() -> None:
    held_out = draws(SMALL)[1][0].held_out
    users = (np.diff(held_out.indptr) > 0).sum()
    flat = np.zeros((users, held_out.shape[1]))
    found = [ndcg(flat, held_out, seed).mean() for seed in range(200)]
    assert np.mean(found) == pytest.approx(random_ndcg(held_out).mean(), rel=0.02)


def test_the_interval_contains_the_mean() -> None:
    values = np.random.default_rng(0).random(50)
    found = interval([(np.arange(50), values), (np.arange(50), values)])
    assert found["low"] < found["mean"] < found["high"]
    assert found["mean"] == pytest.approx(values.mean())
    # A user's two equal values are one observation.
    once = interval([(np.arange(50), values)])
    assert found["low"] == pytest.approx(once["low"])


def test_a_split_keeps_every_entry_once() -> None:
    train, held_out = split(SMALL.interactions, 0)
    assert (train + held_out != SMALL.interactions).nnz == 0
    assert set(np.diff(held_out.indptr)) == {5}


@pytest.mark.parametrize("name", ENTRANTS)
def test_an_entrant_learns_from_attributes(name: str) -> None:
    entrant = ENTRANTS[name]
    reason = entrant.unavailable()
    if reason:
        pytest.skip(f"{name}: {reason}")
    one = draws(SMALL)[1][0]
    fit = entrant.fit(one.train, one.attributes, one.new_attributes, SETTING, 0)
    users = np.flatnonzero(np.diff(one.held_out.indptr))
    for new in fit.new.values():
        found = ndcg(fit.users[users] @ new.T, one.held_out).mean()
        assert found > 1.2 * random_ndcg(one.held_out).mean()


def test_the_record_becomes_a_table() -> None:
    record = contest(SMALL, ["content", "halfstep"], 1, lambda line: None)
    text = table({"new_items": [record]})
    assert [row["name"] for row in record["rows"]] == [
        "random order", "the attributes' true factors", "content", "halfstep",
    ]  # fmt: skip
    assert "| generated | halfstep | 0." in text
    assert set(record["differences"]) == {"random", "truth", "content"}
