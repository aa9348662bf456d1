"""The GPU rungs, on an emulated device or a card: half-steps, fits, and which kernels they launch."""

import numpy as np
import oracle
import pytest
from cases.gpu import kernels_of, rounds
from cases.plain_steps import PlainSteps
from cases.solvers import EXACT, GPU_RUNGS
from scipy import sparse

from halfstep import SOLVERS, InputError
from halfstep.kernels.cuda.catalogue import CATALOGUE
from halfstep.kernels.cuda.sources import source
from halfstep.solvers.gpu import cg_6_split
from halfstep.solvers.gpu.device.side import Side
from halfstep.solvers.inputs import as_csr
from halfstep.solvers.objective import relative_residuals

EPS = float(np.finfo(np.float32).eps)
# A residual that rounding explains: of the fixed side to 11 binary digits, or of the arithmetic.
ROUNDING = {name: 2.0**-9 if rounds(name) else 2000 * EPS for name in GPU_RUNGS}


@pytest.mark.parametrize("name", GPU_RUNGS)
def test_a_half_step_solves_every_row(name, device, convention, matrix):
    settings = {"regularization": 0.5, "regularization_exponent": 0.5}
    model = SOLVERS[name](factors=7, **EXACT.get(name, {}), **settings, **convention)
    users, _ = model.weights(as_csr(matrix))
    rng = np.random.default_rng(1)
    Y = rng.normal(size=(61, 7)).astype(np.float32)
    problem = users.fixing(Y)
    solution = model.half_step(problem, rng.normal(size=(43, 7)).astype(np.float32))
    assert relative_residuals(problem, solution).max() < ROUNDING[name]
    exact = oracle.solve(matrix, Y, regularization=0.5, exponent=0.5, **convention)
    atol = 4 * ROUNDING[name] * np.abs(exact).max()
    np.testing.assert_allclose(solution, exact, rtol=0, atol=atol)
    assert not solution[[0, 17]].any()
    assert device.launches


@pytest.mark.parametrize("name", GPU_RUNGS)
def test_a_fit_reaches_the_objective_of_the_cpu(name, device, matrix):
    settings = {"factors": 7, "iterations": 5, "random_state": 0, "calculate_training_loss": True}
    if name == "gpu_cholesky":
        same, steps = SOLVERS["cholesky"], {}
    elif name == "gpu_cg_1_naive":
        same, steps = PlainSteps, {"cg_steps": 3}
    else:  # preconditioned, as the CPU's are
        same, steps = SOLVERS["conjugate_gradient"], {"cg_steps": 2}
    expected = same(**settings, **steps).fit(matrix, show_progress=False)
    settings |= steps
    if "relaxation" in SOLVERS[name]().get_params():
        settings |= {"relaxation": 1.0}
    model = SOLVERS[name](**settings).fit(matrix, show_progress=False)
    assert model.loss_history_ == pytest.approx(expected.loss_history_, rel=0.01)
    again = SOLVERS[name](**settings).fit(matrix, show_progress=False)
    assert np.array_equal(model.item_factors, again.item_factors)


@pytest.mark.kernels
@pytest.mark.parametrize("exponent", [0.0, 0.5])
@pytest.mark.parametrize(
    "name", ["gpu_cg_5_binned", "gpu_cg_6_split", "gpu_cg_7_half", "gpu_cg_8_tensor"]
)
def test_rows_of_every_size_take_their_own_kernel(name, exponent, device, monkeypatch):
    monkeypatch.setattr(cg_6_split, "LONGEST", 400)
    monkeypatch.setattr(cg_6_split, "_PART", 100)
    lengths = [0, 1, 15, 16, 17, 33, 64, 65, 300, 400, 401, 499]
    rng = np.random.default_rng(0)
    columns = np.concatenate([rng.choice(500, n, replace=False) for n in lengths])
    indptr = np.concatenate([[0], np.cumsum(lengths)])
    ragged = sparse.csr_matrix((rng.lognormal(0, 1, len(columns)), columns, indptr), (12, 500))
    settings = {"confidence": "log", "regularization": 0.5, "regularization_exponent": exponent}
    model = SOLVERS[name](factors=7, cg_steps=25, **settings)
    users, _ = model.weights(as_csr(ragged))
    problem = users.fixing(rng.normal(size=(500, 7)).astype(np.float32))
    start = rng.normal(size=(12, 7)).astype(np.float32)
    solution = model.half_step(problem, start)
    assert relative_residuals(problem, solution).max() < ROUNDING[name]
    launched = {launch.kernel for launch in device.launches}
    assert launched >= kernels_of(name)
    assert ("cg_6_advance" in launched) == (name != "gpu_cg_5_binned")
    assert np.array_equal(solution, model.half_step(problem, start))


def test_half_precision_is_refused_where_it_costs_more_than_it_saves(device, matrix):
    cases = (
        ({}, "float16"),
        ({"regularization": 0.0}, "float32"),
        ({"dtype": np.float64}, "float64"),
    )
    for settings, stored in cases:
        model = SOLVERS["gpu_cg_7_half"](factors=3, **settings)
        side = Side.upload(device, model.weights(as_csr(matrix))[0])
        assert model._stored(model.dtype, side) == stored
    with pytest.raises(InputError, match="storage must be one of float16, bfloat16, got 'int8'"):
        SOLVERS["gpu_cg_7_half"](storage="int8")


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
