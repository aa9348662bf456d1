"""The phases of a fit in Dask's task stream: a plugin of the scheduler.

Dask draws a rectangle for each entry of its plugin `task-stream`, which is there as soon as somebody
looks: a dashboard's page, `Client.get_task_stream`, `performance_report`. Entries are made for tasks
that end; a fit has none, so the phases are entered here, in the same form. The driver sends them to a
handler, since an event would stay in the scheduler's history, and a message of a stream that meets no
handler closes the connection.

The scheduler imports this module, and needs nothing else of halfstep for it.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from hashlib import md5
from typing import Any, NamedTuple

from distributed import SchedulerPlugin

_SPACES = 200


class Look(NamedTuple):
    """How a phase is drawn: as which of Dask's actions, and in which of its colours.

    Transfers are red and files orange, whatever `color` says: an index of Dask's 18 colours, from
    dark blue to yellow.
    """

    action: str
    color: int = 0


PHASES = {
    "rotate": Look("compute", 16),
    "gather": Look("transfer"),
    "solve": Look("compute", 8),
    "gramian": Look("compute", 12),
    "save": Look("disk-write"),
    "open": Look("disk-read"),
    "sum": Look("compute", 4),
    "model": Look("disk-write"),
    "recover": Look("compute", 0),
    "abandoned": Look("compute", 1),
}


class TaskStream(SchedulerPlugin):
    """Enters the phases of a fit in the task stream, until the fit ends or its client has gone.

    Parameters
    ----------
    name
        Of the plugin, and of the scheduler's handler.
    client
        The id of the fit's client.
    """

    idempotent = False

    def __init__(self, name: str, client: str) -> None:
        self.name, self.client = name, client

    async def start(self, scheduler: Any) -> None:
        """Begin to take phases; called by Dask."""
        self.scheduler = scheduler
        scheduler.handlers[self.name] = self.enter
        scheduler.handlers[f"{self.name}-leave"] = self.leave

    def remove_client(self, scheduler: Any, client: str) -> None:
        """Leave with the fit's client; called by Dask."""
        if client == self.client:
            self.leave()

    def leave(self) -> None:
        """Leave nothing on the scheduler but the rectangles."""
        for name in (self.name, f"{self.name}-leave"):
            self.scheduler.handlers.pop(name, None)
        self.scheduler.plugins.pop(self.name, None)

    def enter(self, phases: Iterable[tuple[Any, ...]]) -> str:
        """Enter phases, (worker's address, thread, *`Phase`) of each.

        Returns why this version of Dask cannot show them, or an empty text.
        """
        stream = self.scheduler.plugins.get("task-stream")
        if stream is None:  # nobody looks
            return ""
        try:
            for entry in sorted(map(entry_of, phases), key=_stop):
                stream.buffer.append(entry)
                stream.index += 1
        except Exception as error:  # a handler's error would be in the scheduler's log each time
            return f"{type(error).__name__}: {error}"
        return ""


def entry_of(phase: tuple[Any, ...]) -> dict[str, Any]:
    """Return the entry of the task stream for a phase, as Dask has it for a task that has ended."""
    worker, thread, name, of, step, start, stop = phase
    look = PHASES[name]
    return {
        "key": label(name, of, step),
        "worker": worker,
        "thread": thread,
        "status": "OK",
        "startstops": ({"action": look.action, "start": start, "stop": stop},),
        "nbytes": 0,
        "type": b"",
        "typename": "halfstep",
        "metadata": {"phase": name, "of": of, "step": step},
    }


@lru_cache(1000)
def label(name: str, of: str, step: int) -> str:
    """Return what the dashboard writes for a phase; half-steps are named by iterations, from 1.

    The dashboard takes the colour from the label's md5. So spaces are put into it, which HTML shows as
    one, until that is the colour of the phase; in a Dask with other colours the colour is any.
    """
    words = [name, of, *([str(step // 2 + 1)] if step >= 0 else [])]
    rest = " ".join(filter(None, words))
    labels = (f"halfstep{' ' * spaces}{rest}" for spaces in range(1, _SPACES))
    wanted = PHASES[name]
    if wanted.action != "compute":
        return next(labels)
    return next((one for one in labels if color_of(one) == wanted.color), f"halfstep {rest}")


def color_of(text: str) -> int:
    """Return which of its 18 colours Dask gives a label."""
    return int(md5(text.encode(), usedforsecurity=False).hexdigest()[:8], 16) % 18


def _stop(entry: dict[str, Any]) -> float:
    stop: float = entry["startstops"][0]["stop"]
    return stop
