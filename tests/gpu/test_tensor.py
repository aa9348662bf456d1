"""The tensor core rungs, against float64, and against rung 7 on the same rounded systems."""

import numpy as np
import pytest
from cases import gpu_gramian
from cases.gpu import DEVICES, backend_of, case, mostly_long, tolerance
from cases.gpu import device as device_of
from cases.gpu_stopping import fit_to_compare, plays
from cases.gpu_tensor import BEFORE, HUB, NAME, SHARED, TOLERANCE, difference, error_of_light
from emulator import EmulatorBackend, build

from halfstep import SOLVERS, SolverUnavailable
from halfstep.kernels.cuda.backend import using
from halfstep.kernels.cuda.catalogue import CATALOGUE
from halfstep.kernels.cuda.lanes import MOST_FACTORS_TILES, RING, systems, tiles
from halfstep.solvers.gpu import cg_6_split
from halfstep.solvers.gpu.cg_8_tensor import GpuCgTensor
from halfstep.solvers.gpu.cg_9_gramian import FILE, GpuCgGramian
from halfstep.solvers.registry import choose

ANY = pytest.mark.parametrize("name", ["random", DEVICES[-1]])


def ampere(capability=86):
    """Return a device with less shared memory than the emulator's usual one."""
    if build.why_not():
        pytest.skip(build.why_not())
    backend = EmulatorBackend(order="random", shared_limit=SHARED)
    backend.capability = capability
    return using(backend)


@pytest.mark.parametrize(
    ("convention", "alpha"), mostly_long([("log", 1), ("linear", 1e3)], ("linear", 1e3))
)
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
    assert choose(gpu_gramian.NAME) is GpuCgGramian


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


@ANY
@pytest.mark.parametrize(
    ("wide", "limit", "part"),
    mostly_long(gpu_gramian.LAYOUTS + gpu_gramian.MORE, *gpu_gramian.LAYOUTS[:2]),
)
def test_long_rows_are_solved_as_in_float64(name, wide, limit, part):
    backend = backend_of(name)
    if limit:
        backend.shared_limit = limit
    assert systems(wide, shared_limit=backend.shared_limit).inside == (limit is None)
    error, of_gained = gpu_gramian.worst(backend, wide, part)
    assert error < gpu_gramian.TOLERANCE
    assert of_gained < 1e-3


@ANY
def test_a_small_weight_keeps_its_digits_beside_a_large_one(name):
    assert gpu_gramian.small_share(backend_of(name)) < 2e-5


@pytest.fixture
def short():
    with gpu_gramian.exact_from(17, 19):
        yield


@pytest.mark.kernels
@ANY
def test_a_fit_with_long_rows_is_as_good_as_exact_half_steps_relaxed_alike(name, short):
    matrix, settings, exact = fit_to_compare()
    with device_of(name) as found:
        ours = SOLVERS[gpu_gramian.NAME](**settings).fit(matrix, show_progress=False)
    launched = {launch.kernel for launch in found.launches}
    assert launched >= {"cg_9_row", "cg_9_part", "cg_9_solve", "cg_8_warp", "cg_5_short"}
    assert ours.loss_history_[-1] < 1.01 * exact
    halves = ours.report_[1]
    for half, lengths in zip(halves, (matrix.getnnz(1), matrix.getnnz(0)), strict=True):
        assert half.steps >= half.rows == np.count_nonzero(lengths)
    first, second = ours.loss_history_[:2]
    assert sum(half.gained for half in halves) == pytest.approx(first - second, rel=1e-3)


@pytest.mark.kernels
@ANY
def test_a_fixed_number_of_steps_is_that_of_the_rung_before(name, short):
    matrix = plays(60, 50)
    settings = {"factors": 33, "iterations": 2, "cg_steps": 2, "random_state": 0}
    with device_of(name) as found:
        both = [
            SOLVERS[n](**settings).fit(matrix, show_progress=False)
            for n in (NAME, gpu_gramian.NAME)
        ]
    np.testing.assert_array_equal(both[0].user_factors, both[1].user_factors)
    assert not any(launch.file == FILE for launch in found.launches)
