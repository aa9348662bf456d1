"""What a worker keeps for the whole fit, and what it does when the driver calls: a Dask worker plugin.

One call of all workers is a round (`Client.run` of a coroutine): some 2 ms, where tasks take 12 and
more. The calls run one after the other on a thread of the plugin's own; only `abandon` runs at once, on
the worker's event loop.
"""

from __future__ import annotations

import asyncio
import signal
import threading
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from functools import partial
from typing import Any, TypeVar

import numpy as np
from distributed import WorkerPlugin

from halfstep.distributed.blocks import Block, load_block, with_hubs
from halfstep.distributed.facts import OTHER
from halfstep.distributed.fitting.allocation import give_back, keep_memory
from halfstep.distributed.fitting.exchange import Abandoned, Exchange
from halfstep.distributed.fitting.factor_files import read_rows
from halfstep.distributed.fitting.gathering import Gathering, gathering_of
from halfstep.distributed.fitting.hubs import HubPieces
from halfstep.distributed.fitting.memory import Demand
from halfstep.distributed.fitting.orders import Answer, Job, Order, Solved, Trouble
from halfstep.distributed.fitting.sides import Part, ShardSide
from halfstep.distributed.fitting.starting import rows_of_start
from halfstep.distributed.fitting.stepping import half_step, loss
from halfstep.distributed.hubs import load_hub
from halfstep.distributed.terms import Terms
from halfstep.distributed.watching.phases import Phases, told
from halfstep.errors import InputError
from halfstep.memory import available
from halfstep.solvers.gramian import Matrix, Node, gramian_nodes, square_nodes
from halfstep.solvers.registry import SOLVERS

_STARTING = 100  # tenths of a second

T = TypeVar("T")


