"""The tables that a run comes to, as headings and cells; terminal, README and report only draw them."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from halfstep.bench import cells
from halfstep.bench.record import CaseRecord, Results, Row

Cell = Callable[[Row, CaseRecord], str]


@dataclass(frozen=True)
class Column:
    """One column of a case's table; a terminal narrower than `least_width` goes without it."""

    heading: str
    cell: Cell
    least_width: int = 0
    numeric: bool = True


@dataclass(frozen=True)
class Grid:
    """A drawn-up table: `cells[i]` is a line with one entry per heading."""

    title: str
    headings: tuple[str, ...]
    numeric: tuple[bool, ...]
    cells: tuple[tuple[str, ...], ...]
    notes: tuple[str, ...] = ()


COLUMNS = (
    Column("solver", lambda row, case: row.solver, numeric=False),
    Column("device", lambda row, case: row.device, 125, numeric=False),
    Column("iteration", lambda row, case: cells.median_duration(row.seconds_per_iteration)),
    Column("to target", lambda row, case: cells.to_target(row)),
    Column("it.", lambda row, case: cells.iterations(row), 100),
    Column("speed-up", lambda row, case: cells.ratio(row.speed_up)),
    Column("objective", lambda row, case: cells.number(row.objective), 138),
    Column("gap", lambda row, case: cells.percent(row.objective_gap), 86),
    Column("NDCG@10", lambda row, case: cells.mean(row, "ndcg@10"), 95),
    Column("AUC", lambda row, case: cells.mean(row, "auc"), 118),
    Column("memory", lambda row, case: cells.size(row.peak_memory_bytes), 110),
    Column("verdict", lambda row, case: cells.verdict(row, case.reference), numeric=False),
)


def table_grid(results: Results, case: CaseRecord, width: int = 10_000) -> Grid:
    """Return one case's table, the fastest to the target first; its notes hold the reasons."""
    columns = [column for column in COLUMNS if column.least_width <= width]
    rows = ordered(case.rows)
    return Grid(
        title=f"{results.data[case.data].name}, f = {case.factors}",
        headings=tuple(column.heading for column in columns),
        numeric=tuple(column.numeric for column in columns),
        cells=tuple(tuple(column.cell(row, case) for column in columns) for row in rows),
        notes=notes(rows),
    )


def ordered(rows: list[Row]) -> list[Row]:
    """Return rows from the fastest to the target to those that cannot run."""
    return sorted(rows, key=_rank)


def notes(rows: list[Row]) -> tuple[str, ...]:
    """Return one line per row that cannot run or was measured with a restriction."""
    lines = []
    for row in rows:
        if row.reason is not None:
            verb = "" if row.reason.startswith("left out") else "cannot run: "
            lines.append(f"{row.solver}: {verb}{row.reason}")
        elif row.notes:
            lines.append(f"{row.solver}: {'; '.join(row.notes)}")
    return tuple(lines)


def sweep_grid(results: Results) -> Grid | None:
    """Return time per iteration, one column per case; None where there is but one case."""
    if len(results.cases) < 2:
        return None
    order = _column_order(results)
    names = list(dict.fromkeys(row.solver for case in order for row in case.rows))
    lines = []
    for name in names:
        found = [_find(case, name) for case in order]
        if any(row is not None and row.seconds_per_iteration for row in found):
            times = (row and row.seconds_per_iteration for row in found)
            lines.append((name, *(cells.median_duration(time or None) for time in times)))
    left_out = dict.fromkeys(
        f"{case_name(results, case)}: {note}"
        for case in order
        if not case.table
        for note in notes(case.rows)
        if "left out" in note or "stopped" in note
    )
    return Grid(
        title="seconds per iteration",
        headings=("solver", *(case_name(results, case) for case in order)),
        numeric=(False, *(True for _ in order)),
        cells=tuple(lines),
        notes=tuple(left_out),
    )


def case_name(results: Results, case: CaseRecord) -> str:
    """Return what tells a case from the others of its run."""
    parts = [f"f = {case.factors}"]
    if len(results.data) > 1:
        parts.insert(0, f"{results.data[case.data].entries:,} entries")
    if len({c.num_threads for c in results.cases}) > 1:
        parts.append(thread_count(case))
    return ", ".join(parts)


def thread_count(case: CaseRecord) -> str:
    """Return how many threads a case ran with, in words."""
    if case.num_threads == 0:
        return "all threads"
    return f"{case.num_threads} thread{'s' if case.num_threads > 1 else ''}"


def _column_order(results: Results) -> list[CaseRecord]:
    return sorted(results.cases, key=lambda case: (case.data, case.num_threads, case.factors))


def _find(case: CaseRecord, solver: str) -> Row | None:
    return next((row for row in case.rows if row.solver == solver), None)


def _rank(row: Row) -> tuple[int, float]:
    if row.seconds_to_target is not None:
        return 0, row.seconds_to_target.median
    if row.seconds_per_iteration is not None:
        return 1, row.seconds_per_iteration.median
    return (3 if row.reason is not None else 2), math.inf
