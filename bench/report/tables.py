"""The tables of a run, as headings and lines of text; `terminal`, `html` and `markdown` draw them."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from halfstep.bench.contestant_names import PEERS, SECOND_PEER
from halfstep.bench.report import numbers
from halfstep.bench.report.small import small_tables
from halfstep.bench.report.table import Table as Table
from halfstep.bench.schema import CaseRecord, Measure, Results, Row

Cell = Callable[[Row, CaseRecord], str]


@dataclass(frozen=True)
class Column:
    """One column of a case's table.

    Attributes
    ----------
    part
        The group of the column: a table that is too wide is cut between groups.
    optional
        Whether the column is left out where all its cells are empty.
    """

    heading: str
    part: str
    cell: Cell
    numeric: bool = True
    optional: bool = False


COLUMNS = (
    Column("solver", "", lambda row, case: row.solver, numeric=False),
    Column("device", "time", lambda row, case: row.device, numeric=False),
    Column(
        "iteration", "time", lambda row, case: numbers.median_duration(row.seconds_per_iteration)
    ),
    Column("to target", "time", lambda row, case: numbers.to_target(row, case.iterations)),
    Column("it.", "time", lambda row, case: numbers.iterations(row)),
    Column("speed-up", "time", lambda row, case: numbers.ratio(row.speed_up)),
    *(
        Column(
            f"against {peer}",
            "time",
            lambda row, case, peer=peer: numbers.ratio(row.speed_ups.get(peer)),  # type: ignore[misc]
            optional=True,
        )
        for peer in PEERS
    ),
    Column(
        "to implicit's",
        "time",
        lambda row, case: _to_second(row, case, of_spark=False),
        optional=True,
    ),
    Column(
        "to Spark's",
        "time",
        lambda row, case: _to_second(row, case, of_spark=True),
        optional=True,
    ),
    Column(
        "its speed-up",
        "time",
        lambda row, case: numbers.ratio(row.speed_ups.get(SECOND_PEER)),
        optional=True,
    ),
    Column("objective", "quality", lambda row, case: numbers.number(row.objective)),
    Column("gap", "quality", lambda row, case: numbers.percent(row.objective_gap)),
    Column(
        "to relaxed", "quality", lambda row, case: numbers.percent(row.relaxed_gap), optional=True
    ),
    Column("NDCG@10", "quality", lambda row, case: numbers.mean(row, "ndcg@10")),
    Column(
        "its ratio",
        "quality",
        lambda row, case: numbers.quality_ratio(row, "ndcg@10"),
        optional=True,
    ),
    Column("AUC", "quality", lambda row, case: numbers.mean(row, "auc")),
    Column("memory", "quality", lambda row, case: numbers.size(row.peak_memory_bytes)),
    Column(
        "verdict", "quality", lambda row, case: numbers.verdict(row, case.reference), numeric=False
    ),
)


def _to_second(row: Row, case: CaseRecord, *, of_spark: bool) -> str:
    if (case.second.partition(":")[0] == SECOND_PEER) != of_spark:
        return numbers.NONE
    return numbers.median_duration(row.seconds_to_second)


def case_table(results: Results, case: CaseRecord) -> Table:
    """Return one case's table with the columns of a CPU."""
    return table_of(f"{results.data[case.data].name}, f = {case.factors}", case, COLUMNS)


def table_of(title: str, case: CaseRecord, columns: Sequence[Column]) -> Table:
    """Return a case's table with these columns, the fastest row to the target first.

    Optional columns are left out where they would be empty; the notes say why rows have no results.
    """
    rows = ordered(case.rows)
    shown = [
        column
        for column in columns
        if not column.optional or any(column.cell(row, case) != numbers.NONE for row in rows)
    ]
    return Table(
        title=title,
        headings=tuple(column.heading for column in shown),
        parts=tuple(column.part for column in shown),
        numeric=tuple(column.numeric for column in shown),
        lines=tuple(tuple(column.cell(row, case) for column in shown) for row in rows),
        notes=notes(rows),
    )


def ordered(rows: list[Row]) -> list[Row]:
    """Return the rows in the order of a table: by time to the target, those that cannot run last."""
    return sorted(rows, key=_rank)


