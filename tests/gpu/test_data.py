"""What surrounds the half-steps on a device: transpose, weights, objective, finite checks, copies."""

import copy
import pickle

import numpy as np
import pytest
from cases.solvers import awkward
from scipy import sparse

from halfstep import SOLVERS, InputError
from halfstep.errors import NotFinite
from halfstep.solvers.gpu import base as gpu
from halfstep.solvers.gpu.device.audit import device_objective, first_not_finite
from halfstep.solvers.gpu.device.data import Csr, transposed
from halfstep.solvers.gpu.device.memory import MemoryPlan
from halfstep.solvers.inputs import as_csr
from halfstep.solvers.objective import objective


def on_device(backend, matrix):
    return Csr(
        backend.to_device(matrix.indptr.astype(np.int64)),
        backend.to_device(matrix.indices.astype(np.int32)),
        backend.to_device(matrix.data.astype(np.float32)),
        matrix.shape,
    )


@pytest.mark.parametrize("shape", [(1, 1), (40, 3), (30, 257), (9, 70_000), (70, 300)])
def test_the_transpose_is_scipys_to_the_bit(shape, device):
    rng = np.random.default_rng(shape[1])
    random = sparse.random(
        *shape, density=min(1, 5000 / shape[0] / shape[1]), rng=rng, format="csr"
    )
    got = transposed(device, on_device(device, as_csr(random)))
    expected = as_csr(random.T.tocsr())
    assert np.array_equal(device.to_host(got.indptr), expected.indptr)
    assert np.array_equal(device.to_host(got.indices), expected.indices)
    assert np.array_equal(device.to_host(got.values), expected.data.astype(np.float32))


@pytest.mark.parametrize("transform", ["bm25"])
@pytest.mark.parametrize("streamed", [False, True])
def test_transformed_values_are_those_of_the_host(transform, streamed, device, matrix, monkeypatch):
    plan = gpu.plan_memory
    if streamed:
        in_blocks = lambda *of: MemoryPlan(60, plan(*of).parts, of[1])  # noqa: E731
        monkeypatch.setattr(gpu, "plan_memory", in_blocks)
    settings = {"confidence": "log", "regularization": 0.3, "random_state": 0, "iterations": 1}
    there = SOLVERS["gpu_cg_1_naive"](7, transform=transform, cg_steps=20, **settings).fit(
        matrix, show_progress=False
    )
    here = SOLVERS["cholesky"](7, transform=transform, **settings).fit(matrix, show_progress=False)
    for found, wanted in (
        (there.item_factors, here.item_factors),
        (there.recalculate_user(9, matrix[9]), here.recalculate_user(9, matrix[9])),
    ):
        np.testing.assert_allclose(found, wanted, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("exponent", [0.0, 0.7])
def test_weights_and_objective_are_those_of_the_host(convention, exponent, device, matrix):
    model = SOLVERS["gpu_cg_1_naive"](
        factors=7, regularization=0.3, regularization_exponent=exponent, **convention
    )
    sides, expected = model._sides(as_csr(matrix)), model.weights(as_csr(matrix))
    for side, weights in zip(sides, expected, strict=True):
        for name in ("indptr", "indices"):
            assert np.array_equal(device.to_host(getattr(side, name)), getattr(weights, name))
        for name in ("w", "t", "lam"):
            np.testing.assert_allclose(
                device.to_host(getattr(side, name)), getattr(weights, name), rtol=1e-6
            )
        assert side.constant == pytest.approx(weights.constant, rel=1e-6)
        assert (side.a0, side.columns) == (weights.a0, weights.columns)
    rng = np.random.default_rng(0)
    X, Y = (rng.normal(size=(n, 7)).astype(np.float32) for n in matrix.shape)
    got = device_objective(device, *sides, device.to_device(X), device.to_device(Y))
    assert got == pytest.approx(objective(*expected, X, Y), rel=1e-6)


def test_a_weight_that_overflows_is_refused(device):
    huge = sparse.csr_matrix(np.array([[3e38, 1.0], [1.0, 2.0]]))
    with pytest.raises(InputError, match=r"must fit float32, got alpha 10.0 times 3e\+38"):
        SOLVERS["gpu_cg_1_naive"](factors=2, alpha=10.0).fit(huge, show_progress=False)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_the_first_row_that_is_not_finite(bad, device):
    factors = np.full((50, 7), 1e30, np.float32)
    assert first_not_finite(device, device.to_device(factors)) is None
    factors[[31, 44], 6] = bad
    assert first_not_finite(device, device.to_device(factors)) == 31


def test_a_fit_that_turns_nan_is_stopped_and_keeps_the_last_factors(device, matrix):
    class Broken(SOLVERS["gpu_cg_1_naive"]):
        calls = 0

        def _solve(self, backend, side, Y, X, iteration):
            solution = backend.to_host(super()._solve(backend, side, Y, X, iteration))
            self.calls += 1
            if self.calls == 4:
                solution[9] = np.nan
            return backend.to_device(solution)

    model = Broken(factors=7, iterations=5, random_state=0)
    with pytest.raises(NotFinite, match="iteration 1: the item factors of row 9"):
        model.fit(matrix, show_progress=False)
    good = SOLVERS["gpu_cg_1_naive"](factors=7, iterations=1, random_state=0)
    good.fit(matrix, show_progress=False)
    assert np.array_equal(model.item_factors, good.item_factors)


def test_factors_are_copied_to_the_host_when_somebody_looks(device, matrix, monkeypatch):
    copied = []
    to_host = type(device).to_host

    def counting(backend, array):
        copied.append(array.shape)
        return to_host(backend, array)

    monkeypatch.setattr(type(device), "to_host", counting)
    model = SOLVERS["gpu_cg_1_naive"](factors=7, iterations=3, random_state=0)
    model.fit(matrix, show_progress=False)
    assert (43, 7) not in copied
    assert model.user_factors is model.user_factors
    assert copied.count((43, 7)) == 1
    X, Y = model.device_factors_
    assert np.array_equal(to_host(device, Y), model.item_factors)
    for again in (pickle.loads(pickle.dumps(model)), copy.copy(model)):
        assert np.array_equal(again.user_factors, model.user_factors)
        assert np.array_equal(to_host(device, again.device_factors_[0]), to_host(device, X))


def test_nothing_stored_and_no_iteration(device):
    empty = sparse.csr_matrix((3, 4))
    model = SOLVERS["gpu_cg_2_whitened"](factors=2, iterations=1, random_state=0)
    model.fit(empty, show_progress=False)
    assert not model.user_factors.any()
    model = SOLVERS["gpu_cg_2_whitened"](factors=2, iterations=0, random_state=0)
    assert model.fit(awkward(), show_progress=False).user_factors.any()
