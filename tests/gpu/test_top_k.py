"""Top-k and ranking on the device, emulated or a card, against the CPU's own."""

import copy
import pickle
from types import SimpleNamespace

import numpy as np
import pytest
from cases.gpu import DEVICES, backend_of
from scipy import sparse

from halfstep import SOLVERS, InputError, SolverUnavailable
from halfstep.evaluation.metrics import ranking_gpu
from halfstep.evaluation.metrics.held_out import evaluate
from halfstep.evaluation.metrics.ranking import rank
from halfstep.evaluation.metrics.ranking_gpu import rank_on_device
from halfstep.evaluation.metrics.ties import expected_hits
from halfstep.kernels.cuda.backend import unavailable, using
from halfstep.solvers.gpu.device import queries
from halfstep.solvers.gpu.device.queries import rows_on_device
from halfstep.solvers.gpu.device.top_k import LONGEST_LIST, Rows, device_top_k
from halfstep.solvers.model.top_k import top_k


@pytest.fixture(params=["forward", "warp-random", DEVICES[-1]])
def backend(request):
    return backend_of(request.param, seed=3, multiprocessors=3)


def factors(rows, f, dtype, seed):
    """Small whole numbers: every sum is exact, and many scores are equal."""
    return np.random.default_rng(seed).integers(-3, 4, (rows, f)).astype(dtype)


def stored(rows, columns, density, seed):
    matrix = sparse.random(rows, columns, density, format="csr", random_state=seed)
    matrix.sort_indices()
    return matrix


@pytest.mark.parametrize(
    ("queries", "items", "f", "k", "dtype"),
    [(37, 700, 7, 10, np.float32), (5, 300, 33, 150, np.float64), (1, 1, 1, 3, np.float32)],
)
def test_top_k_is_the_cpu_s(backend, queries, items, f, k, dtype):
    X, Y = factors(queries, f, dtype, 0), factors(items, f, dtype, 1)
    scale = np.random.default_rng(2).integers(1, 4, items).astype(dtype)
    liked = stored(queries, items, 0.1, 3)
    ids, scores = device_top_k(
        backend, backend.to_device(X), backend.to_device(Y), k, scale=backend.to_device(scale),
        liked=Rows(
            backend.to_device(liked.indptr.astype(np.int64)),
            backend.to_device(liked.indices.astype(np.int32)),
        ),
    )  # fmt: skip
    expected_ids, expected = top_k(X, Y, k, scale=scale, excluded=liked)
    found = expected_ids.shape[1]  # the CPU's lists are no longer than the catalogue
    np.testing.assert_array_equal(backend.to_host(ids)[:, :found], expected_ids)
    np.testing.assert_array_equal(backend.to_host(scores)[:, :found], expected)
    assert (backend.to_host(ids)[:, found:] == -1).all()


def test_rows_and_allowed_choose_who_asks_and_what_is_offered(backend):
    X, Y = factors(20, 9, np.float32, 0), factors(260, 9, np.float32, 1)
    rows = np.array([7, 0, 19, 7], np.int32)
    allowed = (np.arange(260) % 3 > 0).astype(np.uint8)
    ids, _ = device_top_k(
        backend, backend.to_device(X), backend.to_device(Y), 12, rows=backend.to_device(rows),
        allowed=backend.to_device(allowed),
    )  # fmt: skip
    chosen = np.flatnonzero(allowed)
    expected, _ = top_k(X[rows], Y[chosen], 12)
    np.testing.assert_array_equal(backend.to_host(ids), chosen[expected])


def test_a_list_beyond_shared_memory_is_refused(backend):
    X = backend.to_device(factors(2, 3, np.float32, 0))
    with pytest.raises(ValueError, match=f"N must be at most {LONGEST_LIST} on a GPU, got 897"):
        device_top_k(backend, X, X, LONGEST_LIST + 1)
    ids, _ = device_top_k(backend, X, X, LONGEST_LIST)
    assert (np.sort(backend.to_host(ids)[:, :2]) == [0, 1]).all()


def test_a_card_of_less_shared_memory_takes_fewer_queries_a_block():
    backend = backend_of("forward", shared_limit=64 << 10)
    X, Y = (backend.to_device(factors(n, 5, np.float32, n)) for n in (40, 90))
    device_top_k(backend, X, Y, 10)
    assert [(one.grid, one.shared_mem) for one in backend.launches] == [((3,), 42496)]


