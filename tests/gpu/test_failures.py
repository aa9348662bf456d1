"""What is said when a device fails: no room, lost, taken by others, too old a driver, no compiler, none.

The stand-ins raise what CuPy 14.2 raises, with CUDA's codes; a real CuPy makes the errors itself where
HALFSTEP_CUPY names the folder that it is installed in.
"""

import os
import pickle
import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pytest
from cases.gpu import device as on_device
from cases.solvers import awkward

import halfstep
from halfstep import SOLVERS, AlternatingLeastSquares, InputError, SolverUnavailable, machine
from halfstep.cli import main
from halfstep.errors import DeviceLost, DeviceOutOfMemory, NotEnoughMemory, NotFitted
from halfstep.kernels.cuda import backend as backend_module
from halfstep.kernels.cuda.backend import CupyBackend, chosen, current
from halfstep.kernels.cuda.failures import translated
from halfstep.solvers.gpu.device import memory as gpu_memory

GB = 10**9


class CUDARuntimeError(RuntimeError):
    def __init__(self, status, text):
        super().__init__(text)
        self.status = status


class CUBLASError(CUDARuntimeError):
    pass


class OutOfMemoryError(MemoryError):
    pass


class DynamicLibNotFoundError(RuntimeError):
    pass


LOST = CUDARuntimeError(719, "cudaErrorLaunchFailure: unspecified launch failure")
FULL = OutOfMemoryError("Out of memory allocating 2,000,000,000 bytes (allocated so far: 7 bytes).")
OLD = CUDARuntimeError(35, "cudaErrorInsufficientDriver: CUDA driver version is insufficient for CUDA")
NONE = CUDARuntimeError(100, "cudaErrorNoDevice: no CUDA-capable device is detected")
BUSY = CUDARuntimeError(46, "cudaErrorDevicesUnavailable: CUDA-capable device(s) is/are busy")
ILLEGAL = CUDARuntimeError(700, "CUDA_ERROR_ILLEGAL_ADDRESS: an illegal memory access was encountered")
NO_NVRTC = DynamicLibNotFoundError("CuPy failed to load libnvrtc.so.13: OSError: cannot open it")


def raising(error):
    def call(*arguments, **more):
        raise error

    return call


class Device:
    """As CuPy's: a context, with its attributes."""

    def __init__(self, ordinal=None):
        self.id, self.synchronize = ordinal or 0, lambda: None
        self.attributes = {"MaxSharedMemoryPerBlockOptin": 232448, "MultiProcessorCount": 132}

    def __enter__(self):
        return self

    def __exit__(self, *error):
        return None


def cupy_that(**does):
    """A CuPy with one device of 80 GB, of which other processes hold 30, but for what is given."""
    pool = SimpleNamespace(total_bytes=lambda: 40 * GB, free_bytes=lambda: 5 * GB)
    runtime = SimpleNamespace(
        CUDARuntimeError=CUDARuntimeError,
        memGetInfo=does.get("memGetInfo", lambda: (10 * GB, 80 * GB)),
        getDeviceCount=does.get("getDeviceCount", lambda: 1),
        runtimeGetVersion=lambda: 13020,
    )
    nvrtc = SimpleNamespace(getVersion=does.get("getVersion", lambda: (13, 0)))
    return SimpleNamespace(
        cuda=SimpleNamespace(
            Device=does.get("Device", Device), runtime=runtime, nvrtc=nvrtc,
            is_available=does.get("is_available", lambda: True),
            Stream=does.get("Stream"),
        ),
        get_default_memory_pool=lambda: pool,
        empty=does.get("empty", np.empty), asarray=does.get("asarray", np.asarray),
        ascontiguousarray=np.ascontiguousarray, asnumpy=does.get("asnumpy", np.asarray),
        RawModule=does.get("RawModule"),
    )  # fmt: skip


@pytest.fixture
def computer(monkeypatch):
    """Set which CuPy can be imported, and what the machine has."""

    def set_to(module, driver=(13, 0)):
        monkeypatch.setitem(sys.modules, "cupy", module)
        monkeypatch.setattr(machine, "installed", lambda: ["cupy-cuda13x"] if module else [])
        monkeypatch.setattr(machine, "driver_cuda", lambda: driver)
        monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
        backend_module._cupy.cache_clear()

    yield set_to
    backend_module._cupy.cache_clear()


