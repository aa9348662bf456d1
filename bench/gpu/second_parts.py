"""The parts of the second stage: tests, sanitizers, profiler, and what surrounds a fit."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
from scipy import sparse

from halfstep.bench.gpu import half, queries, streaming
from halfstep.bench.gpu.device import ROOT
from halfstep.bench.gpu.kept_data import matrix_of
from halfstep.bench.gpu.plan import BEST
from halfstep.bench.gpu.process import Place, environment
from halfstep.bench.gpu.shapes import SHAPES, Shape, generate
from halfstep.evaluation.metrics.held_out import evaluate
from halfstep.kernels.device.options import optional
from halfstep.solvers import SOLVERS

_SHARE = 0.85  # of a part's limit that its work may take
_GRACE = (
    4.0  # seconds before a part's limit at which it ends what it watches, to write what it said
)
# What the profiler looks at: kernels of the last rungs, after the first iterations of a fit.
_KERNELS = "cg_4_shared|cg_5_short|cg_5_long|cg_6_residual|cg_6_product|cg_7_half|cg_8_[wbs].*"
_SECTIONS = (
    "SpeedOfLight", "MemoryWorkloadAnalysis", "Occupancy", "SchedulerStats", "WarpStateStats",
    "InstructionStats", "LaunchStats",
)  # fmt: skip


def tests(place: Place) -> int:
    """Run all of tests/gpu that needs a card, on several processes; its output goes to the log.

    A warning of CuPy or NumPy on a card is no failure, and the tests are spread one by one.
    """
    command = [
        sys.executable, "-m", "pytest", "-m", "gpu", "-q", "-rA", "-W", "default", "-n", "8",
        "--maxprocesses", "8", "--dist", "load", "-p", "no:cacheprovider",
        f"--junitxml={place.out / 'junit.xml'}", str(ROOT / "tests" / "gpu"),
    ]  # fmt: skip
    done = _output(command, place.limit - _GRACE)
    place.append("tests.txt", done.stdout + done.stderr)
    said = [line for line in done.stdout.splitlines() if line.startswith(("FAILED", "ERROR"))]
    end = done.stdout.strip().rpartition("\n")[2]
    place.record("tests", exit_code=done.returncode, said=[end], failed=said[:100])
    return int(done.returncode != 0)


def small_fit(name: str) -> tuple[Any, sparse.csr_matrix]:
    """Fit a rung on rows of every degree, hubs included; return the last model and its matrix."""
    from halfstep.solvers.gpu import cg_6_split

    cg_6_split.LONGEST = 400
    matrix = generate(Shape("ragged", 300, 500, 20_000))
    solver: Any = SOLVERS[name]
    for f in (7, 64):
        model = solver(factors=f, iterations=1, calculate_training_loss=True)
        model.fit(matrix, show_progress=False)
    return model, matrix


def small(place: Place, name: str) -> int:
    """Do what a sanitizer watches: small fits of a rung, or what surrounds a fit (`queries`).

    Without CuPy's memory pool, whose slabs would hide where one array ends and the next begins.
    """
    if not place.emulate:
        import cupy

        cupy.cuda.set_allocator(None)
    around = name == "queries"
    model, matrix = small_fit(BEST if around else name)
    if around:
        for names in ((), ("coarse-top-k",)):
            with optional(*names):
                model.recommend(np.arange(matrix.shape[0]), matrix, N=10)
        split = queries.held_out(matrix)
        evaluate(model.user_factors, model.item_factors, *split, ks=(10,), device="gpu")
    if not place.emulate:
        cupy.cuda.Device().synchronize()
    return 0


def sanitize(place: Place, tool: str, name: str) -> int:
    """Run `small` under a tool of compute-sanitizer; its whole report goes to `sanitizer.txt`."""
    more = ["--padding", "256"] if tool == "memcheck" else []
    command = ["compute-sanitizer", "--tool", tool, "--error-exitcode", "9", "--print-limit", "20"]
    done = _output([*command, *more, *place.command("small", name)], place.limit - _GRACE)
    text = done.stdout + done.stderr
    place.append("sanitizer.txt", f"===== {tool} {name}: {done.returncode}\n{text[-200_000:]}\n")
    summary = [line for line in text.splitlines() if "SUMMARY" in line]
    place.record("sanitize", tool=tool, solver=name, exit_code=done.returncode, said=summary)
    return int(done.returncode != 0)


def fit(place: Place, shape: str, factors: str, name: str) -> int:
    """Do what the profiler watches: three iterations."""
    solver: Any = SOLVERS[name]
    model = solver(factors=int(factors), iterations=3, random_state=0, **SHAPES[shape].convention)
    model.fit(matrix_of(place, shape), show_progress=False)
    return 0


def profile(place: Place, shape: str, factors: str, name: str) -> int:
    """Run `fit` under Nsight Compute; its table goes to `ncu.csv`."""
    sections = [word for section in _SECTIONS for word in ("--section", section)]
    command = [
        "ncu", "--clock-control", "none", "--kernel-name", f"regex:{_KERNELS}", "--launch-skip",
        "30", "--launch-count", "16", *sections, "--csv", "--page", "details",
    ]  # fmt: skip
    done = _output([*command, *place.command("fit", shape, factors, name)], place.limit - _GRACE)
    head = f"# {shape} f={factors} {name}: {done.returncode}"
    place.append("ncu.csv", f"{head}\n{done.stdout[-6_000_000:]}\n{done.stderr[-20_000:]}\n")
    lines = done.stdout.count("\n")
    place.record("profile", shape=shape, factors=int(factors), code=done.returncode, lines=lines)
    return int(done.returncode != 0)


def queries_part(place: Place, shape: str, factors: str) -> int:
    """Time recommendation and evaluation, then the option of queries; exit code 1 where it differs."""
    of, seconds = queries.fitted(matrix_of(place, shape), int(factors)), _SHARE * place.limit
    place.record("queries", found={"shape": shape, **queries.measure(of, 0.75 * seconds)})
    tried = queries.try_coarse(of, 0.25 * seconds)
    place.record("options", shape=shape, **tried)
    return int(not tried["equal"])


def streaming_part(place: Place, shape: str, factors: str) -> int:
    """Time a fit in little of the card's memory; exit code 1 where its bits differ."""
    found = streaming.limited(shape, int(factors), place.emulate, _SHARE * place.limit)
    place.record("streaming", found=found)
    return int(found["equal_bits"] is False)


