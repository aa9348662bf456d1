"""The results on a terminal."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

from rich import box
from rich.cells import cell_len
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from halfstep.bench.quality.table import quality_grids
from halfstep.bench.report.growth import growth_grid
from halfstep.bench.report.sentences import environment_line, reading_lines
from halfstep.bench.report.tables import Grid, measure_grids, sweep_grid, table_grid
from halfstep.bench.schema import Results

_GAP = 2
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

    A table too wide for the terminal becomes several below one another; nothing is cut.
    """
    for case in results.tables():
        _print(table_grid(results, case), console)
    sweep = sweep_grid(results)
    if sweep is not None:
        _print(sweep, console)
    growth = growth_grid(results)
    if growth is not None:
        _print(growth, console)
    for grid in measure_grids(results):
        _print(grid, console)
    for grid in quality_grids(results)[:2]:  # the page has a line for every contestant, too
        _print(grid, console)
    for line in results.left_out:
        console.print(f"left out: {line}", style="dim", markup=False, highlight=False)
    for line in (*reading_lines(results), environment_line(results)):
        console.print(line, style="dim", markup=False, highlight=False)


def _print(grid: Grid, console: Console) -> None:
    for number, columns in enumerate(_tables(grid, console.width)):
        if number:
            console.print()
        part = grid.parts[columns[-1]] if len(columns) < len(grid.headings) else ""
        title = f"{grid.title}: {part}" if part else grid.title
        table = Table(
            title=escape(title),
            title_justify="left",
            box=box.SIMPLE_HEAD,
            padding=(0, _GAP - 1, 0, 0),
            pad_edge=False,
            show_edge=False,
        )
        for column, width in zip(columns, _widths(grid, columns, console.width), strict=True):
            table.add_column(
                escape(grid.headings[column]),
                justify="right" if grid.numeric[column] else "left",
                overflow="fold",
                width=width,
            )
        for line in grid.cells:
            table.add_row(*(_styled(line[column]) for column in columns))
        console.print(table)
    for note in grid.notes:
        console.print(f"  {note}", style="dim", markup=False, highlight=False)
    if grid.notes:
        console.print()


def _tables(grid: Grid, width: int) -> list[list[int]]:
    """Return the columns of each table: one if that fits, or else each part in as few as it needs.

    Cells may be broken between words. Every table begins with the first column, which names its lines.
    """
    least = [_longest_word(grid, column) for column in range(len(grid.headings))]
    everything = list(range(len(least)))
    if _total([least[c] for c in everything]) <= width:
        return [everything]
    tables = []
    for _, part in groupby(everything[1:], key=lambda c: grid.parts[c]):
        table = [0]
        for column in part:
            if len(table) > 1 and _total([least[c] for c in (*table, column)]) > width:
                tables.append(table)
                table = [0]
            table.append(column)
        tables.append(table)
    return tables


def _widths(grid: Grid, columns: Sequence[int], width: int) -> list[int]:
    """Return the columns' widths; as few of them as possible are made to break their cells."""
    least = [_longest_word(grid, column) for column in columns]
    widths = [max(map(cell_len, _texts(grid, column))) for column in columns]
    for place in sorted(range(len(widths)), key=lambda p: least[p] - widths[p]):
        excess = max(0, _total(widths) - width)
        widths[place] = max(least[place], widths[place] - excess)
    return widths


def _texts(grid: Grid, column: int) -> list[str]:
    return [grid.headings[column], *(line[column] for line in grid.cells)]


def _longest_word(grid: Grid, column: int) -> int:
    return max(cell_len(word) for text in _texts(grid, column) for word in text.split())


def _total(widths: Sequence[int]) -> int:
    return sum(widths) + _GAP * (len(widths) - 1)


def _styled(cell: str) -> str:
    style = _STYLES.get(cell.partition(":")[0])
    return f"[{style}]{escape(cell)}[/]" if style else escape(cell)
