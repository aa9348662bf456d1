"""Rows from worker to worker: each asks the others for the rows that it needs, over Dask's connections.

A worker's request for a half-step waits at the source until the source has rotated its rows, and the
reply belongs to the request. So a message that is late, of an attempt that was given up or of a worker
that was taken for dead, meets nobody who would take it.
"""

from __future__ import annotations

import asyncio
from typing import Any, NamedTuple

import numpy as np

from halfstep.distributed.fitting.sides import bitmap, rows_in
from halfstep.solvers.shared import Rows
from halfstep.types import Integers


class Abandoned(Exception):
    """The half-step was given up, since a worker was lost."""


class Wanted(NamedTuple):
    """What a worker asks another for: of which shards of the fixed side, and in which half-step."""

    side: str
    step: float
    attempt: int
    group: int
    shards: list[int]


class Exchange:
    """One worker's part in the exchange; all but `take` runs on the worker's event loop.

    Parameters
    ----------
    worker
        Dask's worker.
    operation
        The name of the handler for requests.
    """

    def __init__(self, worker: Any, operation: str) -> None:
        self.worker, self.operation = worker, operation
        self.attempt = 0
        # (side, shard, address, group): which rows that worker wants, or None for all of them.
        self.lists: dict[tuple[str, int, str, int], Integers | None] = {}
        self._offers: dict[tuple[str, int], tuple[float, Rows]] = {}
        self._changed = asyncio.Event()
        worker.handlers[operation] = self.give
        worker.handlers[f"{operation}_lists"] = self.take_lists

    def close(self) -> None:
        """Answer no requests any more."""
        self.worker.handlers.pop(self.operation, None)
        self.worker.handlers.pop(f"{self.operation}_lists", None)

    def _wake(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()

    def abandon(self, attempt: int) -> None:
        """Drop all that belongs to an older attempt."""
        if attempt > self.attempt:
            self.attempt = attempt
            self._offers.clear()
            self._wake()

    def offer(self, side: str, shard: int, step: float, rows: Rows, attempt: int) -> None:
        """Answer requests for the rows of a shard in half-step `step` by these."""
        if attempt == self.attempt:
            self._offers[side, shard] = step, rows
            self._wake()

    async def give(
        self, side: str, step: float, attempt: int, group: int, shards: list[int], who: str
    ) -> dict[str, Any]:
        """Handle a request: wait until the rows are there, and reply with those that `who` wants."""
        from distributed.protocol import to_serialize

        while attempt >= self.attempt and not all(
            self._offers.get((side, shard), (None, None))[0] == step for shard in shards
        ):
            await self._changed.wait()
        if attempt != self.attempt:
            return {"abandoned": True}
        pairs = [(self._offers[side, k][1], self.lists[side, k, who, group]) for k in shards]
        picked = [rows for rows, _ in pairs]
        if any(wanted is not None for _, wanted in pairs):
            picked = await asyncio.to_thread(lambda: [_picked(*pair) for pair in pairs])
        return {"rows": [(to_serialize(Z), to_serialize(sizes)) for Z, sizes in picked]}

    async def ask(self, address: str, wanted: Wanted) -> list[Rows]:
        """Return another worker's rows, one `Rows` for each shard."""
        call = getattr(self.worker.rpc(address), self.operation)
        reply = await call(**wanted._asdict(), who=self.worker.address)
        if "rows" not in reply:
            raise Abandoned
        return [Rows(Z, sizes) for Z, sizes in reply["rows"]]

    async def send_lists(
        self, address: str, lists: dict[tuple[str, int, int], tuple[Integers | None, int]]
    ) -> None:
        """Tell another worker which of its rows are wanted: by side, shard and group, (rows, count)."""
        from distributed.protocol import to_serialize

        sent = [
            (*key, count, to_serialize(bitmap(rows, count)) if rows is not None else None)
            for key, (rows, count) in lists.items()
        ]
        call = getattr(self.worker.rpc(address), f"{self.operation}_lists")
        await call(who=self.worker.address, lists=sent)

    async def take_lists(self, who: str, lists: list[Any]) -> None:
        """Handle a worker's lists: from now on these are the rows that it wants."""
        for side, shard, group, count, bits in lists:
            rows = None if bits is None else rows_in(np.asarray(bits), count)
            self.lists[side, shard, who, group] = rows


def _picked(rows: Rows, wanted: Integers | None) -> Rows:
    if wanted is None:
        return rows
    sizes = rows.sizes[wanted] if len(rows.sizes) else rows.sizes
    return Rows(np.take(rows.Z, wanted, axis=0), sizes)
