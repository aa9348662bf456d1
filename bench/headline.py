"""How many times sooner the fastest rung is at the target than each peer's best: one line per case."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from halfstep.bench import cells
from halfstep.bench.grids import Grid
from halfstep.bench.record import CaseRecord, Results, Row, Spread
from halfstep.bench.timing import pairwise_ratio, seconds_to


def headline(runs: Sequence[Results]) -> Grid | None:
    """Return the table, or None where no run has a target that one of our rungs reached.

    A peer's methods are one column, each case's fastest counts; ratios are paired, repeat by repeat.
    """
    found = [
        (run.data[case.data].name.removesuffix(".npz"), case, rung)
        for run in runs
        for case in run.tables()
        if (rung := _fastest(row for row in case.rows if row.kind == "rung"))
    ]
    if not found:
        return None
    found.sort(key=lambda line: (line[0], line[2].solver, line[1].factors))
    peers = list(dict.fromkeys(_library(row) for _, case, _ in found for row in _peers(case)))
    lines = tuple(
        (
            f"{name}, f = {case.factors}",
            f"{case.reference}, {case.iterations} iterations",
            rung.solver,
            cells.to_target(rung),
            *(_against(peer, case, rung) for peer in peers),
        )
        for name, case, rung in found
    )
    headings = (
        "data",
        "target",
        "rung",
        "to target",
        *(f"times sooner than {peer}" for peer in peers),
    )
    numeric = (False, False, False, *(True for _ in headings[3:]))
    return Grid("time to the target", headings, ("",) * len(headings), numeric, lines)


def _fastest(rows: Iterable[Row]) -> Row | None:
    timed = [row for row in rows if row.seconds_to_target]
    return min(timed, key=lambda row: _median(row.seconds_to_target), default=None)


def _median(spread: Spread | None) -> float:
    return spread.median if spread else float("inf")


def _peers(case: CaseRecord) -> list[Row]:
    return [row for row in case.rows if row.kind == "reference" and row.seconds]


def _library(row: Row) -> str:
    return row.solver.split(":")[0]


def _against(peer: str, case: CaseRecord, rung: Row) -> str:
    rows = [row for row in _peers(case) if _library(row) == peer]
    best = _fastest(rows)
    if best is None:
        return "not reached" if rows else cells.NONE
    return cells.ratio(pairwise_ratio(_to_target(best), _to_target(rung)))


def _to_target(row: Row) -> list[float]:
    return [seconds_to(fit, row.iterations_to_target or len(fit)) for fit in row.seconds]