@pytest.mark.parametrize(
    ("error", "kind", "said"),
    [
        (FULL, DeviceOutOfMemory, "no room for another 2.0 GB: of 80.0 GB this process holds 40.0 GB"),
        (FULL, DeviceOutOfMemory, "10.0 GB are free; other processes hold about 30.0 GB of the device"),
        (CUBLASError(3, "CUBLAS_STATUS_ALLOC_FAILED"), DeviceOutOfMemory, "no room for more: of 80.0"),
        (CUDARuntimeError(2, "cudaErrorMemoryAllocation"), DeviceOutOfMemory, "no room for more"),
        (LOST, DeviceLost, "has failed .cudaErrorLaunchFailure.*: this process cannot use it any more"),
        (ILLEGAL, DeviceLost, "has failed .CUDA_ERROR_ILLEGAL_ADDRESS"),
        (BUSY, SolverUnavailable, "is taken by another process .cudaErrorDevicesUnavailable"),
        (NO_NVRTC, SolverUnavailable, "a CUDA library is missing: .*libnvrtc.so.13"),
        (ImportError('no "libcublas.so.13"'), SolverUnavailable, 'is missing: no "libcublas.so.13"'),
    ],
)  # fmt: skip
def test_the_device_s_error_is_named(error, kind, said, computer):
    computer(cupy_that(empty=raising(error), asnumpy=raising(error), asarray=raising(error)))
    backend = CupyBackend(0)
    for call in (
        lambda: backend.empty(3, np.float32),
        lambda: backend.to_host(None),
        lambda: backend.to_device(np.zeros(3)),
    ):
        with pytest.raises(kind, match=said) as caught:
            call()
        assert caught.value.__cause__ is error
        again = pickle.loads(pickle.dumps(caught.value))
        assert (type(again), str(again)) == (kind, str(caught.value))
    assert DeviceOutOfMemory.__base__ is MemoryError
    backend.device._device.synchronize = raising(error)
    with pytest.raises(kind, match=said):
        backend.synchronize()


@pytest.mark.parametrize(
    "error", [ValueError("a bug"), MemoryError("the host's"), CUDARuntimeError(1, "invalid value")]
)
def test_other_errors_stay_what_they_are(error, computer):
    computer(cupy_that(empty=raising(error)))
    with pytest.raises(type(error)) as caught:
        CupyBackend(0).empty(3, np.float32)
    assert caught.value is error


