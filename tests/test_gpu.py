"""The GPU rungs through the emulator: the same host code and kernels as on a card."""

import numpy as np
import oracle
import pytest
from conftest import EXACT, GPU_RUNGS
from emulator import EmulatorBackend, build

from halfstep import SOLVERS, InputError
from halfstep.evaluation.residual import relative_residuals
from halfstep.kernels.gpu_backend import source, using
from halfstep.kernels.gpu_catalogue import CATALOGUE
from halfstep.solvers.matrix import as_csr

EPS = float(np.finfo(np.float32).eps)


@pytest.fixture
def device():
    if build.why_not() is not None:
        pytest.skip(build.why_not())
    with using(EmulatorBackend(order="random")) as backend:
        yield backend


@pytest.mark.parametrize("name", GPU_RUNGS)
def test_a_half_step_solves_every_row(name, device, convention, matrix):
    settings = {"regularization": 0.5, "regularization_exponent": 0.5}
    model = SOLVERS[name](factors=7, **EXACT.get(name, {}), **settings, **convention)
    users, _ = model.weights(as_csr(matrix))
    rng = np.random.default_rng(1)
    Y = rng.normal(size=(61, 7)).astype(np.float32)
    problem = users.fixing(Y)
    solution = model.half_step(problem, rng.normal(size=(43, 7)).astype(np.float32))
    assert relative_residuals(problem, solution).max() < 2000 * EPS
    exact = oracle.solve(matrix, Y, regularization=0.5, exponent=0.5, **convention)
    np.testing.assert_allclose(solution, exact, rtol=0, atol=1e4 * EPS * np.abs(exact).max())
    assert not solution[[0, 17]].any()
    assert device.launches


@pytest.mark.parametrize("name", GPU_RUNGS)
def test_a_fit_reaches_the_objective_of_the_cpu(name, device, matrix):
    settings = {"factors": 7, "iterations": 5, "random_state": 0, "calculate_training_loss": True}
    same = "cholesky" if name == "gpu_cholesky" else "conjugate_gradient"
    expected = SOLVERS[same](**settings).fit(matrix, show_progress=False)
    model = SOLVERS[name](**settings).fit(matrix, show_progress=False)
    assert model.loss_history_ == pytest.approx(expected.loss_history_, rel=0.01)
    again = SOLVERS[name](**settings).fit(matrix, show_progress=False)
    assert np.array_equal(model.item_factors, again.item_factors)


def test_more_factors_than_a_device_takes_are_refused_before_any_work():
    with pytest.raises(
        InputError, match="factors must be at most 1024 for gpu_cg_1_naive, got 1025"
    ):
        SOLVERS["gpu_cg_1_naive"](factors=1025)


def test_every_kernel_file_is_in_the_catalogue_with_all_its_kernels():
    for file, entry in CATALOGUE.items():
        text = source(file)
        for kernel in entry.kernels:
            assert f" {kernel}(" in text
