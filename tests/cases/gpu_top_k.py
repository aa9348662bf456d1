"""Factors on which a coarse score might lose an item, and the two selections side by side.

A case is (X, Y, k, more): queries (·, f), items (items, f), the length of lists, and further arguments
of `device_top_k`, `liked` as a canonical CSR matrix.
"""

from unittest import mock

import numpy as np
from scipy import sparse

from halfstep.kernels.device.options import optional
from halfstep.solvers.gpu.device import top_k
from halfstep.solvers.gpu.device.queries import rows_on_device
from halfstep.solvers.gpu.device.top_k import device_top_k

QUERIES, ITEMS = 40, 500


def normal(queries=QUERIES, items=ITEMS, f=33, seed=0):
    """Return normal factors."""
    rng = np.random.default_rng(seed)
    return [rng.standard_normal((rows, f), np.float32) for rows in (queries, items)]


def _scaled(low, high, seed, base=10.0):
    """Normal factors, rows of each side times powers of `base` between these."""
    rng = np.random.default_rng(seed)
    return [
        (part * base ** rng.uniform(low, high, (len(part), 1))).astype(np.float32)
        for part in normal(seed=seed)
    ]


def _whole():
    rng = np.random.default_rng(0)
    return [rng.integers(-2, 3, (rows, 7)).astype(np.float32) for rows in (QUERIES, ITEMS)]


def _with_zeros():
    X, Y = normal()
    X[::3], Y[:400:2] = 0, 0
    return X, Y


def _special():
    """Infinities, NaN and numbers near float32's ends, in rows of both sides."""
    X, Y = normal()
    values = (np.inf, -np.inf, np.nan, 3e38, -3e38, 1e-38, 1e-44, -0.0)
    for i, value in enumerate(values):
        X[i + 3, i] = Y[37 * i + 5, 2 * i] = Y[37 * i + 6, i] = value
        X[i + 20], Y[37 * i + 7] = value, value
    return X, Y


def _close():
    """Items that differ by the last digits of float32, which float16 has not."""
    X, Y = normal()
    rng = np.random.default_rng(1)
    return X, (Y[:1] * (1 + rng.integers(-4, 5, Y.shape) * 2.0**-23)).astype(np.float32)


def _rising():
    """Each item is better than those before it."""
    X, Y = normal()
    return np.abs(X), np.abs(Y[:1]) * np.linspace(0.1, 1, ITEMS, dtype=np.float32)[:, None]


def _falling():
    """Every score is negative, and so is every threshold."""
    X, Y = _rising()
    return X, -Y


def _lost(queries):
    """Numbers of one side lose half a digit of float16, all downwards; the last items are best."""
    ones = np.ones((70, 16), np.float32)
    for i in range(6):
        ones[64 + i, i] += np.float32(2.0 ** (-10 if queries else -19) * (i + 1))
    low = np.float32(1 + 2.0**-11 - 2.0**-20)
    X = np.full((3, 16), low if queries else 1, np.float32)
    return X, ones if queries else ones + (low - 1)


def _overflowing():
    """Of two items beyond what float16 takes, the second is better, where the threshold is infinite."""
    X, Y = normal(3, 70, 16)
    Y[3], Y[67] = 1e38, 2e38
    return np.abs(X) * np.float32(1e-6), Y


def _liked(density):
    rng = np.random.default_rng(2)
    liked = rng.random((QUERIES, ITEMS)) < density
    liked[4], liked[5, 9:] = True, True  # a query that nothing is left for, and one with nine
    return sparse.csr_matrix(liked.astype(np.float32))


def _of_scale(kind):
    rng = np.random.default_rng(3)
    scale = {
        "reciprocals": 1 / np.linalg.norm(normal()[1], axis=1),
        "signs": rng.choice([-1.5, 0, 0.5, 2], ITEMS),
        "wild": rng.choice([1e-30, 1e-6, 1, 1e5, 1e10, 1e30, np.inf, np.nan], ITEMS),
    }[kind]
    return scale.astype(np.float32)


