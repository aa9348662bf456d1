"""The metrics of full ranking, against scikit-learn and a slow dense oracle; and every argument."""

import os
import subprocess
import sys
import threading
import tracemalloc
from fractions import Fraction
from math import comb, fsum

import numpy as np
import pytest
from scipy import sparse
from sklearn.metrics import average_precision_score, ndcg_score, roc_auc_score

from halfstep.errors import InputError
from halfstep.evaluation.metrics.held_out import evaluate
from halfstep.kernels.cpu import threads as cpu_workers


def dense_oracle(scores, train, test, ks):
    """Each metric by its definition, in float64, one user at a time, every pair of the AUC by itself.

    Equal scores in expectation: a place of a block of m items, h of them held out, is a hit with chance
    h / m, and two places are with chance h (h - 1) / (m (m - 1)).
    """
    found = {}
    for u in np.flatnonzero(test.any(axis=1)):
        free = np.flatnonzero(~train[u])
        n = int(test[u].sum())
        for k in ks:
            chance, running, none, before = [], [], Fraction(1), 0.0
            for value in np.unique(scores[u, free])[::-1]:
                block = test[u, free][scores[u, free] == value]
                m, h = len(block), int(block.sum())
                t = min(m, max(0, k - len(chance)))
                none *= Fraction(comb(m - h, t), comb(m, t))
                for place in range(t):
                    chance.append(h / m)
                    both = h * (h - 1) / (m * (m - 1)) if m > 1 else 0.0
                    running.append(h / m * (1 + before) + place * both)
                before += h
            best = min(k, n)
            ideal = fsum(1 / np.log2(r + 1) for r in range(1, best + 1))
            for name, value in {
                "precision": fsum(chance) / k,
                "recall": fsum(chance) / n,
                "recall_capped": fsum(chance) / best,
                "ndcg": fsum(p / np.log2(r + 2) for r, p in enumerate(chance)) / ideal,
                "map": fsum(p / (r + 1) for r, p in enumerate(running)) / best,
                "hit_rate": float(1 - none),
            }.items():
                found.setdefault(f"{name}@{k}", []).append(value)
        positive = scores[u, test[u]][:, None]
        negative = scores[u, ~train[u] & ~test[u]]
        right = (positive > negative) + 0.5 * (positive == negative)
        found.setdefault("auc", []).append(right.mean() if right.size else 0.5)
    return {name: np.array(values) for name, values in found.items()}


def random_case(users, items, f, dtype, seed, *, held_out=0.1, ties=True):
    """Draw factors and a disjoint train and test; small integers as factors make many scores equal."""
    rng = np.random.default_rng(seed)
    X, Y = rng.standard_normal((users, f)), rng.standard_normal((items, f))
    if ties:
        X, Y = np.round(X), np.round(Y)
    draw = rng.random((users, items))
    test = draw < held_out
    train = (draw >= held_out) & (draw < held_out + 0.2)
    train[0], test[0] = False, False  # nothing at all
    test[1] = False  # nothing held out
    train[2], test[2] = True, False  # everything seen
    train[3], test[3] = ~test[3], test[3]  # no negatives
    test[3, 1], train[3, 1] = True, False
    train[4], test[4] = False, draw[4] < 0.9  # nearly everything held out
    return X.astype(dtype), Y.astype(dtype), train, test


def as_sparse(*dense):
    return tuple(sparse.csr_matrix(M.astype(np.float32)) for M in dense)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(
    ("users", "items", "f", "held_out"),
    [(41, 67, 7, 0.1), (19, 301, 3, 0.3), (23, 2503, 33, 0.005), (9, 5003, 5, 0.2)],
)
def test_agrees_with_the_dense_oracle_where_scores_are_exact(dtype, users, items, f, held_out):
    X, Y, train, test = random_case(users, items, f, dtype, users, held_out=held_out)
    result = evaluate(X, Y, *as_sparse(train, test), ks=(1, 3, 20, 5100))
    expected = dense_oracle(X.astype(np.float64) @ Y.T, train, test, (1, 3, 20, 5100))
    np.testing.assert_array_equal(result.without_history.users, [4])
    users = np.append(result.users, 4)
    np.testing.assert_array_equal(np.sort(users), np.flatnonzero(test.any(axis=1)))
    assert result.per_user.keys() == expected.keys()
    for name, values in expected.items():
        got = np.append(result.per_user[name], result.without_history.per_user[name])
        np.testing.assert_allclose(
            got[np.argsort(users)], values, rtol=64 * np.finfo(float).eps, err_msg=name
        )
        assert result.per_user[name].dtype == np.float64