def test_little_in_other_hands_is_not_spoken_of(computer):
    computer(cupy_that(empty=raising(FULL), memGetInfo=lambda: (GB, 42 * GB - GB // 2)))
    backend = CupyBackend(0)
    assert backend.held_elsewhere() == GB // 2
    with pytest.raises(DeviceOutOfMemory) as caught:
        backend.empty(3, np.float32)
    assert "other processes" not in str(caught.value)
    assert caught.value.available == 41 * GB


def test_a_device_that_does_not_answer_is_out_of_memory_all_the_same(computer):
    computer(cupy_that(empty=raising(FULL), memGetInfo=raising(LOST)))
    with pytest.raises(DeviceOutOfMemory, match=r"no room for another 2\.0 GB$"):
        CupyBackend(0).empty(3, np.float32)


NOWHERE = {
    "no CuPy": (None, (13, 0), 'CuPy is not installed: pip install "halfstep'),
    "driver too old": (
        cupy_that(Device=raising(OLD), getDeviceCount=raising(OLD), is_available=lambda: False),
        (12, 4),
        r"the driver is for CUDA 12.4: update it, or pip uninstall .* pip install \"halfstep.cuda12",
    ),
    "no driver": (
        cupy_that(Device=raising(OLD), getDeviceCount=raising(OLD), is_available=lambda: False),
        None,
        "no NVIDIA driver: install one",
    ),
    "no device": (
        cupy_that(Device=raising(NONE), getDeviceCount=raising(NONE), is_available=lambda: False),
        (13, 0),
        "cudaErrorNoDevice.*nvidia-smi says what the driver sees",
    ),
    "taken": (
        cupy_that(Device=raising(BUSY), getDeviceCount=raising(BUSY)),
        (13, 0),
        "taken by another process .*end it, choose another device, or let the device be shared",
    ),
}


@pytest.mark.parametrize("case", NOWHERE)
def test_a_fit_without_a_device_says_why(case, computer):
    module, driver, said = NOWHERE[case]
    computer(module, driver)
    model = SOLVERS["gpu_cg_5_binned"](factors=3)
    for call in (
        lambda: model.fit(awkward(), show_progress=False),
        lambda: model.set_params(devices=[0]).fit(awkward(), show_progress=False),
        current,
        lambda: chosen([0]),
    ):
        with pytest.raises(SolverUnavailable, match=said):
            call()


def test_hidden_devices_are_named(computer, monkeypatch):
    computer(NOWHERE["no device"][0])
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    with pytest.raises(SolverUnavailable, match="CUDA_VISIBLE_DEVICES='' hides them: unset"):
        current()
    with pytest.raises(SolverUnavailable, match="CUDA_VISIBLE_DEVICES='' hides them: unset"):
        AlternatingLeastSquares(solver="gpu", factors=3)


def test_without_a_compiler_a_launch_says_what_to_install(computer):
    module = SimpleNamespace(get_function=raising(NO_NVRTC))
    computer(cupy_that(getVersion=raising(NO_NVRTC), RawModule=lambda **_: module))
    said = r'a CUDA library is missing: .* no compiler, NVRTC .* pip install "halfstep\[cuda13\]"'
    with pytest.raises(SolverUnavailable, match=said):
        CupyBackend(0).launch("relax.cu", "relax", ("REAL=float",), (1,), (32,), ())


def test_pages_that_cannot_be_locked_are_done_without(computer, monkeypatch, caplog):
    refused = CUDARuntimeError(2, "cudaErrorMemoryAllocation: out of memory")
    computer(cupy_that())
    monkeypatch.setitem(sys.modules, "cupyx", SimpleNamespace(empty_pinned=raising(refused)))
    array = np.arange(5)
    assert CupyBackend(0).page_locked(array) is array
    assert "no page-locked memory, uploads will be slower: cudaErrorMemoryAllocation" in caplog.text


@pytest.fixture
def small_world(monkeypatch):
    """Let the plan count what these small fits need, not what a card's libraries take."""
    monkeypatch.setattr(gpu_memory, "_FIXED", 0)
    monkeypatch.setattr(gpu_memory, "_SMALLEST_BLOCK", 64)


SETTINGS = {"factors": 7, "iterations": 4, "random_state": 0, "relaxation": 1.0}


def fitted(backend, fails_in, how, **fit):
    """Fit on a device that fails in an iteration."""
    model = SOLVERS["gpu_cg_5_binned"](**SETTINGS)
    model.fit_callback = lambda iteration, *_: how(backend) if iteration == fails_in - 1 else None
    return model, lambda: model.fit(awkward(), show_progress=False, **fit)


def lose(backend):
    backend.lost = DeviceLost("the CUDA device has failed (as asked): this process cannot use it")


def test_a_lost_device_s_fit_goes_on_from_its_checkpoint(tmp_path):
    file = tmp_path / "fit.checkpoint"
    with on_device("forward") as backend:
        model, fit = fitted(backend, 2, lose, checkpoint=file)
        said = rf"iteration 2: the CUDA device has failed .*; checkpoint '{file}' is kept: in a new"
        with pytest.raises(DeviceLost, match=said) as caught:
            fit()
    assert f"fit(..., checkpoint='{file}', resume=True) goes on" in str(caught.value)
    assert model.user_factors is model.item_factors is None
    with pytest.raises(NotFitted):
        model.recommend(0, awkward()[0])
    with on_device("forward"):
        whole = SOLVERS["gpu_cg_5_binned"](**SETTINGS).fit(awkward(), show_progress=False)
        again = SOLVERS["gpu_cg_5_binned"](**SETTINGS)
        again.fit(awkward(), show_progress=False, checkpoint=file, resume=True)
    assert len(again.seconds_) == 4
    np.testing.assert_array_equal(again.item_factors, whole.item_factors)


@pytest.mark.parametrize("streamed", [False, True])
def test_a_lost_device_without_a_checkpoint_says_what_would_have_helped(
    streamed, tmp_path, small_world
):
    with on_device("forward") as backend:
        model, fit = fitted(backend, 1, lose)
        if streamed:
            model.set_params(devices=[0])
        with pytest.raises(DeviceLost, match="are lost with the device; in a new process, fit"):
            fit()
        backend.lost = None
        _, fit = fitted(backend, 0, lose, checkpoint=tmp_path / "none")
        lose(backend)
        with pytest.raises(DeviceLost, match="the CUDA device has failed"):
            fit()
    assert not (tmp_path / "none").exists()


def test_no_room_in_mid_fit_names_the_plan_and_a_limit_that_fits(small_world):
    def fill(backend):
        # Another process takes all but a part of what the fit has.
        backend.device.memory = backend.device.used + 3000

    with on_device("forward", memory=10**6) as backend:
        model, fit = fitted(backend, 1, fill)
        with pytest.raises(DeviceOutOfMemory) as caught:
            fit()
        said = str(caught.value)
        assert "out of memory allocating" in said
        assert "(in iteration 1); the plan was device 0: " in said
        assert "stored entries" in said
        assert model.user_factors.shape == (43, 7)  # of the last whole iteration
        limit = int(said.split("memory_limit=")[1].split()[0])
        assert 0 < limit < backend.device.memory
        del model, fit, caught
        backend.device.peak = backend.device.used
        smaller = SOLVERS["gpu_cg_5_binned"](**SETTINGS, memory_limit=limit)
        smaller.fit(awkward(), show_progress=False)
        assert backend.device.peak <= backend.device.memory


def test_no_room_for_the_entries_names_the_plan():
    with on_device("forward", memory=8000) as backend:
        backend.free_bytes = lambda: GB  # as when another process takes the rest meanwhile
        with pytest.raises(DeviceOutOfMemory, match=r"\(when the stored entries were copied there\)"):
            SOLVERS["gpu_cg_5_binned"](factors=7).fit(awkward(), show_progress=False)


def test_a_plan_that_others_leave_no_room_for_says_so():
    with on_device("forward", memory=10**7) as backend:
        for held, said in ((20 * GB, True), (GB // 2, False)):
            backend.elsewhere = held
            with pytest.raises(NotEnoughMemory) as caught:
                SOLVERS["gpu_cg_5_binned"](factors=7).fit(awkward(), show_progress=False)
            assert ("other processes hold about 20.0 GB" in str(caught.value)) == said
            assert isinstance(caught.value, InputError)


@pytest.mark.parametrize("error", [DeviceLost("gone"), DeviceOutOfMemory("full")])
def test_the_command_line_says_it_in_one_line(error, monkeypatch, capsys):
    monkeypatch.setattr(main, "app", raising(error))
    assert main.run(["doctor"]) != 0
    assert capsys.readouterr().err.strip().endswith(str(error))


@pytest.mark.kernels
@pytest.mark.skipif("HALFSTEP_CUPY" not in os.environ, reason="HALFSTEP_CUPY names no CuPy")
def test_cupy_s_own_errors_are_known():
    program = """
import cupy
from halfstep.kernels.cuda.failures import translated
found = []
for status in (2, 35, 46, 100, 214, 700, 702, 709, 719, 999, 1, 9, 701, 98):
    error = cupy.cuda.runtime.CUDARuntimeError(status)
    found.append(type(translated(error, cupy)).__name__)
found.append(type(translated(cupy.cuda.memory.OutOfMemoryError(5, 6, 7), cupy)).__name__)
print(" ".join(found))
from halfstep.kernels.cuda.backend import current
try:
    current()
except Exception as error:
    print(type(error).__name__, error)
"""
    root = os.path.dirname(os.path.dirname(halfstep.__file__))
    path = os.pathsep.join([root, os.environ["HALFSTEP_CUPY"]])
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True,
        env={**os.environ, "PYTHONPATH": path},
    )  # fmt: skip
    kinds, current_said = done.stdout.splitlines()
    gone = ["DeviceLost"] * 6
    there = ["SolverUnavailable"]
    assert kinds.split() == [
        "DeviceOutOfMemory", *there * 3, *gone, *["NoneType"] * 4, "DeviceOutOfMemory",
    ]  # fmt: skip
    if machine.driver_cuda() is None:
        assert current_said.startswith("SolverUnavailable no CUDA device can be used: ")


def test_what_is_not_about_the_device_is_not_translated():
    assert translated(ValueError("x"), None) is None
    assert translated(KeyboardInterrupt(), None) is None
