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
def count_bar(description: str, total: int) -> Iterator[Callable[[int], None]]:
    """Yield a function to call with each number of things done, of `total`."""
    from rich.progress import MofNCompleteColumn, TimeRemainingColumn

    with _bar(MofNCompleteColumn(), TimeRemainingColumn()) as bar:
        task = bar.add_task(description, total=total)
        yield lambda count: bar.update(task, advance=count)


class Advance:
    """The progress of a fit, to call after each iteration with the loss, or None.

    Parameters
    ----------
    update
        Changes the bar's line: `advance` by so many steps, its `loss` and its `description`.
    description
        What stands before the bar.
    """

    def __init__(
        self, update: Callable[..., None] = lambda **change: None, description: str = ""
    ) -> None:
        self._update, self._description = update, description

    def __call__(self, loss: float | None) -> None:
        """Note that an iteration has ended."""
        self._update(advance=1, loss="" if loss is None else f"loss {loss:.6g}")

    @contextmanager
    def doing(self, what: str) -> Iterator[None]:
        """Say inside the `with` what keeps the next iteration from beginning."""
        self._update(description=f"{self._description}: {what}")
        try:
            yield
        finally:
            self._update(description=self._description)


@contextmanager
def progress_bar(total: int, show: bool, description: str) -> Iterator[Advance]:
    """Yield an `Advance` to call after each of `total` iterations with the loss, or None."""
    if not show:
        yield Advance()
        return
    from rich.progress import MofNCompleteColumn, TextColumn, TimeRemainingColumn

    loss_column = TextColumn("{task.fields[loss]}")
    with _bar(MofNCompleteColumn(), TimeRemainingColumn(), loss_column) as bar:
        task = bar.add_task(description, total=total, loss="")

        yield Advance(lambda **change: bar.update(task, **change), description)


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