def test_coverage_is_the_share_of_items_in_some_list():
    X, Y, train, test = random_case(41, 467, 7, np.float64, 5)
    scores = np.where(train, -np.inf, X @ Y.T)
    result = evaluate(X, Y, *as_sparse(train, test), ks=(2, 9))
    for k in (2, 9):
        lists = [np.lexsort((np.arange(467), -scores[u]))[:k] for u in result.users]
        listed = {
            i for u, top in zip(result.users, lists, strict=True) for i in top[~train[u, top]]
        }
        assert result.coverage[k] == len(listed) / 467


@pytest.mark.parametrize("ties", [False, True])
def test_agrees_with_scikit_learn(ties):
    X, Y, train, test = random_case(37, 211, 7, np.float64, 8, ties=ties)
    able = test.any(axis=1) & train.any(axis=1) & (~train & ~test).any(axis=1)
    keep = np.flatnonzero(able).tolist()
    result = evaluate(X, Y, *as_sparse(train, test), ks=(10, 211), users=keep)
    for row, u in enumerate(keep):
        free = ~train[u]
        truth, scores = test[u, free], X[u] @ Y[free].T
        mine = {name: values[row] for name, values in result.per_user.items()}
        assert mine["auc"] == pytest.approx(roc_auc_score(truth, scores), rel=1e-12)
        if not ties:
            assert mine["map@211"] == pytest.approx(
                average_precision_score(truth, scores), rel=1e-12
            )
            for k in (10, 211):
                expected = ndcg_score(truth[None], scores[None], k=k)
                assert mine[f"ndcg@{k}"] == pytest.approx(expected, rel=1e-12)


def test_users_chooses_rows_and_their_order():
    X, Y, train, test = random_case(41, 67, 7, np.float64, 1)
    everyone = evaluate(X, Y, *as_sparse(train, test))
    some = evaluate(X, Y, *as_sparse(train, test), users=[30, 0, 12, 3])
    np.testing.assert_array_equal(some.users, [30, 12, 3])
    for name, values in some.per_user.items():
        expected = everyone.per_user[name][np.searchsorted(everyone.users, [30, 12, 3])]
        np.testing.assert_array_equal(values, expected)


def test_auc_can_be_left_out():
    X, Y, train, test = random_case(41, 67, 7, np.float64, 1)
    full = evaluate(X, Y, *as_sparse(train, test), ks=(3,))
    short = evaluate(X, Y, *as_sparse(train, test), ks=(3,), auc=False)
    assert full.per_user.keys() - short.per_user.keys() == {"auc"}


@pytest.mark.parametrize("kind", ["csc_matrix", "coo_array", "csr_array", "int64"])
def test_every_sparse_form_gives_the_same_metrics_and_is_left_alone(kind):
    X, Y, train, test = random_case(41, 67, 7, np.float32, 1)
    given = list(as_sparse(train, test))
    expected = evaluate(X, Y, *given).means()
    for place, matrix in enumerate(given):
        if kind == "int64":
            matrix.indices = matrix.indices.astype(np.int64)
            matrix.indptr = matrix.indptr.astype(np.int64)
        else:
            given[place] = getattr(sparse, kind)(matrix)
    before = X.copy(), Y.copy()
    assert evaluate(np.asfortranarray(X), Y, *given).means() == expected
    for matrix, dense in zip(given, (train, test), strict=True):
        np.testing.assert_array_equal(matrix.toarray(), dense)
    np.testing.assert_array_equal(X, before[0])
    np.testing.assert_array_equal(Y, before[1])


def test_block_bytes_bounds_the_memory_and_changes_no_result():
    rng = np.random.default_rng(2)
    # Large, beside what threads of other tests' clusters allocate meanwhile.
    X, Y = (rng.standard_normal((n, 331), dtype=np.float32) for n in (301, 5003))
    given = [sparse.random(301, 5003, 0.001, random_state=seed, format="csr") for seed in (1, 2)]
    given[1] -= given[1].multiply(given[0] > 0)
    given[1].eliminate_zeros()
    evaluate(X, Y, *given)
    results, peaks = [], []
    for block_bytes in (1, 3_000_000, 10**9):
        tracemalloc.start()
        # One thread: a second one may find no work, and then its scratch is not in the peak.
        results.append(evaluate(X, Y, *given, block_bytes=block_bytes, num_threads=1).means())
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert results[0] == results[1] == results[2]
    # Everything else is the same, so the difference is that of the packed catalogue's pieces.
    assert peaks[1] - peaks[0] == pytest.approx(3_000_000, rel=0.25)
    assert peaks[2] - peaks[1] == pytest.approx(Y.nbytes - 3_000_000, rel=0.25)


