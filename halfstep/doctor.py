"""What this machine can run, and what to do about what it cannot."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

import halfstep
from halfstep.doctor_gpu import gpu_facts
from halfstep.errors import SolverUnavailable
from halfstep.kernels.gpu_guard import DISTRIBUTIONS
from halfstep.solvers import SOLVERS, choose

_PACKAGES = ("numpy", "scipy", "numba", "threadpoolctl", "implicit", "irspack", "cmfrec")


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
            "system": platform.platform(),
            "processor": processor(),
            "cores": str(os.cpu_count()),
            "gpu": gpu() or "no NVIDIA GPU: nvidia-smi is absent or names none",
            **gpu_facts(),
        },
        packages={name: found or "not installed" for name, found in versions().items()},
        solvers={name: solver.unavailable() or "" for name, solver in SOLVERS.items()},
        auto=auto,
    )


def versions() -> dict[str, str | None]:
    """Return the versions of Python, of this package and of those it calculates with."""
    return {
        "python": platform.python_version(),
        # A bare clone has no metadata.
        "halfstep": halfstep.__version__,
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
    """Return the first NVIDIA GPU's name, memory and driver, also where CuPy is not installed."""
    query = "--query-gpu=name,memory.total,driver_version"
    found = output_of("nvidia-smi", query, "--format=csv,noheader")
    facts = found.splitlines()[0].rsplit(", ", 2) if found else []
    # Some drivers say in words, and with exit code 0, that there is no device.
    return f"{facts[0]}, {facts[1]}, driver {facts[2]}" if len(facts) == 3 else None


def output_of(*command: str) -> str | None:
    """Return what a program prints; None where it is absent, fails or hangs."""
    if shutil.which(command[0]) is None:
        return None
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None
