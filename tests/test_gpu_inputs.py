"""What lies on a device is taken, and 16-bit storage is audited before it is used."""

import sys
import types

import numpy as np
import pytest
from conftest import awkward
from emulator import EmulatorBackend, build

from halfstep import SOLVERS, NumericalWarning
from halfstep.evaluation.residual import relative_residuals
from halfstep.kernels.gpu_backend import using
from halfstep.solvers import gpu_cg_7_half
from halfstep.solvers.gpu_audit import device_residuals
from halfstep.solvers.gpu_side import Side
from halfstep.solvers.matrix import as_csr

needs_compiler = pytest.mark.skipif(build.why_not() is not None, reason=str(build.why_not()))


class OnDevice:
    """Stands in for an array of CuPy's."""

    __cuda_array_interface__ = {"version": 3}  # noqa: RUF012

    def __init__(self, host):
        self.host = host


@pytest.fixture
def cupy(monkeypatch):
    """Stand-ins for the two calls of CuPy's that bring an array to the host."""
    module = types.SimpleNamespace(asarray=lambda array: array, asnumpy=lambda array: array.host)
    monkeypatch.setitem(sys.modules, "cupy", module)


def test_starting_factors_on_a_device_are_copied(cupy, matrix):
    rng = np.random.default_rng(0)
    X, Y = (rng.random((rows, 4), np.float32) for rows in matrix.shape)
    there = SOLVERS["cholesky"](factors=4, iterations=1, init_factors=(OnDevice(X), OnDevice(Y)))
    here = SOLVERS["cholesky"](factors=4, iterations=1, init_factors=(X, Y))
    for model in (here, there):
        model.fit(matrix, show_progress=False)
    np.testing.assert_array_equal(there.item_factors, here.item_factors)


def test_sparse_matrices_on_a_device_are_copied(matrix):
    kind = type("csr_matrix", (), {"get": lambda self: matrix})
    kind.__module__ = "cupyx.scipy.sparse._csr"
    assert (as_csr(kind()) != as_csr(matrix)).nnz == 0


def fit(storage, matrix):
    with using(EmulatorBackend()) as device:
        model = SOLVERS["gpu_cg_7_half"](factors=6, iterations=2, random_state=0, storage=storage)
        model.fit(matrix, show_progress=False)
        return model.user_factors, device


@needs_compiler
@pytest.mark.parametrize("storage", ["float16", "bfloat16"])
def test_rounding_within_the_margin_is_used(storage):
    matrix = awkward(negative=False)
    rounded, device = fit(storage, matrix)
    assert device.launched("cg_7_half") == 5  # two a whole iteration, and the audit's
    with using(EmulatorBackend()):
        model = SOLVERS["gpu_cg_6_split"](factors=6, iterations=2, random_state=0)
        whole = model.fit(matrix, show_progress=False).user_factors
    assert 0 < np.abs(rounded - whole).max() < 0.02 * np.abs(whole).max()


@needs_compiler
def test_rounding_beyond_the_margin_is_refused_aloud(monkeypatch):
    matrix = awkward(negative=False)
    monkeypatch.setattr(gpu_cg_7_half, "MARGIN", -1.0)
    with pytest.warns(NumericalWarning, match="storage bfloat16 raises the objective by"):
        refused, device = fit("bfloat16", matrix)
    assert device.launched("cg_7_half") == 1  # the audit's alone
    with using(EmulatorBackend()):
        model = SOLVERS["gpu_cg_6_split"](factors=6, iterations=2, random_state=0)
        whole = model.fit(matrix, show_progress=False).user_factors
    np.testing.assert_array_equal(refused, whole)


@needs_compiler
@pytest.mark.parametrize("convention", ["implicit", "binary", "explicit"])
def test_residuals_on_the_device_are_the_host_s(convention):
    matrix = as_csr(awkward())
    model = SOLVERS["cholesky"](factors=35, confidence=convention, regularization=0.2)
    rng = np.random.default_rng(0)
    X, Y = (rng.normal(size=(rows, 35)).astype(np.float32) for rows in matrix.shape)
    X[17] = 0
    problem = model._weigh(matrix).fixing(Y)
    backend = EmulatorBackend(order="warp-random")
    side = Side.upload(backend, problem)
    there = device_residuals(backend, side, backend.to_device(X), backend.to_device(Y))
    np.testing.assert_allclose(there, relative_residuals(problem, X), rtol=2e-6)
    assert there[0] > 0
    assert there[17] == 0
