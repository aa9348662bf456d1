"""GPU solvers against `implicit`'s CUDA backend and the CPU: interleaved, synchronised, from one start.

The target is the float64 objective of the reference after ten iterations. The reference is
`implicit_gpu`, or where that cannot run `gpu_cg_1_naive`, which takes the same three plain CG steps.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from scipy import sparse

from halfstep.bench.gpu.record import GpuTable
from halfstep.bench.gpu.static.counts import STEPS, iteration
from halfstep.bench.method.check import first_reaching
from halfstep.bench.method.contestants import rotated
from halfstep.bench.method.spread import Spread
from halfstep.bench.method.timing import pairwise_ratio, seconds_to, spread
from halfstep.bench.schema import CaseRecord, Row
from halfstep.kernels.cuda.backend import current
from halfstep.solvers import SOLVERS
from halfstep.solvers.fit.start import starting_factors
from halfstep.solvers.gpu.device.audit import device_objective
from halfstep.solvers.inputs import as_csr

ITERATIONS, ON_CPU = 10, 2
WITHIN = 1e-5
OUT_OF_TIME = "left out: out of time"
_REFERENCES = ("implicit_gpu", "gpu_cg_1_naive")
_SETTINGS: dict[str, Any] = {"confidence": "log", "regularization": 20.0}


def contest(
    matrix: sparse.csr_matrix,
    factors: int,
    names: Sequence[str],
    repeats: int,
    left: Callable[[], float],
) -> CaseRecord:
    """Return one case: a row for each solver, with the reason where it could not run.

    A row's seconds per iteration are those of every iteration but each fit's first, which may still
    allocate. CPU solvers run for two iterations, once.

    Parameters
    ----------
    names
        Solvers; the first that can run of `implicit_gpu` and `gpu_cg_1_naive` is the reference.
    left
        Returns the seconds that are left; a fit that no longer fits is left out, and its row says so.
    """
    start = starting_factors(None, matrix.shape, factors, np.float32, 0)
    rows = {name: _checked(name, matrix, factors, start, left) for name in names}
    running = [name for name, row in rows.items() if row.reason is None]
    order: list[list[str]] = []
    for repeat in range(repeats):
        order.append([])
        for name in rotated(running, repeat):
            if left() <= 0 or (repeat and rows[name].device == "cpu"):
                continue
            seconds, setup = _timed(name, matrix, factors, start)
            rows[name].seconds.append(seconds)
            rows[name].setup_seconds.append(setup)
            order[-1].append(name)
    reference = next((rows[name] for name in running if name in _REFERENCES), None)
    for row in rows.values():
        _summarise(row, reference)
        _count(row, matrix, factors)
    if reference is not None:
        _add_speed_ups(list(rows.values()), reference)
    objectives = [v for row in rows.values() for v in row.objectives if v is not None]
    return CaseRecord(
        data=0,
        factors=factors,
        num_threads=0,
        table=True,
        iterations=ITERATIONS,
        reference=reference.solver if reference else "",
        target=reference.objective if reference else None,
        best=min(objectives, default=None),
        order=order,
        rows=list(rows.values()),
        convention=dict(_SETTINGS),
    )


def exact_against(
    tables: Sequence[GpuTable], cg: str, exact: str = "gpu_cholesky"
) -> dict[str, Any]:
    """Compare exact half-steps with the solver `cg` and with the reference, in the first table.

    `iteration_ratio` is the time of an exact iteration over that of `cg`; `speed_up_to_target` is the
    reference's time to the target over that of the exact solver.
    """
    if not tables:
        return {"cannot_run": "the first table is missing"}
    case = tables[0].case
    rows = {row.solver: row for row in case.rows}
    found: dict[str, Any] = {"factors": case.factors, "shape": tables[0].shape}
    if exact not in rows or rows[exact].seconds_per_iteration is None:
        reason = rows[exact].reason if exact in rows else None
        return {**found, "cannot_run": f"{exact}: {reason or OUT_OF_TIME}"}
    names = [name for name in (exact, cg, case.reference) if name in rows]
    each = {name: _median(rows[name].seconds_per_iteration) for name in names}
    reached = {name: _median(rows[name].seconds_to_target) for name in names}
    return {
        **found,
        "exact": exact,
        "cg": cg,
        "reference": case.reference,
        "seconds_per_iteration": each,
        "seconds_to_target": reached,
        "iteration_ratio": _over(each[exact], each.get(cg)),
        "speed_up_to_target": _over(reached.get(case.reference), reached[exact]),
    }


def _median(found: Spread | None) -> float | None:
    return None if found is None else found.median


def _over(a: float | None, b: float | None) -> float | None:
    return a / b if a and b else None


def _checked(name: str, matrix: Any, factors: int, start: Any, left: Callable[[], float]) -> Row:
    """Fit once untimed, which compiles and warms up: a row with objectives, memory or a reason."""
    solver = SOLVERS[name]
    row = Row(name, solver.kind, solver.device, reason=solver.unavailable())
    if row.reason is None and left() <= 0:
        row.reason = OUT_OF_TIME
    if row.reason is not None:
        return row
    pool = memory_pool()
    if pool is not None:
        pool.free_all_blocks()
    try:
        row.objectives = _objectives(name, matrix, factors, start)
    except (ValueError, ArithmeticError, MemoryError, RuntimeError) as error:
        row.reason = f"{type(error).__name__}: {error}"[:200]
        return row
    row.peak_device_bytes = None if pool is None else int(pool.total_bytes())
    if len(row.objectives) == ITERATIONS:
        row.objective = row.objectives[-1]
    return row


def _objectives(name: str, matrix: Any, factors: int, start: Any) -> list[float | None]:
    """Return the objective after each iteration: None, but for the last, where a solver keeps none."""
    iterations = _iterations(name)
    if SOLVERS[name].device == "gpu" and SOLVERS[name].kind == "rung":
        model = _model(name, factors, start, iterations, calculate_training_loss=True)
        return list(model.fit(matrix, show_progress=False).loss_history_)
    model = _model(name, factors, start, iterations).fit(matrix, show_progress=False)
    backend = current()
    sides = _model("gpu_cg_1_naive", factors, None, 0)._sides(as_csr(matrix))
    pair = (backend.to_device(a) for a in (model.user_factors, model.item_factors))
    return [*[None] * (iterations - 1), device_objective(backend, *sides, *pair)]


def _model(name: str, factors: int, start: Any, iterations: int, **more: Any) -> Any:
    solver: Any = SOLVERS[name]
    return solver(factors=factors, iterations=iterations, init_factors=start, **_SETTINGS, **more)


def _iterations(name: str) -> int:
    return ON_CPU if SOLVERS[name].device == "cpu" else ITERATIONS


def _timed(name: str, matrix: Any, factors: int, start: Any) -> tuple[list[float], float]:
    """Return the seconds of a fit's iterations, and all its other seconds."""
    model = _model(name, factors, start, _iterations(name))
    begin = time.perf_counter()
    model.fit(matrix, show_progress=False)
    if SOLVERS[name].device == "gpu":
        current().synchronize()
    total = time.perf_counter() - begin
    return list(model.seconds_), total - sum(model.seconds_)


