"""The lines of the report's charts, made from rows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from halfstep.bench.report.tables import thread_count
from halfstep.bench.schema import CaseRecord, Results, Row


@dataclass(frozen=True)
class Curve:
    """One solver's line; all coordinates are positive, for logarithmic axes."""

    name: str
    x: tuple[float, ...]
    y: tuple[float, ...]


def solver_names(results: Results) -> list[str]:
    """Return the solvers that ran, in order of appearance; charts give each a colour."""
    rows = (row for case in results.cases for row in case.rows if row.reason is None)
    return list(dict.fromkeys(row.solver for row in rows))


def objective_curves(case: CaseRecord) -> list[Curve]:
    """Return, for each solver, the relative gap to the case's best objective over its median seconds.

    The best point itself has no gap, and a logarithmic axis has no place for it.
    """
    best = case.best
    curves = []
    for row in case.rows:
        if not row.seconds or not best:
            continue
        seconds = cumulative_seconds(row)
        gaps = [None if v is None else (v - best) / abs(best) for v in row.objectives]
        points = [(s, g) for s, g in zip(seconds, gaps, strict=False) if g is not None and g > 0]
        if points:
            x, y = zip(*points, strict=True)
            curves.append(Curve(row.solver, x, y))
    return curves


def cumulative_seconds(row: Row) -> list[float]:
    """Return the seconds up to each checked iteration: sums of medians over the repeats.

    An iteration that was not timed counts as the mean of those that were.
    """
    timed = np.median([fit for fit in row.seconds if len(fit) == len(row.seconds[0])], axis=0)
    lacking = max(0, len(row.objectives) - len(timed))
    each = np.concatenate([timed, np.full(lacking, timed.mean())])
    return [float(s) for s in np.cumsum(each)]


def sweep_curves(results: Results) -> dict[str, list[Curve]]:
    """Return the curves of time per iteration over factors, or over entries, by title of their chart."""
    by_entries = grows(results)
    charts: dict[str, list[CaseRecord]] = {}
    for case in results.cases:
        threads = thread_count(case)
        other = f"f = {case.factors}, " if by_entries else ""
        if not by_entries and len(results.data) > 1:
            other = f"{results.data[case.data].name}, "
        charts.setdefault(f"{other}{threads}", []).append(case)
    found = {}
    for title, cases in charts.items():
        curves = []
        for name in solver_names(results):
            points = sorted(
                (_size(results, case, by_entries), row.seconds_per_iteration.median)
                for case in cases
                for row in case.rows
                if row.solver == name and row.seconds_per_iteration is not None
            )
            if points:
                x, y = zip(*points, strict=True)
                curves.append(Curve(name, x, y))
        if any(len(curve.x) > 1 for curve in curves):
            found[title] = curves
    return found


def bound_curves(results: Results) -> list[Curve]:
    """Return the time of an iteration over f and then its two bounds; empty for other suites."""
    points: dict[str, list[tuple[float, float]]] = {}
    for measure in results.measures:
        if measure.x is not None:
            point = measure.x, float(np.median(measure.seconds))
            points.setdefault(measure.name, []).append(point)
    curves = []
    for name, found in points.items():
        x, y = zip(*sorted(found), strict=True)
        curves.append(Curve(name, x, y))
    return curves


def grows(results: Results) -> bool:
    """Whether the run's data differ in size alone, so that charts draw the time over the entries."""
    return results.suite == "scaling" and len({data.entries for data in results.data}) > 1


def _size(results: Results, case: CaseRecord, by_entries: bool) -> float:
    return float(results.data[case.data].entries if by_entries else case.factors)