def test_num_threads_is_the_number_of_threads_at_work(monkeypatch):
    X, Y, train, test = random_case(301, 67, 7, np.float32, 2)
    pool, at_once = cpu_workers._pool(), []

    class Counting:
        def submit(self, work, worker):
            at_once.append(1 + worker)  # the caller's thread works as well
            return pool.submit(work, worker)

    monkeypatch.setattr(cpu_workers, "_pool", Counting)
    results = [evaluate(X, Y, *as_sparse(train, test), num_threads=n).means() for n in (1, 3)]
    assert results[0] == results[1]
    assert set(at_once) == {2, 3}


def test_several_evaluations_at_once():
    X, Y, train, test = random_case(301, 167, 7, np.float32, 2)
    given = as_sparse(train, test)
    expected, results = evaluate(X, Y, *given).means(), []
    threads = [
        threading.Thread(target=lambda: results.append(evaluate(X, Y, *given).means()))
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [expected] * 4


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("side", [0, 1])
def test_factor_that_is_not_finite_fails(bad, side):
    X, Y, train, test = random_case(41, 67, 7, np.float32, 1)
    (X, Y)[side][13, 2] = bad
    with pytest.raises(InputError, match=r"^(user|item)_factors must be finite, row 13 is not$"):
        evaluate(X, Y, *as_sparse(train, test))


@pytest.mark.parametrize("second", [2e38, -2e38], ids=["infinite", "nan"])
def test_score_that_overflows_fails(second):
    X, Y, train, test = random_case(41, 67, 7, np.float32, 1)
    X[:, :2] = Y[:, :2] = 0
    X[30, :2], Y[5, :2] = 2e38, (2e38, second)
    match = r"^scores must be finite, got (inf|nan) for user 30 and item 5$"
    with pytest.raises(InputError, match=match):
        evaluate(X, Y, *as_sparse(train, test))


def test_score_that_overflows_ends_the_work_of_every_block():
    """In a process of its own: what could go wrong is that a thread waits for ever."""
    program = """
import numpy as np
from scipy import sparse
from halfstep.evaluation.metrics.held_out import evaluate
X, Y = np.full((2000, 4), 1e20, np.float32), np.full((50, 4), 1e20, np.float32)
train = sparse.csr_matrix((np.ones(2000), (np.arange(2000), np.zeros(2000, int))), shape=(2000, 50))
test = sparse.csr_matrix((np.ones(2000), (np.arange(2000), np.ones(2000, int))), shape=(2000, 50))
try:
    evaluate(X, Y, train, test, num_threads=1)
except ValueError as error:
    print(error)
"""
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}
    ran = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, env=env
    )
    assert ran.stdout.startswith("scores must be finite, got inf"), ran.stderr


def test_long_factors_at_right_angles_pass():
    X, Y, train, test = random_case(41, 67, 7, np.float32, 1)
    X[:, :2] = Y[:, :2] = 0
    expected = evaluate(X, Y, *as_sparse(train, test)).means()
    X[30, 0], Y[5, 1] = 2e38, 2e38
    assert evaluate(X, Y, *as_sparse(train, test)).means() == expected


def test_bad_arguments_are_named():
    X, Y, train, test = random_case(41, 67, 7, np.float32, 1)
    A, B = as_sparse(train, test)
    train[30, 3] = test[30, 3] = True
    overlapping = as_sparse(train, test)
    for message, call in {
        "user_factors must be a matrix": lambda: evaluate(X[0], Y, A, B),
        "item_factors must be float32 or float64": lambda: evaluate(X, Y.astype(int), A, B),
        "user_factors and item_factors must have as many columns": lambda: evaluate(
            X, Y[:, :3], A, B
        ),
        "train must have the factors' shape": lambda: evaluate(X, Y, A[:, :3], B),
        "test must have the factors' shape": lambda: evaluate(X, Y, A, B[:40]),
        "train must be a SciPy sparse": lambda: evaluate(X, Y, train, B),
        "ks must be an integer": lambda: evaluate(X, Y, A, B, ks=(0,)),
        "ks must be a sequence": lambda: evaluate(X, Y, A, B, ks=10),
        "ks must hold at least one": lambda: evaluate(X, Y, A, B, ks=()),
        "ks must hold .* none twice": lambda: evaluate(X, Y, A, B, ks=(3, 3)),
        "users must lie in": lambda: evaluate(X, Y, A, B, users=[41]),
        "users must be an integer array": lambda: evaluate(X, Y, A, B, users=[0.5]),
        "users must not repeat": lambda: evaluate(X, Y, A, B, users=[4, 4]),
        "test must hold out an item": lambda: evaluate(X, Y, A, B, users=[0]),
        "block_bytes must be": lambda: evaluate(X, Y, A, B, block_bytes=0),
        "num_threads must be": lambda: evaluate(X, Y, A, B, num_threads=-1),
        "test must share no entry with train": lambda: evaluate(X, Y, *overlapping),
    }.items():
        with pytest.raises(InputError, match=f"^{message}.* got ") as raised:
            call()
        assert "\n" not in str(raised.value)
