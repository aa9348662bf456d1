"""What this machine can run, and what to do about what it cannot."""

from __future__ import annotations

import os
import platform
from dataclasses import dataclass

from halfstep.errors import SolverUnavailable
from halfstep.machine import gpu, gpu_facts, processor, versions
from halfstep.solvers import SOLVERS, choose


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
