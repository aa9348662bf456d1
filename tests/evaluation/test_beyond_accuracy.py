"""Lists beside their accuracy: against definitions written out in float64, and at their edges."""

import json
from itertools import combinations
from math import log2

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.sparse import csr_matrix

from halfstep.cli.main import run
from halfstep.errors import InputError
from halfstep.evaluation.metrics.beyond_accuracy import METRICS, beyond_accuracy, exposure_gini
from halfstep.evaluation.metrics.held_out import evaluate
from halfstep.evaluation.protocols.beyond import beyond_of
from halfstep.evaluation.protocols.partitions import parts_of
from halfstep.evaluation.protocols.validation import validate


def by_definition(top, Y, history, users, population):
    """Return the three metrics of each list, one pair and one item at a time."""
    has = population.toarray() != 0
    share = has.mean(axis=0)
    found = {name: [] for name in METRICS}
    for row, items in zip(users, top, strict=True):
        listed = [int(i) for i in items if i >= 0]
        bits = [-log2(max(share[i], 1 / len(has))) for i in listed]
        found["novelty"].append(np.mean(bits) if bits else np.nan)
        known = [i for i in listed if Y[i].any()]
        apart = [
            1 - float(Y[i] @ Y[j]) / (np.linalg.norm(Y[i]) * np.linalg.norm(Y[j]))
            for i, j in combinations(known, 2)
        ]
        found["diversity"].append(np.mean(apart) if apart else np.nan)
        own = history.indices[history.indptr[row] : history.indptr[row + 1]]
        mean = share[own].mean() if len(own) else 0.0
        lifted = np.mean(share[listed]) / mean - 1 if listed and mean else np.nan
        found["popularity_lift"].append(lifted)
    return {name: np.array(values) for name, values in found.items()}


@pytest.fixture(params=[np.float32, np.float64])
def problem(request):
    """Lists of 7 users in an odd order; short, single and empty ones, users and items with nothing."""
    rng = np.random.default_rng(5)
    dense = (rng.random((9, 23)) < 0.3) * rng.integers(1, 5, (9, 23))
    dense[3] = 0
    dense[:, 4] = 0
    Y = rng.normal(size=(23, 5)).astype(request.param)
    Y[[6, 7]] = 0
    Y[8] *= 1e-30
    top = np.array([rng.permutation(23)[:6] for _ in range(7)], np.int32)
    top[1, 4:], top[2, 1:], top[4] = -1, -1, -1
    top[5] = [6, 7, 2, 4, 8, 1]
    top[6] = [6, 7, 9, -1, -1, -1]
    return top, Y, csr_matrix(dense.astype(np.float64)), np.array([8, 0, 3, 5, 1, 2, 7])


def test_each_metric_is_what_its_definition_says(problem):
    top, Y, history, users = problem
    population = csr_matrix((np.random.default_rng(1).random((31, 23)) < 0.2) * 1.0)
    eps = float(np.finfo(Y.dtype).eps)
    for counted in (None, population):
        found = beyond_accuracy(top, Y, history, users, counted)
        wanted = by_definition(
            top, Y.astype(float), history, users, history if counted is None else counted
        )
        assert list(found) == list(METRICS)
        for name in METRICS:
            assert found[name].dtype == np.float64
            np.testing.assert_allclose(found[name], wanted[name], rtol=0, atol=50 * eps)
    assert np.isnan(found["diversity"][[2, 4, 6]]).all()
    assert np.isfinite(found["diversity"][[0, 1, 3, 5]]).all()
    assert np.isnan(found["popularity_lift"][[2, 4]]).all()


def test_a_small_example_by_hand():
    history = csr_matrix([[1.0, 0, 0, 0], [1, 1, 0, 0], [1, 0, 0, 0], [1, 0, 1, 0]])
    Y = np.array([[2.0, 0], [0, 3], [-1, 0], [5, 5]])
    found = beyond_accuracy(np.array([[1, 2], [2, 3]]), Y, history, np.array([0, 1]))
    # Items 1 and 2 are had by 1 of 4 users; item 3, by nobody, counts as had by one.
    np.testing.assert_allclose(found["novelty"], [2, 2])
    np.testing.assert_allclose(found["diversity"], [1, 1 + np.sqrt(0.5)])
    np.testing.assert_allclose(found["popularity_lift"], [0.25 - 1, 0.125 / 0.625 - 1])


def test_a_history_that_nobody_shares_has_no_lift():
    history = csr_matrix([[1.0, 0], [0, 0]])
    found = beyond_accuracy(
        np.array([[1]]), np.ones((2, 1)), history, np.array([0]), csr_matrix([[0.0, 1]])
    )
    assert np.isnan(found["popularity_lift"]).all()
    empty = beyond_accuracy(np.zeros((0, 3), int), np.ones((2, 1)), history, np.array([], int))
    assert [values.shape for values in empty.values()] == [(0,)] * 3


