"""Every timed fit in one table, for those who want to summarise it themselves."""

from __future__ import annotations

from halfstep.bench import cells
from halfstep.bench.grids import Grid, case_name
from halfstep.bench.record import Results


def raw_grid(results: Results) -> Grid:
    """Return one line per solver and case: seconds of all its fits and objective of all iterations."""
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
                    cells.number(row.objectives[0]) if row.objectives else cells.NONE,
                    cells.number(row.objectives[-1]) if row.objectives else cells.NONE,
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
    return Grid("raw timings", headings, numeric, tuple(lines))
