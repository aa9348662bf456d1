"""The protocols: what is held out, from whom, and that nothing of it reaches a fit."""

from itertools import pairwise

import numpy as np
import pytest
from cases.solvers import awkward, require
from scipy import sparse

from halfstep import InputError
from halfstep.evaluation.protocols.partitions import (
    PROTOCOLS,
    RATIOS,
    TIMED,
    k_fold,
    ratio_curve,
    strong_generalisation,
)
from halfstep.evaluation.protocols.partitions import parts_of as any_parts
from halfstep.evaluation.protocols.validation import validate

each_protocol = pytest.mark.parametrize("protocol", PROTOCOLS)


def parts_of(protocol, matrix, **settings):
    """As the function of that name, with some times where they are needed."""
    if protocol in TIMED:
        settings["times"] = np.random.default_rng(0).integers(0, 99, matrix.nnz).astype(float)
    return any_parts(protocol, matrix, **settings)


def keys(matrix):
    coo = matrix.tocoo()
    return set(zip(coo.row.tolist(), coo.col.tolist(), strict=True))


def entries(matrix, users=None):
    coo = matrix.tocoo()
    rows = coo.row if users is None else users[coo.row]
    return {(int(u), int(i)): v for u, i, v in zip(rows, coo.col, coo.data, strict=True)}


@pytest.fixture
def plays():
    return awkward(negative=False)


@each_protocol
def test_history_and_test_are_the_judged_users_entries(protocol, plays):
    for part in parts_of(protocol, plays, random_state=0):
        assert not keys(part.history) & keys(part.test)
        assert part.test.nnz > 0
        judged = entries(plays[part.users], part.users)
        assert entries(part.history, part.users) | entries(part.test, part.users) == judged
        assert part.train.shape[1] == part.history.shape[1] == plays.shape[1]
        assert part.history.shape == part.test.shape == (len(part.users), plays.shape[1])
        if part.folded:
            fitted = np.setdiff1d(np.arange(plays.shape[0]), part.users)
            assert (part.train != plays[fitted]).nnz == 0
        else:
            assert part.train is part.history


@pytest.mark.parametrize("protocol", [p for p in PROTOCOLS if p not in TIMED])
def test_seed_decides_and_repeats_differ(protocol, plays):
    def held_out(seed, repeats=1):
        parts = parts_of(protocol, plays, repeats=repeats, random_state=seed)
        return [frozenset(entries(p.test, p.users).items()) for p in parts]

    assert held_out(1) == held_out(1)
    assert held_out(1) != held_out(2)
    twice = held_out(1, repeats=2)
    half = len(twice) // 2
    assert twice[:half] == held_out(1)
    assert twice[:half] != twice[half:]


@each_protocol
def test_nothing_held_out_reaches_the_fit(protocol, plays):
    """Change every held-out value: weights, start and factors must be the same bits."""
    parts = list(parts_of(protocol, plays, random_state=3))
    for k, part in enumerate(parts):
        changed = sparse.lil_matrix(plays.astype(np.float64))
        for u, i in entries(part.test, part.users):
            changed[u, i] = 1e4
        other = list(parts_of(protocol, sparse.csr_matrix(changed), random_state=3))[k]
        assert keys(other.test) == keys(part.test)
        assert (other.test.data == 1e4).all()
        fits = []
        for one in (part, other):
            model = require("cholesky")(
                factors=4, iterations=2, confidence="linear", regularization_exponent=1.0,
                random_state=0, dtype=np.float64,
            )  # fmt: skip
            users, items = model.weights(one.train)
            model.fit(one.train, show_progress=False)
            X, Y = one.judged_factors(model)
            fits.append([users.w, users.lam, items.w, items.lam, X, Y])
        for before, after in zip(*fits, strict=True):
            np.testing.assert_array_equal(before, after)


def test_validate_hands_a_model_the_training_part_only(plays):
    seen = []

    class Spy(require("popularity")):
        def fit(self, user_items, **settings):
            seen.append(user_items)
            return super().fit(user_items, **settings)

    for protocol in PROTOCOLS:
        parts = list(parts_of(protocol, plays, random_state=0))
        seen.clear()
        validate({"spy": lambda: Spy(factors=2)}, parts)
        assert len(seen) == len(parts)
        for matrix, part in zip(seen, parts, strict=True):
            assert matrix is part.train
            if not part.folded:
                assert not keys(matrix) & keys(part.test)


