"""The driver's part in showing a fit's phases on Dask's dashboard; nothing of it can end a fit."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from halfstep.distributed.watching.phases import Told
from halfstep.distributed.watching.task_stream import TaskStream
from halfstep.version import __version__

log = logging.getLogger("halfstep")

_PAUSE = 0.1  # seconds, as between two looks of a dashboard's page
_LEAVE_SECONDS = 5.0


class Dashboard:
    """Sends phases to the scheduler beside the fit: in a message all that came in a tenth of a second.

    Parameters
    ----------
    client
        Dask's client.
    name
        The fit's name.
    """

    def __init__(self, client: Any, name: str) -> None:
        self.client, self.name = client, f"{name}-phases"
        self._waiting: list[tuple[Any, ...]] = []
        self._sending: asyncio.Task[None] | None = None
        self._closing: asyncio.Event | None = None
        self.works = self._registered = False
        try:
            client.sync(self._begin)
        except Exception as error:
            log.debug("Dask's dashboard shows no phases: %s", error)

    async def _begin(self) -> None:
        """Register the plugin where the scheduler has what it would import, or its log had errors."""
        scheduler = self.client.scheduler
        there = (await scheduler.versions(packages=["halfstep"]))["packages"].get("halfstep")
        if there != __version__:
            log.debug("Dask's dashboard shows no phases: the scheduler has halfstep %s", there)
            return
        await self.client.register_plugin(TaskStream(self.name, self.client.id))
        self._closing = asyncio.Event()
        self.works = self._registered = True

    def show(self, found: Mapping[str, Told]) -> None:
        """Show the phases of workers' answers, by address; on the client's event loop."""
        if not self.works:
            return
        for address, told in found.items():
            self._waiting.extend((address, told.thread, *phase) for phase in told.phases)
        if self._waiting and (self._sending is None or self._sending.done()):
            self._sending = asyncio.ensure_future(self._send())

    async def _send(self) -> None:
        assert self._closing is not None
        while self._waiting and self.works:
            with suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self._closing.wait(), _PAUSE)
            phases, self._waiting = self._waiting, []
            try:
                reason = await getattr(self.client.scheduler, self.name)(phases=phases)
            except Exception as error:
                reason = str(error) or type(error).__name__
            if reason:
                self.works = False
                log.debug("Dask's dashboard shows no more phases: %s", reason)

    def close(self) -> None:
        """Send what is left, and let the scheduler forget the fit."""
        if not self._registered:
            return
        try:
            self.client.sync(self._close)
        except Exception as error:
            log.debug("the scheduler keeps its plugin %s: %s", self.name, error)

    async def _close(self) -> None:
        assert self._closing is not None
        self._closing.set()
        if self._sending is not None:
            await asyncio.wait([self._sending], timeout=_LEAVE_SECONDS)
            self._sending.cancel()
        leave = getattr(self.client.scheduler, f"{self.name}-leave")
        await asyncio.wait_for(leave(), _LEAVE_SECONDS)
