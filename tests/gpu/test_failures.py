"""What is said when a device fails: no room, lost, taken by others, too old a driver, no compiler, none.

A stand-in takes CuPy's place, and CuPy itself where HALFSTEP_CUPY names the folder that it is in.
"""

import os
import pickle
import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pytest
from cases.fake_cupy import (
    BUSY,
    FULL,
    GB,
    ILLEGAL,
    LOST,
    NO_NVRTC,
    NONE,
    OLD,
    CompileException,
    CUBLASError,
    CUDARuntimeError,
    cupy_that,
    raising,
)
from cases.solvers import awkward

import halfstep
from halfstep import SOLVERS, AlternatingLeastSquares, SolverUnavailable, machine
from halfstep.cli import main
from halfstep.errors import DeviceLost, DeviceOutOfMemory
from halfstep.kernels.cuda import backend as backend_module
from halfstep.kernels.cuda.backend import CupyBackend, chosen, current
from halfstep.kernels.device.failures import translated


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
        (
            CompileException("nvrtc: error: invalid value for --gpu-architecture (-arch)"),
            SolverUnavailable, r"no code for the device \(nvrtc: error: .*\[cuda12\]",
        ),
        (CUDARuntimeError(209, "cudaErrorNoKernelImageForDevice"), SolverUnavailable, "no code for"),
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
    "error",
    [
        ValueError("a bug"),
        MemoryError("the host's"),
        CompileException("expected a ;"),
        CUDARuntimeError(1, "invalid value"),
    ],
)
def test_other_errors_stay_what_they_are(error, computer):
    computer(cupy_that(empty=raising(error)))
    with pytest.raises(type(error)) as caught:
        CupyBackend(0).empty(3, np.float32)
    assert caught.value is error


@pytest.mark.parametrize("status", [1, 3, 13])
def test_a_product_on_a_lost_device_fails_for_the_device_s_reason(status, computer):
    failed = CUBLASError(status, "CUBLAS_STATUS_EXECUTION_FAILED")
    computer(cupy_that(asnumpy=raising(failed), deviceSynchronize=raising(LOST)))
    with pytest.raises(DeviceLost, match="cudaErrorLaunchFailure") as caught:
        CupyBackend(0).to_host(None)
    assert caught.value.__cause__ is failed
    computer(cupy_that(asnumpy=raising(failed)))
    with pytest.raises(CUBLASError if status == 13 else DeviceOutOfMemory):
        CupyBackend(0).to_host(None)


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
    module = SimpleNamespace(compile=raising(NO_NVRTC))
    computer(cupy_that(getVersion=raising(NO_NVRTC), RawModule=lambda **_: module))
    said = r'a CUDA library is missing: .* no compiler, NVRTC .* pip install "halfstep\[cuda13\]"'
    with pytest.raises(SolverUnavailable, match=said):
        CupyBackend(0).launch("transpose.cu", "rows_of", ("REAL=float",), (1,), (32,), ())


def test_pages_that_cannot_be_locked_are_done_without(computer, monkeypatch, caplog):
    refused = CUDARuntimeError(2, "cudaErrorMemoryAllocation: out of memory")
    computer(cupy_that())
    monkeypatch.setitem(sys.modules, "cupyx", SimpleNamespace(empty_pinned=raising(refused)))
    array = np.arange(5)
    assert CupyBackend(0).page_locked(array) is array
    assert "no page-locked memory, uploads will be slower: cudaErrorMemoryAllocation" in caplog.text


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
from halfstep.kernels.device.failures import translated
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


def test_an_interruption_passes_through(computer):
    computer(cupy_that(empty=raising(KeyboardInterrupt())))
    with pytest.raises(KeyboardInterrupt):
        CupyBackend(0).empty(3, np.float32)
