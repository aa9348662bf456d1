"""The parts of a staged run: what each does, in a process of its own, and what it records.

A part is called with the run's `Place` and its arguments from the command line; it returns an exit code.
"""

from __future__ import annotations

import importlib.metadata
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from scipy import sparse

from halfstep.bench.gpu import parts, queries
from halfstep.bench.gpu.ceilings import ceilings
from halfstep.bench.gpu.compile_ahead import compile_all
from halfstep.bench.gpu.contest import contest
from halfstep.bench.gpu.device import ROOT
from halfstep.bench.gpu.plan import BEST, NAIVE, REFERENCE
from halfstep.bench.gpu.proofs import small_fit
from halfstep.bench.gpu.record import GpuTable
from halfstep.bench.gpu.shapes import SHAPES, generate
from halfstep.bench.gpu.smoke import smoke, tolerance
from halfstep.bench.gpu.staged_process import Place, environment
from halfstep.bench.gpu.timeline import timeline
from halfstep.evaluation.metrics.held_out import evaluate
from halfstep.machine import gpu_facts
from halfstep.solvers import SOLVERS

_SETTINGS: dict[str, Any] = {"confidence": "log", "regularization": 20.0}
_PACKAGES = (
    "numpy", "scipy", "numba", "pandas", "typer", "rich", "threadpoolctl", "pytest", "pytest-xdist",
    "hypothesis", "scikit-learn", "matplotlib", "cupy-cuda13x", "cuda-bindings", "cuda-pathfinder",
    "nvidia-cuda-nvrtc", "nvidia-cublas", "implicit", "rmm-cu13",
)  # fmt: skip
_SMOKE_FACTORS = (33, 128)
_TEST_FACTORS = (7, 33, 64, 130, 1)
_CONTEST_SECONDS = 80.0
_PART_SECONDS = 55.0
# What the profiler looks at: kernels of the last rungs, after the first iterations of a fit.
_KERNELS = "cg_4_shared|cg_5_short|cg_5_long|cg_6_residual|cg_6_product|cg_7_half|relax"
_SECTIONS = (
    "SpeedOfLight", "MemoryWorkloadAnalysis", "Occupancy", "SchedulerStats", "WarpStateStats",
    "InstructionStats", "LaunchStats",
)  # fmt: skip


def environment_part(place: Place) -> int:
    """Write down the card, the tools and the packages, whichever of them there are."""
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
    versions = {name: _version(name) for name in _PACKAGES}
    place.record("environment", gpu=gpu_facts(), tools=tools, versions=versions, no_peer=reason)
    return 0


def data(place: Place, shape: str) -> int:
    """Generate a matrix and keep it for the other parts, unless it is there."""
    file = place.data / f"{shape}.npz"
    if file.exists():
        return 0
    began = time.perf_counter()
    matrix = generate(SHAPES[shape])
    place.data.mkdir(parents=True, exist_ok=True)
    unfinished = place.data / f"{shape}.{os.getpid()}.npz"
    np.savez(
        unfinished, data=matrix.data, indices=matrix.indices, indptr=matrix.indptr,
        shape=matrix.shape,
    )  # fmt: skip
    os.replace(unfinished, file)
    seconds = round(time.perf_counter() - began, 1)
    place.record("data", shape=shape, entries=int(matrix.nnz), seconds=seconds)
    return 0


def cpu(place: Place) -> int:
    """Compile what the CPU's ranking metrics need, so that `surrounding` does not wait for it."""
    train, test = queries.held_out(generate(SHAPES["tiny"]))
    rng = np.random.default_rng(0)
    X, Y = (rng.standard_normal((rows, 8), np.float32) for rows in train.shape)
    began = time.perf_counter()
    evaluate(X, Y, train, test, ks=(10, 20))
    place.record("cpu", seconds=round(time.perf_counter() - began, 1))
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
    """Audit a half-step of a rung; exit code 1 where it is wrong."""
    factors = (8,) if place.emulate else _SMOKE_FACTORS
    worst = {f: smoke(name, f) for f in factors}
    right = all(residual < tolerance(name) for residual in worst.values())
    place.record("smoke", solver=name, residuals=worst, tolerance=tolerance(name), right=right)
    return int(not right)


def ceilings_part(place: Place) -> int:
    """Measure the card's rates."""
    ceilings(lambda **found: place.record("ceiling", **found))
    return 0


def timeline_part(place: Place, shape: str, factors: str, name: str) -> int:
    """Say where an iteration's time goes."""
    seconds, spent = timeline(_matrix(place, shape), int(factors), name)
    calls = {label: one._asdict() for label, one in spent.items()}
    place.record(
        "timeline", shape=shape, factors=int(factors), solver=name, seconds=seconds, calls=calls
    )
    return 0


def contest_part(place: Place, shape: str, factors: str, repeats: str, *rungs: str) -> int:
    """Time rungs beside the peer and the first rung."""
    until = time.monotonic() + _CONTEST_SECONDS
    names = list(dict.fromkeys([*rungs[:1], REFERENCE, NAIVE, *rungs[1:]]))
    matrix = _matrix(place, shape)
    case = contest(matrix, int(factors), names, int(repeats), lambda: until - time.monotonic())
    users, items = matrix.shape
    place.record("contest", table=GpuTable(shape, users, items, int(matrix.nnz), case))
    return 0


