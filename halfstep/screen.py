"""What commands print with: as wide as the terminal says, in colour only where that is wanted."""

from __future__ import annotations

import os
import sys

from rich.console import Console, ConsoleDimensions

_PIPE = 80  # columns where there is no terminal
_NARROWEST = 20


class Screen(Console):
    """A console that prints a path, an id or a sentence as it is, however narrow the terminal.

    The width is COLUMNS, or else that of the terminal, also on a dumb one and where COLUMNS is 0.
    NO_COLOR, if it is not empty, takes the colours away.
    """

    def __init__(self, stderr: bool = False) -> None:
        super().__init__(stderr=stderr, highlight=False)

    @property
    def size(self) -> ConsoleDimensions:
        """The number of columns and of lines."""
        return ConsoleDimensions(_columns(), super().size.height)

    @size.setter
    def size(self, new_size: tuple[int, int]) -> None:
        raise AttributeError("the terminal has its own size")


def _columns() -> int:
    given = os.environ.get("COLUMNS", "")
    if given.isdigit() and int(given):
        return max(_NARROWEST, int(given))
    for stream in (sys.__stdout__, sys.__stderr__, sys.__stdin__):
        try:
            found = os.get_terminal_size(stream.fileno()).columns if stream else 0
        except (OSError, ValueError):  # not a terminal, or closed
            continue
        if found:
            return max(_NARROWEST, found)
    return _PIPE