def test_shapes_that_disagree_are_refused():
    history, top, rows = csr_matrix((2, 3)), np.zeros((1, 1), int), np.array([0])
    with pytest.raises(InputError, match="history must have a column for each of 4 items, got 3"):
        beyond_accuracy(top, np.ones((4, 1)), history, rows)
    with pytest.raises(InputError, match="population must have a column for each of 3 items"):
        beyond_accuracy(top, np.ones((3, 1)), history, rows, csr_matrix((2, 5)))
    with pytest.raises(InputError, match="top must have a row for each of 1 users"):
        beyond_accuracy(np.zeros((2, 1), int), np.ones((3, 1)), history, rows)


@given(st.lists(st.lists(st.integers(-1, 6), min_size=3, max_size=3), max_size=9))
def test_the_gini_index_is_half_the_mean_difference_over_the_mean(lists):
    top = np.array(lists, int).reshape(-1, 3)
    counts = np.bincount(top[top >= 0], minlength=7)
    found = exposure_gini(top, 7)
    if not counts.any():
        assert np.isnan(found)
        return
    differences = np.abs(counts[:, None] - counts[None]).mean()
    assert found == pytest.approx(differences / (2 * counts.mean()))


def test_the_gini_index_of_equal_and_of_single_items():
    assert exposure_gini(np.array([[0, 1], [2, 3]]), 4) == 0
    assert exposure_gini(np.array([[2], [2]]), 4) == 0.75


def test_evaluate_measures_its_own_lists_when_asked():
    rng = np.random.default_rng(2)
    held_out, known = rng.random((2, 12, 40)) < 0.2
    known &= ~held_out
    known[5] = False
    train, test = csr_matrix(known * 1.0), csr_matrix(held_out * 1.0)
    X, Y = rng.normal(size=(12, 3)), rng.normal(size=(40, 3))
    plain = evaluate(X, Y, train, test, ks=(3, 6))
    assert (plain.beyond, plain.gini) == ({}, {})
    found = evaluate(X, Y, train, test, ks=(3, 6), beyond=True)
    scores = np.where(train.toarray() > 0, -np.inf, X @ Y.T)
    for k in (3, 6):
        top = np.argsort(-scores, axis=1)[:, :k]
        wanted = by_definition(top, Y, train, range(12), train)
        for name in METRICS:
            np.testing.assert_allclose(found.beyond[f"{name}@{k}"], wanted[name][found.users])
        assert found.gini[k] == pytest.approx(exposure_gini(top[found.users], 40))
    apart = found.without_history
    assert list(apart.users) == [5]
    assert np.isnan(apart.beyond["popularity_lift@3"]).all()
    assert np.isfinite(apart.beyond["novelty@3"]).all()
    other = evaluate(X, Y, train, test, ks=(3,), beyond=csr_matrix(np.ones((4, 40))))
    np.testing.assert_allclose(other.beyond["novelty@3"], 0, atol=1e-12)
    with pytest.raises(InputError, match="population must have a column"):
        evaluate(X, Y, train, test, beyond=csr_matrix((4, 9)))


def test_a_validation_averages_over_users_and_leaves_out_what_is_not_defined(two_tastes):
    parts = list(parts_of("k-fold", two_tastes.interactions, folds=3, random_state=0))
    results = validate({}, parts, ks=(4,))
    found = beyond_of(results)
    assert list(found) == ["random", "popularity"]
    assert found["popularity"].summaries["diversity@4"] is None
    values = {}
    for part in results.judged["random"]:
        for user, value in zip(part.users, part.beyond["novelty@4"], strict=True):
            values.setdefault(user, []).append(value)
    mean = np.mean([np.mean(of) for of in values.values()])
    novelty = found["random"].summaries["novelty@4"]
    assert novelty.mean == pytest.approx(mean)
    assert novelty.low < mean < novelty.high
    assert novelty.mean > found["popularity"].summaries["novelty@4"].mean
    assert found["popularity"].gini[4] > found["random"].gini[4]
    assert found["popularity"].means()["gini@4"] == found["popularity"].gini[4]


def test_the_command_shows_and_writes_them(tmp_path, capsys):
    rows = [f"{u},{i},{u % 3 + 1}\n" for u in range(40) for i in range(20) if (u * i) % 7 < 3]
    (tmp_path / "t.csv").write_text("user,item,value\n" + "".join(rows))
    out = tmp_path / "e.json"
    asked = ["--solver", "cholesky", "--factors", "3", "--iterations", "2", "-k", "5"]
    assert run(["evaluate", "--data", str(tmp_path / "t.csv"), *asked, "--json", str(out)]) == 0
    said = capsys.readouterr().out
    record = json.loads(out.read_text())
    for name in (*METRICS, "gini"):
        assert f"{name}@5" in said
        assert f"{record['models']['cholesky'][f'{name}@5']:.4f}" in said
    assert record["models"]["random"]["diversity@5"] is None
    interval = record["beyond_accuracy"]["cholesky"]["novelty@5"]
    assert interval["low"] <= interval["mean"] <= interval["high"]
