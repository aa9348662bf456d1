"""The tables of the suite `small`: a line for each cell of the grid, a column for each contestant."""

from __future__ import annotations

import numpy as np

from halfstep.bench.method.timing import pairwise_ratio
from halfstep.bench.report import numbers
from halfstep.bench.report.table import Table
from halfstep.bench.schema import Measure, Results
from halfstep.bench.suite_small import NEAR, OURS, TO_EXACT, WHOLE
from halfstep.bench.suite_small_fixed import GROUP

_NEVER = "never"


def small_tables(results: Results) -> list[Table]:
    """Return the grid's two tables and that of the fixed cost."""
    cells: dict[str, dict[str, dict[str, Measure]]] = {WHOLE: {}, TO_EXACT: {}}
    fixed = [measure for measure in results.measures if measure.group.startswith(GROUP)]
    for measure in results.measures:
        kind, _, cell = measure.group.partition(": ")
        if kind in cells:
            cells[kind].setdefault(cell, {})[measure.name] = measure
    iterations = results.settings["iterations"]
    tables = [
        _grid(
            f"Whole call of fit, {iterations} iterations; the peers' seconds over halfstep's, and "
            "objectives against exact ALS",
            cells[WHOLE],
            [*next(iter(cells[WHOLE].values()), {})],
        ),
        _grid(
            f"Whole call of fit to within {NEAR:.1%} of exact ALS after {iterations} iterations",
            cells[TO_EXACT],
            [*next(iter(cells[WHOLE].values()), {})],
        ),
    ]
    if fixed:
        tables.append(
            Table(
                title=fixed[0].group,
                headings=("what", "median"),
                parts=("", ""),
                numeric=(False, True),
                lines=tuple((m.name, numbers.duration(float(np.median(m.seconds)))) for m in fixed),
            )
        )
    return [table for table in tables if table.lines]


def _grid(title: str, cells: dict[str, dict[str, Measure]], names: list[str]) -> Table:
    lines = []
    for cell, found in cells.items():
        own = found.get(OURS)
        parts = []
        for name in names:
            measure = found.get(name)
            if measure is None:
                parts.append(_NEVER)
                continue
            detail = measure.detail.partition(": ")[2]
            detail = detail.replace(" of exact ALS", "").replace("after ", "")
            shown = (
                numbers.duration(float(np.median(measure.seconds)))
                if name == OURS or own is None
                else numbers.ratio(pairwise_ratio(measure.seconds, own.seconds)).partition(" ")[0]
            )
            parts.append(f"{shown} ({detail})")
        lines.append((cell, *parts))
    return Table(
        title=title,
        headings=("data", *names),
        parts=("",) * (1 + len(names)),
        numeric=(False, *(True for _ in names)),
        lines=tuple(lines),
    )
