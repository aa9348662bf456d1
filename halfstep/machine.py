"""Facts about this machine: its processor, its packages, and whether the GPU solvers can run on it.

CuPy reports a missing driver, device or library by various errors, some of them only on use, and
older versions raise where newer ones return False. So `why_no_gpu` checks the import, then the device,
then the compiler, each inside a `try`, and returns the first reason with the command that fixes it.
"""

from __future__ import annotations

import ctypes
import os
import platform
import shutil
import subprocess
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from typing import Any

from halfstep.version import __version__

# CuPy's distribution is named after the CUDA version that it is built for.
DISTRIBUTIONS = ("cupy-cuda13x", "cupy-cuda12x", "cupy")
CUPY_MAJOR = 14  # what the extras ask for, and the kernels were compiled with
_OLDEST_CUDA = 12
_HEADERS = "#include <cuda_fp16.h>\n#include <cuda_bf16.h>\n"
_PACKAGES = ("numpy", "scipy", "numba", "threadpoolctl", "implicit", "irspack", "cmfrec")


def versions() -> dict[str, str | None]:
    """Return the versions of Python, of this package and of the numerical packages; None if missing."""
    return {
        "python": platform.python_version(),
        # A bare clone has no metadata.
        "halfstep": __version__,
        **{name: _version(name) for name in _PACKAGES},
        "cupy": next((found for name in DISTRIBUTIONS if (found := _version(name))), None),
    }


def processor() -> str:
    """Return the processor's name."""
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        for line in cpuinfo.read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    if platform.system() == "Darwin":
        brand = output_of("sysctl", "-n", "machdep.cpu.brand_string")
        if brand:
            return brand
    return platform.processor() or platform.machine() or "unknown"


def gpu() -> str | None:
    """Return the first NVIDIA GPU's name, memory and driver, with or without CuPy; None if no GPU."""
    query = "--query-gpu=name,memory.total,driver_version"
    output = output_of("nvidia-smi", query, "--format=csv,noheader")
    facts = output.splitlines()[0].rsplit(", ", 2) if output else []
    # Some drivers print a sentence that there is no device, and exit with code 0.
    return f"{facts[0]}, {facts[1]}, driver {facts[2]}" if len(facts) == 3 else None


def output_of(*command: str) -> str | None:
    """Return the output of a program; None if the program is missing, fails or hangs."""
    if shutil.which(command[0]) is None:
        return None
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None


def why_no_gpu() -> str | None:
    """Return why no solver can run on a GPU here and what to do about it, or None."""
    names, driver = installed(), driver_cuda()
    if driver is not None and driver[0] < _OLDEST_CUDA:
        return (
            f"the driver is for CUDA {driver[0]}.{driver[1]}: update it to one for CUDA "
            f"{_OLDEST_CUDA} or later"
        )
    wanted = "cuda12" if (driver or (13, 0)) < (13, 0) else "cuda13"
    anew = f'pip uninstall {" ".join(names)}; pip install "halfstep[{wanted}]"'
    if len(names) > 1:
        return f"{_and(names)} are installed and overwrite each other's files: {anew}"
    try:
        import cupy
    except Exception as error:
        if not names:
            return f'CuPy is not installed: pip install "halfstep[{wanted}]" with an NVIDIA driver'
        return f"{_and(names)} cannot be imported ({one_line(error)}): {anew}"
    name = _and(names) or "CuPy"
    version = str(getattr(cupy, "__version__", ""))
    major = version.partition(".")[0]
    if major.isdigit() and int(major) != CUPY_MAJOR:
        age = "old" if int(major) < CUPY_MAJOR else "new"
        return (
            f"{name} {version} is too {age}: "
            f'pip install "{names[0] if names else "cupy"}[ctk]>={CUPY_MAJOR},<{CUPY_MAJOR + 1}"'
        )
    available, why = tried(lambda: cupy.cuda.is_available())
    if not available:
        return f"{name} finds no CUDA device ({_no_device(cupy, why)})"
    return _no_compiler(cupy, names, wanted)


def _no_compiler(cupy: Any, names: list[str], wanted: str) -> str | None:
    """Return what CuPy lacks of the compiler and its headers, with the package that has it, or None."""
    # The extra of the CuPy that is here, whatever the driver could run: another one would be a second.
    extra = {"cupy-cuda12x": "cuda12", "cupy-cuda13x": "cuda13"}.get("".join(names), wanted)
    suffix = "-cu12" if extra == "cuda12" else ""
    name = _and(names) or "CuPy"
    _, why = tried(cupy.cuda.nvrtc.getVersion)
    if why:
        return (
            f"{name} finds no compiler, NVRTC ({why}), which nvidia-cuda-nvrtc{suffix} has: "
            f'pip install "halfstep[{extra}]"'
        )
    try:
        cupy.RawModule(code=_HEADERS, options=("-std=c++17",)).compile()
        return None
    except Exception as error:
        # A card that is busy or full says so to whoever uses it.
        if type(error).__name__ != "CompileException":
            return None
        why = one_line(error)
    missing = [header for header in ("cuda_fp16.h", "cuda_bf16.h") if header in why]
    if missing:
        return (
            f"{name} finds no {' or '.join(missing)}, which nvidia-cuda-runtime{suffix} has: "
            f'pip install "halfstep[{extra}]"'
        )
    return f'{name} cannot compile ({why}): pip install "halfstep[{extra}]"'