def tests(place: Place) -> int:
    """Run the tests that need a card, on several processes."""
    command = [
        sys.executable, "-m", "pytest", "-m", "gpu", "-q", "-rA", "-W", "default", "-n", "8",
        "--maxprocesses", "8", "--dist", "load", "-p", "no:cacheprovider",
        f"--junitxml={place.out / 'junit.xml'}", str(ROOT / "tests" / "gpu" / "test_rungs.py"),
    ]  # fmt: skip
    return subprocess.run(command, cwd=ROOT, env=environment(), check=False).returncode


def small(place: Place, name: str) -> int:
    """Do what a sanitizer watches: small fits of a rung, or what surrounds a fit (`queries`).

    Without CuPy's memory pool, whose slabs would hide where one array ends and the next begins.
    """
    import cupy

    cupy.cuda.set_allocator(None)
    around = name == "queries"
    model, matrix = small_fit(BEST if around else name)
    if around:
        model.recommend(np.arange(matrix.shape[0]), matrix, N=10)
        split = queries.held_out(matrix)
        evaluate(model.user_factors, model.item_factors, *split, ks=(10,), device="gpu")
    cupy.cuda.Device().synchronize()
    return 0


def sanitize(place: Place, tool: str, name: str) -> int:
    """Run `small` under a tool of compute-sanitizer; its report goes to `sanitizer.txt`."""
    more = ["--padding", "256"] if tool == "memcheck" else []
    command = ["compute-sanitizer", "--tool", tool, "--error-exitcode", "9", "--print-limit", "20"]
    done = _output([*command, *more, *place.command("small", name)])
    text = done.stdout + done.stderr
    place.append("sanitizer.txt", f"===== {tool} {name}: {done.returncode}\n{text[-200_000:]}\n")
    summary = [line for line in text.splitlines() if "SUMMARY" in line]
    place.record("sanitize", tool=tool, solver=name, code=done.returncode, summary=summary)
    return int(done.returncode != 0)


def fit(place: Place, shape: str, factors: str, name: str) -> int:
    """Do what the profiler watches: three iterations."""
    solver: Any = SOLVERS[name]
    model = solver(factors=int(factors), iterations=3, random_state=0, **_SETTINGS)
    model.fit(_matrix(place, shape), show_progress=False)
    return 0


def profile(place: Place, shape: str, factors: str, name: str) -> int:
    """Run `fit` under Nsight Compute; its table goes to `ncu.csv`."""
    sections = [word for section in _SECTIONS for word in ("--section", section)]
    command = [
        "ncu", "--clock-control", "none", "--kernel-name", f"regex:{_KERNELS}", "--launch-skip",
        "30", "--launch-count", "16", *sections, "--csv", "--page", "details",
    ]  # fmt: skip
    done = _output([*command, *place.command("fit", shape, factors, name)])
    head = f"# {shape} f={factors} {name}: {done.returncode}"
    place.append("ncu.csv", f"{head}\n{done.stdout[-6_000_000:]}\n{done.stderr[-20_000:]}\n")
    lines = done.stdout.count("\n")
    place.record("profile", shape=shape, factors=int(factors), code=done.returncode, lines=lines)
    return int(done.returncode != 0)


def surrounding(place: Place, shape: str, name: str) -> int:
    """Measure one of `halfstep.bench.gpu.parts`."""
    chosen = next(part for part in parts.PARTS if part.name == name)
    setting = parts.Setting(False, place.emulate, lambda: _matrix(place, shape))
    place.record("surrounding", name=name, found=parts.run(chosen, setting, _PART_SECONDS))
    return 0


PARTS: dict[str, Callable[..., int]] = {
    "environment": environment_part, "data": data, "cpu": cpu, "compile": compile_part,
    "smoke": smoke_part, "ceilings": ceilings_part, "timeline": timeline_part,
    "contest": contest_part, "tests": tests, "small": small, "sanitize": sanitize, "fit": fit,
    "profile": profile, "surrounding": surrounding,
}  # fmt: skip
# The parts that the emulator cannot stand in for.
FOR_CARD = {
    "compile": "the emulator compiles for the CPU",
    "ceilings": "the emulator has no speeds",
    "tests": "they run on the emulator by themselves",
    "sanitize": "the emulator has sanitizers of its own",
    "profile": "the emulator has no speeds",
}


def _matrix(place: Place, shape: str) -> sparse.csr_matrix:
    """Return a matrix that `data` has kept."""
    with np.load(place.data / f"{shape}.npz") as kept:
        arrays = kept["data"], kept["indices"], kept["indptr"]
        matrix = sparse.csr_matrix(arrays, shape=tuple(kept["shape"]))
    matrix.has_canonical_format = matrix.has_sorted_indices = True
    return matrix


def _output(command: list[str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, capture_output=True, text=True, env=environment(), check=False)


def _version(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None
