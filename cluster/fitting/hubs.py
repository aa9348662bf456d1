"""The pieces of hubs on a worker, and the passes over the pieces of a hub that lives here.

`halfstep.solvers.hub_rows` says why there are pieces. A hub's own worker asks those that hold its pieces
while it solves it; they answer beside their own work, once they have gathered their rows.

`home` is the worker's state, a `halfstep.distributed.fitting.home.Home`.
"""

from __future__ import annotations

import asyncio
from concurrent.futures import CancelledError
from typing import Any, NamedTuple

import numpy as np

from halfstep.distributed.facts import OTHER, Facts
from halfstep.distributed.fitting.exchange import Abandoned
from halfstep.distributed.fitting.sides import Part, weights_of_entries
from halfstep.distributed.hubs import load_pieces
from halfstep.solvers.objective import stored_part
from halfstep.solvers.problem import Weights
from halfstep.solvers.shared import Rows, Shared, SideFacts

STORED = "stored"  # what a piece adds to the objective


class Ready(NamedTuple):
    """What pieces answer from: the gathered rows of a half-step."""

    step: float
    rows: Rows
    shared: Shared | None


def holders(facts: Facts, side: str) -> dict[int, list[int]]:
    """Return for each hub of a side the shards of the other side where its pieces live."""
    other = OTHER[side]
    pairs = zip(facts.hubs[side], facts.middles[side], strict=True)
    return {row: [facts.shard_of(other, m) for m in middles] for (row, _), middles in pairs}


class HubPieces:
    """The pieces on a worker of the hubs of one side.

    Parameters
    ----------
    home
        The worker's state.
    side
        That of the hubs.
    """

    def __init__(self, home: Any, side: str) -> None:
        self.home, self.side = home, side
        self.parts: dict[tuple[int, int], Part] = {}  # (row, piece)
        self.constants: dict[tuple[int, int], tuple[float, float]] = {}
        self.ready: Ready | None = None
        self._changed = asyncio.Event()

    def load(self) -> None:
        """Read the pieces that live here now."""
        home, facts = self.home, self.home.job.facts
        here = home.worker.address
        wanted = {
            (row, piece)
            for row, shards in holders(facts, self.side).items()
            for piece, shard in enumerate(shards)
            if home.homes[shard] == here
        }
        for key in self.parts.keys() - wanted:
            del self.parts[key]
        new = sorted(wanted - self.parts.keys())
        data = home.job.folder.child("data")
        for row in sorted({row for row, _ in new}):
            pieces = [piece for at, piece in new if at == row]
            found = load_pieces(data, self.side, row, pieces)
            for piece, (numbers, values) in zip(pieces, found, strict=True):
                self._add(row, piece, numbers, values)

    def _add(self, row: int, piece: int, numbers: Any, values: Any) -> None:
        facts, other = self.home.job.facts, OTHER[self.side]
        entries = dict(map(tuple, facts.hubs[self.side]))[row]
        values = self.home.terms.piece(self.side, row, numbers, values)
        weights = weights_of_entries(values, entries, facts.rows(other), self.home.solver)
        self.constants[row, piece] = weights.constant, weights.largest_excess
        self.parts[row, piece] = Part(0, 1, weights, numbers, facts.starts[other])

    def found(self, shard: int) -> tuple[SideFacts, float]:
        """Return the facts about the hubs of a shard that pieces here know, and their constant."""
        first, stop = self.home.job.facts.starts[self.side][shard : shard + 2]
        mine = [value for (row, _), value in self.constants.items() if first <= row < stop]
        largest = max((excess for _, excess in mine), default=-np.inf)
        facts = SideFacts(0, 0, None, None, False, largest)
        return facts, sum(constant for constant, _ in mine)

    def offer(self, ready: Ready) -> None:
        """Let the pieces answer from these rows; on the event loop."""
        self.ready = ready
        self._wake()

    def _wake(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()

    def abandon(self) -> None:
        """Answer nothing of an older attempt; on the event loop."""
        self.ready = None
        self._wake()

    async def answer(
        self, step: float, attempt: int, row: int, pieces: list[int], what: str, given: Any
    ) -> dict[str, Any]:
        """Handle a hub's question: wait until the rows of the half-step are here, and sum."""
        exchange = self.home.exchange
        while attempt >= exchange.attempt and (self.ready is None or self.ready.step != step):
            await self._changed.wait()
        if attempt != exchange.attempt or self.ready is None:
            return {"abandoned": True}
        parts = [self.parts[row, piece].weights for piece in pieces]
        return {"answers": await asyncio.to_thread(self._sums, self.ready, parts, what, given)}

    def _sums(self, ready: Ready, parts: list[Weights], what: str, given: Any) -> list[Any]:
        from distributed.protocol import to_serialize

        if what == STORED:
            x = np.array(given)
            return [stored_part(part.fixing(ready.rows.Z), x) for part in parts]
        assert ready.shared is not None
        solver = self.home.solver
        found = [solver.piece(part, ready.rows, ready.shared, what, given) for part in parts]
        if what == "system":
            return [(to_serialize(A), to_serialize(b)) for A, b in found]
        return [to_serialize(b) if isinstance(b, np.ndarray) else b for b in found]


def ask(
    home: Any, side: str, row: int, step: float, attempt: int, what: str, given: Any
) -> list[Any]:
    """Return the answers of all pieces of a hub, in their order; on the worker's own thread."""
    from distributed.protocol import to_serialize

    by_address: dict[str, list[int]] = {}
    for piece, shard in enumerate(holders(home.job.facts, side)[row]):
        by_address.setdefault(home.homes[shard], []).append(piece)
    if isinstance(given, np.ndarray):
        given = to_serialize(given)
    elif isinstance(given, tuple):
        given = given[0], to_serialize(given[1])
    calls = {}
    for address, pieces in by_address.items():
        call = getattr(home.worker.rpc(address), f"{home.name}_hub")
        calls[address] = home.on_loop(
            call(
                side=side,
                step=step,
                attempt=attempt,
                row=row,
                pieces=pieces,
                what=what,
                given=given,
            )
        )
    home.wait_for(calls.values(), attempt)
    answers: dict[int, Any] = {}
    for address, future in calls.items():
        try:
            reply = future.result()
        except CancelledError:
            raise Abandoned from None
        except OSError as error:
            raise Abandoned(f"{address} is gone: {error}") from None
        if "answers" not in reply:
            raise Abandoned
        answers.update(zip(by_address[address], reply["answers"], strict=True))
    return [answers[piece] for piece in sorted(answers)]
