"""The memory of a fit on its workers: said before it starts, and in how many groups the rows must go."""

from __future__ import annotations

import logging
from typing import Any, NamedTuple

import numpy as np

from halfstep.distributed.facts import OTHER
from halfstep.errors import NotEnoughMemory
from halfstep.memory import gigabytes

log = logging.getLogger("halfstep")

MOST_GROUPS = 256


class Demand(NamedTuple):
    """What a worker's half-step of one side needs, in rows; see `bytes_needed`.

    Attributes
    ----------
    gathered
        Rows of the fixed side that come to the worker, in one group.
    fixed, rows
        Rows of the fixed side and of the side to solve that live there.
    free
        Bytes that it may still take, with its data loaded; None if that is not known.
    """

    gathered: int
    fixed: int
    rows: int
    free: int | None


def bytes_needed(demand: Demand, row_bytes: int, factor_bytes: int, groups: int) -> int:
    """Return the bytes of a half-step, besides data and factors that are there already.

    They are the gathered rows, of two groups if there are several; the rotated rows, and as many picked
    for others; and the new factors. `factor_bytes` are those of a row of factors.
    """
    share = 1.0 if groups == 1 else min(1.0, 2 * 1.2 / groups)
    gathered = int(demand.gathered * share) * row_bytes
    return gathered + 2 * demand.fixed * row_bytes + demand.rows * factor_bytes


def groups_for(
    demands: dict[str, list[Demand]], row_bytes: dict[str, int], factor_bytes: int
) -> int:
    """Return the fewest groups with which each worker's half-steps fit.

    Parameters
    ----------
    demands
        By worker, for the users' and the items' half-steps.
    row_bytes
        By side to solve, of a row that travels.

    Raises
    ------
    NotEnoughMemory
        There is no such number; the message names the worker and what would help.
    """
    groups = 1
    for address, listed in demands.items():
        for demand, size in zip(listed, row_bytes.values(), strict=True):
            if demand.free is None:
                continue
            while bytes_needed(demand, size, factor_bytes, groups) > demand.free:
                groups *= 2
                if groups > MOST_GROUPS:
                    needed = bytes_needed(demand, size, factor_bytes, MOST_GROUPS)
                    raise NotEnoughMemory(
                        f"worker {address} needs {gigabytes(needed)} beside its data, and "
                        f"{gigabytes(max(0, demand.free))} are free: take more workers, workers with "
                        "more memory, or fewer factors"
                    )
    return groups


def said(demands: dict[str, list[Demand]], row_bytes: dict[str, int], factor_bytes: int) -> str:
    """Return a line that says what the largest worker needs, for the log."""
    largest = max(
        bytes_needed(demand, size, factor_bytes, 1)
        for listed in demands.values()
        for demand, size in zip(listed, row_bytes.values(), strict=True)
    )
    free = [d.free for listed in demands.values() for d in listed if d.free is not None]
    room = f", and {gigabytes(min(free))} are free on the fullest" if free else ""
    return f"a half-step needs up to {gigabytes(largest)} on a worker{room}"


def planned(driver: Any) -> int:
    """Return the number of groups that the workers' memory asks for; the log says what is needed.

    `driver` is a `halfstep.distributed.fitting.driver.Driver`.
    """
    solver = driver.solver
    factor_bytes = int(solver.factors) * np.dtype(solver.dtype).itemsize
    row_bytes = {side: solver.row_bytes(driver.frame(side)) for side in OTHER}
    demands = dict(zip(driver.rounds.at, driver.rounds.all("demands"), strict=True))
    log.info("%s", said(demands, row_bytes, factor_bytes))
    groups = groups_for(demands, row_bytes, factor_bytes)
    if groups > 1:
        log.info("the rows that are needed do not fit: solving in %d groups", groups)
    return groups
