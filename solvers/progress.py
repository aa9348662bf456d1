"""A progress bar for a fit: on a terminal only, and on stderr, so that output can be piped."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def progress_bar(
    total: int, show: bool, description: str
) -> Iterator[Callable[[float | None], None]]:
    """Yield a function to call after each of `total` iterations with the loss, or None."""
    if not show:
        yield lambda loss: None
        return
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
    )

    console = Console(stderr=True)
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[loss]}"),
    )
    disable = not console.is_terminal
    with Progress(*columns, console=console, disable=disable, transient=True) as bar:
        task = bar.add_task(description, total=total, loss="")

        def advance(loss: float | None) -> None:
            bar.update(task, advance=1, loss="" if loss is None else f"loss {loss:.6g}")

        yield advance