def half_part(place: Place, shape: str, factors: str, iterations: str) -> int:
    """Measure what storage in 16 bits costs."""
    seconds = _SHARE * place.limit
    place.record("half", found=half.cost(shape, int(factors), int(iterations), seconds))
    return 0


def billion(place: Place, shape: str, factors: str) -> int:
    """Stream a thousand million entries; no stage runs it by itself."""
    found = streaming.billion(shape, int(factors), _SHARE * place.limit)
    place.record("billion", found=found)
    return int(found.get("equal_bits") is False)


PARTS: dict[str, Callable[..., int]] = {
    "tests": tests, "small": small, "sanitize": sanitize, "fit": fit, "profile": profile,
    "queries": queries_part, "streaming": streaming_part, "half": half_part, "billion": billion,
}  # fmt: skip


def _output(command: list[str], seconds: float) -> subprocess.CompletedProcess[str]:
    """Run a program for at most `seconds`; what it said by then is returned, with exit code 124."""
    try:
        return subprocess.run(
            command, capture_output=True, text=True, errors="replace", env=environment(), cwd=ROOT,
            check=False, timeout=max(1.0, seconds),
        )  # fmt: skip
    except subprocess.TimeoutExpired as late:
        said: list[Any] = [late.stdout, late.stderr]  # bytes where nothing was decoded yet
        texts = [
            one.decode(errors="replace") if isinstance(one, bytes) else one or "" for one in said
        ]
        return subprocess.CompletedProcess(command, 124, *texts)
    except OSError as error:
        return subprocess.CompletedProcess(command, 127, "", f"{error}\n")