CASES = {
    "normal": lambda: (*normal(), 10, {}),
    "one factor": lambda: (*normal(f=1), 10, {}),
    "no empty column": lambda: (*normal(f=12), 10, {}),
    "whole slices": lambda: (*normal(f=128), 10, {}),
    "wide": lambda: (*normal(8, 300, 500), 10, {}),
    "heavy tails": lambda: (*_scaled(-2, 2, 1), 10, {}),
    "twelve decades": lambda: (*_scaled(-6, 6, 2), 10, {}),
    "forty decades": lambda: (*_scaled(-20, 20, 3), 10, {}),
    "tiny": lambda: (*_scaled(-20, -19, 4), 10, {}),
    "at the limits": lambda: (*_scaled(-36, 36, 5, base=2.0), 10, {}),
    "ties": lambda: (*_whole(), 10, {}),
    "all equal": lambda: (*(np.full((rows, 9), 0.3, np.float32) for rows in (QUERIES, ITEMS)), 10, {}),
    "zero rows": lambda: (*_with_zeros(), 10, {}),
    "all zero": lambda: (*(np.zeros((rows, 9), np.float32) for rows in (QUERIES, ITEMS)), 10, {}),
    "special": lambda: (*_special(), 40, {}),
    "close": lambda: (*_close(), 10, {}),
    "overflowing": lambda: (*_overflowing(), 1, {}),
    "queries lose": lambda: (*_lost(True), 1, {}),
    "items lose": lambda: (*_lost(False), 1, {}),
    "rising": lambda: (*_rising(), 10, {}),
    "falling": lambda: (*_falling(), 10, {}),
    "one": lambda: (*normal(), 1, {}),
    "a list of several pieces": lambda: (*normal(), 100, {}),
    "the longest list": lambda: (*normal(9, 1100, 5), 896, {}),
    "fewer items than the list": lambda: (*normal(items=9), 33, {}),
    "one item": lambda: (*normal(1, 1, 3), 3, {}),
    "a whole tile": lambda: (*normal(items=64), 10, {}),
    "liked": lambda: (*normal(), 10, {"liked": _liked(0.1)}),
    "most liked": lambda: (*_whole(), 40, {"liked": _liked(0.9)}),
    "allowed": lambda: (*normal(), 10, {"allowed": (np.arange(ITEMS) % 3 > 0).astype(np.uint8)}),
    "rows": lambda: (*normal(), 10, {"rows": np.array([7, 0, 19, 7, 39] * 9, np.int32)}),
    **{
        f"scale: {kind}": lambda kind=kind: (*normal(), 10, {"scale": _of_scale(kind)})
        for kind in ("reciprocals", "signs", "wild")
    },
    "all at once": lambda: (
        *_scaled(-2, 2, 1), 33, {
            "liked": _liked(0.3), "scale": _of_scale("signs"),
            "rows": np.arange(QUERIES, dtype=np.int32)[::-1].copy(),
            "allowed": (np.arange(ITEMS) % 5 > 0).astype(np.uint8),
        },
    ),
}  # fmt: skip


def best(backend, X, Y, k, more, coarse):
    """Return ids and the bits of scores, by the coarse way or not."""
    there = {
        name: rows_on_device(backend, value) if name == "liked" else backend.to_device(value)
        for name, value in more.items()
    }
    with optional(*["coarse-top-k"] * coarse):
        found = device_top_k(backend, backend.to_device(X), backend.to_device(Y), k, **there)
    ids, scores = map(backend.to_host, found)
    return ids, scores.view(np.uint32)


def compare(backend, X, Y, k, more):
    """Raise AssertionError unless both ways give the same lists, scores and ties."""
    expected, got = (best(backend, X, Y, k, more, coarse) for coarse in (False, True))
    np.testing.assert_array_equal(got[0], expected[0])
    np.testing.assert_array_equal(got[1], expected[1])


def few_are_scored(backend):
    """Raise AssertionError if an item that cannot enter is scored all the same.

    Items that are short in their copies are long in what an exact score would read.
    """
    X, Y = normal()
    Y[128:] *= np.float32(1e-3)
    false = Y.copy()
    false[192:] *= np.float32(1e6)
    made = top_k._halves

    def of_the_true(backend, X, _, *rest):
        return made(backend, X, backend.to_device(Y), *rest)

    expected = best(backend, X, Y, 5, {}, coarse=True)
    with mock.patch.object(top_k, "_halves", of_the_true):
        got = best(backend, X, false, 5, {}, coarse=True)
    np.testing.assert_array_equal(got[0], expected[0])
    np.testing.assert_array_equal(got[1], expected[1])
    assert not np.array_equal(best(backend, X, false, 5, {}, coarse=True)[0], expected[0])
