"""The parts of the first stage: what each does, in a process of its own, and what it records.

A part is called with the run's `Place` and its arguments from the command line; it returns an exit code.
"""

from __future__ import annotations

import importlib.metadata
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

from halfstep.bench.environment import environment as whole_environment
from halfstep.bench.gpu import second_parts
from halfstep.bench.gpu.ceilings import ceilings
from halfstep.bench.gpu.compile_ahead import compile_all
from halfstep.bench.gpu.contest import contest, failed
from halfstep.bench.gpu.kept_data import data, matrix_of
from halfstep.bench.gpu.options import options
from halfstep.bench.gpu.parity import parity, reference
from halfstep.bench.gpu.plan import CPU, CPU_PEER, NAIVE, REFERENCE, REFERENCE_HALF
from halfstep.bench.gpu.process import Place, environment
from halfstep.bench.gpu.record import GpuTable
from halfstep.bench.gpu.scaling import scaling
from halfstep.bench.gpu.shapes import SHAPES
from halfstep.bench.gpu.smoke import FACTORS, may_miss, missed, smoke, tolerance
from halfstep.bench.gpu.timeline import timeline
from halfstep.machine import gpu_facts
from halfstep.solvers import SOLVERS

_PACKAGES = (
    "numpy", "scipy", "numba", "pandas", "typer", "rich", "threadpoolctl", "pytest", "pytest-xdist",
    "hypothesis", "scikit-learn", "matplotlib", "cupy-cuda13x", "cuda-bindings", "cuda-pathfinder",
    "nvidia-cuda-nvrtc", "nvidia-cublas", "implicit", "rmm-cu13",
)  # fmt: skip
_TEST_FACTORS = (7, 33, 64, 130, 1)
_SHARE = 0.85  # of a part's limit that its fits may take


def environment_part(place: Place) -> int:
    """Write down the card, the tools and the packages, whichever of them there are."""
    versions = {name: _version(name) for name in _PACKAGES}
    place.record("environment", environment=whole_environment(), packages=versions)
    commands = (
        ["nvidia-smi"], ["nvcc", "--version"], [sys.executable, "-m", "halfstep", "doctor"]
    )  # fmt: skip
    for command in commands:
        try:
            done = subprocess.run(
                command, capture_output=True, text=True, timeout=25, env=environment(), check=False
            )
            text = done.stdout + done.stderr
        except (OSError, subprocess.TimeoutExpired) as error:
            text = f"{error}\n"
        place.append("environment.txt", f"$ {' '.join(command)}\n{text}\n")
    tools = {name: shutil.which(name) for name in ("ncu", "compute-sanitizer")}
    reason = SOLVERS[REFERENCE].unavailable()
    place.record("tools", gpu=gpu_facts(), tools=tools, no_peer=reason)
    return 0


def compile_part(place: Place, *factors: str) -> int:
    """Compile all variants of these factors, or of those that the tests use."""
    sizes = _TEST_FACTORS if factors == ("tests",) else tuple(map(int, factors))
    began = time.perf_counter()
    found = compile_all(sizes)
    seconds = round(time.perf_counter() - began, 1)
    failed = [one._asdict() for one in found if one.error]
    slowest = [one._asdict() for one in sorted(found, key=lambda one: -one.seconds)[:5]]
    place.record("compile", variants=len(found), seconds=seconds, failed=failed, slowest=slowest)
    return int(bool(failed))


def smoke_part(place: Place, name: str) -> int:
    """Audit half-steps of a rung on mild and on raw counts; exit code 1 where one is wrong."""
    factors = (8,) if place.emulate else FACTORS
    worst = {f: smoke(name, f) for f in factors}
    lost = {f: missed(name, f) for f in factors}
    right = all(residual < tolerance(name) for residual in worst.values())
    right &= all(share < may_miss(name) for share in lost.values())
    place.record(
        "smoke", solver=name, residuals=worst, tolerance=tolerance(name), missed_on_raw_counts=lost,
        may_miss=may_miss(name), right=right,
    )  # fmt: skip
    return int(not right)


def reference_part(place: Place, factors: str, *shapes: str) -> int:
    """Fit on the CPU what `parity` compares with; the CPU's code is compiled by that too."""
    for shape in shapes:
        found = reference(shape, int(factors), place.data / f"cpu-{shape}.npz")
        place.record("reference", **found)
    return 0


def parity_part(place: Place, name: str, shape: str, factors: str) -> int:
    """Compare a rung's fits with the CPU's; exit code 1 where it is worse."""
    found = parity(name, shape, int(factors), place.data / f"cpu-{shape}.npz")
    place.record("parity", **found)
    return int(not found["equal"])


def ceilings_part(place: Place) -> int:
    """Measure the card's rates."""
    ceilings(lambda **found: place.record("ceiling", **found))
    return 0


def timeline_part(place: Place, shape: str, factors: str, name: str) -> int:
    """Say where an iteration's time goes."""
    seconds, spent = timeline(matrix_of(place, shape), int(factors), name)
    calls = {label: one._asdict() for label, one in spent.items()}
    place.record(
        "timeline", shape=shape, factors=int(factors), solver=name, seconds=seconds, calls=calls
    )
    return 0


def contest_part(place: Place, shape: str, factors: str, repeats: str, *rungs: str) -> int:
    """Time rungs beside the peer, the first rung, and the CPU; exit code 1 where a solver fails."""
    until = time.monotonic() + _SHARE * place.limit
    peers = (REFERENCE, REFERENCE_HALF)
    names = list(dict.fromkeys([*rungs[:1], *peers, NAIVE, *rungs[1:], CPU, CPU_PEER]))
    matrix = matrix_of(place, shape)
    users, items = matrix.shape

    def keep(case: Any) -> None:
        place.record("contest", table=GpuTable(shape, users, items, int(matrix.nnz), case))

    case = contest(
        matrix, int(factors), names, int(repeats), lambda: until - time.monotonic(),
        SHAPES[shape].convention, keep,
    )  # fmt: skip
    return int(bool(failed(case)))


def scaling_part(place: Place, shape: str, factors: str) -> int:
    """Time the CPU's solvers with 1 to 16 threads."""
    say = {"shape": shape, "factors": int(factors)}
    scaling(
        matrix_of(place, shape), int(factors), SHAPES[shape].convention, _SHARE * place.limit,
        lambda **found: place.record("scaling", **say, **found),
    )  # fmt: skip
    return 0


def options_part(place: Place, shape: str, factors: str, name: str) -> int:
    """Try what is off by default; exit code 1 where an option loses parity."""
    good = options(
        matrix_of(place, shape), int(factors), name, SHAPES[shape].convention,
        lambda **found: place.record("options", shape=shape, **found),
    )  # fmt: skip
    return int(not good)


PARTS: dict[str, Callable[..., int]] = {
    "environment": environment_part, "data": data, "compile": compile_part, "smoke": smoke_part,
    "reference": reference_part, "parity": parity_part, "ceilings": ceilings_part,
    "timeline": timeline_part, "contest": contest_part, "scaling": scaling_part,
    "options": options_part, **second_parts.PARTS,
}  # fmt: skip
# The parts that the emulator cannot stand in for.
FOR_CARD = {
    "compile": "the emulator compiles for the CPU",
    "ceilings": "the emulator has no speeds",
    "tests": "they run on the emulator by themselves",
    "sanitize": "the emulator has sanitizers of its own",
    "profile": "the emulator has no speeds",
}


def _version(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None
