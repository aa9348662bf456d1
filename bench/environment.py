"""Where a benchmark was run: commit, versions, processor; nothing that names the machine or its user."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import shutil
import subprocess
from pathlib import Path

from threadpoolctl import threadpool_info

import halfstep
from halfstep.bench.record import Environment

_PACKAGES = ("numpy", "scipy", "numba", "implicit", "cupy", "threadpoolctl")


def environment() -> Environment:
    """Return this process's surroundings."""
    import scipy.linalg  # noqa: F401  (its BLAS is listed once it is loaded)

    commit, dirty = _commit(Path(halfstep.__file__).resolve().parent.parent)
    versions: dict[str, str | None] = {
        "python": platform.python_version(),
        "halfstep": halfstep.__version__,
    }
    versions |= {name: _version(name) for name in _PACKAGES}
    blas = {
        f"{pool['internal_api']} {pool['version']} ({pool.get('architecture', 'unknown')})"
        for pool in threadpool_info()
        if pool["user_api"] == "blas"
    }
    return Environment(
        commit=commit,
        dirty=dirty,
        versions=versions,
        blas=sorted(blas),
        system=f"{platform.system()} {platform.machine()}",
        cpu=_cpu(),
        cores=os.cpu_count() or 1,
        memory_bytes=_memory(),
        gpu=_gpu(),
    )


def _commit(root: Path) -> tuple[str, bool | None]:
    # Without this, a package installed inside somebody's repository would report theirs.
    if not (root / ".git").exists():
        return "unknown", None
    commit = _output("git", "-C", str(root), "rev-parse", "HEAD")
    status = _output("git", "-C", str(root), "status", "--porcelain")
    if commit is None or status is None:
        return "unknown", None
    return commit, status != ""


def _output(*command: str) -> str | None:
    if shutil.which(command[0]) is None:
        return None
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None


def _version(package: str) -> str | None:
    if package == "cupy":
        # Its distribution is named after the CUDA version.
        names = [f"cupy-cuda{cuda}x" for cuda in (11, 12, 13)]
        return next((found for name in names if (found := _version(name))), None)
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def _cpu() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        for line in cpuinfo.read_text(errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    if platform.system() == "Darwin":
        brand = _output("sysctl", "-n", "machdep.cpu.brand_string")
        if brand:
            return brand
    return platform.processor() or "unknown"


def _memory() -> int | None:
    try:
        import psutil
    except ImportError:
        return None
    return int(psutil.virtual_memory().total)


def _gpu() -> str | None:
    found = _output("nvidia-smi", "--query-gpu=name,driver_version", "--format=csv,noheader")
    return found.splitlines()[0] if found else None
