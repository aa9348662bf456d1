"""Same seed and number of threads: same bits. Other numbers of threads: within a stated tolerance.

The compiled rungs add up in an order that does not depend on the threads: the same bits. Those whose
products are BLAS calls leave the order of sums to it; what differs there is rounding, which an
iteration can enlarge by the condition of its systems.
"""

import numpy as np
import pytest
from cases.solvers import awkward, suited
from faults.soak import few_or_many, tally, worst
from threadpoolctl import threadpool_limits

from halfstep import SOLVERS

# Largest difference of the predictions, of two fits with other numbers of threads, in eps of their size.
TOLERANCE = {"eigenbasis": 0, "subspace": 0, "naive": 0, "cholesky": 0, "conjugate_gradient": 2000}


def fit(solver, threads, rounds, **settings):
    users, items, factors = (143, 161, 12) if rounds == 1 else (900, 700, 64)
    # The session's limit of one BLAS thread is lifted: this is about more.
    with threadpool_limits(8, "blas"):
        model = suited(solver, factors=factors, iterations=2, random_state=3, **settings)
        model.set_params(num_threads=threads)
        return model.fit(awkward(users, items, seed=4, negative=False), show_progress=False)


@few_or_many(1, 10)
@pytest.mark.parametrize("threads", [1, 2])
def test_same_bits_with_the_same_threads(rung, threads, rounds):
    first, *others = (fit(rung, threads, rounds) for _ in range(rounds + 1))
    for other in others:
        assert np.array_equal(first.user_factors, other.user_factors)
        assert np.array_equal(first.item_factors, other.item_factors)
    tally("Numbers", f"{rung.name}: fits with the same {threads} threads", "same bits", rounds)


@few_or_many(1, 2)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_other_numbers_of_threads_stay_within_the_tolerance(rung, dtype, rounds):
    predictions = []
    for threads in (1, 2, 3):
        model = fit(rung, threads, rounds, dtype=dtype)
        predictions.append(model.user_factors.astype(np.float64) @ model.item_factors.T)
    size = np.abs(predictions[0]).max()
    apart = max(np.abs(p - predictions[0]).max() for p in predictions[1:]) / size
    limit = TOLERANCE.get(rung.name, 2000)
    eps = apart / np.finfo(dtype).eps
    what = (
        f"{rung.name}, {np.dtype(dtype).name}: 1, 2, 3 threads apart, in eps of the largest score"
    )
    worst("Numbers", what, round(float(eps), 1), limit)
    assert eps <= limit


def test_every_rung_has_a_tolerance_that_is_stated():
    cpu = {name for name, s in SOLVERS.items() if s.kind == "rung" and s.device == "cpu"}
    assert cpu - {"subspace"} <= set(TOLERANCE)
