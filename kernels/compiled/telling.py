"""The progress line says so while something is compiled, for a fit, a query or a command.

Numba announces each compilation to its listeners, with one lock held, so there is one at a time.
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Any

from numba.core import event as numba_event

from halfstep.kernels.compiled.cache import CompiledFiles
from halfstep.progress import showing, stage


class Telling(numba_event.Listener):
    """Shows a line from the beginning to the end of a compilation of a function of ours."""

    def __init__(self) -> None:
        self._lines: list[AbstractContextManager[Any] | None] = []

    def on_start(self, event: Any) -> None:
        """Show the line, unless one is shown or this function was not asked for by Python."""
        files = event.data["dispatcher"]._cache
        line = None
        if isinstance(files, CompiledFiles) and not any(self._lines):
            line = stage(f"compiling (once, about {files.seconds} s)", showing())
            line.__enter__()
        self._lines.append(line)

    def on_end(self, event: Any) -> None:
        """Take the line away."""
        line = self._lines.pop()
        if line is not None:
            line.__exit__(None, None, None)


register: Any = numba_event.register  # its type hints are incomplete
register("numba:compile", Telling())
