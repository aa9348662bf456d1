"""What lies on a device is taken, and 16-bit storage is audited before it is used."""

import copy
import functools
import pickle
import sys
import types

import numpy as np
import pytest
from cases.gpu import DEVICES, backend_of
from cases.gpu import device as on_device
from cases.solvers import awkward
from scipy import sparse

from halfstep import SOLVERS, InputError, NumericalWarning, machine
from halfstep.evaluation.metrics.held_out import evaluate
from halfstep.solvers.gpu import cg_7_half as gpu_cg_7_half
from halfstep.solvers.gpu.device.audit import device_residuals
from halfstep.solvers.gpu.device.side import Side
from halfstep.solvers.inputs import as_csr
from halfstep.solvers.objective import relative_residuals

ON = pytest.mark.parametrize("on", ["forward", DEVICES[-1]])


class OnDevice:
    """Stands in for an array of CuPy's."""

    __cuda_array_interface__ = {"version": 3}  # noqa: RUF012

    def __init__(self, host):
        self.host = host


class Exported:
    """Stands in for a tensor that has DLPack and nothing else, on one of DLPack's kinds of device."""

    def __init__(self, host, kind=1):
        self.host, self.kind = host, kind

    def __dlpack_device__(self):
        return self.kind, 0

    def __dlpack__(self, **asked):
        return self.host.__dlpack__(**asked)


class Tracked(Exported):
    """A tensor whose gradients are taken; its owner does not hand it out."""

    def __dlpack__(self, **asked):
        raise RuntimeError("Can't export tensors that require gradient")


@pytest.fixture
def cupy(monkeypatch):
    """Stand-ins for the calls of CuPy's that bring an array to the host."""
    module = types.SimpleNamespace(
        asarray=lambda array: array,
        from_dlpack=lambda array: array,
        asnumpy=lambda array: array.host,
    )
    monkeypatch.setitem(sys.modules, "cupy", module)


# Page-locked memory is the host's, and managed memory a device's.
ELSEWHERE = {
    "cuda": OnDevice,
    **{f"dlpack-{kind}": functools.partial(Exported, kind=kind) for kind in (1, 2, 3, 13)},
}


@pytest.mark.parametrize("kind", ELSEWHERE)
def test_factors_of_other_libraries_are_taken_wherever_factors_are(kind, cupy, matrix, tmp_path):
    elsewhere = ELSEWHERE[kind]
    rng = np.random.default_rng(0)
    X, Y = (rng.random((rows, 4), np.float32) for rows in matrix.shape)
    settings = {"factors": 4, "iterations": 1}
    there = SOLVERS["cholesky"](**settings, init_factors=(elsewhere(X), elsewhere(Y)))
    here = SOLVERS["cholesky"](**settings, init_factors=(X, Y))
    for model in (here, there):
        model.fit(matrix, checkpoint=tmp_path / "fit.npz", show_progress=False)
    np.testing.assert_array_equal(there.item_factors, here.item_factors)
    X, Y = here.user_factors, here.item_factors
    expected = here.recommend(5, matrix[5])
    for name in ("cholesky", "gpu_cholesky"):
        model = SOLVERS[name](**settings)
        model.user_factors, model.item_factors = elsewhere(X), elsewhere(Y)
        for asked in (copy.copy(model), model, pickle.loads(pickle.dumps(model)), model.to_cpu()):
            np.testing.assert_array_equal(asked.recommend(5, matrix[5]), expected)
            assert type(asked.user_factors) is np.ndarray
        model.partial_fit_users([5], matrix[5])
        assert X[5] @ model.user_factors[5] > 0
    test = sparse.csr_matrix(([1.0], ([5], [2])), matrix.shape)
    metrics = [evaluate(*pair, matrix, test).means() for pair in ((X, Y), map(elsewhere, (X, Y)))]
    assert metrics[0] == metrics[1]


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (
            OnDevice(None),
            "lies on a CUDA device and is read with CuPy, but CuPy is not installed: pip",
        ),
        (
            Exported(None, 2),
            "lies on a CUDA device and is read with CuPy, but CuPy is not installed",
        ),
        (Exported(None, 8), "must lie on the host or a CUDA device, got DLPack's device 8"),
        (Tracked(None), "cannot be read from Tracked: Can't export tensors that require gradient"),
        (Exported(np.zeros(2, "M8[s]")), "cannot be read from Exported: "),
    ],
)
def test_what_cannot_be_read_is_named_with_the_reason(array, message, matrix, monkeypatch):
    monkeypatch.setitem(sys.modules, "cupy", None)  # an import of it fails
    monkeypatch.setattr(machine, "installed", list)
    model = SOLVERS["cholesky"](factors=4, init_factors=(array, array))
    with pytest.raises(InputError, match=f"^init_factors: user_factors {message}"):
        model.fit(matrix, show_progress=False)
    model.user_factors, model.item_factors = array, array
    with pytest.raises(InputError, match=f"^user_factors {message}"):
        model.recommend(0, matrix[0])
    with pytest.raises(InputError, match=f"^user_factors {message}"):
        evaluate(array, array, matrix, matrix)


