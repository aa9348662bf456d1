"""A table for a terminal of any width: cells break between words, and no number is cut or broken.

Where a table is wider than the terminal, its columns move together; where that is not enough, it becomes
several tables, one below the other, which all begin with the first column.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby

from rich import box
from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, RenderResult
from rich.table import Column, Table
from rich.text import Text

_GAP = 2  # columns between two of a table that is short of space
_WORD = 24  # columns: a longer word of a text, such as a path or a hash, may be broken anywhere


class FittedTable(Table):
    """A table of texts; columns that are justified to the right hold numbers.

    Parameters
    ----------
    title
        With markup.
    parts
        For each column, what a table of its own with it is called; a table that must be divided is
        divided between parts first.
    """

    def __init__(self, title: str = "", parts: Sequence[str] = ()) -> None:
        super().__init__(box=box.SIMPLE_HEAD)
        self._heading, self._parts = title, parts

    def add_numbers(self, name: str) -> None:
        """Add a column of numbers."""
        self.add_column(name, justify="right", overflow="fold")

    def add_texts(self, name: str) -> None:
        """Add a column of texts."""
        self.add_column(name, overflow="fold")

    def natural_width(self, console: Console) -> int:
        """Return how wide the table is, with its title, where there is space enough."""
        texts = (_texts(console, column) for column in self.columns)
        widths = [max(map(cell_len, lines)) for lines in texts]
        title = console.render_str(self._heading).cell_len
        return max(title, sum(widths) + 3 * len(widths) + 1)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Yield the title and the table or tables."""
        texts = [_texts(console, column) for column in self.columns]
        natural = [max(map(cell_len, lines)) for lines in texts]
        least = [
            _longest_word(lines, column.justify == "right")
            for lines, column in zip(texts, self.columns, strict=True)
        ]
        width = options.max_width
        if sum(natural) + 3 * len(natural) + 1 <= width:
            if self._heading:
                yield _title(console, self._heading)
            yield from super().__rich_console__(console, options)
            return
        for number, columns in enumerate(self._divided(least, width)):
            part = self._parts[columns[-1]] if self._parts and len(columns) < len(least) else ""
            if number == 0 or part:
                heading = f"{self._heading}: {part}" if part else self._heading
                yield _title(console, heading)
            yield Text()
            widths = _widths([least[c] for c in columns], [natural[c] for c in columns], width)
            yield from self._drawn(columns, widths).__rich_console__(console, options)
        yield Text()

    def _divided(self, least: Sequence[int], width: int) -> Iterator[list[int]]:
        """Yield the columns of each table: all in one, or each part in as few tables as it needs."""
        everything = list(range(len(least)))
        if _total(least) <= width:
            yield everything
            return
        parts = self._parts or [""] * len(least)
        for _, part in groupby(everything[1:], key=lambda c: parts[c]):
            columns = [0]
            for column in part:
                if len(columns) > 1 and _total([least[c] for c in (*columns, column)]) > width:
                    yield columns
                    columns = [0]
                columns.append(column)
            yield columns

    def _drawn(self, columns: Sequence[int], widths: Sequence[int]) -> Table:
        """Return the table of some columns."""
        drawn = Table(
            box=box.SIMPLE_HEAD, padding=(0, _GAP - 1, 0, 0), pad_edge=False, show_edge=False
        )
        cells = []
        for place, width in zip(columns, widths, strict=True):
            own = self.columns[place]
            drawn.add_column(own.header, justify=own.justify, overflow="fold", width=width)
            cells.append(list(own.cells))
        for row, line in zip(self.rows, zip(*cells, strict=True), strict=True):
            drawn.add_row(*line, end_section=row.end_section)
        return drawn


def _title(console: Console, markup: str) -> Text:
    title = console.render_str(markup, style="table.title")
    title.overflow = "fold"
    return title


def _texts(console: Console, column: Column) -> list[str]:
    """Return the lines of a column's header and cells as they are shown."""
    shown = (console.render_str(str(cell)).plain for cell in (column.header, *column.cells))
    return [line for text in shown for line in text.split("\n")]


def _longest_word(lines: Sequence[str], numbers: bool) -> int:
    longest = max((cell_len(word) for line in lines for word in line.split()), default=1)
    return longest if numbers else min(longest, _WORD)


def _widths(least: Sequence[int], natural: Sequence[int], width: int) -> list[int]:
    """Return the columns' widths; as few columns as possible break their cells."""
    widths = list(natural)
    for place in sorted(range(len(widths)), key=lambda p: least[p] - widths[p]):
        excess = max(0, _total(widths) - width)
        widths[place] = max(least[place], widths[place] - excess)
    return widths


def _total(widths: Sequence[int]) -> int:
    return sum(widths) + _GAP * (len(widths) - 1)
