"""The tensor core rung against the rung before it, which solves the same rounded systems."""

import numpy as np
import pytest
from cases.gpu import case, tolerance
from cases.gpu_tensor import BEFORE, HUB, NAME, SHARED, TOLERANCE, difference, error_of_light
from emulator import EmulatorBackend, build

from halfstep import SOLVERS, SolverUnavailable
from halfstep.kernels.cuda.backend import using
from halfstep.kernels.cuda.catalogue import CATALOGUE
from halfstep.kernels.cuda.lanes import MOST_FACTORS_TILES, RING, tiles
from halfstep.solvers.gpu import cg_6_split
from halfstep.solvers.gpu.cg_8_tensor import GpuCgTensor
from halfstep.solvers.registry import choose


def ampere(capability=86):
    """Return a device with less shared memory than the emulator's usual one."""
    if build.why_not():
        pytest.skip(build.why_not())
    backend = EmulatorBackend(order="random", shared_limit=SHARED)
    backend.capability = capability
    return using(backend)


@pytest.mark.parametrize(("convention", "alpha"), [("log", 1), ("linear", 1e3)])
def test_no_digit_is_lost_to_sixteen_bits(convention, alpha, monkeypatch):
    """Vectors in two halves: as near to rung 7 as float32 sums in another order are."""
    monkeypatch.setattr(cg_6_split, "LONGEST", HUB)
    with ampere() as device:
        assert difference(convention, alpha) < TOLERANCE
    launched = {launch.kernel for launch in device.launches}
    files = ("cg_8_tensor.cu", "cg_8_stream.cu")
    assert launched >= {"cg_5_short", *(k for file in files for k in CATALOGUE[file].kernels)}


def test_heavy_entries_leave_light_ones_their_digits(monkeypatch):
    """Sums that are scaled anew on the way, in every kernel."""
    monkeypatch.setattr(cg_6_split, "LONGEST", HUB)
    with ampere() as device:
        assert error_of_light() < tolerance(NAME)
    launched = {launch.kernel for launch in device.launches}
    assert launched >= {"cg_8_warp", "cg_8_block", "cg_8_stream", "cg_8_product"}


def test_what_tensor_cores_do_not_solve_goes_to_the_rung_before(device):
    matrix, Y, settings, _ = case(7, "log", 0.0)
    for more in ({"storage": "bfloat16"}, {"dtype": "float64"}):
        model = SOLVERS[NAME](factors=7, **settings, **more)
        users, _ = model.weights(matrix)
        start = np.zeros((matrix.shape[0], 7), model.dtype)
        expected = SOLVERS[BEFORE](factors=7, **settings, **more)
        problem = users.fixing(Y.astype(model.dtype))
        np.testing.assert_array_equal(
            model.half_step(problem, start), expected.half_step(problem, start)
        )
    assert not any(launch.kernel.startswith("cg_8") for launch in device.launches)


def test_auto_passes_it_over_until_a_card_has_shown_it(device):
    assert choose("gpu").name == BEFORE
    assert choose(NAME) is GpuCgTensor


def test_an_older_card_is_an_error():
    with ampere(75), pytest.raises(SolverUnavailable, match="this one has 7"):
        choose(NAME)


@pytest.mark.parametrize("kilobytes", [48, 64, 99, 163, 227])
@pytest.mark.parametrize("f", [1, 16, 100, 128, 200, MOST_FACTORS_TILES])
def test_every_card_has_room_for_a_layout(f, kilobytes):
    for large in (False, True):
        layout = tiles(f, diagonal=False, shared_limit=kilobytes << 10, large=large)
        assert 0 < layout.shared <= kilobytes << 10
        assert layout.kept >= 16 * (RING if large else 1)
