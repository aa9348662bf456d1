"""The three ways to show progress: a bar on a terminal, a bar in a notebook, and lines elsewhere."""

from __future__ import annotations

import os
import sys
from importlib import import_module
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.live import Live

    from halfstep.progress_task import Task

VARIABLE = "HALFSTEP_PROGRESS"
_OFF = ("0", "no", "off", "none", "false")
_WIDEST = 40  # columns of a bar
_NARROWEST = 6


class Face(Protocol):
    """How tasks are shown: `draw` is called again and again, and `end` when no task is left.

    Attributes
    ----------
    first, least, every
        Seconds from the beginning of the command, or else of the work, to the first `draw`; the least
        age of the work at that time; and the seconds between one `draw` and the next.
    sparse
        Whether `every` also holds between one piece of work and the next.
    """

    first: float
    least: float
    every: float
    sparse: bool

    def draw(self, tasks: tuple[Task, ...]) -> None:
        """Show the tasks as they are now."""

    def end(self) -> None:
        """Take away what must not stay."""


def face() -> Face | None:
    """Return the way to show progress here, or None if nothing can or may be shown."""
    if os.environ.get(VARIABLE, "").strip().lower() in _OFF:
        return None
    if in_notebook():
        return Notebook()
    if sys.stderr is None or getattr(sys.stderr, "closed", False):
        return None
    plain = os.environ.get("TERM", "").lower() in ("dumb", "unknown")
    return Terminal() if _is_terminal(sys.stderr) and not plain else Lines()


def _is_terminal(stream: Any) -> bool:
    try:
        return bool(stream.isatty())
    except (AttributeError, ValueError):  # there is none, or it is closed
        return False


def in_notebook() -> bool:
    """Return whether this process is the kernel of a notebook (Jupyter, Colab, VS Code)."""
    ipython: Any = sys.modules.get("IPython")
    shell = None if ipython is None else ipython.get_ipython()
    return any(kind.__name__ == "ZMQInteractiveShell" for kind in type(shell).__mro__)


class Lines:
    """A log file, a pipe: a line after two seconds, and then one every ten."""

    first, least, every, sparse = 2.0, 0.5, 10.0, True

    def draw(self, tasks: tuple[Task, ...]) -> None:
        """Write one line that says how far all tasks are."""
        if tasks:
            sys.stderr.write("; ".join(task.line() for task in tasks) + "\n")
            sys.stderr.flush()

    def end(self) -> None:
        """Leave the lines."""


class Terminal:
    """A line with a bar for each task, which goes when the work is done.

    The cursor stays visible: a killed process could not bring it back.
    """

    first, least, every, sparse = 0.3, 0.0, 0.2, False

    def __init__(self) -> None:
        self._tasks: tuple[Task, ...] = ()
        self._live: Live | None = None

    def draw(self, tasks: tuple[Task, ...]) -> None:
        """Draw all bars anew."""
        self._tasks = tasks
        if self._live is None:
            self._live = self._started()
        else:
            self._live.refresh()

    def end(self) -> None:
        """Remove the bars."""
        if self._live is not None:
            self._live.stop()

    def _started(self) -> Live:
        from rich.console import Console, Group
        from rich.live import Live

        class Screen(Console):
            def show_cursor(self, show: bool = True) -> bool:
                return False

        console = Screen(stderr=True, highlight=False)

        def lines() -> RenderableType:
            return Group(*(bar(task, console.width) for task in self._tasks))

        live = Live(
            console=console,
            get_renderable=lines,
            auto_refresh=False,
            transient=True,
            # What is printed goes above the bars, unless it goes to a file or a pipe.
            redirect_stdout=_is_terminal(sys.stdout),
        )
        live.start(refresh=True)
        return live


def bar(task: Task, width: int) -> RenderableType:
    """Return the line of a task on a terminal of `width` columns: never more than one line."""
    from rich.progress_bar import ProgressBar
    from rich.table import Table
    from rich.text import Text

    words, share = task.words(), task.share
    what = Text(task.description)
    what.truncate(max(_NARROWEST, width - len(words) - 1), overflow="ellipsis")
    drawn = min(_WIDEST, width - what.cell_len - len(words) - 2)
    cells: list[RenderableType] = [what]
    if share is not None and drawn >= _NARROWEST:
        cells.append(ProgressBar(total=1.0, completed=share, width=drawn))
    if words:
        cells.append(Text(words, overflow="ellipsis"))
    line = Table.grid(padding=(0, 1), pad_edge=False)
    for _ in cells:
        line.add_column(no_wrap=True)
    line.add_row(*cells)
    return line


class Notebook:
    """A bar below the cell, drawn by the page itself; nothing of it stays in the notebook.

    It needs no widgets, which many places that show notebooks lack.
    """

    first, least, every, sparse = 0.5, 0.5, 0.5, False

    def __init__(self) -> None:
        self._handle: Any = None

    def draw(self, tasks: tuple[Task, ...]) -> None:
        """Draw all bars anew."""
        self._show(
            {
                "text/plain": "\n".join(task.line() for task in tasks),
                "text/html": "".join(map(page_bar, tasks)),
            }
        )

    def end(self) -> None:
        """Remove the bars."""
        if self._handle is not None:
            self._show({"text/plain": "", "text/html": ""})

    def _show(self, content: dict[str, str]) -> None:
        if self._handle is None:
            display = import_module("IPython.display").display
            self._handle = display(content, raw=True, display_id=True)
        else:
            self._handle.update(content, raw=True)


def page_bar(task: Task) -> str:
    """Return the line of a task as HTML."""
    from html import escape

    what, words = escape(task.description), escape(task.words())
    share = task.share
    drawn = "" if share is None else f'<progress value="{share:.4f}"></progress> '
    return f"<div>{what} {drawn}{words}</div>"
