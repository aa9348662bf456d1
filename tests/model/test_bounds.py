"""The ranking that leaves out products by bounds on scores, against the one that forms them all."""

import numpy as np
import pytest

from halfstep.kernels.cpu import ranking
from halfstep.kernels.cpu.ranking import Lists, no_lists, rank
from halfstep.kernels.cpu.ranking_scores import STRIP
from halfstep.kernels.cpu.ranking_sort import lengths_of, longest_first

USERS, ITEMS = 70, 3 * STRIP + 77


def factors(kind, dtype):
    rng = np.random.default_rng(5)
    X, Y = (rng.standard_normal((rows, 7)) for rows in (USERS, ITEMS))
    # Norms of which few are large, in no order of the items.
    Y *= (rng.permutation(ITEMS)[:, None] + 1.0) ** -0.7
    if kind == "ties":  # whole numbers, and rows that are given several times
        X, Y = np.round(2 * X), np.round(40 * Y)
    elif kind == "negative scores":
        X, Y = np.abs(X), -np.abs(Y)
    elif kind == "zero rows":
        X[::3] = 0
        Y[::2] = 0
    elif kind == "equal norms":
        Y /= np.linalg.norm(Y, axis=1, keepdims=True)
    elif kind == "huge norms":
        largest = float(np.finfo(dtype).max) ** 0.5
        X, Y = X * largest / 100, Y * largest / 100
    elif kind == "tiny norms":
        smallest = float(np.finfo(dtype).tiny) ** 0.5
        X, Y = X * smallest, Y * smallest
    elif kind == "norms whose squares vanish":
        X, Y = X * float(np.finfo(dtype).max) ** 0.9, Y * float(np.finfo(dtype).max) ** -0.9
    return X.astype(dtype), Y.astype(dtype)


def some_lists(per_row, seed):
    rng = np.random.default_rng(seed)
    rows = [np.sort(rng.choice(ITEMS, each, replace=False)) for each in per_row]
    indptr = np.concatenate([[0], np.cumsum(per_row)]).astype(np.int64)
    return Lists(indptr, np.concatenate(rows).astype(np.int32))


KINDS = [
    "usual",
    "ties",
    "negative scores",
    "zero rows",
    "equal norms",
    "huge norms",
    "tiny norms",
    "norms whose squares vanish",
]


@pytest.mark.parametrize("k", [0, 60])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("kind", KINDS)
def test_bounds_change_no_list_no_score_and_no_count_of_pairs(kind, dtype, k):
    X, Y = factors(kind, dtype)
    users = np.arange(USERS)[::-1].copy()
    liked = some_lists(np.arange(USERS) % 90, 1)
    # Of some users few items, of one more than two registers hold, and of some none.
    held = some_lists(np.where(np.arange(USERS) % 10 == 9, 130, np.arange(USERS) % 5), 2)
    given = {"excluded": liked, "lists": users, "held_out": held, "without": np.array([3, 700])}
    every = rank(X, Y, users, k, **given, bounded=False, num_threads=1)
    for more in ({}, {"slab_bytes": 40_000}):
        some = rank(X, Y, users, k, **given, bounded=True, **more)
        for got, expected in zip(some, every, strict=True):
            np.testing.assert_array_equal(got, expected)


def test_bounds_agree_with_a_sort_of_all_scores():
    X, Y = factors("ties", np.float64)
    items, scores, _ = rank(X, Y, np.arange(USERS), 30, excluded=no_lists(USERS), bounded=True)
    product = X @ Y.T
    order = np.argsort(-product, axis=1, kind="stable")[:, :30]
    np.testing.assert_array_equal(items, order)
    np.testing.assert_array_equal(scores, np.take_along_axis(product, order, 1))


@pytest.mark.parametrize("k", [5, 100])
def test_bounds_hold_for_chosen_and_scaled_items_and_short_catalogues(k):
    X, Y = factors("ties", np.float32)
    chosen = np.arange(0, ITEMS, 2)[: 40 if k == 100 else None]
    scale = np.linspace(-2, 3, ITEMS).astype(np.float32)
    users, none = np.arange(USERS), no_lists(USERS)
    locked = Y.copy()
    locked.flags.writeable = False
    results = [
        rank(X, items, users, k, excluded=none, chosen=chosen, scale=scale, bounded=bounded)
        for items, bounded in ((Y, False), (Y, True), (locked, True))
    ]
    for some in results[1:]:
        for got, expected in zip(some, results[0], strict=True):
            np.testing.assert_array_equal(got, expected)


def test_items_beyond_their_bound_are_not_multiplied(monkeypatch):
    X, Y = (np.abs(M) for M in factors("usual", np.float32))
    asked = X, Y, np.arange(USERS), 10
    columns = longest_first(Y, np.empty(0, np.int64), Y[:0, 0], STRIP)
    columns.reach[1:] = 0
    monkeypatch.setattr(ranking, "longest_first", lambda *_: columns)
    items = rank(*asked, excluded=no_lists(USERS), bounded=True)[0]
    # A bound that is too low hides what lies beyond it, so the bounds are what decides.
    seen = columns.places[:STRIP]
    scores = np.where(np.isin(np.arange(ITEMS), seen), X.astype(np.float64) @ Y.T, -np.inf)
    order = np.argsort(-scores, axis=1)[:, :10]
    assert np.isin(items, seen).all()
    assert (items == order).mean() > 0.99


def test_bounds_are_products_of_norms():
    X, Y = (M.astype(np.float64) for M in factors("usual", np.float32))
    columns = longest_first(Y, np.empty(0, np.int64), Y[:0, 0], STRIP)
    np.testing.assert_array_equal(columns.place_of[columns.places], np.arange(ITEMS))
    scores = (X @ Y.T)[:, columns.places]
    for strip, reach in enumerate(columns.reach):
        highest = scores[:, strip * STRIP : (strip + 1) * STRIP].max(axis=1)
        assert (highest <= lengths_of(X) * reach).all()
    assert (np.diff(columns.reach) < 0).all()
    assert columns.reach[-1] < columns.reach[0] / 50


def test_norms_neither_overflow_nor_vanish():
    rows = np.array([[3e200, 4e200], [3e-200, 4e-200], [0, 0], [3, -4]])
    np.testing.assert_allclose(lengths_of(rows), [5e200, 5e-200, 0, 5])
