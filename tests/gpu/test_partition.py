"""Fits in blocks and over several devices: the same bits as resident on one, emulated or a card."""

from dataclasses import replace

import numpy as np
import pytest
from cases.gpu import DEVICES, backend_of
from cases.solvers import CONVENTIONS, awkward
from emulator import EmulatorBackend, OutOfMemory, build
from scipy import sparse

from halfstep import SOLVERS, InputError
from halfstep.errors import NumericalWarning
from halfstep.kernels.cuda.backend import using
from halfstep.solvers.gpu import cg_7_half
from halfstep.solvers.gpu.device import memory as gpu_memory
from halfstep.solvers.gpu.device.memory import DeviceSize, parts_of, plan_memory
from halfstep.solvers.inputs import as_csr
from halfstep.solvers.objective import objective
from halfstep.solvers.shards import cuts

needs_compiler = pytest.mark.skipif(build.why_not() is not None, reason=str(build.why_not()))
BEST, EXACT = "gpu_cg_7_half", "gpu_cholesky"
CARD = pytest.param("cupy", None, marks=pytest.mark.gpu)
ON = pytest.mark.parametrize("on", ["forward", DEVICES[-1]])
SIZE = DeviceSize(1000, 500, 2_000_000, 5_000, 64, np.float32)


@pytest.fixture
def small_world(monkeypatch):
    """Let the plan count what these small fits need, not what a card's libraries take."""
    monkeypatch.setattr(gpu_memory, "_FIXED", 0)
    monkeypatch.setattr(gpu_memory, "_SMALLEST_BLOCK", 64)


@pytest.fixture
def crowded():
    """Far more bytes of entries than of factors, rows of very different lengths, empty ones too."""
    rng = np.random.default_rng(0)
    dense = np.where(rng.random((90, 70)) < rng.random((90, 1)), rng.lognormal(1, 1, (90, 70)), 0)
    dense[[0, 40]] = 0
    dense[7] = 1
    return sparse.csr_matrix(dense)


def fit(name, matrix, *backends, **settings):
    with using(*backends):
        settings = {"factors": 5, "iterations": 3, "random_state": 0, **settings}
        model = SOLVERS[name](**settings).fit(matrix, show_progress=False)
        return model.user_factors, model.item_factors


@pytest.mark.filterwarnings("ignore:the weights are too large:halfstep.NumericalWarning")
@pytest.mark.parametrize(("on", "late"), [("forward", False), ("forward", True), CARD])
@pytest.mark.parametrize(
    ("name", "convention"), [(BEST, "log"), (EXACT, "implicit"), (EXACT, "explicit")]
)
def test_a_streamed_fit_has_the_bits_of_a_resident_one(
    name, convention, on, late, crowded, small_world
):
    settings = CONVENTIONS[convention]
    expected = fit(name, crowded, backend_of(on, multiprocessors=3), **settings)
    device = backend_of(on, late_uploads=late, multiprocessors=3)
    budget = (
        sum(parts_of(DeviceSize(90, 70, crowded.nnz, 90, 5, np.float32), 200).values()) * 10 // 9
    )
    streamed = fit(name, crowded, device, memory_limit=budget + 100, **settings)
    assert device.uploads > 40  # blocks, not sides
    assert device.launched("weigh") > 10
    for here, there in zip(streamed, expected, strict=True):
        np.testing.assert_array_equal(here, there)


@ON
def test_a_streamed_fit_s_objective_and_its_refusal_of_weights(on, crowded, small_world):
    size = DeviceSize(90, 70, crowded.nnz, 90, 5, np.float32)
    settings = {"factors": 5, "iterations": 2, "random_state": 0, "regularization": 0.1}
    settings |= {"calculate_training_loss": True, "memory_limit": sum(parts_of(size).values())}
    with using(backend_of(on)):
        model = SOLVERS[EXACT](**settings).fit(crowded, show_progress=False)
        sides = model.weights(as_csr(crowded))
        expected = objective(*sides, model.user_factors, model.item_factors)
        assert model.loss_history_[-1] == pytest.approx(expected, rel=1e-9)
        huge = crowded.copy()
        huge.data[5] = -3e38
        with pytest.raises(InputError, match=r"must fit float32, got alpha 10.0 times -3e\+38"):
            model.set_params(alpha=10.0).fit(huge, show_progress=False)


@ON
def test_16_bits_are_judged_alike_however_the_data_lies(on, crowded, monkeypatch, small_world):
    settings = {"confidence": "explicit", "regularization": 0.1, "storage": "bfloat16"}
    costs = []
    cost_of_rounding = cg_7_half.cost_of_rounding

    def noted(*args):
        costs.append(cost_of_rounding(*args))
        return costs[-1]

    monkeypatch.setattr(cg_7_half, "cost_of_rounding", noted)
    size = DeviceSize(90, 70, crowded.nnz, 90, 5, np.float32)
    limit = sum(parts_of(size).values())
    ways = ({}, {"memory_limit": limit}, {"devices": [0, 1]})
    devices = [backend_of(on, ordinal=k) for k in range(2)]
    for way in ways:
        fit(BEST, crowded, *devices, **settings, **way)
    assert len(set(costs)) == 1
    assert abs(costs[0]) > 0
    monkeypatch.setattr(cg_7_half, "MARGIN", -1.0)
    found = []
    for way in ways:
        with pytest.warns(NumericalWarning, match="storage bfloat16 raises the objective by"):
            found.append(fit(BEST, crowded, *devices, **settings, **way)[0])
    for factors in found[1:]:
        np.testing.assert_array_equal(factors, found[0])