def test_k_fold_holds_every_entry_out_once(plays):
    folds = [keys(p.test) for p in k_fold(plays, 4, random_state=0)]
    assert len(folds) == 4
    assert set.union(*folds) == keys(plays)
    assert sum(map(len, folds)) == plays.nnz
    sizes = np.array([p.test.getnnz(axis=1) for p in k_fold(plays, 4, random_state=0)])
    assert (np.ptp(sizes, axis=0) <= 1).all()
    # The remainders do not all fall to the first fold.
    assert np.ptp(sizes.sum(axis=1)) < 0.3 * sizes.sum() / 4


def test_ratio_curve_only_takes_away(plays):
    parts = list(ratio_curve(plays, random_state=0))
    trains = [keys(p.train) for p in parts]
    assert len(trains) == len(RATIOS)
    assert all(more > less for more, less in pairwise(trains))
    assert parts[0].label == "90% to train"


def test_strong_generalisation_sizes_and_fold_in(plays):
    part = strong_generalisation(plays, 0.3, 0.5, random_state=0)
    able = np.flatnonzero(np.diff(plays.indptr) >= 2)
    assert len(part.users) == round(0.3 * len(able))
    assert set(part.users) <= set(able)
    counts = np.diff(plays.indptr)[part.users]
    np.testing.assert_array_equal(part.test.getnnz(axis=1), np.floor(counts / 2 + 0.5))
    model = require("cholesky")(factors=3, iterations=2, random_state=0, dtype=np.float64)
    model.fit(part.train, show_progress=False)
    X, Y = part.judged_factors(model)
    for row in (0, len(part.users) - 1):
        np.testing.assert_allclose(
            X[row], model.recalculate_user(row, part.history[row]), rtol=1e-10
        )
    # One held-out entry at least, also where the share of a user's two entries rounds to none.
    small = sparse.csr_matrix(np.eye(9)[:, :8] + np.eye(9, 8, k=-1))
    assert (strong_generalisation(small, 0.5, 0.1, random_state=0).test.getnnz(axis=1) == 1).all()


def test_arguments(plays):
    assert {p.test.nnz for p in parts_of("random-rows", plays)} == {round(0.1 * plays.nnz)}
    half = next(parts_of("per-user", plays, test_fraction=0.5))
    assert half.test.nnz > 2 * next(parts_of("per-user", plays)).test.nnz
    assert len(list(parts_of("k-fold", plays, folds=3, repeats=2))) == 6
    for protocol, arguments, message in (
        ("rows", {}, "protocol must be one of random-rows, "),
        ("k-fold", {"test_fraction": 0.2}, "test_fraction has no meaning with protocol 'k-fold'"),
        ("per-user", {"test_fraction": 1.0}, "test_fraction must lie strictly between 0 and 1"),
        ("per-user", {"repeats": 0}, "repeats must be an integer of at least 1, got 0"),
        ("k-fold", {"folds": 1}, "folds must be an integer of at least 2, got 1"),
        ("time", {"repeats": 2}, "repeats has no meaning with protocol 'time'"),
        ("per-user", {"last": 2}, "last has no meaning with protocol 'per-user'"),
        ("last", {"last": 0}, "last must be an integer of at least 1, got 0"),
        ("last", {"time_from": 5.0}, "time_from has no meaning with protocol 'last'"),
        ("time", {"time_from": 5.0, "test_fraction": 0.1}, "no meaning beside time_from"),
        ("time", {"time_from": 500.0}, "time_from must leave entries before and after it"),
    ):
        with pytest.raises(InputError, match=message):
            list(parts_of(protocol, plays, **arguments))
    with pytest.raises(InputError, match="no user has enough entries"):
        list(parts_of("per-user", sparse.csr_matrix(np.eye(4))))
    with pytest.raises(InputError, match="must have 2 users with 2 entries or more, got 0"):
        list(parts_of("strong", sparse.csr_matrix(np.eye(4))))
