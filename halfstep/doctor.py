"""What this machine can run, and what to do about what it cannot."""

from __future__ import annotations

import os
import platform
from dataclasses import dataclass
from importlib import metadata

from halfstep.errors import SolverUnavailable
from halfstep.solvers import SOLVERS, choose

_PACKAGES = ("halfstep", "numpy", "scipy", "numba", "implicit", "irspack", "cmfrec")
_CUPY = ("cupy-cuda13x", "cupy-cuda12x", "cupy")


@dataclass(frozen=True)
class Examination:
    """The machine, the packages, every solver with its reason, and the choice of `auto`."""

    machine: dict[str, str]
    packages: dict[str, str]
    solvers: dict[str, str]
    auto: str


def examine() -> Examination:
    """Look at this machine without fitting anything; a solver's reason is "" when it can run."""
    try:
        auto = choose("auto").name
    except SolverUnavailable as error:
        auto = str(error)
    return Examination(
        machine={
            "python": platform.python_version(),
            "system": platform.platform(),
            "processor": _processor(),
            "cores": str(os.cpu_count()),
            "gpu": _gpu(),
        },
        packages={name: _version(name) or "not installed" for name in _PACKAGES},
        solvers={name: solver.unavailable() or "" for name, solver in SOLVERS.items()},
        auto=auto,
    )


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _processor() -> str:
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as lines:
            for line in lines:
                if line.startswith("model name"):
                    return line.split(":", 1)[1].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def _gpu() -> str:
    """Return the CUDA device's name, or why there is none."""
    installed = [name for name in _CUPY if _version(name)]
    if not installed:
        return 'CuPy is not installed: pip install "halfstep[cuda13]" (or cuda12) with an NVIDIA driver'
    # CuPy reports a missing driver or library by various errors, some of them only on use.
    try:
        import cupy

        if not cupy.cuda.is_available():
            return f"{installed[0]} is installed, but finds no CUDA device"
        properties = cupy.cuda.runtime.getDeviceProperties(0)
        name = properties["name"].decode()
        nvrtc = ".".join(map(str, cupy.cuda.nvrtc.getVersion()))
        return f"{name}, {properties['totalGlobalMem'] / 2**30:.0f} GiB, NVRTC {nvrtc}"
    except Exception as error:
        return f"{installed[0]} is installed, but cannot be used: {error}"
