"""Whether the GPU solvers can run here, asked in the one order in which every answer is an answer.

CuPy reports a missing driver, device or library by various errors, some of them only on use, and
older versions raise where newer ones return False: so each question is asked inside a `try`, and the
reason comes back as text with the command that mends it.
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Callable
from importlib import metadata
from typing import Any

# CuPy's distribution is named after the CUDA version that it is built for.
DISTRIBUTIONS = ("cupy-cuda13x", "cupy-cuda12x", "cupy")


def why_no_gpu() -> str | None:
    """Return why nothing can run on a GPU here and what to do about it, or None."""
    wanted = "cuda12" if (driver_cuda() or (13, 0)) < (13, 0) else "cuda13"
    try:
        import cupy
    except Exception as error:
        found = installed()
        if not found:
            return f'CuPy is not installed: pip install "halfstep[{wanted}]" with an NVIDIA driver'
        return (
            f"{_and(found)} cannot be imported ({one_line(error)}): "
            f'pip uninstall {" ".join(found)}; pip install "halfstep[{wanted}]"'
        )
    name = _and(installed()) or "CuPy"
    available, why = tried(cupy.cuda.is_available)
    if not available:
        return f"{name} finds no CUDA device ({_no_device(cupy, why)})"
    _, why = tried(cupy.cuda.nvrtc.getVersion)
    if why:
        return f'{name} finds no compiler, NVRTC ({why}): pip install "halfstep[{wanted}]"'
    return None


def installed() -> list[str]:
    """Return the names of CuPy's distributions here: more than one of them break each other."""
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
    """Return the answer and "", or None and why there is none."""
    try:
        return question(), ""
    except Exception as error:
        return None, one_line(error)


def one_line(error: Exception) -> str:
    """Return an error as one line."""
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