class Home(WorkerPlugin):
    """The shards that live on a worker, and the rows that it gathers."""

    idempotent = False

    def __init__(self, job: Job) -> None:
        self.job, self.name = job, job.name

    def setup(self, worker: Any) -> None:
        """Begin without shards; called by Dask when the worker starts, too."""
        self.worker = worker
        keep_memory()
        threads = self.job.threads or worker.state.nthreads
        settings = {**self.job.settings, "num_threads": threads}
        self.solver: Any = SOLVERS[self.job.solver](**settings)
        self.sides: dict[tuple[str, int], ShardSide] = {}
        self.gatherings: dict[str, list[Gathering]] = {}
        self.homes: dict[int, str] = {}
        self.exchange = Exchange(worker, self.name)
        self.phases = Phases(worker.scheduler_delay)
        self.pool = ThreadPoolExecutor(1, "halfstep")
        self.pending: list[Future[Any]] = []
        self.groups = 1
        self.splits = bool(self.solver.splits_hubs)
        self.hubs = {side: HubPieces(self, side) for side in OTHER}
        worker.handlers[f"{self.name}_hub"] = self._answer
        self._sigint: Any = None
        if worker.nanny and threading.current_thread() is threading.main_thread():
            # A terminal sends Ctrl-C to the workers of a cluster on this machine, too: it is the driver
            # that ends the fit.
            self._sigint = signal.signal(signal.SIGINT, signal.SIG_IGN)

    def teardown(self, worker: Any) -> None:
        """Forget all of it."""
        if self._sigint is not None:
            signal.signal(signal.SIGINT, self._sigint)
        self.exchange.close()
        worker.handlers.pop(f"{self.name}_hub", None)
        self.pool.shutdown(wait=False)
        self.sides, self.gatherings = {}, {}
        give_back()

    def abandon(self, attempt: int) -> None:
        """Give up the half-step of an older attempt; called on the event loop."""
        if attempt <= self.exchange.attempt:
            return
        self.exchange.abandon(attempt)
        for hubs in self.hubs.values():
            hubs.abandon()
        for future in self.pending:
            future.cancel()

    def wait_for(self, futures: Iterable[Future[Any]], attempt: int) -> None:
        """Let `abandon` cancel these replies of other workers, too.

        Raises
        ------
        Abandoned
            The attempt has been given up meanwhile.
        """
        self.pending = [*(future for future in self.pending if not future.done()), *futures]
        if attempt != self.exchange.attempt:
            for future in self.pending:
                future.cancel()
            raise Abandoned

    async def _answer(self, side: str, **question: Any) -> dict[str, Any]:
        return await self.hubs[side].answer(**question)

    def _block(self, side: str, shard: int) -> Block:
        data, facts = self.job.folder.child("data"), self.job.facts
        block = load_block(data, side, shard)
        if not self.splits:
            hubs = [load_hub(data, side, row) for row in facts.hubs_of(side, shard)]
            block = with_hubs(block, hubs, facts.starts[side][shard])
        return self.terms.block(side, shard, block)

    async def _begin(self, attempt: int) -> None:
        self.abandon(attempt)

    def mine(self, side: str) -> dict[int, ShardSide]:
        """Return a side's shards that live here."""
        return {k: self.sides[side, k] for k in self.homes if (side, k) in self.sides}

    def open(self, attempt: int, homes: dict[int, str], groups: int) -> dict[tuple[str, int], Any]:
        """Load the blocks of shards that have come to live here; return the facts about each."""
        job = self.job
        found: dict[Any, Any] = {}
        self.terms = Terms(job.folder, job.facts, self.solver)
        if groups != self.groups:
            self.groups, self.sides = groups, {}
        self.homes = homes
        self.on_loop(self._begin(attempt)).result()
        here = {k for k, home in homes.items() if home == self.worker.address}
        for key in [key for key in self.sides if key[1] not in here]:
            del self.sides[key]
        for side in OTHER:
            for k in sorted(here):
                if (side, k) not in self.sides:
                    try:
                        block = self._block(side, k)
                        one = ShardSide(block, side, k, job.facts, self.solver, groups)
                    except InputError as error:
                        return {("trouble", 0): Trouble("input", str(error), side, k, None)}
                    self.sides[side, k] = one
                    found[side, k] = one.facts, one.constant
        for side in OTHER:
            starts = job.facts.starts[OTHER[side]]
            counts = [starts[k + 1] - starts[k] for k in range(job.facts.shards)]
            mine = self.mine(side)
            groupings: list[dict[Any, Part]] = [
                {k: one.parts[group] for k, one in mine.items()} for group in range(groups)
            ]
            if self.splits:
                self.hubs[side].load()
                groupings[0] |= self.hubs[side].parts
            self.gatherings[side] = [gathering_of(parts, counts) for parts in groupings]
        if self.splits:
            for side in OTHER:
                for k in job.facts.hubs[side] and range(job.facts.shards):
                    found[side, k, self.worker.address] = self.hubs[side].found(k)
        return found

    def demands(self) -> list[Demand]:
        """Return what the half-steps of the users and of the items need here."""
        free = available()
        limit = getattr(self.worker.memory_manager, "memory_limit", None)
        if limit:
            left = max(0, int(limit) - self.worker.monitor.get_process_memory())
            free = left if free is None else min(free, left)
        found = []
        for side in OTHER:
            gathered = sum(gathering.room for gathering in self.gatherings[side])
            rows, fixed = (
                sum(one.rows for one in self.mine(s).values()) for s in (side, OTHER[side])
            )
            found.append(Demand(gathered, fixed, rows, free))
        return found

    def send_lists(self, attempt: int) -> None:
        """Tell each other worker which of its rows are wanted here."""
        lists: dict[str, dict[tuple[str, int, int], Any]] = {}
        for side, gatherings in self.gatherings.items():
            for group, gathering in enumerate(gatherings):
                for source in gathering.sources:
                    home = self.homes[source.shard]
                    starts = self.job.facts.starts[OTHER[side]]
                    count = starts[source.shard + 1] - starts[source.shard]
                    key = OTHER[side], source.shard, group
                    lists.setdefault(home, {})[key] = source.rows, count
        here = self.worker.address
        for side, shard, group in lists.pop(here, {}):
            self.exchange.lists[side, shard, here, group] = None
        calls = [self.on_loop(self.exchange.send_lists(*item)) for item in lists.items()]
        self.wait_for(calls, attempt)
        for call in calls:
            try:
                call.result()
            except CancelledError:
                raise Abandoned from None

    def draw(self, seed: int, kind: Mapping[str, str]) -> dict[tuple[str, int], Solved]:
        """Draw the starting factors of the shards here, as a fit in one process draws them."""
        self.redraw(seed, self.sides)
        return self.measure(kind)

    def redraw(self, seed: int, keys: Iterable[tuple[str, int]]) -> None:
        """Draw the starting factors of some shards, where they are here."""
        for side, k in keys:
            if (side, k) in self.sides:
                X = rows_of_start(self.job.facts, side, k, self.solver, seed)
                self.sides[side, k].put(X, -2 if side == "user" else -1)

    def measure(self, kind: Mapping[str, str]) -> dict[tuple[str, int], Solved]:
        """Return the Gramians of the factors that are here, with products in a dtype for each side."""
        return {
            (side, k): Solved(self.nodes(one, kind[side]), self.squares(one), [])
            for (side, k), one in self.sides.items()
            if side in kind
        }

    def nodes(self, one: ShardSide, kind: str) -> dict[Node, Matrix]:
        """Return the nodes of a shard's Gramian, with products in the dtype `kind`."""
        return gramian_nodes(one.X, self.solver.num_threads, np.dtype(kind), one.first_block)

    def squares(self, one: ShardSide) -> dict[Node, Any]:
        """Return the nodes of a shard's sum of squares."""
        return square_nodes(one.X, one.first_block)

    def half_step(self, order: Order) -> Answer | Trouble:
        """Rotate, exchange and solve the rows that live here: `stepping.half_step`."""
        return self._or_nobody(order.attempt, lambda: half_step(self, order))

    def loss(self, step: int, attempt: int) -> dict[tuple[str, int], tuple[float, float]]:
        """Return each shard's parts of the objective: `stepping.loss`."""
        return self._or_nobody(attempt, lambda: loss(self, step, attempt))

    def _or_nobody(self, attempt: int, what: Callable[[], T]) -> T:
        """Return what `what` returns; where it fails, let those that wait for rows of here give up."""
        try:
            return what()
        except BaseException:
            self.on_loop(self._begin(attempt + 1)).result()
            raise

    def roll_back(self, step_of: Mapping[str, int]) -> list[tuple[str, int]]:
        """Go back to the factors of these half-steps where they are here; return whose are not."""
        return [(s, k) for (s, k), one in self.sides.items() if not one.back_to(step_of[s])]

    def read(self, files: Mapping[tuple[str, int], tuple[str, int]]) -> None:
        """Read the factors of shards that are here from their files, (name, half-step) of each."""
        for key, (name, step) in files.items():
            if key in self.sides:
                self.sides[key].put(read_rows(self.job.folder.child("fit"), name), step)

    def save_all(self) -> dict[tuple[str, int], Any]:
        """Write the factors that are here to files of the model; return what it says of each."""
        from halfstep.distributed.model.factor_files import write_factors

        folder = self.job.folder
        return {key: write_factors(folder, *key, one.X) for key, one in self.sides.items()}

    def on_loop(self, coroutine: Any) -> Future[Any]:
        """Run a coroutine on the worker's event loop."""
        return asyncio.run_coroutine_threadsafe(coroutine, self.worker.loop.asyncio_loop)


async def call(name: str, method: str, *args: Any, dask_worker: Any = None) -> Any:
    """Run a method of a fit's `Home` on its thread, or `abandon` at once; for `Client.run`.

    Returns what the method returns with the phases of the thread, a `Told`, or None.
    """
    for _ in range(_STARTING):  # a worker that has just come sets up its plugins first
        if name in dask_worker.plugins:
            break
        await asyncio.sleep(0.1)
    home = dask_worker.plugins[name]
    if method == "abandon":
        return home.abandon(*args)
    if method == "ping":
        return None
    loop = asyncio.get_running_loop()
    return await loop.run_in_executor(home.pool, partial(told, home, method, *args))
