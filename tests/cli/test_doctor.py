"""What the doctor says of GPUs: with no CuPy, with a CuPy that works, and with every way it fails.

The stand-ins raise what CuPy 14.2 and 13.6 raise on machines without a driver, a device or NVRTC; a
real CuPy takes their place where HALFSTEP_CUPY names the folder that it is installed in.
"""

import ctypes
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from cases.computers import CASES, cupy, raising

import halfstep
from halfstep import AlternatingLeastSquares, SolverUnavailable, machine
from halfstep.cli.main import doctor
from halfstep.machine import gpu_facts
from halfstep.solvers.peers import implicit_gpu


@pytest.fixture
def computer(monkeypatch):
    """Set what is installed: a CuPy (None: not importable), its distributions, the driver's CUDA."""

    def set_to(module, distributions=("cupy-cuda13x",), driver=(13, 0)):
        monkeypatch.setitem(sys.modules, "cupy", module)
        monkeypatch.setattr(machine, "installed", lambda: list(distributions))
        monkeypatch.setattr(machine, "driver_cuda", lambda: driver)
        monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)

    return set_to


@pytest.mark.parametrize("case", list(CASES))
def test_each_way_of_having_no_gpu_is_told_with_what_mends_it(computer, case):
    settings, reason = CASES[case]
    computer(**settings)
    assert machine.why_no_gpu() == reason
    facts = gpu_facts()
    assert facts["GPU from Python"] == ("yes" if reason is None else f"no: {reason}")
    assert ("device" in facts) == (reason is None)


def test_two_cupys_are_named(computer):
    computer(None, ("cupy-cuda13x", "cupy-cuda12x"))
    reason = machine.why_no_gpu()
    assert "pip uninstall cupy-cuda13x cupy-cuda12x; pip install" in reason


def test_hidden_devices_are_named(computer, monkeypatch):
    computer(cupy(is_available=lambda: False))
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "-1")
    assert "unset CUDA_VISIBLE_DEVICES" in machine.why_no_gpu()


def test_a_working_device_is_described(computer):
    computer(cupy())
    assert gpu_facts() == {
        "CUDA of the driver": "13.0",
        "CuPy": "14.2.0 (cupy-cuda13x)",
        "CUDA of CuPy": "13.2",
        "NVRTC": "13.0",
        "device": "NVIDIA H200, sm_90, 132 multiprocessors",
        "device memory": "140.0 GB free of 150.1 GB",
        "GPU from Python": "yes",
    }


@pytest.mark.parametrize(("version", "found"), [(13000, (13, 0)), (12040, (12, 4))])
def test_the_drivers_cuda_version(monkeypatch, version, found):
    def query(pointer):
        pointer._obj.value = version
        return 0

    monkeypatch.setattr(ctypes, "CDLL", lambda name: SimpleNamespace(cuDriverGetVersion=query))
    assert machine.driver_cuda() == found


def test_no_driver_has_no_version(monkeypatch):
    monkeypatch.setattr(ctypes, "CDLL", raising(OSError("libcuda.so.1: cannot open")))
    assert machine.driver_cuda() is None


@pytest.mark.parametrize(
    ("error", "meaning"),
    [
        ("No module named 'rmm'", 'it finds no RMM .*: pip install "rmm-cu13==26.2'),
        ("librmm.so: cannot open shared object file", "it finds no RMM"),
        ("_cuda.so: undefined symbol: _ZN3rmm2mr", "is not the one that implicit .* 26.2.*pip"),
        ("libcublas.so.13: cannot open shared object file", "pip install nvidia-cuda-runtime"),
        ("No module named 'implicit.gpu._cuda'", "this build of implicit has no CUDA extension"),
        ("no CUDA-capable device is detected", "finds no device"),
    ],
)
def test_implicits_traps_are_explained(error, meaning):
    assert re.search(meaning, implicit_gpu.explain(error))


def test_implicit_is_asked_again_once_its_libraries_are_loaded(monkeypatch):
    pytest.importorskip("implicit")
    import implicit.gpu

    reloaded = []
    monkeypatch.setattr(implicit.gpu, "HAS_CUDA", False)
    monkeypatch.setattr(implicit_gpu, "load_libraries", lambda: True)

    def reload(module):
        reloaded.append(module)
        monkeypatch.setattr(module, "HAS_CUDA", True)
        return module

    monkeypatch.setattr(implicit_gpu.importlib, "reload", reload)
    assert implicit_gpu.cuda_backend() == (implicit.gpu, "")
    assert reloaded == [implicit.gpu]


PROGRAM = """
import json, warnings
import halfstep
from halfstep.cli.main import doctor
found = {"doctor": doctor.examine().machine, "solvers": doctor.examine().solvers}
try:
    halfstep.AlternatingLeastSquares(solver="gpu")
except halfstep.SolverUnavailable as error:
    found["error"] = str(error)
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    found["fallback"] = halfstep.AlternatingLeastSquares(solver="gpu", fallback="cpu").solver_
found["warnings"] = [str(w.message) for w in caught]
found["auto"] = halfstep.AlternatingLeastSquares().solver_
print(json.dumps(found))
"""


@pytest.mark.kernels
def test_a_real_cupy_without_a_device():
    folder = os.environ.get("HALFSTEP_CUPY")
    if not folder or not (Path(folder) / "cupy").is_dir():
        pytest.skip("HALFSTEP_CUPY does not name a folder with CuPy: `make kernels` makes one")
    path = os.pathsep.join([folder, *(p for p in sys.path if p)])
    env = {**os.environ, "PYTHONPATH": path, "CUDA_VISIBLE_DEVICES": "-1"}
    run = subprocess.run(
        [sys.executable, "-c", PROGRAM], capture_output=True, text=True, env=env, check=False
    )
    assert run.returncode == 0, run.stderr
    found = json.loads(run.stdout)
    assert found["doctor"]["CuPy"].startswith(("13.", "14."))
    assert found["doctor"]["GPU from Python"].startswith("no: cupy-cuda")
    assert "finds no CUDA device" in found["error"]
    assert any("finds no CUDA device" in warning for warning in found["warnings"])
    best = [n for n, s in halfstep.SOLVERS.items() if s.kind == "rung" and s.device == "cpu"][-1]
    assert found["auto"] == found["fallback"] == best
    for name, solver in halfstep.SOLVERS.items():
        if solver.kind == "rung" and solver.device == "gpu":
            assert "finds no CUDA device" in found["solvers"][name]


def test_gpu_solvers_fall_back_only_where_it_is_allowed(computer):
    computer(None, (), None)
    with pytest.raises(SolverUnavailable, match="solver 'gpu' cannot run here"):
        AlternatingLeastSquares(solver="gpu")
    with pytest.warns(RuntimeWarning, match="falling back to"):
        assert AlternatingLeastSquares(solver="gpu", fallback="cpu").device == "cpu"
    assert "GPU from Python" in doctor.examine().machine
