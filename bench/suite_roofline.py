"""The suite `roofline`: how close each phase of an iteration comes to what the machine can do.

The machine's rates are measured on the threads of the run: float32 products of large square matrices,
all cores at once; copies; and gathers of rows, in the order in which the data ask for them, from a table
of the size that the solver reads. What a phase must compute and move is counted
(`halfstep.bench.limits.work`). A phase cannot take less than its operations at the rate of products, nor
less than its bytes at the rate of copies or, for the solve, than the same gather alone. `loops` is the
rate of the solve's own loops where every gathered row is in the first-level cache: what they would reach
if nothing were moved.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from halfstep.bench.inputs import SplitDataset
from halfstep.bench.limits import rates
from halfstep.bench.limits.fits import SOLVER, Recorded, fit
from halfstep.bench.limits.record import PhaseCell, PhaseRecord, Rate
from halfstep.bench.limits.work import HalfStep, added
from halfstep.bench.schema import Measure
from halfstep.bench.settings import BenchSettings
from halfstep.kernels.cpu.threads import cores
from halfstep.kernels.phases import SOLVE, recorded
from halfstep.solvers.problem import Weights
from halfstep.solvers.shared import frame_of

FACTORS = (32, 64, 128)
DATA = ("music-medium", "plays-medium")
GROUP = "Roofline"
MEASURED, ARITHMETIC, GATHER = (
    f"{SOLVER}, measured",
    "arithmetic at its peak",
    "gather at its peak",
)
PRODUCTS, COPY, GATHERED, LOOPS = "float32 products", "copy", "gather", "loops"
_GATHERED = 1 << 20
_TABLE_BYTES = 1 << 30
_NEAR = 16  # rows that stay in the first-level cache
_TIMES = 3


def measure_roofline(
    settings: BenchSettings, dataset: SplitDataset, data: int, say: Callable[[str], None]
) -> tuple[list[PhaseCell], list[Measure]]:
    """Return, for each f, an iteration phase by phase, and its seconds beside its two bounds."""
    threads = cores(settings.num_threads)
    cells, measures = [], []
    peak = rates.products(threads)  # once, so that the bounds of two f differ by their work alone
    for factors in settings.factors or FACTORS:
        say(f"{dataset.record.name}, f = {factors}: fit")
        found = fit(
            dataset.train,
            factors,
            threads,
            settings.repeats,
            settings.seed,
            settings.convention(),
        )
        say(f"{dataset.record.name}, f = {factors}: gathers and copies")
        cell = _cell(found, dataset, data, factors, threads, peak)
        cells.append(cell)
        measures += _bounds(cell, dataset.record.name)
    return cells, measures


def _cell(
    found: Recorded, dataset: SplitDataset, data: int, factors: int, threads: int, peak: float
) -> PhaseCell:
    model = found.model
    sides = model.weights(dataset.train)
    stored = _stored_bytes(model, sides)
    steps = _half_steps(found, sides, stored)
    operations = added([step.operations() for step in steps])
    operations[SOLVE] = found.operations
    moved = added([step.bytes() for step in steps])
    rows = sum(dataset.train.shape)
    copied = rates.copy(4 * factors * rows // 2, threads)
    gathers = [_gather(side, step, threads) for side, step in zip(sides, steps, strict=True)]
    gathered = sum(
        side.indices.size * step.stored_bytes for side, step in zip(sides, steps, strict=True)
    )
    least = {name: size / copied for name, size in moved.items()}
    least[SOLVE] = sum(gathers)
    names = list(dict.fromkeys(name for phases in found.phases for name in phases))
    return PhaseCell(
        data=data,
        factors=factors,
        threads=threads,
        seconds=found.seconds,
        outside=[found.outside],
        rounds=len(found.seconds),
        steps=found.steps(),
        stored_bytes=stored[0],
        phases=[
            PhaseRecord(
                name,
                [phases[name].wall for phases in found.phases if name in phases],
                [phases[name].busy for phases in found.phases if name in phases],
                operations.get(name),
                moved.get(name),
                operations[name] / peak if name in operations else None,
                least.get(name),
            )
            for name in names
        ],
        rates=[
            Rate(PRODUCTS, peak),
            Rate(LOOPS, _loops(model, sides)),
            Rate(COPY, copied, table_bytes=4 * factors * rows // 2),
            Rate(COPY, rates.copy(_TABLE_BYTES, threads), table_bytes=_TABLE_BYTES),
            Rate(GATHERED, gathered * factors / sum(gathers), row_bytes=stored[0] * factors),
            *_random_gathers(min(dataset.train.shape), factors, threads),
        ],
    )


def _half_steps(
    found: Recorded, sides: tuple[Weights, Weights], stored: list[int]
) -> list[HalfStep]:
    model = found.model
    relaxed = model._omega(len(model.seconds_)) != 1
    return [
        HalfStep(
            rows=side.rows,
            fixed=side.columns,
            stepped=half.stepped,
            entries=side.indices.size,
            factors=int(model.factors),
            stored_bytes=size,
            triangular=len(np.unique(side.lam[np.diff(side.indptr) > 0])) == 1,
            relaxed=relaxed,
        )
        for side, half, size in zip(sides, model.report_[-1], stored, strict=True)
    ]


def _stored_bytes(model: Any, sides: tuple[Weights, Weights]) -> list[int]:
    """Return the bytes of a number of Z, of the users' and of the items' half-step."""
    fixed = model.item_factors, model.user_factors
    return [
        2 if model._method(frame_of(side.fixing(np.asarray(Y)))).bfloat16 else 4
        for side, Y in zip(sides, fixed, strict=True)
    ]


def _gather(side: Weights, step: HalfStep, threads: int) -> float:
    """Return the seconds of reading the rows of Z that a half-step reads, in its order."""
    table = rates.table_of(step.fixed, step.stored_bytes * step.factors)
    return rates.gather(np.asarray(side.indices, np.int32), table, threads)


def _random_gathers(rows: int, factors: int, threads: int) -> list[Rate]:
    """Return the rates at which rows come from random places: float32 and bfloat16, cache and memory."""
    found = []
    for row_bytes in (4 * factors, 2 * factors):
        for there in (rows, max(1, _TABLE_BYTES // row_bytes)):
            count = max(1, _GATHERED * 256 // max(256, row_bytes))
            rate = rates.random_gather(there, row_bytes, count, threads)
            found.append(Rate(GATHERED, rate, row_bytes, there * row_bytes))
    return found


def _loops(model: Any, sides: tuple[Weights, Weights]) -> float:
    """Return the operations per second of the solve where all entries gather the same few rows."""
    factors = [np.asarray(model.user_factors), np.asarray(model.item_factors)]
    operations, seconds = 0.0, 0.0
    for side, X, Y in zip(sides, factors, factors[::-1], strict=True):
        near = replace(side, indices=side.indices % _NEAR, values=np.ones_like(side.values))
        taken = []
        for _ in range(_TIMES):
            with recorded() as phases:
                model.half_step(near.fixing(Y), X)
                taken.append(phases.taken()[SOLVE].busy)
                counted = phases.counted()["operations"]
        operations, seconds = operations + counted, seconds + float(np.median(taken))
    return operations * cores(model.num_threads) / seconds


def _bounds(cell: PhaseCell, name: str) -> list[Measure]:
    solve = cell.phase(SOLVE)
    assert solve is not None
    assert solve.at_bandwidth is not None
    operations = sum(phase.operations or 0 for phase in cell.phases)
    arithmetic = sum(phase.at_peak or 0 for phase in cell.phases)
    detail = (
        f"{operations / 1e9:.1f} billion operations, {(solve.bytes or 0) / 1e9:.2f} GB gathered; the "
        f"rows took {cell.steps:.2f} steps each"
    )
    bounds = {ARITHMETIC: [arithmetic], GATHER: [solve.at_bandwidth]}
    return [
        Measure(
            group=f"{GROUP}, f = {cell.factors}, data {name}",
            name=what,
            seconds=seconds,
            reference="",
            speed_up=None,
            detail=detail if what == MEASURED else "",
            x=float(cell.factors) if cell.data == 0 else None,  # the chart shows one data set
        )
        for what, seconds in ({MEASURED: cell.seconds} | bounds).items()
    ]
