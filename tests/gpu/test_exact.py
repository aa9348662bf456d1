"""The exact GPU rung through the emulator: both spaces, hub rows, systems beyond shared memory."""

import numpy as np
import pytest
from cases.gpu import mostly_long
from emulator import EmulatorBackend, build
from scipy import sparse

from halfstep import SOLVERS
from halfstep.kernels.cuda.backend import using
from halfstep.kernels.cuda.catalogue import EXACT_BLOCKS
from halfstep.solvers.gpu import cholesky, exact_plan
from halfstep.solvers.inputs import as_csr
from halfstep.solvers.objective import relative_residuals

pytestmark = pytest.mark.skipif(build.why_not() is not None, reason=str(build.why_not()))
LENGTHS = (0, 1, 6, 7, 8, 31, 32, 33, 64, 65, 150)
COLUMNS = 160


def rows_of(lengths=LENGTHS, seed=0, columns=COLUMNS):
    """One row of each length, weights from far below to far above 1."""
    rng = np.random.default_rng(seed)
    indices = [np.sort(rng.choice(columns, n, replace=False)) for n in lengths]
    values = rng.lognormal(0.5, 2, sum(lengths))
    indptr = np.concatenate([[0], np.cumsum(lengths)])
    shape = (len(lengths), columns)
    return as_csr(sparse.csr_matrix((values, np.concatenate(indices), indptr), shape=shape))


def largest(dtype):
    """Return (order, block) for each block: the largest order that it has tiles for, or one more."""
    *blocks, large = EXACT_BLOCKS[dtype]
    return [*((block.most, block) for block in blocks), (blocks[-1].most + 1, large)]


def solved(matrix, f, dtype=np.float32, backend=None, **settings):
    settings = {"confidence": "linear", "regularization": 0.3, **settings}
    model = SOLVERS["gpu_cholesky"](factors=f, dtype=dtype, **settings)
    problem = model._weigh(matrix).fixing(
        np.random.default_rng(1).normal(size=(matrix.shape[1], f)).astype(dtype)
    )
    with using(backend or EmulatorBackend(order="warp-random")) as device:
        X = model.half_step(problem, np.zeros((matrix.shape[0], f), dtype))
    return relative_residuals(problem, X).max(), X, device


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("f", mostly_long([1, 7, 33, 64, 130], 7, 64))
def test_rows_of_every_length_have_no_residual(f, dtype):
    residual, X, device = solved(rows_of(), f, dtype, regularization_exponent=0.5)
    assert residual < 300 * np.finfo(dtype).eps
    assert not X[0].any()
    assert device.launched("cholesky_dual")
    assert device.launched("cholesky_primal")


@pytest.mark.parametrize("convention", ["implicit", "log", "binary", "explicit"])
def test_every_convention(convention):
    residual, _, _ = solved(rows_of(), 9, confidence=convention)
    assert residual < 1000 * np.finfo(np.float32).eps


def test_hub_rows_are_added_up_in_parts(monkeypatch):
    whole = solved(rows_of(), 17, np.float64)[1]
    monkeypatch.setattr(cholesky, "HUB", 40)
    monkeypatch.setattr(cholesky, "PART", 27)
    monkeypatch.setattr(exact_plan, "HUB_BYTES", 6 * 18 * 17 * 8)  # several groups
    residual, X, device = solved(rows_of(), 17, np.float64)
    assert residual < 300 * np.finfo(np.float64).eps
    np.testing.assert_allclose(X, whole, rtol=1e-10, atol=1e-12)
    assert device.launched("cholesky_hub_part") == 2


def test_systems_beyond_shared_memory_lie_in_global_memory():
    small = EmulatorBackend(shared_limit=24 * 1024)
    _, expected, large = solved(rows_of(), 64, np.float64)
    residual, X, device = solved(rows_of(), 64, np.float64, small)
    assert residual < 300 * np.finfo(np.float64).eps
    np.testing.assert_array_equal(X, expected)
    assert max(launch.shared_mem for launch in device.launches) <= small.shared_limit
    assert held(large) == {("cholesky_dual", True), ("cholesky_primal", True)}
    assert ("cholesky_primal", False) in held(device)


def held(device):
    """Return which kernels were launched, and whether with a tile for every thread."""
    exact = [launch for launch in device.launches if launch.kernel.startswith("cholesky")]
    return {(launch.kernel, "HELD=1" in launch.defines) for launch in exact}


@pytest.mark.kernels
@pytest.mark.parametrize(
    ("dtype", "order", "block"),
    [(kind, order, block) for kind in EXACT_BLOCKS for order, block in largest(kind)],
)
def test_every_block_solves_the_largest_systems_it_has_tiles_for(dtype, order, block, monkeypatch):
    monkeypatch.setattr(cholesky, "_largest_dual", lambda factors: 0)
    settings = {"regularization_exponent": 0.5}
    residual, _, device = solved(rows_of((1, 2, 150)), order // 4 * 4, np.dtype(dtype), **settings)
    assert residual < 300 * np.finfo(dtype).eps
    primal = [launch for launch in device.launches if launch.kernel == "cholesky_primal"]
    assert [launch.defines for launch in primal] == [block.defines(dtype)]
    if block.most:
        tiles = -(-(order + 1) // block.tile)
        assert tiles * (tiles + 1) // 2 <= block.threads

    monkeypatch.setattr(cholesky, "_largest_dual", lambda factors: order)
    matrix = rows_of((1, order - 1, order), columns=order)
    residual, _, device = solved(matrix, 9, np.dtype(dtype))
    assert residual < 1000 * np.finfo(dtype).eps
    dual = [launch for launch in device.launches if launch.kernel == "cholesky_dual"]
    assert dual[-1].defines == block.defines(dtype)


def test_the_solution_without_regularization_is_the_one_of_least_norm():
    matrix = rows_of()
    model = SOLVERS["gpu_cholesky"](factors=12, regularization=0, dtype=np.float64)
    low_rank = np.random.default_rng(2).normal(size=(COLUMNS, 5)) @ np.eye(5, 12)
    problem = model._weigh(matrix).fixing(low_rank)
    with using(EmulatorBackend()):
        X = model.half_step(problem, np.ones((len(LENGTHS), 12)))
    assert relative_residuals(problem, X).max() < 1e-9
    np.testing.assert_allclose(X[:, 5:], 0, atol=1e-12)


def test_one_huge_confidence_and_negative_excess_weights():
    matrix = rows_of()
    matrix.data[:] = np.where(np.arange(matrix.nnz) % 3 == 0, 0.2, 1.4)
    matrix.data[[0, 40]] = 1e6
    residual, X, _ = solved(matrix, 20, confidence="implicit")
    assert np.isfinite(X).all()
    assert residual < 2000 * np.finfo(np.float32).eps
