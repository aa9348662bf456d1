"""The alias table: map a misspelt artist's id to its good id, by one step or to the end of the chain."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from halfstep.errors import InputError

Policy = Literal["resolved", "once", "none"]
POLICIES = ("resolved", "once", "none")


@dataclass(frozen=True)
class AliasAccount:
    """Counts of what an alias table holds.

    Attributes
    ----------
    entries
        Number of misspelt ids.
    chains
        Number of misspelt ids whose good id is itself misspelt, so that one step does not reach the end.
    self_loops
        Number of ids that map to themselves.
    cycles
        Groups of ids that map to each other in a circle. The first member is the smallest id, to which
        `resolve` maps the whole group.
    """

    entries: int
    chains: int
    self_loops: int
    cycles: list[list[int]]


def check_policy(aliases: str) -> None:
    """Raise InputError for an unknown policy."""
    if aliases not in POLICIES:
        raise InputError(f"aliases must be 'resolved', 'once' or 'none', got {aliases!r}")


def resolve(table: dict[int, int]) -> dict[int, int]:
    """Follow every chain of aliases to its end; all members of a cycle map to its smallest id."""
    return _follow(table)[0]


def account(table: dict[int, int]) -> AliasAccount:
    """Count the chains, self-loops and cycles of an alias table."""
    ends, cycles = _follow(table)
    in_cycles = {member for cycle in cycles for member in cycle}
    chains = sum(
        ends[bad] != good for bad, good in table.items() if bad not in in_cycles and bad != good
    )
    loops = sum(bad == good for bad, good in table.items())
    return AliasAccount(len(table), chains, loops, sorted(cycles))


def good_ids(ids: NDArray[np.int64], table: dict[int, int], aliases: Policy) -> NDArray[np.int64]:
    """Return the good id of each of `ids` (n,)."""
    if aliases == "none" or not table:
        return ids
    mapping = resolve(table) if aliases == "resolved" else table
    bad = np.array(sorted(mapping), dtype=np.int64)
    good = np.array([mapping[key] for key in bad.tolist()], dtype=np.int64)
    place = np.minimum(np.searchsorted(bad, ids), len(bad) - 1)
    return np.where(bad[place] == ids, good[place], ids)


def _follow(table: dict[int, int]) -> tuple[dict[int, int], list[list[int]]]:
    """Return (the end of each misspelt id's chain, the cycles, each from its smallest id on)."""
    ends: dict[int, int] = {}
    cycles: list[list[int]] = []
    for start in table:
        path: list[int] = []
        position: dict[int, int] = {}
        here = start
        while here in table and here not in ends and here not in position:
            position[here] = len(path)
            path.append(here)
            here = table[here]
        if here in position:
            cycle = path[position[here] :]
            end = min(cycle)
            if len(cycle) > 1:
                smallest = cycle.index(end)
                cycles.append(cycle[smallest:] + cycle[:smallest])
        else:
            end = ends.get(here, here)
        ends.update(dict.fromkeys(path, end))
    return ends, cycles
