"""The suites: which sizes are compared on which data, and which are left out.

* `quick`: a full table at f = 32 for mild weights and one for heavy-tailed play counts, and the time per
  iteration at three more sizes; three minutes.
* `full`: a full table for each f from 32 to 512, without the rungs that are written to be read and with
  all methods of the peers.
* `scaling`: the time per iteration on generated data of a million entries and more, as far as memory
  allows, with one, two and all threads.
* `queries`, `roofline`, `threads`, `quality`: these have no cases; see `suite_queries`,
  `suite_roofline`, `suite_threads` and `quality.plan`.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field, replace
from typing import Any

from halfstep.bench.settings import DEFAULT_DATA, BenchSettings

HEAVY_TAILED = "plays-small"
QUICK_TABLE, QUICK_SWEEP = 32, (8, 16, 64)
FULL_FACTORS = (32, 64, 128, 256, 512)
SCALING_FACTORS = (64,)
SCALING_ENTRIES = (1_000_000, 3_000_000, 10_000_000, 30_000_000, 100_000_000)
SWEEP_ITERATIONS, SWEEP_REPEATS = 3, 3
BUDGETS = {"quick": 20.0, "full": 300.0, "scaling": 300.0}
SWEEP_BUDGET = 6.0


@dataclass(frozen=True)
class Case:
    """One comparison of all contestants.

    Attributes
    ----------
    entries
        Number of entries of the data to generate; None where the case runs on `data`.
    table
        True for the whole method; False for the time per iteration alone, over few iterations.
    budget
        Seconds for the check of one contestant.
    data
        Name or path as in the settings; None for the data of the settings.
    convention
        Arguments of the weighting; empty for those of the settings.
    to_read
        Whether the rungs that are written to be read take part.
    memory
        Whether to measure peak memory, where the settings ask for it.
    """

    entries: int | None
    factors: int
    num_threads: int
    table: bool
    iterations: int
    repeats: int
    budget: float
    data: str | None = None
    convention: dict[str, Any] = field(default_factory=dict)
    to_read: bool = True
    memory: bool = True


@dataclass(frozen=True)
class Plan:
    """The cases to run, in this order, and a line for each case that is left out."""

    cases: tuple[Case, ...]
    left_out: tuple[str, ...] = ()


def plan(settings: BenchSettings) -> Plan:
    """Return the cases of the settings' suite on this machine."""
    if settings.suite == "scaling":
        return _scaling(settings)
    if settings.suite in ("queries", "roofline", "threads", "quality"):
        return Plan(())
    budget = settings.budget or BUDGETS[settings.suite]
    if settings.suite == "full" or settings.factors:
        sizes = settings.factors or FULL_FACTORS
        return Plan(
            tuple(
                _table(settings, f, budget, data)
                for data in (*_main_data(settings), *_heavy_tailed(settings))
                for f in sizes
            )
        )
    sweep_budget = settings.budget or SWEEP_BUDGET
    heavy = [_table(settings, QUICK_TABLE, budget, data) for data in _heavy_tailed(settings)]
    return Plan(
        (
            *(_table(settings, QUICK_TABLE, budget, data) for data in _main_data(settings)),
            *(_sweep(settings, None, f, settings.num_threads, sweep_budget) for f in QUICK_SWEEP),
            # Without the slow rungs and the memory, so that the suite still takes three minutes.
            *(replace(case, to_read=False, memory=False) for case in heavy),
        )
    )


def _main_data(settings: BenchSettings) -> tuple[str, ...]:
    return (settings.data or DEFAULT_DATA,)


def _heavy_tailed(settings: BenchSettings) -> tuple[str, ...]:
    """Return the heavy-tailed data of `quick`; none where the settings name data or a weighting."""
    named = settings.data is not None or settings.confidence is not None
    return () if named or settings.suite != "quick" else (HEAVY_TAILED,)


def bytes_needed(entries: int, factors: int) -> int:
    """Return a generous estimate of the bytes that a fit on generated data of this size takes.

    A stored entry is held up to about eight times at 8 to 16 bytes: in the data, in both sides' weights,
    and in a reference's own copy and its transpose. The generator makes about 0.1 rows per entry, whose
    factors are held up to five times in float32.
    """
    return entries * 100 + entries // 10 * factors * 4 * 5


def _table(settings: BenchSettings, factors: int, budget: float, data: str) -> Case:
    return Case(
        None,
        factors,
        settings.num_threads,
        True,
        settings.iterations,
        settings.repeats,
        budget,
        data,
        settings.convention(data),
    )


def _sweep(
    settings: BenchSettings, entries: int | None, factors: int, threads: int, budget: float
) -> Case:
    iterations = min(settings.iterations, SWEEP_ITERATIONS)
    repeats = min(settings.repeats, SWEEP_REPEATS)
    return Case(entries, factors, threads, False, iterations, repeats, budget)


def _scaling(settings: BenchSettings) -> Plan:
    import psutil

    cores = os.cpu_count() or 1
    wanted = (settings.num_threads,) if settings.num_threads else tuple(sorted({1, 2, cores}))
    available = psutil.virtual_memory().available // 2
    cases, left_out = [], []
    for threads in wanted:
        if threads > cores and not settings.num_threads:
            left_out.append(f"{threads} threads: this machine has {cores}")
    for entries in SCALING_ENTRIES:
        for factors in settings.factors or SCALING_FACTORS:
            needed = bytes_needed(entries, factors)
            if needed > available:
                left_out.append(
                    f"{entries:,} entries with {factors} factors: needs about {needed / 1e9:.1f} GB, "
                    f"half of this machine's free memory is {available / 1e9:.1f} GB"
                )
                continue
            budget = settings.budget or BUDGETS["scaling"]
            cases += [
                _sweep(settings, entries, factors, threads, budget)
                for threads in wanted
                if threads <= cores or settings.num_threads
            ]
    return Plan(tuple(cases), tuple(left_out))
