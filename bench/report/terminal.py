"""The results as tables on a terminal."""

from __future__ import annotations

from rich.console import Console
from rich.markup import escape

from halfstep.bench.quality.table import quality_tables
from halfstep.bench.report.growth import growth_table
from halfstep.bench.report.limits import limits_tables
from halfstep.bench.report.sentences import environment_line, reading_lines
from halfstep.bench.report.tables import Table, case_table, measure_tables, sweep_table
from halfstep.bench.schema import CaseRecord, Results
from halfstep.fitted_table import FittedTable

_STYLES = {
    "equivalent": "green",
    "better": "green",
    "worse": "red",
    "undecided": "yellow",
    "cannot run": "dim",
    "left out": "dim",
}


def print_case(results: Results, case: CaseRecord, console: Console) -> None:
    """Print the table of a case, if it has one.

    A table that is too wide for the terminal becomes several, one below the other; nothing is cut.
    """
    if case.table:
        _print(case_table(results, case), console)


def print_results(results: Results, console: Console, *, cases: bool = True) -> None:
    """Print a table for each case, the time per iteration over all cases, and how to read both.

    With `cases=False` without the first, which `print_case` has printed.
    """
    for case in results.tables() if cases else ():
        print_case(results, case, console)
    sweep = sweep_table(results)
    if sweep is not None:
        _print(sweep, console)
    growth = growth_table(results)
    if growth is not None:
        _print(growth, console)
    for table in (*measure_tables(results), *limits_tables(results)):
        _print(table, console)
    for table in quality_tables(results)[
        :2
    ]:  # the HTML page has a line for every contestant as well
        _print(table, console)
    for line in results.left_out:
        console.print(f"left out: {line}", style="dim", markup=False, highlight=False)
    for line in (*reading_lines(results), environment_line(results)):
        console.print(line, style="dim", markup=False, highlight=False)


def _print(table: Table, console: Console) -> None:
    drawn = FittedTable(escape(table.title), table.parts)
    for heading, numbers in zip(table.headings, table.numeric, strict=True):
        (drawn.add_numbers if numbers else drawn.add_texts)(escape(heading))
    for line in table.lines:
        drawn.add_row(*map(_styled, line))
    console.print(drawn)
    for note in table.notes:
        console.print(f"  {note}", style="dim", markup=False, highlight=False)
    if table.notes:
        console.print()


def _styled(cell: str) -> str:
    style = _STYLES.get(cell.partition(":")[0])
    return f"[{style}]{escape(cell)}[/]" if style else escape(cell)
