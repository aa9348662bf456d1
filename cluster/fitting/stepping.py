"""A half-step on one worker: rotate the rows that live here, exchange, solve, and sum up.

`home` is the worker's state, a `halfstep.distributed.fitting.home.Home`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import CancelledError, Future
from functools import partial
from typing import Any, TypeAlias

import numpy as np

from halfstep.distributed.facts import OTHER
from halfstep.distributed.fitting.exchange import Abandoned, Wanted
from halfstep.distributed.fitting.factor_files import write_rows
from halfstep.distributed.fitting.gathering import Gathering
from halfstep.distributed.fitting.hubs import STORED, Ready, ask
from halfstep.distributed.fitting.orders import Answer, Clock, Order, Solved, Trouble
from halfstep.distributed.fitting.sides import ShardSide
from halfstep.errors import InputError, NotFinite
from halfstep.solvers.inputs import row_not_finite
from halfstep.solvers.objective import stored_part
from halfstep.solvers.shared import Rows
from halfstep.types import Floats

Asked: TypeAlias = "dict[str, tuple[Wanted, Future[list[Rows]]]]"

RAW = 0.5  # behind a half-step, the factors themselves are exchanged


def half_step(home: Any, order: Order) -> Answer | Trouble:
    """Take a half-step for the rows that live on a worker.

    Raises
    ------
    Abandoned
        A worker was lost. The rows keep the factors of before, or can go back to them.
    """
    side, fixed, step = order.side, OTHER[order.side], order.step
    if order.attempt != home.exchange.attempt:
        raise Abandoned
    clock = home.phases
    clock.begin(f"{side}s", step)
    gatherings = home.gatherings[side]
    fetching = Fetching(home, fixed, step, order.attempt, gatherings)
    own = {k: home.solver.rotate(one.X, order.shared) for k, one in _at(home, fixed, step - 1)}
    fetching.offer(own)
    clock.lap("rotate")
    mine = dict(_at(home, side, step - 2))
    solutions = {k: np.empty_like(one.X) for k, one in mine.items()}
    reports: dict[int, list[Any]] = {k: [] for k in mine}
    for group, gathering in enumerate(gatherings):
        rows = home.solver.room(gathering.room, order.shared)
        fetching.fill(group, rows, own)
        if group == 0:
            _offer_to_hubs(home, side, Ready(step, rows, order.shared))
        clock.lap("gather")
        for k, part in gathering.shards():
            own_rows = slice(part.begin, part.end)
            try:
                with np.errstate(all="ignore"):
                    solutions[k][own_rows] = home.solver.solve(
                        part.weights, mine[k].X[own_rows], rows, order.shared,
                        omega=order.omega, reports=reports[k],
                    )  # fmt: skip
            except NotFinite as error:
                row = None if error.row is None else error.row + part.begin + mine[k].first
                return Trouble("not finite", error.reason, side, k, row)
        clock.lap("solve")
    for k, one in mine.items():
        for u, entries in one.hubs.items():
            try:
                solutions[k][u] = _hub(home, order, one, u, entries, reports[k])[0]
            except NotFinite as error:
                return Trouble("not finite", error.reason, side, k, u + one.first)
    clock.lap("solve")
    shards: dict[int, Solved] = {}
    for k, one in mine.items():
        row = row_not_finite(solutions[k])
        if row is not None:
            return Trouble("not finite", "", side, k, row + one.first)
    for k, one in mine.items():
        one.advance(solutions[k], step)
        shards[k] = Solved(home.nodes(one, order.kind), home.squares(one), reports[k])
        clock.lap("gramian")
        if order.save:
            shards[k] = _saved(home, shards[k], order, k, one.X)
            clock.lap("save")
    seconds = {name: clock.seconds[name] for name in Clock._fields[:-1]}
    return Answer(shards, Clock(**seconds, received=fetching.received))


def loss(home: Any, step: int, attempt: int) -> dict[tuple[str, int], tuple[float, float]]:
    """Return each shard's parts of the objective after half-step `step`, of the items.

    They are the sum over the stored entries (of item shards; 0 of user shards) and the penalty. The
    users' factors travel in their own dtype.
    """
    clock = home.phases
    clock.begin("loss", step)
    gatherings = home.gatherings["item"]
    fetching = Fetching(home, "user", step + RAW, attempt, gatherings)
    users = home.mine("user")
    own = {k: Rows(one.X, np.empty(0, one.X.dtype)) for k, one in users.items()}
    fetching.offer(own)
    found = {("user", k): (0.0, _penalty(one)) for k, one in users.items()}
    items = home.mine("item")
    stored = dict.fromkeys(items, 0.0)
    kind, f = np.dtype(home.solver.dtype), int(home.solver.factors)
    clock.lap("sum")
    for group, gathering in enumerate(gatherings):
        room = Rows(np.empty((max(1, gathering.room), f), kind), np.empty(0, kind))
        fetching.fill(group, room, own)
        if group == 0:
            _offer_to_hubs(home, "item", Ready(step + RAW, room, None))
        clock.lap("gather")
        for k, part in gathering.shards():
            stored[k] += stored_part(part.weights.fixing(room.Z), items[k].X[part.begin : part.end])
        clock.lap("sum")
    for k, one in items.items():
        for u in one.hubs:
            question = home, "item", u + one.first, step + RAW, attempt, STORED, one.X[u : u + 1]
            stored[k] += sum(ask(*question))
    found |= {("item", k): (stored[k], _penalty(one)) for k, one in items.items()}
    clock.lap("sum")
    return found


def _offer_to_hubs(home: Any, side: str, ready: Ready) -> None:
    if home.splits and home.hubs[side].parts:
        offer: Callable[[], None] = partial(home.hubs[side].offer, ready)
        home.worker.loop.asyncio_loop.call_soon_threadsafe(offer)


def _hub(
    home: Any, order: Order, one: ShardSide, u: int, entries: int, reports: list[Any]
) -> Floats:
    """Return the solved row (1, f) of a hub that lives here, over its pieces elsewhere."""
    row = u + one.first

    def pieces(what: str, given: Any) -> list[Any]:
        return ask(home, order.side, row, order.step, order.attempt, what, given)

    weights = one.row(u)
    solved: Floats = home.solver.solve_hub(
        weights, entries, one.X[u : u + 1], order.shared, pieces, omega=order.omega, reports=reports
    )
    return solved


class Fetching:
    """The exchange of one half-step: the groups' rows are asked for one group ahead.

    Parameters
    ----------
    side, step
        The side whose rows are exchanged, and the half-step.

    Attributes
    ----------
    received
        Bytes that came from other workers.
    """

    def __init__(
        self, home: Any, side: str, step: float, attempt: int, gatherings: list[Gathering]
    ) -> None:
        self.home, self.side, self.step, self.attempt = home, side, step, attempt
        self.gatherings = gatherings
        self.received = 0
        self._asked = self._ask(0)

    def offer(self, own: Mapping[int, Rows]) -> None:
        """Answer the other workers' requests by these rows, of shards that live here."""
        exchange, loop = self.home.exchange, self.home.worker.loop.asyncio_loop
        for shard, rows in own.items():
            offer: Callable[[], None] = partial(
                exchange.offer, self.side, shard, self.step, rows, self.attempt
            )
            loop.call_soon_threadsafe(offer)

    def fill(self, group: int, rows: Rows, own: Mapping[int, Rows]) -> None:
        """Fill `rows` with those of a group, and ask for those of the next one."""
        asked = self._asked
        if group + 1 < len(self.gatherings):
            self._asked = self._ask(group + 1)
        sources = {source.shard: source for source in self.gatherings[group].sources}

        def put(shard: int, part: Rows, wanted: Any) -> None:
            span = slice(sources[shard].first, sources[shard].stop)
            rows.Z[span] = part.Z[wanted]
            if len(rows.sizes):
                rows.sizes[span] = part.sizes[wanted]

        for shard in sorted(sources.keys() & own.keys()):
            wanted = sources[shard].rows
            put(shard, own[shard], slice(None) if wanted is None else wanted)
        while asked:  # a reply is let go of as soon as its rows are in their places
            address, (request, future) = asked.popitem()
            try:
                parts = future.result()
            except CancelledError:
                raise Abandoned from None
            except OSError as error:
                raise Abandoned(f"{address} is gone: {error}") from None
            for shard, part in zip(request.shards, parts, strict=True):
                self.received += part.Z.nbytes + part.sizes.nbytes
                put(shard, part, slice(None))
            self.home.pending = [other for other in self.home.pending if other is not future]
            del parts, part, future

    def _ask(self, group: int) -> Asked:
        home = self.home
        by_address: dict[str, list[int]] = {}
        for source in self.gatherings[group].sources:
            by_address.setdefault(home.homes[source.shard], []).append(source.shard)
        by_address.pop(home.worker.address, None)
        asked = {}
        for address, shards in by_address.items():
            wanted = Wanted(self.side, self.step, self.attempt, group, shards)
            asked[address] = wanted, home.on_loop(home.exchange.ask(address, wanted))
        home.wait_for([future for _, future in asked.values()], self.attempt)
        return asked


def _at(home: Any, side: str, step: int) -> list[tuple[int, Any]]:
    """Return a side's shards, which must be at half-step `step`, or can go back to it."""
    shards = sorted(home.mine(side).items())
    for k, one in shards:
        if not one.back_to(step):
            raise RuntimeError(f"shard {k} of the {side}s is at half-step {one.step}, not {step}")
    return shards


def _penalty(one: Any) -> float:
    return float(one.lam @ np.vecdot(one.X, one.X, dtype=np.float64))


def _saved(home: Any, part: Solved, order: Order, shard: int, X: Floats) -> Solved:
    try:
        name = write_rows(home.job.folder.child("fit"), order.side, shard, order.step, X)
    except (OSError, InputError) as error:  # a full disk is no reason to lose the fit
        return part._replace(unwritten=str(error))
    return part._replace(file=name)