def test_the_rows_that_are_judged_are_few_and_at_least_one(small_world):
    assert gpu_memory.first_rows(np.array([300, 5])) == 1
    assert gpu_memory.first_rows(np.array([100, 156, 1, 5])) == 2
    assert gpu_memory.first_rows(np.zeros(9000, np.int64)) == 4096


@needs_compiler
def test_data_many_times_the_device_s_memory_pass_through_it(small_world):
    rng = np.random.default_rng(1)
    matrix = sparse.csr_matrix(rng.lognormal(1, 1, (420, 400)) * (rng.random((420, 400)) < 0.7))
    settings = {"iterations": 1, "regularization": 0.1}
    expected = fit(BEST, matrix, EmulatorBackend(memory=1 << 24), **settings)
    device = EmulatorBackend(memory=300_000)
    streamed = fit(BEST, matrix, device, **settings)
    assert 2 * 12 * matrix.nnz > 8 * device.device.peak
    for here, there in zip(streamed, expected, strict=True):
        np.testing.assert_array_equal(here, there)


@ON
@pytest.mark.parametrize("name", [BEST, EXACT])
def test_several_devices_have_the_bits_of_one(name, on, crowded):
    expected = fit(name, crowded, backend_of(on))
    devices = [backend_of(on, ordinal=k) for k in range(3)]
    shared = fit(name, crowded, *devices, devices=[0, 1, 2])
    for here, there in zip(shared, expected, strict=True):
        np.testing.assert_array_equal(here, there)
    assert all(device.launches for device in devices)


@ON
def test_more_devices_than_rows_and_streaming_on_each(on, small_world):
    matrix = awkward(users=18, items=5, negative=False)[[0, 3, 5, 6, 9]]
    expected = fit(BEST, matrix, backend_of(on))
    devices = [backend_of(on, ordinal=k) for k in range(7)]
    budget = sum(parts_of(DeviceSize(5, 5, matrix.nnz, 5, 5, np.float32), 5).values()) * 10 // 9
    shared = fit(BEST, matrix, *devices, devices=range(7), memory_limit=budget + 200)
    for here, there in zip(shared, expected, strict=True):
        np.testing.assert_array_equal(here, there)


def test_shares_are_of_equal_work():
    lengths = np.array([0, 1000, 0, 0, 10, 10, 10, 970, 0])
    assert cuts(lengths, 1) == [0, 9]
    # The long rows are one of 1,000 and one of 970 entries; a row costs eight more.
    assert cuts(lengths, 2) == [0, 5, 9]
    many = cuts(lengths, 20)
    assert many[0] == 0
    assert many[-1] == 9
    assert many == sorted(many)
    assert cuts(lengths, 3, align=4) == [0, 4, 8, 9]
    assert cuts(lengths[:0], 3, align=4) == [0, 0, 0, 0]


def test_the_plan_is_resident_streamed_or_says_what_would_fit():
    whole = sum(parts_of(SIZE).values())
    resident = plan_memory(SIZE, 2 * whole)
    assert resident.block_entries is None
    assert resident.needed == whole
    assert "stored entries" in str(resident)
    streamed = plan_memory(SIZE, int(0.9 * whole))
    assert SIZE.longest <= streamed.block_entries < SIZE.entries
    assert streamed.needed <= 0.9 * 0.9 * whole
    big = DeviceSize(50_000_000, 1_000_000, 10**9, 10**6, 1024, np.float64)
    with pytest.raises(InputError, match=r"factors=\d+ would fit") as refusal:
        plan_memory(big, 60 * 10**9)
    most = int(str(refusal.value).split("factors=")[1].split()[0])
    assert plan_memory(replace(big, factors=most), 60 * 10**9).block_entries
    with pytest.raises(InputError):
        plan_memory(replace(big, factors=most + 1), 60 * 10**9)
    halved = DeviceSize(5_000_000, 1_000_000, 10**9, 10**6, 128, np.float64)
    with pytest.raises(InputError, match="dtype float32 would fit"):
        plan_memory(halved, 15 * 10**9)
    with pytest.raises(InputError, match="no number of factors would fit"):
        plan_memory(big, 10**6)


@needs_compiler
def test_running_out_of_memory_is_explained_with_the_plan_s_numbers(crowded):
    device = EmulatorBackend(memory=60_000)
    device.free_bytes = lambda: 10**9  # as when another process takes the rest meanwhile
    with pytest.raises(MemoryError, match=r"out of memory .* the plan was device 0: .* of 1.0 GB"):
        fit(BEST, crowded, device)
    assert not issubclass(OutOfMemory, InputError)


def test_bad_devices_and_memory_are_refused():
    for bad in ([], [0, 0], [-1], ["a"]):
        with pytest.raises(InputError, match="devices must be"):
            SOLVERS[BEST](devices=bad)
    with pytest.raises(InputError, match="deterministic must be True for gpu_cg_7_half"):
        SOLVERS[BEST](deterministic=False)
    assert SOLVERS[BEST](deterministic=True).deterministic
    with pytest.raises(InputError, match="memory_limit must be"):
        SOLVERS[BEST](memory_limit=0)