@pytest.mark.parametrize(
    ("dtype", "longest"), [(np.float32, LONGEST_LIST), (np.float64, LONGEST_LIST), (np.float32, 11)]
)
def test_ranking_is_the_cpu_s(backend, dtype, longest, monkeypatch):
    X, Y = factors(40, 6, dtype, 0), factors(150, 6, dtype, 1)
    Y[:, 3:] = 0  # so that many lists end among equals
    train = stored(40, 150, 0.2, 2).toarray() != 0
    test = (stored(40, 150, 0.2, 3).toarray() != 0) & ~train
    train[3], test[3] = True, False
    train[3, :5], test[3, :5] = False, True  # nothing is left but what was held out
    train, test = (sparse.csr_matrix(part.astype(np.float32)) for part in (train, test))
    users = np.flatnonzero(np.diff(test.indptr) > 0)[::-1].copy()
    here = rank(X, Y, train, test, users, k=11, auc=True, block_bytes=1 << 20, num_threads=1)
    monkeypatch.setattr(ranking_gpu, "_BLOCK", 15)
    monkeypatch.setattr(ranking_gpu, "LONGEST_LIST", longest)
    there = rank_on_device(
        backend, backend.to_device(X), backend.to_device(Y), train, test, users, k=11
    )
    assert (here.ties.start + here.ties.size > 11).any()
    for expected, got in zip(*(expected_hits(r.hits, r.ties) for r in (here, there)), strict=True):
        np.testing.assert_array_equal(got, expected)
    np.testing.assert_array_equal(there.top, here.top)
    np.testing.assert_array_equal(there.hits, here.hits)
    np.testing.assert_allclose(there.areas, here.areas, rtol=1e-14)
    assert there.areas[users == 3] == 0.5


def test_rows_that_do_not_rise_are_refused_before_a_kernel_reads_them(backend):
    """SciPy's flags say what the arrays were when it last looked."""
    for ids, said in (
        ([0, 5, 3, 1], "a row's item ids must rise, without duplicates"),
        ([3, 3, 5, 1], "a row's item ids must rise, without duplicates"),
        ([0, 3, 9, 1], "item ids must be from 0 to 8, got others"),
    ):
        matrix = sparse.csr_matrix(([1.0] * 4, [0, 3, 5, 1], [0, 3, 4]), shape=(2, 9))
        assert matrix.has_canonical_format
        rows_on_device(backend, matrix)
        matrix.indices[:] = ids
        assert matrix.has_canonical_format
        with pytest.raises(InputError, match=said):
            rows_on_device(backend, matrix)
        X, Y = (backend.to_device(factors(n, 3, np.float32, n)) for n in (2, 9))
        with pytest.raises(InputError, match=said):
            rank_on_device(backend, X, Y, matrix, matrix, np.arange(2), k=3)


def test_a_gpu_model_answers_many_queries_on_the_device(backend):
    matrix = stored(70, 90, 0.2, 0)
    with using(backend):
        model = SOLVERS["gpu_cholesky"](factors=6, iterations=2, random_state=0)
        model.fit(matrix, show_progress=False)
        host = copy.copy(model)
        host._select = top_k
        users = np.arange(70)
        for ask in (
            lambda m: m.recommend(users, matrix, N=7),
            lambda m: m.recommend(users, matrix, N=100, items=[3, 5, 80, 81]),
            lambda m: m.recommend(users, None, N=7, filter_already_liked_items=False,
                                  filter_items=[0, 1, 2, 3]),
            lambda m: m.similar_items(np.arange(60), N=5),
            lambda m: m.similar_users(users, N=5),
        ):  # fmt: skip
            before = backend.launched("top_k")
            ids, scores = ask(model)
            assert backend.launched("top_k") == before + 1
            expected_ids, expected = ask(host)
            np.testing.assert_array_equal(ids, expected_ids)
            np.testing.assert_allclose(scores, expected, rtol=2e-5, atol=1e-6)
        before = len(backend.launches)
        model.recommend(3, matrix[3])
        assert len(backend.launches) == before  # a single query is the host's


@pytest.mark.parametrize("dtypes", [("float32", "float64"), ("float64", "float32")])
def test_factors_of_two_types_are_answered_for_in_the_items_type(backend, dtypes):
    """The kernel would read numbers of another width."""
    matrix = stored(40, 90, 0.2, 0)
    rng = np.random.default_rng(0)
    here, there = SOLVERS["cholesky"](factors=6), SOLVERS["gpu_cholesky"](factors=6)
    X, Y = (
        rng.normal(size=(n, 6)).astype(dtype) for n, dtype in zip((40, 90), dtypes, strict=True)
    )
    for model in (here, there):
        model.user_factors, model.item_factors = X, Y
    with using(backend):
        found = there.recommend(np.arange(40), matrix)
    expected = here.recommend(np.arange(40), matrix)
    np.testing.assert_array_equal(found[0], expected[0])
    np.testing.assert_allclose(found[1], expected[1], rtol=1e-5)
    assert found[1].dtype == expected[1].dtype == dtypes[1]
    assert backend.launched("top_k") == 1


def test_the_device_refuses_what_its_kernel_would_misread(backend):
    X, Y = (backend.to_device(factors(n, 6, np.float32, n)) for n in (4, 9))
    for other in (factors(9, 5, np.float32, 0), factors(9, 6, np.float64, 0)):
        with pytest.raises(ValueError, match="X and Y must be matrices of one width and type"):
            device_top_k(backend, X, backend.to_device(other), 2)
    with pytest.raises(ValueError, match="a number for each item"):
        device_top_k(backend, X, Y, 2, scale=backend.to_device(np.ones(8, np.float32)))
    assert not backend.launched("top_k")


