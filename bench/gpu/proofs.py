"""The proofs of `make gpu`: the tests, parity with the CPU, and the verdicts of the sanitizers."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from typing import Any

import numpy as np
from scipy import sparse

from halfstep.bench.gpu.device import ROOT
from halfstep.bench.gpu.shapes import SHAPES, Shape, generate
from halfstep.kernels.cuda.backend import current
from halfstep.solvers import SOLVERS
from halfstep.solvers.fit.start import starting_factors
from halfstep.solvers.gpu.device.audit import device_residuals
from halfstep.solvers.gpu.device.side import Side
from halfstep.solvers.inputs import as_csr
from halfstep.solvers.objective import relative_residuals

WITHIN = 1e-5
# Enough CG steps to solve every row to rounding; card and CPU then go through the same factors.
_EXACT = {"cg_steps": 40}
_SETTINGS = {"confidence": "log", "regularization": 20.0}


def gpu_rungs() -> list[str]:
    """Return the names of the GPU rungs, fastest first."""
    return [n for n, s in reversed(SOLVERS.items()) if s.kind == "rung" and s.device == "gpu"]


def run_tests(seconds: float) -> dict[str, Any]:
    """Run the tests in tests/gpu that are marked `gpu`, rungs against the oracle, in another process.

    `pytest -m gpu` without a folder runs ten times as many: the tests of all solvers, on the card.
    """
    command = [sys.executable, "-m", "pytest", "-m", "gpu", "-q", "-p", "no:cacheprovider"]
    return _run(
        [*command, str(ROOT / "tests" / "gpu")], seconds, r"(\d+) (passed|failed|skipped|error)"
    )


def sanitize(seconds: float) -> dict[str, Any]:
    """Run small fits of every rung under memcheck and racecheck of compute-sanitizer."""
    tool = shutil.which("compute-sanitizer")
    if tool is None:
        return {"cannot_run": "compute-sanitizer is not on the PATH"}
    program = "from halfstep.bench.gpu.proofs import small_fits; small_fits()"
    return {
        check: _run(
            [tool, "--tool", check, "--error-exitcode", "9", sys.executable, "-c", program],
            seconds / 2,
            r"(SUMMARY): (.*)",
        )
        for check in ("memcheck", "racecheck")
    }


def small_fits() -> None:
    """Fit every rung on a small matrix, watched by a sanitizer."""
    for name in gpu_rungs():
        small_fit(name)


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


def parity(shape: Shape, factors: int, iterations: int = 10) -> list[dict[str, Any]]:
    """Compare each GPU rung with exact ALS on the CPU, over all iterations from the same start."""
    matrix = generate(shape)
    start = starting_factors(None, matrix.shape, factors, np.float32, 0)
    common: dict[str, Any] = {
        **_SETTINGS, "factors": factors, "init_factors": start, "iterations": iterations
    }  # fmt: skip
    loss = {"calculate_training_loss": True}
    on_cpu: Any = SOLVERS["eigenbasis"]
    expected = on_cpu(**common, **loss, exact=True)
    expected.fit(matrix, show_progress=False)
    users, _ = expected.weights(as_csr(matrix))
    problem = users.fixing(expected.item_factors)
    found = []
    for name in gpu_rungs():
        solver: Any = SOLVERS[name]
        row: dict[str, Any] = {"solver": name, "cannot_run": solver.unavailable()}
        found.append(row)
        if row["cannot_run"]:
            continue
        try:
            exact = {} if solver.exact_only else _EXACT
            model = solver(**common, **loss, **exact).fit(matrix, show_progress=False)
            solution = model.half_step(problem, expected.user_factors)
            backend = current()
            on_device = device_residuals(
                backend,
                Side.upload(backend, problem),
                *map(backend.to_device, (solution, problem.Y)),
            )
        except Exception as error:  # one rung's failure must not hide the others' results
            row["cannot_run"] = f"{type(error).__name__}: {error}"[:200]
            continue
        here, there = model.loss_history_[-1], expected.loss_history_[-1]
        row["relative_gap"] = abs(here - there) / there
        row["worst_residual"] = float(relative_residuals(problem, solution).max())
        row["worst_residual_on_device"] = float(on_device.max())
        row["equal"] = bool(row["relative_gap"] < WITHIN)
    return found


def _run(command: list[str], seconds: float, pattern: str) -> dict[str, Any]:
    try:
        done = subprocess.run(
            command, cwd=ROOT, capture_output=True, text=True, timeout=seconds, check=False
        )
    except subprocess.TimeoutExpired:
        return {"cannot_run": f"took more than {seconds:.0f} s"}
    except OSError as error:
        return {"cannot_run": str(error)}
    found = re.findall(pattern, done.stdout + done.stderr)
    return {"exit_code": done.returncode, "said": [" ".join(words) for words in found]}


SMALL = SHAPES["small"]
