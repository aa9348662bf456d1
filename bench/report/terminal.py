"""The results as tables on a terminal."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

from rich import box
from rich.cells import cell_len
from rich.console import Console
from rich.markup import escape
from rich.table import Table as RichTable

from halfstep.bench.quality.table import quality_tables
from halfstep.bench.report.growth import growth_table
from halfstep.bench.report.sentences import environment_line, reading_lines
from halfstep.bench.report.tables import Table, case_table, measure_tables, sweep_table
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
    """Print a table for each case, the time per iteration over all cases, and how to read both.

    A table that is too wide for the terminal becomes several, one below the other; nothing is cut.
    """
    for case in results.tables():
        _print(case_table(results, case), console)
    sweep = sweep_table(results)
    if sweep is not None:
        _print(sweep, console)
    growth = growth_table(results)
    if growth is not None:
        _print(growth, console)
    for table in measure_tables(results):
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
    for number, columns in enumerate(_columns_of_tables(table, console.width)):
        if number:
            console.print()
        part = table.parts[columns[-1]] if len(columns) < len(table.headings) else ""
        title = f"{table.title}: {part}" if part else table.title
        drawn = RichTable(
            title=escape(title),
            title_justify="left",
            box=box.SIMPLE_HEAD,
            padding=(0, _GAP - 1, 0, 0),
            pad_edge=False,
            show_edge=False,
        )
        for column, width in zip(columns, _widths(table, columns, console.width), strict=True):
            drawn.add_column(
                escape(table.headings[column]),
                justify="right" if table.numeric[column] else "left",
                overflow="fold",
                width=width,
            )
        for line in table.lines:
            drawn.add_row(*(_styled(line[column]) for column in columns))
        console.print(drawn)
    for note in table.notes:
        console.print(f"  {note}", style="dim", markup=False, highlight=False)
    if table.notes:
        console.print()


def _columns_of_tables(table: Table, width: int) -> list[list[int]]:
    """Return the columns of each table that is drawn: all in one, or each part in as few as it needs.

    Cells may be broken between words. Every table begins with the first column, which names its lines.
    """
    least = [_longest_word(table, column) for column in range(len(table.headings))]
    everything = list(range(len(least)))
    if _total([least[c] for c in everything]) <= width:
        return [everything]
    found = []
    for _, part in groupby(everything[1:], key=lambda c: table.parts[c]):
        columns = [0]
        for column in part:
            if len(columns) > 1 and _total([least[c] for c in (*columns, column)]) > width:
                found.append(columns)
                columns = [0]
            columns.append(column)
        found.append(columns)
    return found


def _widths(table: Table, columns: Sequence[int], width: int) -> list[int]:
    """Return the columns' widths; as few columns as possible break their cells."""
    least = [_longest_word(table, column) for column in columns]
    widths = [max(map(cell_len, _texts(table, column))) for column in columns]
    for place in sorted(range(len(widths)), key=lambda p: least[p] - widths[p]):
        excess = max(0, _total(widths) - width)
        widths[place] = max(least[place], widths[place] - excess)
    return widths


def _texts(table: Table, column: int) -> list[str]:
    return [table.headings[column], *(line[column] for line in table.lines)]


def _longest_word(table: Table, column: int) -> int:
    return max(cell_len(word) for text in _texts(table, column) for word in text.split())


def _total(widths: Sequence[int]) -> int:
    return sum(widths) + _GAP * (len(widths) - 1)


def _styled(cell: str) -> str:
    style = _STYLES.get(cell.partition(":")[0])
    return f"[{style}]{escape(cell)}[/]" if style else escape(cell)
