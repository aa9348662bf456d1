"""Workers that are killed in a fit: it goes on, and its factors have the bits of an undisturbed one."""

import pytest
from cases.cluster.fits import KILLED_BEFORE, alone, assert_bits, fitted, kill_in, plays
from cases.cluster.workers import workers


@pytest.fixture(scope="module")
def course():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("halfstep.solvers.little_step.LITTLE", 0)
        model = alone(plays())
    return model.user_factors, model.item_factors


@pytest.fixture(scope="module")
def restarting():
    with workers(2) as client:
        yield client


@pytest.mark.parametrize("phase", KILLED_BEFORE)
def test_killed_in_a_phase_it_goes_on_with_the_same_bits(phase, restarting, course, tmp_path):
    victim = sorted(restarting.scheduler_info()["workers"])[0]
    restarting.run(kill_in, phase, 3, workers=[victim])
    *found, _ = fitted(restarting, plays(), tmp_path, replacement=60)
    assert_bits(found, course)
    assert victim not in restarting.scheduler_info()["workers"]
