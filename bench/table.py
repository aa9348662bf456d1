"""The results on a terminal."""

from __future__ import annotations

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from halfstep.bench.describe import environment_line, reading_lines
from halfstep.bench.grids import Grid, sweep_grid, table_grid
from halfstep.bench.record import Results

_STYLES = {
    "equivalent": "green",
    "better": "green",
    "worse": "red",
    "undecided": "yellow",
    "cannot run": "dim",
    "left out": "dim",
}


def print_results(results: Results, console: Console) -> None:
    """Print a table per case, time per iteration over all cases, and how to read both.

    Narrow terminals get fewer columns; nothing is cut.
    """
    for case in results.tables():
        _print(table_grid(results, case, console.width), console)
    sweep = sweep_grid(results)
    if sweep is not None:
        _print(sweep, console)
    for line in results.left_out:
        console.print(f"left out: {line}", style="dim", markup=False, highlight=False)
    for line in (*reading_lines(results), environment_line(results)):
        console.print(line, style="dim", markup=False, highlight=False)


def _print(grid: Grid, console: Console) -> None:
    table = Table(
        title=escape(grid.title),
        title_justify="left",
        box=box.SIMPLE_HEAD,
        padding=(0, 1, 0, 0),
        show_edge=False,
    )
    for heading, numeric in zip(grid.headings, grid.numeric, strict=True):
        table.add_column(
            escape(heading),
            justify="right" if numeric else "left",
            overflow="fold",
            no_wrap=heading in ("solver", "speed-up"),
        )
    for line in grid.cells:
        table.add_row(*(_styled(cell) for cell in line))
    console.print(table)
    for note in grid.notes:
        console.print(f"  {note}", style="dim", markup=False, highlight=False)
    if grid.notes:
        console.print()


def _styled(cell: str) -> str:
    style = _STYLES.get(cell)
    return f"[{style}]{escape(cell)}[/]" if style else escape(cell)