def test_sparse_matrices_on_a_device_are_copied(matrix):
    kind = type("csr_matrix", (), {"get": lambda self: matrix})
    kind.__module__ = "cupyx.scipy.sparse._csr"
    assert (as_csr(kind()) != as_csr(matrix)).nnz == 0


def fit(storage, matrix, on):
    with on_device(on) as device:
        model = SOLVERS["gpu_cg_7_half"](factors=6, iterations=2, random_state=0, storage=storage)
        model.fit(matrix, show_progress=False)
        return model.user_factors, device


@ON
@pytest.mark.parametrize("storage", ["float16", "bfloat16"])
def test_rounding_within_the_margin_is_used(storage, on):
    matrix = awkward(negative=False)
    rounded, device = fit(storage, matrix, on)
    assert device.launched("cg_7_half") == 5  # two a whole iteration, and the audit's
    with on_device(on):
        model = SOLVERS["gpu_cg_6_split"](factors=6, iterations=2, random_state=0)
        whole = model.fit(matrix, show_progress=False).user_factors
    assert 0 < np.abs(rounded - whole).max() < 0.02 * np.abs(whole).max()


@ON
def test_rounding_beyond_the_margin_is_refused_aloud(on, monkeypatch):
    matrix = awkward(negative=False)
    monkeypatch.setattr(gpu_cg_7_half, "MARGIN", -1.0)
    with pytest.warns(NumericalWarning, match="storage bfloat16 raises the objective by"):
        refused, device = fit("bfloat16", matrix, on)
    assert device.launched("cg_7_half") == 1  # the audit's alone
    with on_device(on):
        model = SOLVERS["gpu_cg_6_split"](factors=6, iterations=2, random_state=0)
        whole = model.fit(matrix, show_progress=False).user_factors
    np.testing.assert_array_equal(refused, whole)


@pytest.mark.parametrize("on", ["warp-random", DEVICES[-1]])
@pytest.mark.parametrize("convention", ["implicit", "binary", "explicit"])
def test_residuals_on_the_device_are_the_host_s(convention, on):
    matrix = as_csr(awkward())
    model = SOLVERS["cholesky"](factors=35, confidence=convention, regularization=0.2)
    rng = np.random.default_rng(0)
    X, Y = (rng.normal(size=(rows, 35)).astype(np.float32) for rows in matrix.shape)
    X[17] = 0
    problem = model._weigh(matrix).fixing(Y)
    backend = backend_of(on)
    side = Side.upload(backend, problem)
    there = device_residuals(backend, side, backend.to_device(X), backend.to_device(Y))
    np.testing.assert_allclose(there, relative_residuals(problem, X), rtol=2e-6)
    assert there[0] > 0
    assert there[17] == 0