def installed() -> list[str]:
    """Return the names of the installed CuPy distributions; more than one break each other."""
    return [name for name in DISTRIBUTIONS if _version(name)]


def driver_cuda() -> tuple[int, int] | None:
    """Return the CUDA version that the driver supports, or None where there is no driver."""
    try:
        library = ctypes.CDLL("nvcuda.dll" if os.name == "nt" else "libcuda.so.1")
        version = ctypes.c_int()
        if library.cuDriverGetVersion(ctypes.byref(version)):
            return None
    except (OSError, AttributeError):
        return None
    return divmod(version.value, 1000)[0], version.value % 1000 // 10


def tried(question: Callable[[], Any]) -> tuple[Any, str]:
    """Call `question` and return (its answer, ""), or (None, its error in one line)."""
    try:
        return question(), ""
    except Exception as error:
        return None, one_line(error)


def one_line(error: Exception) -> str:
    """Return an error's message as one line."""
    return " ".join(str(error).split()) or type(error).__name__


def _no_device(cupy: Any, error: str) -> str:
    driver = driver_cuda()
    if driver is None:
        return "no NVIDIA driver: install one from nvidia.com or your distribution"
    needed, _ = tried(lambda: cupy.cuda.runtime.runtimeGetVersion() // 1000)
    if needed is not None and driver[0] < needed:
        return (
            f"the driver is for CUDA {driver[0]}.{driver[1]}: update it, or "
            f'pip uninstall {" ".join(installed())}; pip install "halfstep[cuda{driver[0]}]"'
        )
    if not error:
        _, error = tried(cupy.cuda.runtime.getDeviceCount)
    hidden = os.environ.get("CUDA_VISIBLE_DEVICES")
    if hidden is not None and not hidden.strip("-1, "):
        return f"CUDA_VISIBLE_DEVICES={hidden!r} hides them: unset CUDA_VISIBLE_DEVICES"
    return f"{error or 'the driver counts none'}: nvidia-smi says what the driver sees"


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def _and(names: list[str]) -> str:
    return " and ".join(names)


def gpu_facts() -> dict[str, str]:
    """Return facts about the GPU by name; a fact that cannot be determined has its error as value."""
    driver = driver_cuda()
    facts = {"CUDA of the driver": f"{driver[0]}.{driver[1]}" if driver else "no NVIDIA driver"}
    reason = why_no_gpu()
    try:
        import cupy
    except Exception as error:
        facts["CuPy"] = f"cannot be imported: {one_line(error)}" if installed() else "not installed"
    else:
        facts["CuPy"] = f"{cupy.__version__} ({' and '.join(installed()) or 'from source'})"
        facts["CUDA of CuPy"] = _answer(
            lambda: _cuda_version(cupy.cuda.runtime.runtimeGetVersion())
        )
        facts["NVRTC"] = _answer(lambda: ".".join(map(str, cupy.cuda.nvrtc.getVersion())))
        if reason is None:
            facts["device"] = _answer(lambda: _device(cupy))
            facts["device memory"] = _answer(lambda: _memory(cupy))
    facts["GPU from Python"] = f"no: {reason}" if reason else "yes"
    return facts


def _answer(question: Any) -> str:
    answer, error = tried(question)
    return error or str(answer)


def _cuda_version(number: int) -> str:
    return f"{number // 1000}.{number % 1000 // 10}"


def _device(cupy: Any) -> str:
    runtime = cupy.cuda.runtime
    count = runtime.getDeviceCount()
    properties = runtime.getDeviceProperties(runtime.getDevice())
    name = properties["name"]
    text = name.decode() if isinstance(name, bytes) else str(name)
    architecture = f"sm_{properties['major']}{properties['minor']}"
    others = "" if count == 1 else f", the first of {count}"
    return f"{text}, {architecture}, {properties['multiProcessorCount']} multiprocessors{others}"


def _memory(cupy: Any) -> str:
    free, total = cupy.cuda.runtime.memGetInfo()
    return f"{free / 1e9:.1f} GB free of {total / 1e9:.1f} GB"
