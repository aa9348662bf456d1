"""Over-relaxation of the GPU's rungs, on an emulated device or a card, against the CPU's."""

import numpy as np
import pytest
from cases.gpu import error_of_relaxed
from cases.solvers import awkward, heavy_tailed

from halfstep import SOLVERS, InputError
from halfstep.solvers.fit.over_relaxation import FAST, USUAL
from halfstep.solvers.gpu import cg_6_split

RELAXED = ("gpu_cg_5_binned", "gpu_cg_6_split", "gpu_cg_7_half", "gpu_cg_8_tensor")
COMMON = {"factors": 7, "confidence": "log", "regularization": 0.3, "random_state": 0}


@pytest.mark.parametrize(
    ("name", "exponent"), list(zip(RELAXED, (0.0, 0.5, 0.0, 0.5), strict=True))
)
def test_a_relaxed_fit_is_the_cpu_s(name, exponent, device):
    matrix = awkward()
    settings = {
        **COMMON, "cg_steps": 60, "relaxation": 1.4, "dtype": "float64", "iterations": 5,
        "regularization_exponent": exponent,
    }  # fmt: skip
    there = SOLVERS[name](**settings).fit(matrix, show_progress=False)
    here = SOLVERS["eigenbasis"](**settings).fit(matrix, show_progress=False)
    for side in ("user_factors", "item_factors"):
        np.testing.assert_allclose(getattr(there, side), getattr(here, side), atol=1e-8)
    assert not there.user_factors[[0, 17]].any()  # rows without entries


@pytest.mark.parametrize("name", RELAXED)
def test_the_factor_follows_what_the_iterations_gain(name, device):
    matrix = heavy_tailed(120, 80, 12)
    settings = {
        "factors": 7, "confidence": "linear", "random_state": 0, "iterations": 6, "dtype": "float64",
        "calculate_training_loss": True,
    }  # fmt: skip
    there, here = (
        SOLVERS[solver](**settings).fit(matrix, show_progress=False)
        for solver in (name, "eigenbasis")
    )
    assert there.relaxation_ == here.relaxation_
    assert there.relaxation_[:3] == [1.0, USUAL, FAST]
    assert there.loss_history_[-1] < 1.01 * here.loss_history_[-1]
    again = SOLVERS[name](**settings, relaxation=there.relaxation_).fit(matrix, show_progress=False)
    assert again.loss_history_ == there.loss_history_


def test_a_fixed_number_of_steps_is_relaxed_from_the_third_iteration_if_they_are_few(device):
    def relaxation(**settings):
        model = SOLVERS[RELAXED[1]](**COMMON, **settings, iterations=4, dtype="float64")
        return model.fit(awkward(), show_progress=False).relaxation_

    assert relaxation(cg_steps=2) == relaxation(relaxation=1.4) == [1.0, 1.0, 1.4, 1.4]
    assert relaxation(cg_steps=4) == [1.0] * 4


def test_a_half_step_by_itself_is_not_relaxed(device):
    matrix = awkward()
    model = SOLVERS[RELAXED[0]](**COMMON, iterations=3).fit(matrix, show_progress=False)
    users, _ = model.weights(matrix)
    problem = users.fixing(model.item_factors)
    plain = SOLVERS[RELAXED[0]](**COMMON, relaxation=1.0)
    expected = plain.half_step(problem, model.user_factors)
    np.testing.assert_array_equal(model.half_step(problem, model.user_factors), expected)


@pytest.mark.parametrize("steps", [64, 1])
@pytest.mark.parametrize("name", RELAXED)
def test_every_kernel_relaxes_its_rows(name, steps, device, monkeypatch):
    """Rows of every bin, and hubs that end by the rule as well as at their last step."""
    monkeypatch.setattr(cg_6_split, "LONGEST", 300)
    assert error_of_relaxed(name, steps) < 1e-5


def test_a_half_step_in_a_callback_is_not_relaxed(device):
    matrix = awkward()
    model = SOLVERS[RELAXED[0]](**COMMON, iterations=4)
    problem = model.weights(matrix)[0].fixing(np.full((matrix.shape[1], 7), 0.1, np.float32))
    X = np.ones((matrix.shape[0], 7), np.float32)
    found = []
    model.fit(
        matrix, show_progress=False, callback=lambda *_: found.append(model.half_step(problem, X))
    )
    assert len(found) == 4
    assert all(np.array_equal(found[0], other) for other in found[1:])


@pytest.mark.parametrize("name", RELAXED)
@pytest.mark.parametrize("relaxation", [0, 2, -1.0])
def test_a_way_that_does_not_converge_is_refused(name, relaxation):
    with pytest.raises(InputError, match="relaxation must be between 0 and 2"):
        SOLVERS[name](relaxation=relaxation)
