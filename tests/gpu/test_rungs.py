"""Every GPU rung against the float64 oracle, on the emulator in four orders of threads, or a card."""

import numpy as np
import oracle
import pytest
from cases.gpu import (
    CONVENTION_NAMES,
    DEVICES,
    FACTORS,
    SETTINGS,
    device,
    error_of,
    float64_rungs,
    rounds,
    tolerance,
)
from cases.plain_steps import PlainSteps
from cases.solvers import CONVENTIONS, GPU_RUNGS, require
from scipy import sparse

from halfstep import SOLVERS

slow = pytest.mark.kernels


@pytest.mark.parametrize("on", ["random", DEVICES[-1]])
@pytest.mark.parametrize("name", GPU_RUNGS)
def test_rows_of_every_length_are_solved(name, on):
    with device(on):
        assert error_of(name, 33) < tolerance(name)


@slow
@pytest.mark.parametrize("on", DEVICES)
@pytest.mark.parametrize("f", FACTORS)
@pytest.mark.parametrize("name", GPU_RUNGS)
def test_rows_are_solved_in_every_order_of_threads(name, f, on):
    with device(on):
        assert error_of(name, f) < tolerance(name)


@slow
@pytest.mark.parametrize("on", ["warp-random", DEVICES[-1]])
@pytest.mark.parametrize("exponent", [0.0, 0.5])
@pytest.mark.parametrize("convention", CONVENTION_NAMES)
@pytest.mark.parametrize("name", GPU_RUNGS)
def test_every_convention_is_solved(name, convention, exponent, on):
    with device(on):
        assert error_of(name, 7, convention, exponent) < tolerance(name)


@slow
@pytest.mark.parametrize("on", ["random", DEVICES[-1]])
@pytest.mark.parametrize("f", [7, 64])
@pytest.mark.parametrize("name", float64_rungs(GPU_RUNGS))
def test_float64_is_solved_to_its_own_precision(name, f, on):
    with device(on):
        assert error_of(name, f, dtype="float64") < tolerance(name, "float64")


@slow
@pytest.mark.parametrize("on", ["random", "warp-random", DEVICES[-1]])
@pytest.mark.parametrize("name", GPU_RUNGS)
def test_hub_rows_are_solved(name, on):
    with device(on):
        found = error_of(name, 7, lengths=(3, 9000, 0, 1, 4500), columns=9000)
        assert found < tolerance(name)


@pytest.mark.parametrize("on", ["random", DEVICES[-1]])
@pytest.mark.parametrize("name", GPU_RUNGS)
def test_matrices_without_entries_give_zeros(name, on):
    for shape in ((3, 4), (0, 4), (1, 1)):
        model = SOLVERS[name](factors=5)
        users, _ = model.weights(sparse.csr_matrix(shape))
        Y = np.ones((shape[1], 5), np.float32)
        with device(on):
            X = model.half_step(users.fixing(Y), np.ones((shape[0], 5), np.float32))
        np.testing.assert_array_equal(X, np.zeros((shape[0], 5)))


def fitted(name, matrix, settings, **own):
    solver = PlainSteps if name == "plain_steps" else SOLVERS[name]
    model = solver(factors=7, iterations=4, random_state=3, **settings, **own)
    return model.fit(matrix, show_progress=False)


@pytest.mark.parametrize("on", ["random", DEVICES[-1]])
@pytest.mark.parametrize("peer", ["plain_steps", "implicit_cpu"])
def test_a_fit_with_the_same_steps_has_the_same_factors(peer, on, positive):
    if peer == "implicit_cpu":
        require(peer)
    # Three steps are far from the solution, and rounding decides how far: not so in float64.
    settings = {"regularization": 0.3, "alpha": 2.0, "dtype": np.float64}
    own = {"use_cg": True} if peer == "implicit_cpu" else {}
    expected = fitted(peer, positive, settings, cg_steps=3, **own)
    with device(on):
        model = fitted("gpu_cg_1_naive", positive, settings, cg_steps=3)
    for side in ("user_factors", "item_factors"):
        wanted = getattr(expected, side)
        np.testing.assert_allclose(
            getattr(model, side), wanted, rtol=0, atol=1e-5 * np.abs(wanted).max()
        )


@slow
@pytest.mark.parametrize("on", ["reverse", DEVICES[-1]])
@pytest.mark.parametrize("convention", CONVENTION_NAMES)
@pytest.mark.parametrize("name", GPU_RUNGS)
def test_a_whole_fit_reaches_the_exact_solvers_objective(name, convention, on, matrix):
    settings = {"regularization": 1.0, **CONVENTIONS[convention]}
    expected = fitted("cholesky", matrix, settings)
    with device(on):
        model = fitted(name, matrix, settings, **SETTINGS.get(name, {}))
    wanted, found = (
        oracle.objective(matrix, m.user_factors, m.item_factors, **settings)
        for m in (expected, model)
    )
    assert found == pytest.approx(wanted, rel=1e-3 if rounds(name) else 2e-5)


@pytest.mark.parametrize("name", GPU_RUNGS)
def test_a_device_without_room_says_so(name, positive):
    with device("forward", memory=8_000), pytest.raises(MemoryError, match="memory"):
        fitted(name, positive, {})


@pytest.mark.parametrize("name", GPU_RUNGS)
def test_a_fit_leaves_nothing_on_the_device_and_launches_within_limits(name, positive):
    with device("forward") as backend:
        model = fitted(name, positive, {})
    assert model.user_factors.dtype == np.float32
    assert backend.launches
    assert all(len(launch.grid) <= 3 and launch.shared_mem >= 0 for launch in backend.launches)
    del model
    assert backend.device.used == 0