CHANGES = {
    "scaled": lambda m: setattr(m, "item_factors", np.multiply(m.item_factors, 2, m.item_factors)),
    "a row, then assigned": lambda m: change_a_row(m),
    "other items": lambda m: setattr(m, "item_factors", m.item_factors[::-1]),
}


def change_a_row(model):
    model.item_factors[7] = 3
    model.item_factors = model.item_factors


@pytest.mark.parametrize("what", CHANGES)
def test_an_assignment_of_the_same_array_is_copied_to_the_device_again(backend, what):
    matrix, users = stored(40, 90, 0.2, 0), np.arange(40)
    here = SOLVERS["cholesky"](factors=4, iterations=1, random_state=0).fit(matrix, False)
    there = SOLVERS["gpu_cholesky"](factors=4)
    there.user_factors, there.item_factors = here.user_factors.copy(), here.item_factors.copy()
    asked = (
        lambda m: m.recommend(users, matrix, N=90),
        lambda m: m.similar_items(np.arange(50), N=5),
        lambda m: m.recommend(users, matrix, recalculate_user=True),
    )
    with using(backend):
        before = [ask(there)[1] for ask in asked]
        for model in (here, there):
            CHANGES[what](model)
        for ask, old in zip(asked, before, strict=True):
            found, expected = ask(there)[1], ask(here)[1]
            np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)
            cosines_stay = what == "scaled" and old.shape[1] == 5
            assert np.array_equal(found, old) == cosines_stay
        kept = map(backend.to_host, there.device_factors_)
        for array, side in zip(kept, (here.user_factors, here.item_factors), strict=True):
            np.testing.assert_array_equal(array, side)


def test_factors_on_a_card_are_made_contiguous(monkeypatch):
    kind = type("ndarray", (), {})
    kind.__module__ = "cupy"
    strided, contiguous = kind(), object()
    asked = []
    backend = SimpleNamespace(to_device=lambda array: asked.append(array) or contiguous)
    monkeypatch.setattr(queries, "current", lambda: backend)
    assert queries.Factors(strided).on_device() is contiguous
    assert asked == [strided]


def test_device_copies_follow_the_factors_and_are_not_pickled(backend):
    matrix = stored(70, 90, 0.2, 0)
    with using(backend):
        model = SOLVERS["gpu_cholesky"](factors=4, iterations=1, random_state=0)
        model.fit(matrix, show_progress=False)
        first, _ = model.recommend(np.arange(40), matrix[:40])
        again = pickle.loads(pickle.dumps(model))
        np.testing.assert_array_equal(again.recommend(np.arange(40), matrix[:40])[0], first)
        model.set_params(random_state=7).fit(matrix.multiply(matrix > 0.5).tocsr(), False)
        changed, _ = model.recommend(np.arange(40), matrix[:40])
        expected = top_k(model.user_factors[:40], model.item_factors, 10, excluded=matrix[:40])[0]
        np.testing.assert_array_equal(changed, expected)


def test_a_shape_that_is_set_in_place_is_copied_to_the_device_again(backend):
    X, Y = factors(40, 4, np.float32, 0), factors(90, 4, np.float32, 1)
    model = SOLVERS["gpu_cholesky"](factors=4)
    model.user_factors, model.item_factors = X, Y.copy()
    with using(backend):
        model.recommend(np.arange(40), None, filter_already_liked_items=False)
        model.item_factors.resize((50, 4), refcheck=False)
        ids, scores = model.recommend(np.arange(40), None, 7, filter_already_liked_items=False)
        assert backend.launched("top_k") == 2
        assert model.device_factors_[1].shape == (50, 4)
    expected = top_k(X, Y[:50], 7)
    np.testing.assert_array_equal(ids, expected[0])
    np.testing.assert_array_equal(scores, expected[1])


def test_evaluate_on_the_device(backend):
    rng = np.random.default_rng(0)
    X, Y = (rng.normal(size=(rows, 5)).astype(np.float32) for rows in (40, 60))
    train = stored(40, 60, 0.1, 1)
    test = stored(40, 60, 0.1, 2)
    test = test - test.multiply(train > 0)
    test.eliminate_zeros()
    here = evaluate(X, Y, train, test, ks=(3, 12))
    with using(backend):
        there = evaluate(X, Y, train, test, ks=(3, 12), device="gpu")
        with pytest.raises(ValueError, match="scores must be finite"):
            evaluate(X * 1e30, Y * 1e30, train, test, device="gpu")
    assert backend.launched("count_pairs") == 1
    assert there.means() == pytest.approx(here.means(), rel=1e-6)
    with pytest.raises(ValueError, match="device must be cpu or gpu, got 'tpu'"):
        evaluate(X, Y, train, test, device="tpu")
    if unavailable():
        with pytest.raises(SolverUnavailable, match="device 'gpu' cannot be used here"):
            evaluate(X, Y, train, test, device="gpu")
