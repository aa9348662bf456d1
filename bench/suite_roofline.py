"""The suite `roofline`: how close an iteration comes to what the machine can do.

Two rates of the machine are measured: float32 products of large square matrices, on all cores at once,
and gathers of rows of f numbers at random, from a table that fits the last-level cache and from one
that does not. An iteration of `eigenbasis` needs, for each stored entry and side, one pass for the
residual of the start and one for each CG step, 4 f operations each; 2 f^2 operations for each row in
the rotations and in the Gramians; and the gather of one row of f numbers for each stored entry and
side (two bytes a number where the solver stores them in bfloat16).
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np

from halfstep.bench.inputs import SplitDataset
from halfstep.bench.schema import Measure
from halfstep.bench.settings import BenchSettings
from halfstep.blas import blas_threads
from halfstep.kernels.cpu.compile import compiled
from halfstep.kernels.cpu.threads import cores, spread
from halfstep.solvers import SOLVERS

FACTORS = (64, 128, 256, 512)
GROUP = "Roofline"
MEASURED, ARITHMETIC, GATHER = (
    "eigenbasis, measured",
    "arithmetic at its peak",
    "gather at its peak",
)
_SIDE = 1536
_GATHERED = 1 << 20
_TABLE_BYTES = 1 << 30


def measure_roofline(
    settings: BenchSettings, dataset: SplitDataset, say: Callable[[str], None]
) -> list[Measure]:
    """Return, for each f, the seconds of an iteration and its two bounds."""
    threads = cores(settings.num_threads)
    say("roofline: products")
    products = max(_products(threads) for _ in range(settings.repeats))
    rows = int(min(dataset.train.shape))
    measures = []
    for factors in settings.factors or FACTORS:
        say(f"roofline: f = {factors}")
        model = SOLVERS["eigenbasis"](
            **settings.convention(),
            factors=factors,
            iterations=2 + settings.repeats,
            num_threads=settings.num_threads,
            random_state=settings.seed,
        )
        model.fit(dataset.train, show_progress=False)
        # The solver decides by size whether it stores the gathered rows in bfloat16.
        compresses: Any = getattr(model, "_compresses", lambda: False)
        bytes_each = 2 if compresses() else 4
        width = factors * bytes_each // 4
        small = max(_gather(rows, width, threads) for _ in range(settings.repeats))
        large = max(_gather(_TABLE_BYTES // (4 * width), width, threads) for _ in range(2))
        entries = dataset.train.nnz
        last = model.report_[-1]  # with the steps that the rows took
        steps = sum(half.steps for half in last) / max(1, sum(half.rows for half in last))
        both = sum(dataset.train.shape)
        operations = 2 * entries * (steps + 1) * 4 * factors + 3 * both * 2 * factors**2
        gathered = 2 * entries * factors * bytes_each
        detail = (
            f"{operations / 1e9:.0f} billion operations at {products / 1e9:.0f} GFLOP/s; "
            f"{gathered / 1e9:.1f} GB at {small / 1e9:.0f} GB/s (a table of {rows:,} rows; "
            f"{large / 1e9:.0f} GB/s from memory)"
        )
        seconds = list(model.seconds_[2:])
        bounds = {ARITHMETIC: operations / products, GATHER: gathered / small}
        for name, values in ((MEASURED, seconds), *((n, [b]) for n, b in bounds.items())):
            measures.append(
                Measure(
                    group=f"{GROUP}, f = {factors}",
                    name=name,
                    seconds=values,
                    reference="",
                    speed_up=None,
                    detail=detail if name == MEASURED else "",
                    x=float(factors),
                )
            )
    return measures


def _products(threads: int) -> float:
    """Return the operations per second of float32 products on all cores, one product each at a time."""
    A = np.random.default_rng(0).random((_SIDE, _SIDE), np.float32)

    def run(_: int, out: Any) -> None:
        np.matmul(A, A, out=out)

    with blas_threads(1):
        began = time.perf_counter()
        spread(range(4 * threads), threads, lambda: np.empty_like(A), run)
        return 4 * threads * 2 * _SIDE**3 / (time.perf_counter() - began)


def _gather(rows: int, width: int, threads: int) -> float:
    """Return the bytes per second of reading rows of `width` float32 in random order, on all cores."""
    rng = np.random.default_rng(0)
    table = np.ones((rows, width), np.float32)
    places = rng.integers(0, rows, _GATHERED * 64 // max(64, width), dtype=np.int32)
    add_rows(table, places[:1], np.zeros(width, np.float32))

    def run(part: int, total: Any) -> None:
        add_rows(table, places[part :: 4 * threads].copy(), total)

    began = time.perf_counter()
    spread(range(4 * threads), threads, lambda: np.zeros(width, np.float32), run)
    return len(places) * width * 4 / (time.perf_counter() - began)


@compiled
def add_rows(table: Any, places: Any, total: Any) -> None:
    """Add the rows of `table` at `places` to `total`, which is the least work on a gathered row."""
    for place in places:
        row = table[np.uint64(place)]
        for k in range(total.size):
            total[k] += row[k]
