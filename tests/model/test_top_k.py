"""The one-pass ranking against sorting every score; factors are whole numbers, so that ties abound."""

import numpy as np
import pytest
from scipy import sparse

from halfstep.kernels.cpu import ranking, ranking_scores
from halfstep.kernels.cpu.ranking import Lists, no_lists, rank
from halfstep.kernels.cpu.ranking_sort import best_of
from halfstep.solvers.model import top_k as topk
from halfstep.solvers.model.top_k import are_few, top_k


def case(m, n, f, dtype, seed=0):
    rng = np.random.default_rng(seed)
    X, Y = (rng.integers(-3, 4, (rows, f)).astype(dtype) for rows in (m, n))
    stored = rng.random((m, n)) < 0.02
    stored[m // 2] = True  # somebody has everything
    stored[1] = False
    return X, Y, sparse.csr_matrix(stored.astype(dtype))


def sorted_scores(scores, k, allowed):
    """Return ids and scores of the k best, ties by index, -1 and -inf where none is left."""
    scores = np.where(allowed, scores, -np.inf)
    order = np.lexsort((np.broadcast_to(np.arange(scores.shape[1]), scores.shape), -scores))[:, :k]
    values = np.take_along_axis(scores, order, axis=1)
    return np.where(np.isneginf(values), -1, order), values


@pytest.fixture(params=["compiled", "compiled selection", "numpy"])
def path(request, monkeypatch):
    monkeypatch.setattr(topk, "_FEW_QUERIES", 0 if request.param == "compiled" else 10**9)
    monkeypatch.setattr(topk, "_FEW_SCORES", 10**9 if request.param == "numpy" else 0)


@pytest.mark.parametrize(("f", "dtype"), [(1, np.float32), (7, np.float32), (33, np.float64)])
@pytest.mark.parametrize("filtered", ["", "among", "without", "nearly all", "both"])
def test_agrees_with_a_sort(path, f, dtype, filtered):
    X, Y, excluded = case(70, 4133, f, dtype)
    rng = np.random.default_rng(1)
    allowed = excluded.toarray() == 0
    among = without = None
    if filtered in ("among", "both"):
        among = np.unique(rng.integers(4133, size=900))
        allowed[:, np.setdiff1d(np.arange(4133), among)] = False
    if filtered in ("without", "both", "nearly all"):
        without = np.unique(rng.integers(4133, size=300 if filtered != "nearly all" else 9000))
        allowed[:, without] = False
    scale = 2.0 ** rng.integers(-2, 3, 4133).astype(dtype)
    ids, scores = top_k(X, Y, 9, scale=scale, excluded=excluded, among=among, without=without)
    expected = sorted_scores((X @ Y.T) * scale, 9, allowed)
    np.testing.assert_array_equal(ids, expected[0])
    np.testing.assert_array_equal(scores, expected[1])
    assert (ids.dtype, scores.dtype) == (np.int32, dtype)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("k", [200, 1500, 4000, 4133, 9000])
@pytest.mark.parametrize("slab_bytes", [0, 30_000])
def test_long_lists_are_the_sorted_ones(path, dtype, k, slab_bytes, monkeypatch):
    if slab_bytes:
        monkeypatch.setitem(rank.__kwdefaults__, "slab_bytes", slab_bytes)
    X, Y, excluded = case(41, 4133, 7, dtype)
    Y[5] = 0  # a score of minus zero is a tie with zero
    without = np.arange(0, 4133, 7)
    allowed = excluded.toarray() == 0
    allowed[:, without] = False
    ids, scores = top_k(X, Y, k, excluded=excluded, without=without)
    assert ids.shape[1] == min(k, 4133 - len(without))
    expected = sorted_scores(X @ Y.T, ids.shape[1], allowed)
    np.testing.assert_array_equal(ids, expected[0])
    np.testing.assert_array_equal(scores, expected[1])


@pytest.mark.parametrize("k", [1, 9, 150, 399, 1500, 2000, 3000])
@pytest.mark.parametrize("values", ["few", "many", "one"])
def test_the_best_of_a_row_are_those_of_a_stable_sort(k, values):
    rng = np.random.default_rng(k)
    row = {
        "few": rng.integers(-30, 30, 2000).astype(np.float32),
        "many": rng.standard_normal(2000),
        "one": np.full(2000, -0.0),
    }[values]
    row[rng.random(2000) < 0.1] *= 0
    row[rng.random(2000) < 0.2] = -np.inf
    row[rng.random(2000) < 0.1] = np.nan
    there = np.flatnonzero(row > -np.inf)
    expected = there[np.argsort(-row[there], kind="stable")][:k]
    places, best = best_of(row, k)
    np.testing.assert_array_equal(places, expected)
    np.testing.assert_array_equal(best, row[expected])


@pytest.mark.parametrize("filtered", ["", "among", "without", "nearly all", "both"])
@pytest.mark.parametrize("k", [0, 9, 900])
def test_one_query_is_its_row_of_many(filtered, k):
    X, Y, excluded = case(40, 1700, 7, np.float32)
    rng = np.random.default_rng(1)
    among = without = None
    if filtered in ("among", "both"):
        among = np.unique(rng.integers(1700, size=600))
    if filtered in ("without", "both", "nearly all"):
        without = np.unique(rng.integers(1700, size=300 if filtered != "nearly all" else 4000))
    filters = {"scale": 2.0 ** rng.integers(-2, 3, 1700), "among": among, "without": without}
    ids, scores = top_k(X, Y, k, excluded=excluded, **filters)
    for u in (0, 1, 20, 39):  # 1 has nothing, 20 has everything
        row = excluded[[u]]
        # Arrays with room at their end, as SciPy's matrices may have.
        row.indices, row.data = np.append(row.indices, [3, 4]), np.append(row.data, [1, 1])
        one = top_k(X[[u]], Y, k, excluded=row, **filters)
        np.testing.assert_array_equal(one[0][0], ids[u])
        np.testing.assert_array_equal(one[1][0], scores[u])


@pytest.mark.parametrize("part", [slice(0, 1), slice(3, 12), slice(100, 190)])
def test_a_part_of_many_queries_has_the_bits_of_the_whole(part):
    X, Y, excluded = case(400, 1700, 33, np.float32)
    assert are_few(len(X[part]), 1700)
    assert not are_few(400, 1700)
    ids, scores = top_k(X, Y, 9, excluded=excluded)
    found = top_k(X[part], Y, 9, excluded=excluded[part], few=False)
    np.testing.assert_array_equal(found[0], ids[part])
    np.testing.assert_array_equal(found[1], scores[part])


def test_a_heap_and_a_sort_find_the_same(monkeypatch):
    X, Y = (
        np.random.default_rng(s).standard_normal((n, 33), np.float32)
        for s, n in ((0, 70), (1, 3001))
    )
    found = []
    for long in (False, True):
        monkeypatch.setattr(ranking, "is_long", lambda k, n, long=long: long)
        found.append(rank(X, Y, np.arange(70)[::-1].copy(), 400, excluded=no_lists(70)))
    for mine, other in zip(*found, strict=True):
        np.testing.assert_array_equal(mine, other)


def test_int64_ids_and_no_candidates(path):
    X, Y, excluded = case(70, 133, 7, np.float32)
    expected = top_k(X, Y, 5, excluded=excluded)
    excluded.indices = excluded.indices.astype(np.int64)
    excluded.indptr = excluded.indptr.astype(np.int64)
    for got, wanted in zip(top_k(X, Y, 5, excluded=excluded), expected, strict=True):
        np.testing.assert_array_equal(got, wanted)
    assert top_k(X, Y, 5, among=np.empty(0, np.int64))[0].shape == (70, 0)
    assert top_k(X, Y, 0)[0].shape == (70, 0)
    assert top_k(X, Y, 200)[0].shape == (70, 133)


@pytest.mark.parametrize("slab_bytes", [1, 100_000])
@pytest.mark.parametrize("threads", [1, 3])
def test_slabs_and_threads_change_nothing(slab_bytes, threads):
    X, Y, excluded = case(200, 9001, 7, np.float32)
    X += 0.1 * np.random.default_rng(2).standard_normal(X.shape, np.float32)
    queries = np.arange(200)[::-1].copy()
    lists = Lists(excluded.indptr.astype(np.int64), excluded.indices)
    held = sparse.random(200, 9001, 0.003, format="csr", random_state=3)
    held.sort_indices()
    held_out = Lists(held.indptr.astype(np.int64), held.indices)
    options = {"excluded": lists, "lists": queries, "held_out": held_out}
    expected = rank(X, Y, queries, 12, **options)
    got = rank(X, Y, queries, 12, **options, slab_bytes=slab_bytes, num_threads=threads)
    for mine, other in zip(got, expected, strict=True):
        np.testing.assert_array_equal(mine, other)


def test_pairs_are_counted_against_every_other_item_ties_included():
    X, Y, _ = case(40, 5000, 3, np.float32)
    held = sparse.random(40, 5000, 0.02, format="csr", random_state=3)
    held.sort_indices()
    rows = np.arange(40)
    _, _, pairs = rank(
        X, Y, rows, 1, excluded=no_lists(40), lists=rows,
        held_out=Lists(held.indptr.astype(np.int64), held.indices),
    )  # fmt: skip
    scores = X @ Y.T
    for u in range(40):
        p = scores[u, held[u].indices][:, None]
        assert pairs[u] == (p < scores[u]).sum() + (p <= scores[u]).sum()


def test_equal_factors_tie_exactly():
    rng = np.random.default_rng(5)
    X, Y = (rng.standard_normal((n, 64), dtype=np.float32) for n in (64, 5000))
    Y[4321] = Y[17]
    ids, scores = rank(X, Y, np.arange(64), 5000, excluded=no_lists(64))[:2]
    for u in range(64):
        first = int(np.flatnonzero(ids[u] == 17)[0])
        assert ids[u, first + 1] == 4321
        assert scores[u, first] == scores[u, first + 1]


def test_read_only_factors_compile_no_other_loops(tmp_path):
    X, Y, excluded = case(70, 4133, 7, np.float32)
    expected = top_k(X, Y, 9, excluded=excluded), top_k(X, Y, 900, excluded=excluded)
    loops = ranking_scores.pack, ranking_scores.rank_block
    before = [len(loop.signatures) for loop in loops]
    for name, factors in (("X", X), ("Y", Y)):
        np.save(tmp_path / f"{name}.npy", factors)
    X, Y = (np.load(tmp_path / f"{name}.npy", mmap_mode="r") for name in "XY")
    got = top_k(X, Y, 9, excluded=excluded), top_k(X, Y, 900, excluded=excluded)
    np.testing.assert_array_equal(got[0], expected[0])
    np.testing.assert_array_equal(got[1], expected[1])
    assert [len(loop.signatures) for loop in loops] == before
    assert not isinstance(top_k(X[:1], Y, 9)[1], np.memmap)
