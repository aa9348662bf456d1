"""The driver of a fit: its half-steps, and what is known of the factors between them."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np

from halfstep.blas import blas_threads
from halfstep.distributed.facts import OTHER, SIDES
from halfstep.distributed.fitting.answers import added, error_of, facts_of, together
from halfstep.distributed.fitting.home import Home
from halfstep.distributed.fitting.manifest import Keeper, Manifest
from halfstep.distributed.fitting.memory import planned
from halfstep.distributed.fitting.orders import Answer, Clock, Job, Order, Solved, Trouble
from halfstep.distributed.fitting.recovery import Recovery
from halfstep.distributed.fitting.rounds import Rounds
from halfstep.distributed.watching.dashboard import Dashboard
from halfstep.errors import NotFinite
from halfstep.solvers.fit.stopping import HalfStepReport, IterationReport
from halfstep.solvers.fit.weights import background_weight
from halfstep.solvers.gramian import whole
from halfstep.solvers.shared import Frame, Shared

log = logging.getLogger("halfstep")

T = TypeVar("T")


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
        replacement: float = 20.0,
    ) -> None:
        self.client, self.job, self.solver, self.seed = client, job, solver, seed
        self.keeper = keeper
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
        self.dashboard = Dashboard(client, job.name)
        self.rounds = Rounds(client, job.name, job.patience, self.dashboard.show)
        self.recovery = Recovery(self, replacement)
        self.rounds.register(Home(job))

    def close(self) -> None:
        """Let the workers forget the fit."""
        if self.client.status != "running":
            return  # there is nobody to tell
        self.rounds.close()
        self.dashboard.close()
        try:
            self.client.unregister_worker_plugin(self.job.name)
        except (OSError, RuntimeError, ValueError) as error:
            log.debug("the workers keep the fit's state: %s", error)

    def begin(self, manifest: Manifest | None) -> None:
        """Give the shards homes and factors: drawn, or those of a manifest."""
        self.recovery.until_done(lambda: self._begin(manifest), lambda begun: None)

    def _begin(self, manifest: Manifest | None) -> None:
        self.recovery.settle()
        if not self._given:
            self.groups, self._given = planned(self), True
            if self.groups > 1:
                self.recovery.settle()
        if manifest is None:
            self.keep_measured(self.rounds.all("draw", self.seed, self.kinds))
            self.step = 0
        else:
            self.recovery.go_to(manifest)

    def half_step(self, save: bool) -> None:
        """Take the next half-step, as often as workers are lost in it.

        Afterwards `step` is one more, unless a loss led back to an earlier half-step than this one.
        """
        self.between_losses(lambda: self._half_step(save))

    def between_losses(self, what: Callable[[], T]) -> T | None:
        """Return what `what` returns, which is repeated where a worker is lost in it.

        Where the losses led back to an earlier half-step, it is not repeated, and None returned.
        """
        step = self.step

        def recover(begun: float) -> bool:
            self.recovery.recover(begun)
            return self.step < step

        return self.recovery.until_done(what, recover)

    def step_back(self) -> None:
        """Give up a half-step of the users: go back to the last whole iteration."""
        if self.step % 2:
            self.recovery.bring_to(self.step - 1)

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
                self.keep_measured(self.rounds.all("measure", {fixed: kind}))
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

    def keep_measured(self, answers: list[Any]) -> None:
        """Note what the workers have measured of their factors."""
        self.measured.update(together(answers))
