"""The objective of a fit over workers, in float64: each shard's part, added up in their order."""

from __future__ import annotations

import numpy as np

from halfstep.distributed.facts import SIDES
from halfstep.distributed.fitting.answers import together
from halfstep.distributed.fitting.driver import Driver
from halfstep.solvers.gramian import whole


def objective_of(driver: Driver) -> float:
    """Return the objective after the last whole iteration; the users' factors are exchanged for it.

    It is that of `halfstep.solvers.objective`.
    """
    rounds, shards = driver.rounds, driver.shards
    parts = together(rounds.all("loss", driver.step - 1, rounds.attempt))
    a0, background = driver.frame("user").a0, 0.0
    if a0:
        exact = together(rounds.all("measure", dict.fromkeys(SIDES, "float64")))
        grams = [
            whole({n: G for k in shards for n, G in exact[side, k].gramian.items()})
            for side in SIDES
        ]
        background = a0 * float(np.sum(grams[0] * grams[1]))
    constant = sum(value[1] for key, value in driver.side_facts.items() if key[0] == "user")
    stored, penalty = (sum(part[i] for part in parts.values()) for i in (0, 1))
    return float(constant + stored + background + penalty)
