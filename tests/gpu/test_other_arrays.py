"""On a card: arrays of CuPy, PyTorch and DLPack as factors, and CuPy's sparse matrices.

`test_inputs` has stand-ins for all of them, where there is no card.
"""

import importlib.util

import numpy as np
import pytest
from cases.gpu import device as on_device
from cases.solvers import GPU_RUNGS, awkward
from scipy import sparse

from halfstep import SOLVERS, InputError
from halfstep.evaluation.metrics.held_out import evaluate
from halfstep.solvers.inputs import as_csr

pytestmark = pytest.mark.gpu
RUNGS = [name for name in GPU_RUNGS if name in ("gpu_cholesky", "gpu_cg_5_binned", "gpu_cg_7_half")]


@pytest.fixture
def card():
    with on_device("cupy") as found:
        yield found


class Only:
    """An array with one of the protocols and nothing else."""

    def __init__(self, array, protocol):
        names = {"interface": ["__cuda_array_interface__"]}
        self.array = array
        self.names = names.get(protocol, ["__dlpack__", "__dlpack_device__"])

    def __getattr__(self, name):
        if name.startswith("__") and name in self.names:
            return getattr(self.array, name)
        raise AttributeError(name)


def torch_on_a_card():
    if importlib.util.find_spec("torch") is None:
        pytest.skip("PyTorch is not installed")
    import torch

    if not torch.cuda.is_available():
        pytest.skip("this PyTorch finds no CUDA device")
    return torch


def cupy_array(host):
    import cupy

    return cupy.asarray(host)


# Each makes an array elsewhere of a host array.
ELSEWHERE = {
    "cupy": cupy_array,
    "cupy, strided": lambda host: cupy_array(np.repeat(host, 2, axis=1))[:, ::2],
    "cupy, Fortran order": lambda host: cupy_array(np.asfortranarray(host)),
    "__cuda_array_interface__": lambda host: Only(cupy_array(host), "interface"),
    "__dlpack__": lambda host: Only(cupy_array(host), "dlpack"),
    "torch": lambda host: torch_on_a_card().from_numpy(host.copy()).cuda(),
    "torch, on the host": lambda host: torch_on_a_card().from_numpy(host.copy()),
    "torch, page-locked": lambda host: torch_on_a_card().from_numpy(host.copy()).pin_memory(),
}


def factors(shape, f=7):
    rng = np.random.default_rng(0)
    return [rng.random((rows, f), np.float32) for rows in shape]


@pytest.mark.parametrize("kind", ELSEWHERE)
@pytest.mark.parametrize("name", ["cholesky", *RUNGS])
def test_a_fit_starts_from_factors_wherever_they_are(name, kind, card):
    matrix = awkward(negative=False)
    X, Y = factors(matrix.shape)
    there = [ELSEWHERE[kind](side) for side in (X, Y)]
    settings = {"factors": 7, "iterations": 2}
    expected = SOLVERS[name](**settings, init_factors=(X, Y)).fit(matrix, show_progress=False)
    model = SOLVERS[name](**settings, init_factors=tuple(there)).fit(matrix, show_progress=False)
    np.testing.assert_array_equal(model.user_factors, expected.user_factors)
    np.testing.assert_array_equal(model.item_factors, expected.item_factors)
    for side, given in zip((X, Y), there, strict=True):
        kept = given.array if isinstance(given, Only) else given
        host = kept.get() if hasattr(kept, "get") else kept.cpu().numpy()
        np.testing.assert_array_equal(host, side)  # a start is copied, not written to


@pytest.mark.parametrize("kind", ELSEWHERE)
def test_a_model_answers_from_factors_wherever_they_are(kind, card):
    matrix = awkward(negative=False)
    X, Y = factors(matrix.shape)
    here = SOLVERS["cholesky"](factors=7)
    here.user_factors, here.item_factors = X, Y
    users = np.arange(40)
    expected = here.recommend(users, matrix[:40], N=6)
    there = SOLVERS["gpu_cholesky"](factors=7)
    there.user_factors, there.item_factors = (ELSEWHERE[kind](side) for side in (X, Y))
    found = there.recommend(users, matrix[:40], N=6)
    np.testing.assert_array_equal(found[0], expected[0])
    np.testing.assert_allclose(found[1], expected[1], rtol=1e-5)
    np.testing.assert_array_equal(there.user_factors, X)
    test = sparse.csr_matrix(([1.0], ([5], [2])), matrix.shape)
    pair = [ELSEWHERE[kind](side) for side in (X, Y)]
    assert evaluate(*pair, matrix, test).means() == evaluate(X, Y, matrix, test).means()


def test_a_tensor_with_gradients_is_refused_with_torch_s_reason(card):
    torch = torch_on_a_card()
    matrix = awkward()
    start = tuple(torch.rand(n, 7, device="cuda", requires_grad=True) for n in matrix.shape)
    model = SOLVERS["gpu_cholesky"](factors=7, init_factors=start)
    with pytest.raises(InputError, match="init_factors: user_factors cannot be read from"):
        model.fit(matrix, show_progress=False)


def test_factors_on_the_card_are_other_libraries_without_a_copy(card):
    import cupy

    model = SOLVERS["gpu_cholesky"](factors=7, iterations=1, random_state=0)
    model.fit(awkward(negative=False), show_progress=False)
    for array, host in zip(
        model.device_factors_, (model.user_factors, model.item_factors), strict=True
    ):
        again = cupy.from_dlpack(array)
        assert again.data.ptr == array.data.ptr
        np.testing.assert_array_equal(cupy.asnumpy(again), host)


@pytest.mark.parametrize("kind", ["csr", "csc", "coo", "unsorted"])
def test_sparse_matrices_of_cupy_are_taken(kind, card):
    import cupyx.scipy.sparse

    matrix = as_csr(awkward(negative=False)).astype(np.float32)
    there = cupyx.scipy.sparse.csr_matrix(matrix)
    if kind == "unsorted":
        import cupy

        # Each row backwards, under a flag that was set before.
        order = np.concatenate(
            [np.arange(a, b)[::-1] for a, b in zip(matrix.indptr, matrix.indptr[1:], strict=False)]
        )
        there.has_canonical_format  # noqa: B018
        there.indices[...] = cupy.asarray(matrix.indices[order])
        there.data[...] = cupy.asarray(matrix.data[order])
    elif kind != "csr":
        there = there.asformat(kind)
    settings = {"factors": 7, "iterations": 2, "random_state": 0}
    expected = SOLVERS["gpu_cg_7_half"](**settings).fit(matrix, show_progress=False)
    model = SOLVERS["gpu_cg_7_half"](**settings).fit(there, show_progress=False)
    np.testing.assert_array_equal(model.item_factors, expected.item_factors)
    users = np.arange(43)
    np.testing.assert_array_equal(
        model.recommend(users, there)[0], expected.recommend(users, matrix)[0]
    )
