"""Progress bars: drawn on a terminal only, and on stderr, so that output can be piped."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.progress import Progress, ProgressColumn


@contextmanager
def bytes_bar(
    description: str, total: int | None, done: int = 0
) -> Iterator[Callable[[int], None]]:
    """Yield a function to call with each number of bytes read or received."""
    from rich.progress import DownloadColumn, TimeRemainingColumn, TransferSpeedColumn

    with _bar(DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn()) as bar:
        task = bar.add_task(description, total=total, completed=done)
        yield lambda count: bar.update(task, advance=count)


@contextmanager
def progress_bar(
    total: int, show: bool, description: str
) -> Iterator[Callable[[float | None], None]]:
    """Yield a function to call after each of `total` iterations with the loss, or None."""
    if not show:
        yield lambda loss: None
        return
    from rich.progress import MofNCompleteColumn, TextColumn, TimeRemainingColumn

    loss_column = TextColumn("{task.fields[loss]}")
    with _bar(MofNCompleteColumn(), TimeRemainingColumn(), loss_column) as bar:
        task = bar.add_task(description, total=total, loss="")

        def advance(loss: float | None) -> None:
            bar.update(task, advance=1, loss="" if loss is None else f"loss {loss:.6g}")

        yield advance


def _bar(*columns: ProgressColumn) -> Progress:
    """Return a progress display: the description, the bar, and then `columns`."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn

    console = Console(stderr=True)
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        *columns,
        console=console,
        disable=not console.is_terminal,
        transient=True,
    )
