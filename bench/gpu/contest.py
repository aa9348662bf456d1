"""GPU solvers against `implicit`'s CUDA backend and the CPU: interleaved, synchronised, from one start.

The target is the float64 objective that the reference has after ten iterations: `implicit_gpu`, or
where that cannot run `gpu_cg_1_naive`, which takes the same three plain steps; the record says which.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from scipy import sparse

from halfstep.bench.gpu.static.counts import STEPS, iteration
from halfstep.bench.method.contestants import rotated
from halfstep.kernels.cuda.backend import current
from halfstep.solvers import SOLVERS
from halfstep.solvers.fit.start import starting_factors
from halfstep.solvers.gpu.device.audit import device_objective
from halfstep.solvers.inputs import as_csr

ITERATIONS = 10
WITHIN = 1e-5
_SETTINGS: dict[str, Any] = {"confidence": "log", "regularization": 20.0}


def contest(
    matrix: sparse.csr_matrix,
    factors: int,
    names: Sequence[str],
    repeats: int,
    left: Callable[[], float],
) -> dict[str, Any]:
    """Return one table: a row for each solver, with the reason where it could not run.

    Parameters
    ----------
    names
        Solvers; the first that can run of `implicit_gpu` and `gpu_cg_1_naive` is the reference.
    left
        Seconds left for all: what no longer fits in is left out, and said.
    """
    start = starting_factors(None, matrix.shape, factors, np.float32, 0)
    rows: dict[str, dict[str, Any]] = {}
    running = []
    for name in names:
        reason = SOLVERS[name].unavailable()
        rows[name] = {"solver": name, "cannot_run": reason, "seconds": [], "setup_seconds": []}
        if reason is None:
            running.append(name)
    target, reference = None, None
    for name in list(running):
        if left() <= 0:
            rows[name]["cannot_run"] = "left out: out of time"
            running.remove(name)
            continue
        on_cpu = SOLVERS[name].device == "cpu"
        try:
            checked = _check(name, matrix, factors, start, 2 if on_cpu else ITERATIONS)
        except (ValueError, ArithmeticError, MemoryError, RuntimeError) as error:
            rows[name]["cannot_run"] = f"{type(error).__name__}: {error}"[:200]
            running.remove(name)
            continue
        rows[name] |= checked
        if target is None and name in ("implicit_gpu", "gpu_cg_1_naive"):
            target, reference = checked["objectives"][-1], name
    for repeat in range(repeats):
        for name in rotated(running, repeat):
            if left() <= 0:
                continue
            on_cpu = SOLVERS[name].device == "cpu"
            if on_cpu and repeat:
                continue
            seconds, setup = _timed(name, matrix, factors, start, 2 if on_cpu else ITERATIONS)
            rows[name]["seconds"].append(seconds)
            rows[name]["setup_seconds"].append(setup)
    for row in rows.values():
        _summarise(row, target, matrix, factors)
    ours, theirs = (
        rows.get(str(n), {}).get("seconds_per_iteration") for n in (names[0], reference)
    )
    return {
        "factors": factors,
        "users": matrix.shape[0],
        "items": matrix.shape[1],
        "entries": int(matrix.nnz),
        "reference": reference,
        "target": target,
        "speed_up": theirs / ours if ours and theirs else None,
        "rows": list(rows.values()),
    }


def exact_against(
    tables: Sequence[dict[str, Any]], cg: str, exact: str = "gpu_cholesky"
) -> dict[str, Any]:
    """Return how exact half-steps do in the first table: beside `cg` per iteration, and to the target.

    `iteration_ratio` is the exact iteration's time over that of `cg`; `speed_up_to_target` is the
    reference's time to its own objective after ten iterations over the exact solver's.
    """
    if not tables:
        return {"cannot_run": "the first table is missing"}
    table = tables[0]
    rows = {row["solver"]: row for row in table["rows"]}
    found: dict[str, Any] = {"factors": table["factors"], "shape": table.get("shape")}
    if not rows.get(exact, {}).get("seconds_per_iteration"):
        reason = rows.get(exact, {}).get("cannot_run") or "left out: out of time"
        return {**found, "cannot_run": f"{exact}: {reason}"}
    each, reached = (
        {name: rows.get(name, {}).get(key) for name in (exact, cg, table["reference"])}
        for key in ("seconds_per_iteration", "seconds_to_target")
    )
    return {
        **found,
        "exact": exact,
        "cg": cg,
        "reference": table["reference"],
        "seconds_per_iteration": each,
        "seconds_to_target": reached,
        "iteration_ratio": _over(each[exact], each[cg]),
        "speed_up_to_target": _over(reached[table["reference"]], reached[exact]),
    }


def _over(a: float | None, b: float | None) -> float | None:
    return a / b if a and b else None


def _model(name: str, factors: int, start: Any, iterations: int, **more: Any) -> Any:
    solver: Any = SOLVERS[name]
    return solver(factors=factors, iterations=iterations, init_factors=start, **_SETTINGS, **more)


def _check(name: str, matrix: Any, factors: int, start: Any, iterations: int) -> dict[str, Any]:
    """Fit once untimed: compiles and warms up, and gives the objectives and the peak memory."""
    pool = memory_pool()
    if pool is not None:
        pool.free_all_blocks()
    if SOLVERS[name].device == "gpu" and SOLVERS[name].kind == "rung":
        model = _model(name, factors, start, iterations, calculate_training_loss=True)
        model.fit(matrix, show_progress=False)
        objectives = list(model.loss_history_)
    else:
        model = _model(name, factors, start, iterations).fit(matrix, show_progress=False)
        backend = current()
        judge = _model("gpu_cg_1_naive", factors, None, 0)
        sides = judge._sides(as_csr(matrix))
        pair = (backend.to_device(a) for a in (model.user_factors, model.item_factors))
        objectives = [device_objective(backend, *sides, *pair)]
    peak = None if pool is None else int(pool.total_bytes())
    return {"objectives": objectives, "peak_device_bytes": peak}


def _timed(
    name: str, matrix: Any, factors: int, start: Any, iterations: int
) -> tuple[list[float], float]:
    model = _model(name, factors, start, iterations)
    begin = time.perf_counter()
    model.fit(matrix, show_progress=False)
    if SOLVERS[name].device == "gpu":
        current().synchronize()
    total = time.perf_counter() - begin
    return list(model.seconds_), total - sum(model.seconds_)


def _summarise(row: dict[str, Any], target: float | None, matrix: Any, factors: int) -> None:
    """Add what follows from the raw numbers: medians, time to target, achieved rates."""
    if not row["seconds"]:
        return
    # The first iteration of a fit may still allocate.
    each = float(np.median([s for fit in row["seconds"] for s in (fit[1:] or fit)]))
    row["seconds_per_iteration"] = each
    if target is not None and len(row["objectives"]) > 1:
        reached = [k for k, v in enumerate(row["objectives"]) if v <= target * (1 + WITHIN)]
        row["iterations_to_target"] = reached[0] + 1 if reached else None
        if reached:
            row["seconds_to_target"] = float(
                np.median([sum(fit[: reached[0] + 1]) for fit in row["seconds"]])
            )
    elif target is not None and row["objectives"][-1] <= target * (1 + WITHIN):
        row["iterations_to_target"] = ITERATIONS
        row["seconds_to_target"] = float(np.median([sum(fit) for fit in row["seconds"]]))
    if row["solver"] in STEPS or "_cg_" in row["solver"]:
        users, items = matrix.shape
        counted = iteration(row["solver"], factors, users, items, int(matrix.nnz))
        row["counted_bytes_per_second"] = counted.bytes / each
        row["counted_flops_per_second"] = counted.flops / each


def memory_pool() -> Any:
    """Return CuPy's pool of device memory, or None in the emulator."""
    backend = current()
    return backend.cupy.get_default_memory_pool() if hasattr(backend, "cupy") else None
