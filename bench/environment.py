"""The environment of a run: commit, versions, processor; nothing that names the machine or its user."""

from __future__ import annotations

import os
import platform
from pathlib import Path

from threadpoolctl import threadpool_info

import halfstep
from halfstep.bench.schema import Environment
from halfstep.machine import gpu, output_of, processor, versions


def environment() -> Environment:
    """Return the environment of this process."""
    import scipy.linalg  # noqa: F401  (threadpoolctl lists SciPy's BLAS only once it is loaded)

    commit, dirty = _commit(Path(halfstep.__file__).resolve().parent.parent)
    blas = {
        f"{pool['internal_api']} {pool['version']} ({pool.get('architecture', 'unknown')})"
        for pool in threadpool_info()
        if pool["user_api"] == "blas"
    }
    return Environment(
        commit=commit,
        dirty=dirty,
        versions=versions(),
        blas=sorted(blas),
        system=f"{platform.system()} {platform.machine()}",
        cpu=processor(),
        cores=os.cpu_count() or 1,
        memory_bytes=_memory(),
        gpu=gpu(),
    )


def _commit(root: Path) -> tuple[str, bool | None]:
    # A package installed inside another repository must not report that repository's commit.
    if not (root / ".git").exists():
        return "unknown", None
    commit = output_of("git", "-C", str(root), "rev-parse", "HEAD")
    status = output_of("git", "-C", str(root), "status", "--porcelain")
    if commit is None or status is None:
        return "unknown", None
    return commit, status != ""


def _memory() -> int | None:
    try:
        import psutil
    except ImportError:
        return None
    return int(psutil.virtual_memory().total)
