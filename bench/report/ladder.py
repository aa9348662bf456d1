"""The README's ladder: a line for each rung, with its idea, its cost and the times that were measured.

Idea and cost come from the rung's own file: the first line of its module's docstring is
`Rung N, NAME: IDEA.`, and one paragraph begins with `Cost of a half-step: COST.`, of which the first
sentence is taken. The times come from the results file with the most rungs, the newest where several
have as many.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from halfstep.bench.contestant_names import is_exact
from halfstep.bench.gpu.record import GpuResults, GpuTable
from halfstep.bench.method.check import TARGET_TOLERANCE, first_reaching
from halfstep.bench.method.timing import pairwise_ratio, seconds_to
from halfstep.bench.report import numbers
from halfstep.bench.report.sentences import RATIOS, machine, weighting
from halfstep.bench.schema import CaseRecord, Results, Row
from halfstep.solvers import SOLVERS, Solver

UNMEASURED = "not yet measured"
# Of the GPU rungs it is the one that solves every row exactly.
_EXACT_ON_GPU = "gpu_cholesky"
_HEADINGS = (
    "rung",
    "what changes from the rung before",
    "cost of a half-step",
    "iteration",
    "to exact's quality",
    "sooner than the rung before",
)
_TO_EXACT = (
    f"To exact's quality: half-step time until the float64 objective is within {TARGET_TOLERANCE:.0%} "
    "of that of exact ALS after"
)


def markdown(runs: Sequence[Results], records: Sequence[GpuResults]) -> str:
    """Return the ladders of the CPU and of the GPU, each with a sentence on the origin of its times.

    Parameters
    ----------
    runs
        Runs that compare solvers on a CPU.
    records
        Runs of `make gpu`.
    """
    parts = []
    for device, (times, said) in (("cpu", on_cpu(runs)), ("gpu", on_gpu(records))):
        lines = [_HEADINGS, ("---", "---", "---", "---:", "---:", "---:")]
        for name in rungs(device):
            path = f"{SOLVERS[name].__module__.removeprefix('halfstep.').replace('.', '/')}.py"
            measured = times.get(name, (UNMEASURED, UNMEASURED, numbers.NONE))
            lines.append(
                (f"[`{name}`]({path})", idea(SOLVERS[name]), cost(SOLVERS[name]), *measured)
            )
        parts += ["\n".join(f"| {' | '.join(line)} |" for line in lines), said]
    return "\n\n".join(filter(None, parts))


def rungs(device: str) -> list[str]:
    """Return the names of a device's rungs, from the slowest to the fastest."""
    return [name for name, s in SOLVERS.items() if s.kind == "rung" and s.device == device]


def idea(solver: type[Solver]) -> str:
    """Return a rung's idea, what changes from the rung before, from the docstring of its module.

    Raises
    ------
    ValueError
        The docstring of its module does not begin as this module says.
    """
    return _of_docstring(solver, rf"\A(?:GPU rung|Rung)(?: \d+)?, {solver.name}: (.*?)\.\n\n")


def cost(solver: type[Solver]) -> str:
    """Return the cost of a rung's half-step, from the docstring of its module; raises as `idea` does."""
    return _of_docstring(solver, r"\n\nCost of a half-step: (.*?)\.(?:\s|\Z)")


def _of_docstring(solver: type[Solver], pattern: str) -> str:
    text = sys.modules[solver.__module__].__doc__ or ""
    match = re.search(pattern, f"{text.strip()}\n\n", re.DOTALL)
    if match is None:
        raise ValueError(f"{solver.__module__}: its docstring must match {pattern!r}")
    sentence = " ".join(match[1].split()).replace("|", "\\|")
    return sentence.replace("^2", "²").replace("^3", "³")


def on_cpu(runs: Sequence[Results]) -> tuple[dict[str, tuple[str, str, str]], str]:
    """Return each measured rung's iteration, time to quality and step, and where they come from."""
    names = rungs("cpu")
    cases = [(run, case) for run in runs for case in run.tables() if is_exact(case.reference)]
    if not cases:
        return {}, ""

    def measured(case: CaseRecord) -> list[Row]:
        rows = {row.solver: row for row in case.rows if row.seconds}
        return [rows[name] for name in names if name in rows]

    run, case = max(cases, key=lambda found: (len(measured(found[1])), found[0].created))
    rows = measured(case)
    sooner = {after.solver: _sooner(before, after) for before, after in pairwise(rows)}
    cells = {
        row.solver: (
            numbers.median_duration(row.seconds_per_iteration),
            numbers.to_target(row, case.iterations),
            sooner.get(row.solver, numbers.NONE),
        )
        for row in rows
    }
    data = run.data[case.data]
    repeats = max(len(row.seconds) for row in rows) if rows else 0
    said = (
        f"On {data.name} ({data.users:,} users × {data.items:,} items, {data.entries:,} entries), "
        f"f = {case.factors}, {weighting(case.convention or run.settings)}; {machine(run.environment)}; "
        f"medians of {repeats} fits that take turns. {_TO_EXACT} {case.iterations} iterations. Sooner: "
        f"the median ratio of these times within a turn, in brackets the extremes. {RATIOS}"
    )
    return cells, said


def _sooner(before: Row, after: Row) -> str:
    if before.iterations_to_target is None or after.iterations_to_target is None:
        return numbers.NONE
    times = (
        [seconds_to(fit, row.iterations_to_target or 1) for fit in row.seconds]
        for row in (before, after)
    )
    return numbers.ratio(pairwise_ratio(*times))


def on_gpu(
    records: Sequence[GpuResults],
) -> tuple[dict[str, tuple[str, str, str]], str]:
    """Return the cells of each rung that a card measured, and where they come from."""
    names = rungs("gpu")

    def measured(table: GpuTable) -> dict[str, Row]:
        return {row.solver: row for row in table.case.rows if row.seconds_per_iteration}

    tables = [
        (record, table)
        for record in records
        if not record.emulated
        for table in record.tables
        if measured(table).keys() & {*names}
    ]
    if not tables:
        return {}, ""
    record, table = max(tables, key=lambda pair: len(measured(pair[1]).keys() & {*names}))
    rows = measured(table)
    exact = rows.get(_EXACT_ON_GPU)
    target = exact.objectives[-1] if exact else None
    reached: dict[str, list[float]] = {}
    for name, row in rows.items():
        after = None if target is None else first_reaching(row.objectives, target)
        if after is not None:
            reached[name] = [seconds_to(fit, after) for fit in row.seconds]
    cells, before = {}, ""
    for name in (name for name in names if name in rows):
        pair = reached.get(before, ()), reached.get(name, ())
        each = rows[name].seconds_per_iteration
        cells[name] = (
            numbers.duration(each.median if each else None),
            numbers.duration(float(np.median(reached[name]))) if name in reached else "not reached",
            numbers.ratio(pairwise_ratio(*pair)),
        )
        before = name
    iterations = len(exact.objectives) if exact else 0
    said = (
        f"On {table.shape} ({table.users:,} users × {table.items:,} items, {table.entries:,} entries), "
        f"f = {table.case.factors}; {record.environment.gpu}. {_TO_EXACT} {iterations} iterations."
    )
    return cells, said
