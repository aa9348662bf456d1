"""How many times sooner than each peer the fastest rung reaches the target: one line for each case."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from halfstep.bench.contestant_names import PEERS, is_exact
from halfstep.bench.method.spread import Spread
from halfstep.bench.method.timing import pairwise_ratio, seconds_to
from halfstep.bench.report import numbers
from halfstep.bench.report.tables import Table
from halfstep.bench.schema import CaseRecord, Results, Row

# Where exact ALS sets the target, implicit's two methods have a column each.
_NAMES = dict(zip(PEERS, ("implicit's CG", "implicit's Cholesky"), strict=True))


def headline(runs: Sequence[Results], *, exact: bool = True) -> Table | None:
    """Return the table, or None where no rung of this package reached such a target.

    Ratios are paired, repeat by repeat. A peer counts with its fastest method in each case.

    Parameters
    ----------
    exact
        True for the cases whose target is the objective of exact ALS, with a column for each of
        implicit's methods; False for the other cases, with a column for each library.
    """
    found = [
        (run.data[case.data].name.removesuffix(".npz"), case, rung)
        for run in runs
        for case in run.tables()
        if is_exact(case.reference) is exact
        and (rung := _fastest(row for row in case.rows if row.kind == "rung"))
    ]
    if not found:
        return None
    found.sort(key=lambda line: (line[0], line[2].solver, line[1].factors))
    named = _method if exact else _library
    peers = list(dict.fromkeys(named(row) for _, case, _ in found for row in _peers(case)))
    lines = tuple(
        (
            f"{name}, f = {case.factors}",
            f"{case.reference}, {case.iterations} iterations",
            rung.solver,
            numbers.to_target(rung),
            *(
                _against([row for row in _peers(case) if named(row) == peer], case, rung)
                for peer in peers
            ),
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
    return Table("time to the target", headings, ("",) * len(headings), numeric, lines)


def _fastest(rows: Iterable[Row]) -> Row | None:
    timed = [row for row in rows if row.seconds_to_target]
    return min(timed, key=lambda row: _median(row.seconds_to_target), default=None)


def _median(spread: Spread | None) -> float:
    return spread.median if spread else float("inf")


def _peers(case: CaseRecord) -> list[Row]:
    return [row for row in case.rows if row.kind == "reference" and row.seconds]


def _library(row: Row) -> str:
    return row.solver.split(":")[0]


def _method(row: Row) -> str:
    return _NAMES.get(row.solver, _library(row))


def _against(rows: Sequence[Row], case: CaseRecord, rung: Row) -> str:
    best = _fastest(rows)
    if best is None:
        reasons = {numbers.to_target(row, case.iterations) for row in rows}
        return numbers.NONE if not rows else reasons.pop() if len(reasons) == 1 else "not reached"
    return numbers.ratio(pairwise_ratio(_to_target(best), _to_target(rung)))


def _to_target(row: Row) -> list[float]:
    return [seconds_to(fit, row.iterations_to_target or len(fit)) for fit in row.seconds]