def _summarise(row: Row, reference: Row | None) -> None:
    """Add what follows from a row's own seconds and objectives."""
    if row.reason is not None:
        return
    if not row.seconds:
        row.notes.append("not timed: out of time")
        return
    row.seconds_per_iteration = spread([s for fit in row.seconds for s in (fit[1:] or fit)])
    target = reference.objective if reference else None
    if target is None:
        return
    if row.objective is not None:
        row.objective_gap = (row.objective - target) / abs(target)
    reached = row.iterations_to_target = first_reaching(row.objectives, target, WITHIN)
    if reached is not None:
        row.seconds_to_target = spread([seconds_to(fit, reached) for fit in row.seconds])


def _add_speed_ups(rows: Sequence[Row], reference: Row) -> None:
    theirs = reference.iterations_to_target
    for row in rows:
        ours = row.iterations_to_target
        if ours is not None and theirs is not None:
            row.speed_up = pairwise_ratio(
                [seconds_to(fit, theirs) for fit in reference.seconds],
                [seconds_to(fit, ours) for fit in row.seconds],
            )


def _count(row: Row, matrix: Any, factors: int) -> None:
    """Add what an iteration must move and calculate, where that is counted."""
    if row.reason is None and (row.solver in STEPS or "_cg_" in row.solver):
        users, items = matrix.shape
        counted = iteration(row.solver, factors, users, items, int(matrix.nnz))
        row.counted_bytes, row.counted_flops = counted.bytes, counted.flops


def memory_pool() -> Any:
    """Return CuPy's pool of device memory, or None in the emulator."""
    backend = current()
    return backend.cupy.get_default_memory_pool() if hasattr(backend, "cupy") else None
