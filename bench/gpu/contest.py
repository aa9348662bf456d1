"""GPU solvers against `implicit`'s CUDA backend and the CPU: interleaved, synchronised, from one start.

The target is the float64 objective of the reference after ten iterations. The reference is
`implicit_gpu`, or where that cannot run `gpu_cg_1_naive`, which takes the same three plain CG steps.
Contestants are named as in `halfstep.bench.contestant_names`: `implicit_gpu:storage=float16`.
"""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import sparse

from halfstep.bench.contestant_names import solver_and_settings
from halfstep.bench.gpu.static.counts import STEPS, iteration
from halfstep.bench.method.check import first_reaching
from halfstep.bench.method.contestants import rotated
from halfstep.bench.method.timing import pairwise_ratio, seconds_to, spread
from halfstep.bench.schema import CaseRecord, Row
from halfstep.kernels.cuda.backend import current
from halfstep.solvers import Solver
from halfstep.solvers.fit.start import starting_factors
from halfstep.solvers.gpu.device.audit import device_objective
from halfstep.solvers.inputs import as_csr

ITERATIONS, ON_CPU = 10, 2
WITHIN = 1e-5
OUT_OF_TIME = "left out: out of time"
_REFERENCES = ("implicit_gpu", "gpu_cg_1_naive")
MILD: dict[str, Any] = {"confidence": "log", "regularization": 20.0}


class CardLost(RuntimeError):
    """After an error of its own the card answers no call of this process any more."""


@dataclass(frozen=True)
class _Fits:
    """What all fits of a case have in common."""

    matrix: sparse.csr_matrix
    factors: int
    start: Any
    convention: dict[str, Any]

    def model(self, name: str, iterations: int, **more: Any) -> Any:
        solver, settings = solver_and_settings(name)
        make: Any = solver
        given = {"factors": self.factors, "iterations": iterations, "init_factors": self.start}
        return make(**{**given, **self.convention, **settings, **more})


def contest(
    matrix: sparse.csr_matrix,
    factors: int,
    names: Sequence[str],
    repeats: int,
    left: Callable[[], float],
    convention: dict[str, Any] | None = None,
    keep: Callable[[CaseRecord], None] = lambda case: None,
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
    convention
        The weighting's arguments; None means those of mild counts.
    keep
        Called with the case so far after each timed fit, so that a later failure does not lose it.

    Raises
    ------
    CardLost
        A solver left the card in a state in which nothing runs; `keep` has been called, and the row of
        that solver says so.
    """
    convention = MILD if convention is None else convention
    start = starting_factors(None, matrix.shape, factors, np.float32, 0)
    fits = _Fits(matrix, factors, start, convention)
    rows: dict[str, Row] = {}
    order: list[list[str]] = []
    try:
        for name in names:
            rows[name] = _started(name)
            _try(rows[name], lambda name=name: _check(rows[name], fits, left))  # type: ignore[misc]
        for repeat in range(repeats):
            order.append([])
            running = [name for name, row in rows.items() if row.reason is None]
            for name in rotated(running, repeat):
                row = rows[name]
                if left() <= 0 or (repeat and row.device == "cpu"):
                    continue
                if _try(row, lambda row=row: _time(row, fits)):  # type: ignore[misc]
                    order[-1].append(name)
                keep(_case(fits, rows, order))
    except CardLost:
        keep(_case(fits, rows, order))
        raise
    return _case(fits, rows, order)


def _try(row: Row, work: Callable[[], None]) -> bool:
    """Do the work of a row, which gets the reason where it fails; CardLost where the card is lost."""
    try:
        work()
        return True
    except Exception as error:  # compilers and cards raise errors of no common kind
        row.reason = f"{type(error).__name__}: {error}"[:200]
        if row.device == "gpu":
            try:
                current().synchronize()
            except Exception as lost:
                row.reason = f"it lost the card: {row.reason}"[:200]
                raise CardLost(f"{row.solver}: {error}") from lost
        return False


def _case(fits: _Fits, found: dict[str, Row], order: list[list[str]]) -> CaseRecord:
    """Return the case with what follows from the rows' seconds and objectives."""
    rows = copy.deepcopy(found)
    running = [name for name, row in rows.items() if row.reason is None]
    reference = next((rows[name] for name in running if name in _REFERENCES), None)
    for row in rows.values():
        _summarise(row, reference)
        _count(row, fits.matrix, fits.factors)
    if reference is not None:
        _add_speed_ups(list(rows.values()), reference)
    objectives = [v for row in rows.values() for v in row.objectives if v is not None]
    return CaseRecord(
        data=0,
        factors=fits.factors,
        num_threads=0,
        table=True,
        iterations=ITERATIONS,
        reference=reference.solver if reference else "",
        target=reference.objective if reference else None,
        best=min(objectives, default=None),
        order=[list(names) for names in order],
        rows=list(rows.values()),
        convention=dict(fits.convention),
    )


def _started(name: str) -> Row:
    """Return the row of a contestant that nothing is known of yet, but whether it can run here."""
    solver = _class(name)
    return Row(name, solver.kind, solver.device, reason=solver.unavailable())


def failed(case: CaseRecord) -> list[str]:
    """Return the solvers that can run here but failed, with why."""
    usual = {row.solver: (None, OUT_OF_TIME, _class(row.solver).unavailable()) for row in case.rows}
    return [f"{r.solver}: {r.reason}" for r in case.rows if r.reason not in usual[r.solver]]


def _check(row: Row, fits: _Fits, left: Callable[[], float]) -> None:
    """Fit once untimed, which compiles and warms up: the row gets objectives and memory."""
    if row.reason is None and left() <= 0:
        row.reason = OUT_OF_TIME
    if row.reason is not None:
        return
    pool = memory_pool()
    if pool is not None:
        pool.free_all_blocks()
    row.objectives = _objectives(row.solver, fits)
    row.peak_device_bytes = None if pool is None else int(pool.total_bytes())
    if len(row.objectives) == ITERATIONS:
        row.objective = row.objectives[-1]


def _objectives(name: str, fits: _Fits) -> list[float | None]:
    """Return the objective after each iteration: None, but for the last, where a solver keeps none."""
    iterations, solver = _iterations(name), _class(name)
    if solver.device == "gpu" and solver.kind == "rung":
        model = fits.model(name, iterations, calculate_training_loss=True)
        return list(model.fit(fits.matrix, show_progress=False).loss_history_)
    model = fits.model(name, iterations).fit(fits.matrix, show_progress=False)
    backend = current()
    sides = fits.model("gpu_cg_1_naive", 0, init_factors=None)._sides(as_csr(fits.matrix))
    pair = (backend.to_device(a) for a in (model.user_factors, model.item_factors))
    return [*[None] * (iterations - 1), device_objective(backend, *sides, *pair)]


def _class(name: str) -> type[Solver]:
    return solver_and_settings(name)[0]


def _iterations(name: str) -> int:
    return ON_CPU if _class(name).device == "cpu" else ITERATIONS


def _time(row: Row, fits: _Fits) -> None:
    """Add the seconds of a fit's iterations, and all its other seconds."""
    model = fits.model(row.solver, _iterations(row.solver))
    begin = time.perf_counter()
    model.fit(fits.matrix, show_progress=False)
    if row.device == "gpu":
        current().synchronize()
    total = time.perf_counter() - begin
    row.seconds.append(list(model.seconds_))
    row.setup_seconds.append(total - sum(model.seconds_))


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
