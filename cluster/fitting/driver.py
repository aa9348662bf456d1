"""The driver of a fit: homes of the shards, half-steps, what happens after a loss."""

from __future__ import annotations

import logging
import time
from typing import Any

import numpy as np

from halfstep.blas import blas_threads
from halfstep.distributed.facts import OTHER
from halfstep.distributed.fitting.answers import added, error_of
from halfstep.distributed.fitting.home import Home, facts_of, together
from halfstep.distributed.fitting.manifest import Keeper, Manifest
from halfstep.distributed.fitting.memory import planned
from halfstep.distributed.fitting.orders import Answer, Clock, Job, Order, Solved, Trouble
from halfstep.distributed.fitting.rounds import Rounds, WorkerLost
from halfstep.errors import InputError, NotFinite
from halfstep.solvers.fit.stopping import HalfStepReport, IterationReport
from halfstep.solvers.fit.weights import background_weight
from halfstep.solvers.gramian import whole
from halfstep.solvers.shared import Frame, Shared

log = logging.getLogger("halfstep")

SIDES = ("user", "item")
_TRIES = 20  # recoveries without a half-step in between


class ClusterLost(RuntimeError):
    """No worker, or no scheduler, is left; the message says how to go on."""


class Driver:
    """Takes the half-steps of a fit over the workers of a client.

    Parameters
    ----------
    client
        Dask's client.
    job
        The fit.
    solver
        The rung, as the workers have it.
    seed
        Of the starting factors.
    keeper
        What keeps checkpoints.
    groups
        In how many groups a worker solves its rows; None means as many as its memory asks for.
    replacement
        Seconds to wait for the next process of a worker that a nanny looks after.

    Attributes
    ----------
    step
        The half-step to take next.
    clocks, recoveries
        Of each half-step, its workers' clocks; of each recovery, when it was and what it took.
    """

    def __init__(
        self,
        client: Any,
        job: Job,
        solver: Any,
        seed: int,
        keeper: Keeper,
        *,
        groups: int | None = None,
        replacement: float = 60.0,
    ) -> None:
        self.client, self.job, self.solver, self.seed = client, job, solver, seed
        self.keeper, self.replacement = keeper, replacement
        self.facts = job.facts
        self.groups, self._given = groups or 1, groups is not None
        self.shards = range(job.facts.shards)
        self.step = 0
        self.homes: dict[int, str] = {}
        self.side_facts: dict[Any, Any] = {}
        self.measured: dict[tuple[str, int], Solved] = {}
        self.kinds = dict.fromkeys(SIDES, np.dtype(solver.dtype).name)
        self.reports: dict[str, list[HalfStepReport]] = {}
        self.report_: list[IterationReport] = []
        self.omegas: list[float] = []
        self.gains: list[float | None] = []
        self.clocks: list[list[Clock]] = []
        self.recoveries: list[dict[str, Any]] = []
        self._nannies: set[str] = set()
        self.rounds = Rounds(client, job.name, job.patience)
        client.register_plugin(Home(job))

    def close(self) -> None:
        """Let the workers forget the fit."""
        self.rounds.close()
        try:
            self.client.unregister_worker_plugin(self.job.name)
        except (OSError, RuntimeError, ValueError) as error:
            log.debug("the workers keep the fit's state: %s", error)

    def begin(self, manifest: Manifest | None) -> None:
        """Give the shards homes and factors: drawn, or those of a manifest."""
        while True:
            try:
                self._settle()
                if not self._given:
                    self.groups, self._given = planned(self), True
                    if self.groups > 1:
                        self._settle()
                if manifest is None:
                    self._keep_measured(self.rounds.all("draw", self.seed, self.kinds))
                    self.step = 0
                else:
                    self._go_to(manifest)
                return
            except WorkerLost:
                log.warning("a worker was lost while the fit began: beginning again")

    def half_step(self, save: bool) -> None:
        """Take the next half-step, as often as workers are lost in it."""
        tries = 0
        while True:
            begun = time.perf_counter()
            wanted = self.step
            try:
                self._half_step(save)
                return
            except WorkerLost:
                tries += 1
                self._recover(begun)
                if self.step < wanted or tries > _TRIES:
                    return  # further back: the caller counts the half-steps

    def _half_step(self, save: bool) -> None:
        side = SIDES[self.step % 2]
        shared = self._share(side)
        omega = self.solver_omega()
        kind = self.kinds[side]
        order = Order(side, self.step, self.rounds.attempt, shared, omega, kind, save)
        answers = self.rounds.all("half_step", order)
        for answer in answers:
            if isinstance(answer, Trouble):
                raise error_of(answer, self.job, self.step // 2)
        found: dict[int, Solved] = {}
        for answer in answers:
            assert isinstance(answer, Answer)
            found.update(answer.shards)
        if sorted(found) != list(self.shards):
            raise RuntimeError(f"shards {sorted(set(self.shards) - set(found))} were not solved")
        for k in self.shards:
            self.measured[side, k] = found[k]
        self.clocks.append([answer.clock for answer in answers])
        self.keeper.note(side, self.step, [found[k] for k in self.shards])
        self.reports[side] = [report for k in self.shards for report in found[k].reports]
        self.step += 1
        if side == "item":
            self._note_pace(omega)

    def solver_omega(self) -> float:
        """Return the over-relaxation factor of the iteration that is going on."""
        self.solver.relaxation_, self.solver._gains = self.omegas, self.gains
        return float(self.solver._omega(self.step // 2))

    def _note_pace(self, omega: float) -> None:
        gain = None
        halves = [added(self.reports[side]) for side in SIDES if self.reports.get(side)]
        if len(halves) == 2:
            self.report_.append(IterationReport(*halves))
            gain = sum(half.gained for half in halves)
        self.omegas.append(omega)
        self.gains.append(gain)

    def frame(self, side: str) -> Frame:
        """Return what is known of half-steps of a side before any factor is."""
        solver = self.solver
        a0 = background_weight(solver.confidence, solver.background)
        facts = facts_of(self.side_facts, side)
        columns = self.facts.rows(OTHER[side])
        return Frame(facts, columns, a0, np.dtype(solver.dtype), int(solver.factors))

    def _share(self, side: str) -> Shared:
        """Take the first stage, here and once: two kinds of processors might not agree on the basis."""
        fixed, frame = OTHER[side], self.frame(side)
        squared = float(whole(self._nodes(fixed, "squares")))
        YtY = None
        if frame.a0 != 0:
            kind = self.solver.gramian_type(frame, squared).name
            if kind != self.kinds[fixed]:
                self.kinds[fixed] = kind
                self._keep_measured(self.rounds.all("measure", {fixed: kind}))
            YtY = whole(self._nodes(fixed, "gramian"))
        try:
            with blas_threads(1):
                shared: Shared = self.solver.share(frame, squared, YtY)
        except (np.linalg.LinAlgError, FloatingPointError, ValueError) as error:
            reason = f"the {side}s' half-step failed ({error}): {fixed} factors are too large"
            raise NotFinite(reason, None, self.step // 2, side) from error
        return shared

    def _nodes(self, side: str, what: str) -> dict[Any, Any]:
        nodes: dict[Any, Any] = {}
        for k in self.shards:
            nodes.update(getattr(self.measured[side, k], what))
        return nodes

    def _keep_measured(self, answers: list[Any]) -> None:
        self.measured.update(together(answers))

    def _settle(self) -> list[int]:
        """Give every shard without a home one, load it there, and tell all what to send."""
        alive = self._alive()
        homeless = [k for k in self.shards if self.homes.get(k) not in alive]
        held = {a: sum(home == a for home in self.homes.values()) for a in alive}
        for k in homeless:
            home = min(alive, key=lambda a: (held[a], a))
            self.homes[k] = home
            held[home] += 1
        self.rounds.at = sorted(set(self.homes.values()))
        self._nannies = {a for a in self.rounds.at if alive[a].get("nanny")}
        opened = together(self.rounds.all("open", self.rounds.attempt, self.homes, self.groups))
        for found in opened.values():
            if isinstance(found, Trouble):
                raise InputError(f"{found.side} shard {found.shard}: {found.reason}")
        # What pieces of hubs know is of whoever holds them now.
        self.side_facts = {k: v for k, v in self.side_facts.items() if len(k) == 2} | opened
        self.rounds.all("send_lists")
        return homeless

    def _alive(self) -> dict[str, Any]:
        alive = self.rounds.workers()
        if not alive:
            self.rounds.forgive()
            alive = self.rounds.workers()
        if not alive:
            raise ClusterLost(
                "no worker is left: start some, and fit with resume=True to go on "
                f"{self.keeper.where()}"
            )
        return alive

    def _recover(self, begun: float) -> None:
        """Bring all shards to the last completed half-step, or to the last manifest."""
        for _ in range(_TRIES):
            try:
                self._recover_once(begun)
                return
            except WorkerLost:
                log.warning("a worker was lost while another was being replaced")
        raise ClusterLost(f"workers are lost again and again: fit with resume=True to go on "
                          f"{self.keeper.where()}")  # fmt: skip

    def _recover_once(self, begun: float) -> None:
        gone = sorted(set(self.rounds.at) & self.rounds.lost)
        wanted = len(self.rounds.at)
        if self._nannies & set(gone):
            end = time.perf_counter() + self.replacement
            while len(self.rounds.workers()) < wanted and time.perf_counter() < end:
                time.sleep(0.05)
        step = self.step
        moved = self._settle()
        last = {SIDES[step % 2]: step - 2, SIDES[(step + 1) % 2]: step - 1}
        behind = [key for found in self.rounds.all("roll_back", last) for key in found]
        files = self.keeper.files_of(behind, last)
        if files is not None:
            self.rounds.all("read", files)
        elif step < 2 and all(last[side] < 0 for side, _ in behind):
            self.rounds.all("redraw", self.seed, behind)
        else:
            self._go_back()
        self._keep_measured(self.rounds.all("measure", self.kinds))
        took = time.perf_counter() - begun
        self.recoveries.append(
            {"step": step, "from": self.step, "gone": gone, "moved": moved, "seconds": took}
        )
        log.warning(
            "worker %s was lost in half-step %d: going on from half-step %d after %.1f s",
            ", ".join(gone) or "(none)", step, self.step, took,
        )  # fmt: skip

    def _go_back(self) -> None:
        manifest = self.keeper.last
        if manifest is None:
            self._keep_measured(self.rounds.all("draw", self.seed, self.kinds))
            self.step, self.omegas, self.gains, self.report_ = 0, [], [], []
            return
        self._go_to(manifest)

    def _go_to(self, manifest: Manifest) -> None:
        self.rounds.all("read", manifest.files())
        self.step = manifest.step
        self.omegas, self.gains = list(manifest.omegas), list(manifest.gains)
        self.report_ = self.report_[: self.step // 2]
        self._keep_measured(self.rounds.all("measure", self.kinds))
