"""A GPU model that is fitted again: what it keeps on the device, if the device fails, and in float32."""

import re
import warnings

import numpy as np
import pytest
from cases.gpu import device as on_device
from cases.solvers import GPU_RUNGS, awkward
from scipy import sparse

from halfstep import SOLVERS
from halfstep.errors import DeviceLost, DeviceOutOfMemory, FactorsDropped, NotFinite
from halfstep.solvers.model.origin import sides_of

RUNG = "gpu_cg_5_binned"


@pytest.fixture
def card():
    with on_device("forward") as backend:
        yield backend


def model(name=RUNG, **settings):
    return SOLVERS[name](**{"factors": 7, "iterations": 3, "random_state": 0, **settings})


def fit(model, matrix=None, **arguments):
    matrix = awkward(negative=False) if matrix is None else matrix
    return model.fit(matrix, show_progress=False, **arguments)


def at(iteration, do):
    def callback(now, seconds, loss):
        if now == iteration:
            do()

    return callback


def fail(error):
    def raising():
        raise error

    return raising


@pytest.mark.parametrize("iteration", [0, 2])
@pytest.mark.parametrize("error", [RuntimeError("of the caller"), DeviceOutOfMemory("full")])
def test_a_refit_that_fails_leaves_what_there_was(iteration, error, card):
    one = fit(model())
    old, seconds, reports = sides_of(one), one.seconds_, one.report_
    one.random_state = 4
    with pytest.raises(type(error)):
        fit(one, callback=at(iteration, fail(error)))
    assert all(now is then for now, then in zip(sides_of(one), old, strict=True))
    assert one.seconds_ is seconds
    assert one.report_ is reports
    assert fit(model()).item_factors.tolist() == one.item_factors.tolist()


@pytest.mark.parametrize("read", [False, True])
def test_of_a_lost_device_what_the_host_has_is_left(read, card):
    one = fit(model())
    old = (one.user_factors, one.item_factors) if read else None

    def lose():
        card.lost = DeviceLost("the CUDA device has failed (as asked)")

    with pytest.raises(DeviceLost):
        fit(one, callback=at(0, lose))
    card.lost = None
    assert (one.user_factors is None) == (not read)
    if read:
        assert one.user_factors is old[0]
        assert one.item_factors is old[1]


def test_factors_stay_on_the_device_and_old_until_an_iteration_is_done(card):
    one = fit(model())
    old = sides_of(one)
    seen = []
    begin = one._begin
    one._begin = lambda done: seen.append(sides_of(one)) or begin(done)
    fit(one)
    assert seen[0] == old
    assert seen[1] != old
    assert all(side.only_on_device for side in (*old, *sides_of(one)))
    one.user_factors = one.user_factors + 1
    with pytest.warns(FactorsDropped, match="^user_factors were set by hand"):
        fit(one)


@pytest.mark.parametrize("streamed", [False, True])
def test_a_warm_start_goes_on(streamed, card):
    settings = {"devices": [0]} if streamed else {}
    whole = fit(model(iterations=5, **settings))
    parts = fit(model(iterations=3, warm_start=True, **settings))
    fit(parts.set_params(iterations=2))
    np.testing.assert_allclose(parts.item_factors, whole.item_factors, rtol=1e-3, atol=1e-4)
    assert len(parts.seconds_) == len(parts.report_) + 3 == 5
    old = awkward(negative=False)
    more = sparse.csr_matrix((old.data, old.indices, [*old.indptr, old.nnz]), (44, 61)).tolil()
    more[43, :9] = 2
    fit(parts, more.tocsr())
    assert parts.user_factors.shape == (44, 7)


@pytest.mark.parametrize("name", [name for name in GPU_RUNGS if name in (RUNG, "gpu_cholesky")])
def test_weights_too_large_for_float32_are_said(name, card):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            fit(model(name, alpha=1e8, iterations=2))
        except NotFinite:
            return
    (said,) = [w for w in caught if "too large for float32" in str(w.message)]
    assert re.search("set dtype=numpy.float64, a smaller alpha", str(said.message))
    assert said.filename == __file__
