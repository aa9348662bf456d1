"""The iterations of a fit over workers: checkpoints, loss, progress, Ctrl-C, the model at the end."""

from __future__ import annotations

import logging
import time
import uuid
from typing import Any

import numpy as np

from halfstep.distributed.facts import SIDES, Facts
from halfstep.distributed.fitting.answers import together
from halfstep.distributed.fitting.driver import Driver
from halfstep.distributed.fitting.initial import COPY, identity_of, started
from halfstep.distributed.fitting.losses import objective_of
from halfstep.distributed.fitting.manifest import Keeper
from halfstep.distributed.fitting.orders import Job
from halfstep.distributed.fitting.rounds import ClusterLost, SchedulerLost
from halfstep.distributed.storage import Folder
from halfstep.files import plain
from halfstep.interruption import Interruption, interruption
from halfstep.memory import gigabytes
from halfstep.progress import Advance, progress_bar
from halfstep.solvers.fit.stopping import warn_of_unsolved_rows

log = logging.getLogger("halfstep")

_NOT_IDENTITY = (
    *("iterations", "num_threads", "random_state", "calculate_training_loss"),
    *("init_factors", "warm_start", "devices", "memory_limit"),
)


class Run:
    """One fit: the driver, and what its iterations have found so far."""

    def __init__(
        self, client: Any, folder: Folder, facts: Facts, solver: Any, options: Any
    ) -> None:
        self.folder, self.facts, self.solver, self.options = folder, facts, solver, options
        self.losses: list[float] = []
        self.seconds: list[float] = []
        settings = {k: v for k, v in solver._settings().items() if k not in ("num_threads",)}
        keeper = Keeper(folder.child("fit"), options["every"], self._identity())
        self.keeper = keeper
        self.manifest = keeper.read() if options["resume"] else None
        keeper.clear()
        if self.manifest is None and options["init"] is not None:
            start = facts, folder, solver, options["seed"], options["init"]
            self.manifest = started(client, keeper, *start, show_progress=options["show"])
        folder.remove(COPY)
        job = Job(
            f"halfstep-{uuid.uuid4().hex[:12]}", folder, facts, solver.name, settings,
            options["threads"], options["patience"],
        )  # fmt: skip
        seed = options["seed"]
        self.driver = Driver(
            client, job, solver, seed, keeper,
            groups=options["groups"], replacement=options["replacement"],
        )  # fmt: skip

    def _identity(self) -> dict[str, Any]:
        settings = self.solver._settings()
        named = {k: v for k, v in settings.items() if k not in _NOT_IDENTITY}
        named["dtype"] = np.dtype(self.solver.dtype).name
        of = {"solver": self.solver.name, "data": self.facts.identity}
        return dict(plain({**of, "init": identity_of(self.options["init"]), **named}))

    def begin(self) -> None:
        """Give the workers their shards and factors."""
        self.driver.begin(self.manifest)
        if self.manifest is not None:
            self.losses = list(self.manifest.losses)
            self.seconds = list(self.manifest.seconds)
            log.info("going on %s", self.keeper.where())

    def iterate(self, ctrl_c: Interruption, advance: Advance) -> str:
        """Take the iterations; return what Ctrl-C has ended, or an empty text."""
        driver, iterations = self.driver, int(self.solver.iterations)
        begun = time.perf_counter()
        while driver.step < 2 * iterations:
            step = driver.step
            driver.half_step(save=self.keeper.due(step, iterations))
            if ctrl_c.requested:
                return self._interrupted()
            loss = self._loss() if driver.step == step + 1 and step % 2 else None
            if driver.step != step + 1 or step % 2 == 0:
                self._cut(driver.step // 2)
                continue
            self.seconds.append(time.perf_counter() - begun)
            done = driver.step // 2
            if self.keeper.due(step, iterations):
                pace = driver.omegas, driver.gains
                self.keeper.write(self.facts.shards, driver.step, pace, self.losses, self.seconds)
            self._tell(done, loss, advance)
            asked = self.options["callback"]
            stop = None if asked is None else asked(done - 1, self.seconds[-1], loss)
            if (isinstance(stop, bool) and stop) or self._slow():
                break
            begun = time.perf_counter()
        return ""

    def _loss(self) -> float | None:
        if not self.options["losses"]:
            return None
        loss = self.driver.between_losses(lambda: objective_of(self.driver))
        if loss is not None:
            self.losses.append(loss)
        return loss

    def _slow(self) -> bool:
        early, losses = self.options["early"], self.losses
        return (
            early is not None and len(losses) > 1 and losses[-2] - losses[-1] < early * losses[-2]
        )

    def _cut(self, done: int) -> None:
        del self.losses[done:], self.seconds[done:]

    def _tell(self, done: int, loss: float | None, advance: Advance) -> None:
        clocks = self.driver.clocks[-2:]
        received = sum(clock.received for both in clocks for clock in both)
        slowest = max((clock.seconds for both in clocks for clock in both), default=0.0)
        advance(loss, f"{gigabytes(received)} moved, slowest worker {slowest:.2f} s")
        event = {"iteration": done, "loss": loss, "bytes": received, "slowest": slowest}
        self.driver.client.log_event("halfstep", event)

    def _interrupted(self) -> str:
        driver = self.driver
        driver.between_losses(driver.step_back)
        done = driver.step // 2
        self._cut(done)
        said = f"fit interrupted after {done} of {self.solver.iterations} iterations"
        log.warning("%s: the model has the factors of that point", said)
        return said

    def save(self) -> Any:
        """Write the model to the folder; return it, or None where a loss led back to an earlier one."""
        return self.driver.between_losses(self._save)

    def _save(self) -> Any:
        from halfstep.distributed.model.record import discard_model, write_model
        from halfstep.distributed.model.sharded import ShardedModel

        discard_model(self.folder)
        written = together(self.driver.rounds.all("save_all"))
        files = {side: [written[side, k] for k in range(self.facts.shards)] for side in SIDES}
        settings = {**self.solver._settings(), "random_state": self.options["seed"]}
        record = write_model(
            self.folder, self.facts, settings, files,
            solver=self.solver.name, iterations=self.driver.step // 2, loss_history=self.losses,
            seconds=self.seconds, relaxation=self.driver.omegas,
        )  # fmt: skip
        return ShardedModel(self.folder, record)


def run(client: Any, folder: Folder, facts: Facts, solver: Any, **options: Any) -> Any:
    """Fit `solver` to the data that `facts` describes; return the `ShardedModel`."""
    fitting = Run(client, folder, facts, solver, options)
    said = ""
    try:
        fitting.begin()
        left = int(solver.iterations) - fitting.driver.step // 2
        with (
            progress_bar(max(0, left), options["show"], f"fit, {solver.name}") as advance,
            interruption() as ctrl_c,
        ):
            model = None
            while model is None:
                said = said or fitting.iterate(ctrl_c, advance)
                model = fitting.save()
        model.interrupted_ = fitting.driver.step // 2 if said else None
    except OSError as error:
        if client.status == "running" and not isinstance(error, SchedulerLost):
            raise
        raise ClusterLost(
            f"the scheduler is gone ({error}): fit with resume=True on another cluster to go on "
            f"{fitting.keeper.where()}"
        ) from error
    finally:
        fitting.driver.close()
    warn_of_unsolved_rows(fitting.driver.report_)
    if said and options["on_interrupt"] == "raise":
        raise KeyboardInterrupt(said)
    return model
