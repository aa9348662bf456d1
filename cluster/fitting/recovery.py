"""Homes for the shards, and how a fit goes on after a loss: from the last half-step or manifest."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import Any, TypeVar

from halfstep.distributed.facts import SIDES
from halfstep.distributed.fitting.answers import together
from halfstep.distributed.fitting.manifest import Manifest
from halfstep.distributed.fitting.orders import Trouble
from halfstep.distributed.fitting.rounds import ClusterLost, WorkerLost
from halfstep.errors import InputError

log = logging.getLogger("halfstep")

T = TypeVar("T")
_TRIES = 20  # losses in one half-step


class Recovery:
    """What a driver does before its first half-step and after losses.

    Parameters
    ----------
    driver
        A `halfstep.distributed.fitting.driver.Driver`, whose `homes`, `step` and knowledge of the
        factors are changed.
    replacement
        Seconds to wait for the next process of a worker that a nanny looks after.
    """

    def __init__(self, driver: Any, replacement: float) -> None:
        self.driver, self.replacement = driver, replacement
        self._nannies: set[str] = set()

    def until_done(self, what: Callable[[], T], recover: Callable[[float], Any]) -> T | None:
        """Return what `what` returns, repeated after each loss in it; None when `recover` returns True.

        `recover` is given the time at which the call began that a worker was lost in.
        """
        for _ in range(_TRIES):
            begun = time.perf_counter()
            try:
                return what()
            except WorkerLost:
                if recover(begun):
                    return None
        where = self.driver.keeper.where()
        raise ClusterLost(
            f"workers are lost again and again: fit with resume=True to go on {where}"
        )

    def settle(self) -> list[int]:
        """Give every shard without a home one, load it there, and tell all what to send.

        Returns the shards that moved.
        """
        driver, rounds = self.driver, self.driver.rounds
        alive = self._alive()
        homes = driver.homes
        homeless = [k for k in driver.shards if homes.get(k) not in alive]
        held = {a: sum(home == a for home in homes.values()) for a in alive}
        for k in homeless:
            home = min(alive, key=lambda a: (held[a], a))
            homes[k] = home
            held[home] += 1
        rounds.at = sorted(set(homes.values()))
        self._nannies = {a for a in rounds.at if alive[a].get("nanny")}
        opened = together(rounds.all("open", rounds.attempt, homes, driver.groups))
        for found in opened.values():
            if isinstance(found, Trouble):
                raise InputError(f"{found.side} shard {found.shard}: {found.reason}")
        # What pieces of hubs know is of whoever holds them now.
        driver.side_facts = {k: v for k, v in driver.side_facts.items() if len(k) == 2} | opened
        rounds.all("send_lists", rounds.attempt)
        return homeless

    def _alive(self) -> dict[str, Any]:
        rounds = self.driver.rounds
        self._wait_for_nannies()
        alive: dict[str, Any] = rounds.workers()
        if not alive:
            rounds.forgive()
            alive = rounds.workers()
        if not alive:
            raise ClusterLost(
                "no worker is left: start some, and fit with resume=True to go on "
                f"{self.driver.keeper.where()}"
            )
        return alive

    def _wait_for_nannies(self) -> None:
        """Wait until there are as many workers as before, if a nanny replaces one that is gone."""
        rounds = self.driver.rounds
        silent = rounds.lost & set(rounds.at) - rounds.removed
        wanted = len(rounds.at) - len(silent)
        if not self._nannies & rounds.lost & rounds.removed:
            return
        end = time.perf_counter() + self.replacement
        while len(rounds.workers()) < wanted and time.perf_counter() < end:
            time.sleep(0.05)

    def recover(self, begun: float) -> None:
        """Bring all shards to the last completed half-step, or to the last manifest."""
        driver, step = self.driver, self.driver.step
        gone: set[str] = set()

        def once() -> list[int]:
            gone.update(set(driver.rounds.at) & driver.rounds.lost)
            moved = self.settle()
            self.bring_to(step)
            driver.keep_measured(driver.rounds.all("measure", driver.kinds))
            return moved

        def again(_: float) -> None:
            log.warning("a worker was lost while another was being replaced")

        moved = self.until_done(once, again)
        took = time.perf_counter() - begun
        driver.recoveries.append(
            {
                "step": step,
                "from": driver.step,
                "gone": sorted(gone),
                "moved": moved,
                "seconds": took,
            }
        )
        log.warning(
            "worker %s was lost in half-step %d: going on from half-step %d after %.1f s",
            ", ".join(sorted(gone)) or "(none)", step, driver.step, took,
        )  # fmt: skip

    def bring_to(self, step: int) -> None:
        """Let all shards have the factors of before half-step `step`, or those of the last manifest."""
        driver, rounds = self.driver, self.driver.rounds
        last = {SIDES[step % 2]: step - 2, SIDES[(step + 1) % 2]: step - 1}
        behind = [key for found in rounds.all("roll_back", last) for key in found]
        # What no half-step has solved yet is drawn again, unless it came from another model.
        drawn = [key for key in behind if last[key[0]] < 0 and driver.keeper.last is None]
        files = driver.keeper.files_of([key for key in behind if key not in drawn], last)
        if files is not None:
            rounds.all("read", files)
            rounds.all("redraw", driver.seed, drawn)
        elif driver.keeper.last is not None:
            self.go_to(driver.keeper.last)
            return
        else:
            driver.keep_measured(rounds.all("draw", driver.seed, driver.kinds))
            driver.step, driver.omegas, driver.gains, driver.report_ = 0, [], [], []
            return
        driver.step = step

    def go_to(self, manifest: Manifest) -> None:
        """Go to the factors of a manifest."""
        driver = self.driver
        driver.rounds.all("read", manifest.files())
        driver.step = manifest.step
        driver.omegas, driver.gains = list(manifest.omegas), list(manifest.gains)
        driver.report_ = driver.report_[: driver.step // 2]
        driver.keep_measured(driver.rounds.all("measure", driver.kinds))
