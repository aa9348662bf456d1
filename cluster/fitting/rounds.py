"""Calls of all workers at once, and how the driver hears that one of them is gone."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from halfstep.distributed.fitting.exchange import Abandoned
from halfstep.distributed.fitting.home import call
from halfstep.distributed.watching.phases import Told
from halfstep.distributed.workers import workers_of

log = logging.getLogger("halfstep")

_LOOK = 1.0  # seconds between looks whether the scheduler is there
_PING_SECONDS = 5.0
_REGISTRATIONS, _PAUSE = 20, 0.2  # at most so many, and seconds between two
_AFTER_ERROR = 5.0  # seconds in which the news of a loss may follow the error that it causes


class WorkerLost(Exception):
    """A worker that has shards is gone, or does not answer any more."""


class ClusterLost(RuntimeError):
    """No worker, or no scheduler, is left; the message says how to go on.

    See Also
    --------
    halfstep.distributed.fit : Raises it; with `resume=True` it goes on.

    Examples
    --------
    >>> from halfstep.distributed import ClusterLost
    >>> issubclass(ClusterLost, RuntimeError)
    True
    """


class SchedulerLost(OSError):
    """The scheduler does not answer any more."""


class Rounds:
    """Runs the methods of a fit's homes on their workers.

    Parameters
    ----------
    client
        Dask's client.
    name
        The fit's name.
    patience
        Seconds after which workers that do not answer a ping are taken for lost.
    show
        Called with each answer's phases, by the worker's address, on the client's event loop.

    Attributes
    ----------
    lost
        The addresses of workers that are gone or silent.
    removed
        Those of them of which the scheduler has said that they are gone.
    attempt
        Counts the losses.
    """

    def __init__(
        self, client: Any, name: str, patience: float, show: Callable[[Mapping[str, Told]], None]
    ) -> None:
        self.client, self.name, self.patience, self.show = client, name, patience, show
        self.attempt = 0
        self.lost: set[str] = set()
        self.removed: set[str] = set()
        self.at: list[str] = []
        self._news: asyncio.Event | None = None
        client.subscribe_topic("all", self._event)

    def close(self) -> None:
        """Listen no more. Before the client closes, or it prints a traceback."""
        try:
            self.client.unsubscribe_topic("all")
        except (OSError, RuntimeError, ValueError, KeyError):
            log.debug("the topic was closed before", exc_info=True)

    def register(self, plugin: Any) -> None:
        """Give each worker a plugin, as often as one dies meanwhile: that fails the call for all."""
        for turn in range(_REGISTRATIONS):
            self._check_scheduler()
            try:
                self.client.register_plugin(plugin)
                return
            except OSError:
                if turn == _REGISTRATIONS - 1:
                    raise
                log.debug("a worker died while it got its plugin", exc_info=True)
                time.sleep(_PAUSE)

    def all(self, method: str, *args: Any) -> list[Any]:
        """Return what a method returns on each worker that has shards, in the order of addresses.

        Raises
        ------
        WorkerLost
            One is gone, or silent. The others have been told to give up.
        """
        return self.on(self.at, method, *args)

    def on(self, addresses: Iterable[str], method: str, *args: Any) -> list[Any]:
        """Return what a method returns on these workers."""
        at = sorted(addresses)
        self._check_scheduler()
        found: list[Any] = self.client.sync(self._on, at, method, args)
        return found

    async def _on(self, at: list[str], method: str, args: tuple[Any, ...]) -> list[Any]:
        self._news = asyncio.Event()
        if self.lost & set(at):  # heard of between two rounds
            await self._give_up()
        running = self.client._run(call, self.name, method, *args, workers=at, on_error="return")
        task = asyncio.ensure_future(running)
        try:
            loop = asyncio.get_running_loop()
            heard = loop.time()
            while not task.done():
                news = asyncio.ensure_future(self._news.wait())
                waited = {task, news}
                await asyncio.wait(waited, timeout=_LOOK, return_when=asyncio.FIRST_COMPLETED)
                news.cancel()
                self._check_scheduler()
                if not task.done() and loop.time() - heard > self.patience:
                    self.lost |= set(await self._silent(at))
                    heard = loop.time()
                if self.lost & set(at):
                    await self._give_up()
            found = task.result()
        finally:
            task.cancel()
        answers = {a: told for a, told in found.items() if isinstance(told, Told)}
        self.show(answers)
        errors = {a: found[a] for a in at if isinstance(found.get(a), BaseException)}
        missing = [a for a in at if a not in found]
        if not errors and not missing:
            return [answers[a].found for a in at]
        if self.lost & set(at):
            await self._give_up()
        for error in errors.values():
            if not isinstance(error, (Abandoned, OSError, KeyError)):
                raise error
        await self._wait_for_news(at)
        self.lost |= set(missing)
        if not self.lost & set(at):
            self.lost |= set(await self._silent(at))
        causes = [e for e in errors.values() if not isinstance(e, Abandoned)]
        if self.lost & set(at) or not causes:  # without a loss, a connection broke
            await self._give_up()
        raise causes[0]

    async def _give_up(self) -> None:
        await self._abandon()
        raise WorkerLost

    async def _wait_for_news(self, at: list[str]) -> None:
        loop = asyncio.get_running_loop()
        end = loop.time() + _AFTER_ERROR
        while loop.time() < end and not self.lost & set(at):
            await asyncio.sleep(0.01)

    async def _event(self, event: Any) -> None:
        """Note that a worker is gone as soon as the scheduler says so, and let the others give up."""
        _, message = event
        action = message.get("action") if isinstance(message, dict) else None
        if action == "remove-worker":
            self.removed.add(message["worker"])
            if message["worker"] in self.at:
                self.lost.add(message["worker"])
                if self._news is not None:
                    self._news.set()
        elif action == "add-worker" and message["worker"] in self.removed:
            # Another process at the address of one that is gone: it has none of the fit's state.
            self.removed.discard(message["worker"])
            self.lost.discard(message["worker"])

    async def _abandon(self) -> None:
        self.attempt += 1
        rest = sorted(set(self.at) - self.lost)
        if rest:
            news = self.client._run(
                call, self.name, "abandon", self.attempt, workers=rest, on_error="return"
            )
            try:
                await asyncio.wait_for(news, _PING_SECONDS)
            except (asyncio.TimeoutError, OSError):
                log.debug("not all workers heard that attempt %d begins", self.attempt)

    async def _silent(self, at: list[str]) -> list[str]:
        async def answers(address: str) -> bool:
            ping = self.client._run(call, self.name, "ping", workers=[address], on_error="return")
            try:
                found = await asyncio.wait_for(ping, _PING_SECONDS)
            except (asyncio.TimeoutError, OSError):
                return False
            return address in found and not isinstance(found[address], OSError)

        found = await asyncio.gather(*(answers(address) for address in at))
        return [address for address, good in zip(at, found, strict=True) if not good]

    def _check_scheduler(self) -> None:
        if self.client.status not in ("running", "newly-created"):
            raise SchedulerLost("it does not answer any more")

    def _known(self) -> dict[str, Any]:
        """Return what the scheduler knows of each worker, by address."""
        self._check_scheduler()
        found = workers_of(self.client)
        if not found and "workers" not in self.client.scheduler_info():
            raise SchedulerLost("it does not say which workers there are")
        return found

    def workers(self) -> dict[str, Any]:
        """Return what the scheduler knows of each worker that is not lost, by address."""
        return {a: w for a, w in sorted(self._known().items()) if a not in self.lost}

    def forgive(self) -> None:
        """Take back workers that were silent and answer again."""
        candidates = sorted(self.lost & set(self._known()))
        if candidates:
            silent = self.client.sync(self._silent, candidates)
            self.lost -= set(candidates) - set(silent)
