"""Several threads at once: the same answers, and BLAS limits that end with the call."""

import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from cases.solvers import awkward, suited
from scipy import sparse
from threadpoolctl import threadpool_info, threadpool_limits

from halfstep import SOLVERS
from halfstep.blas import blas_threads

pytestmark = pytest.mark.usefixtures("by_blocks")


def limits():
    return [pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"]


@pytest.fixture
def three():
    """BLAS with three threads, a number that nothing here sets."""
    with threadpool_limits(3, "blas"):
        yield limits()


def test_many_threads_ask_one_model_and_get_what_one_gets(any_solver):
    matrix = awkward(120, 300, negative=False)
    model = suited(any_solver, factors=8, iterations=2, random_state=0)
    model.fit(matrix, show_progress=False)
    transposed = matrix.T.tocsr()
    everybody = np.tile(np.arange(120), 10)
    calls = (
        lambda: model.recommend(9, matrix[9], N=7),
        lambda: model.recommend(everybody, matrix[everybody], N=7),
        lambda: model.recommend([3, 4], matrix[[3, 4]], N=7, recalculate_user=True),
        lambda: model.recommend(9, matrix[9], N=7, filter_items=[1, 5, 7]),
        lambda: model.similar_items(np.arange(300), N=4),
        lambda: model.similar_users(9, N=4),
        lambda: (model.recalculate_item([4, 5], transposed[[4, 5]]),),
        lambda: model.explain(9, matrix, 4)[:1],
        lambda: (model.recalculate_user(everybody[:300], matrix[everybody[:300]]),),
    )
    expected = [call() for call in calls]
    together = threading.Barrier(8)

    def work(first):
        model._forget_derived() if first == 0 else None
        together.wait()
        return [(k % 9, calls[k % 9]()) for k in range(first, first + 18)]

    with ThreadPoolExecutor(8) as pool:
        for answers in pool.map(work, range(8)):
            for call, answer in answers:
                for mine, alone in zip(answer, expected[call], strict=True):
                    np.testing.assert_allclose(mine, alone, rtol=1e-4, atol=1e-6)


def test_two_fits_at_once_are_two_fits(rung):
    matrix = awkward(30, 40)

    def fitted(seed):
        model = rung(factors=4, iterations=3, random_state=seed)
        return model.fit(matrix, show_progress=False).item_factors

    alone = [fitted(seed) for seed in range(4)]
    with ThreadPoolExecutor(4) as pool:
        for mine, expected in zip(pool.map(fitted, range(4)), alone, strict=True):
            assert np.array_equal(mine, expected)


def test_limits_last_as_long_as_the_call(any_solver, positive, three):
    model = suited(any_solver, factors=3, iterations=2, random_state=0).set_params(num_threads=1)
    model.fit(positive, show_progress=False)
    assert limits() == three
    model.recommend(np.arange(43), positive)
    model.recalculate_user(9, positive[9])
    assert limits() == three

    def fail(*arguments):
        assert max(limits()) == 1
        raise KeyError

    if any_solver.kind != "baseline":
        with pytest.raises(KeyError):
            model.fit(positive, show_progress=False, callback=fail)
    assert limits() == three


def test_overlapping_limits_give_back_what_there_was(three):
    first, second = blas_threads(1), blas_threads(2)
    first.__enter__()
    second.__enter__()
    assert set(limits()) == {1}
    first.__exit__(None, None, None)
    assert set(limits()) == {2}
    second.__exit__(None, None, None)
    assert limits() == three
    with blas_threads(None), blas_threads(100):
        assert limits() == three


def test_a_model_is_asked_while_another_is_fitted():
    matrix = awkward(60, 90, negative=False)
    model = SOLVERS["eigenbasis"](factors=5, iterations=3, random_state=0)
    model.fit(matrix, show_progress=False)
    expected = model.recommend(np.arange(60), matrix, N=5)[0]
    other = SOLVERS["eigenbasis"](factors=5, iterations=30, random_state=1)
    with ThreadPoolExecutor(1) as pool:
        fit = pool.submit(other.fit, sparse.csr_array(matrix), False)
        while not fit.done():
            assert np.array_equal(model.recommend(np.arange(60), matrix, N=5)[0], expected)
        assert fit.result() is other