def notes(rows: list[Row]) -> tuple[str, ...]:
    """Return a line for each reason why rows have no results, and for each restriction of other rows.

    A line begins with the names of the solvers that it holds for.
    """
    names: dict[str, list[str]] = {}
    for row in rows:
        if row.reason is not None:
            verb = "" if row.reason.startswith("left out") else "cannot run: "
            names.setdefault(f"{verb}{row.reason}", []).append(row.solver)
        elif row.notes:
            names.setdefault("; ".join(row.notes), []).append(row.solver)
    return tuple(f"{', '.join(solvers)}: {line}" for line, solvers in names.items())


def sweep_table(results: Results) -> Table | None:
    """Return the time per iteration, one column for each case; None where there is only one case."""
    if len(results.cases) < 2:
        return None
    order = _column_order(results)
    names = list(dict.fromkeys(row.solver for case in order for row in case.rows))
    lines = []
    for name in names:
        found = [_find(case, name) for case in order]
        if any(row is not None and row.seconds_per_iteration for row in found):
            times = (row and row.seconds_per_iteration for row in found)
            lines.append((name, *(numbers.median_duration(time or None) for time in times)))
    left_out = dict.fromkeys(
        f"{case_name(results, case)}: {note}"
        for case in order
        if not case.table
        for note in notes(case.rows)
        if "left out" in note or "stopped" in note
    )
    return Table(
        title="seconds per iteration",
        headings=("solver", *(case_name(results, case) for case in order)),
        parts=("",) * (1 + len(order)),
        numeric=(False, *(True for _ in order)),
        lines=tuple(lines),
        notes=tuple(left_out),
    )


def measure_tables(results: Results) -> list[Table]:
    """Return one table for each group of measures, the fastest measure first."""
    if results.suite == "small":
        return small_tables(results)
    groups: dict[str, list[Measure]] = {}
    for measure in results.measures:
        groups.setdefault(measure.group, []).append(measure)
    tables = []
    for title, members in groups.items():
        members = sorted(members, key=lambda m: float(np.median(m.seconds)))
        reference = members[0].reference
        versus = (f"against {reference}",) if reference else ()
        lines = [
            (
                m.name,
                numbers.duration(float(np.median(m.seconds))),
                *((numbers.ratio(m.speed_up),) if reference else ()),
            )
            for m in members
        ]
        tables.append(
            Table(
                title=title,
                headings=("what", "seconds", *versus),
                parts=("",) * (2 + len(versus)),
                numeric=(False, True, *(True for _ in versus)),
                lines=tuple(lines),
                notes=tuple(m.detail for m in members if m.detail),
            )
        )
    return tables


def raw_table(results: Results) -> Table:
    """Return a line for each solver and case: seconds of all fits, first and last objective."""
    lines = []
    for case in results.cases:
        for row in case.rows:
            if not row.seconds:
                continue
            lines.append(
                (
                    row.solver,
                    case_name(results, case),
                    str(len(row.seconds[0])),
                    ", ".join(f"{sum(fit):.4g}" for fit in row.seconds),
                    ", ".join(f"{seconds:.3g}" for seconds in row.setup_seconds),
                    numbers.number(row.objectives[0]) if row.objectives else numbers.NONE,
                    numbers.number(row.objectives[-1]) if row.objectives else numbers.NONE,
                    str(len(row.objectives)),
                )
            )
    headings = (
        "solver",
        "case",
        "timed iterations",
        "half-step seconds of each fit",
        "its other seconds",
        "first objective",
        "last objective",
        "checked iterations",
    )
    numeric = (False, False, True, False, False, True, True, True)
    return Table("raw timings", headings, ("",) * len(headings), numeric, tuple(lines))


def case_name(results: Results, case: CaseRecord) -> str:
    """Return the name that tells a case from the others of its run."""
    parts = [f"f = {case.factors}"]
    if len(results.data) > 1:
        data = results.data[case.data]
        scaling = results.suite == "scaling"
        parts.insert(0, f"{data.entries:,} entries" if scaling else data.name)
    if len({c.num_threads for c in results.cases}) > 1:
        parts.append(thread_count(case))
    return ", ".join(parts)


def thread_count(case: CaseRecord) -> str:
    """Return in words how many threads a case ran with."""
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
