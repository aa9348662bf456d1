"""How rows with heavy entries are solved: by steps, or exactly where that costs less.

Heavy rows can take more steps than an exact solution costs. An entry is heavy if w |z|^2 > 10 and
very heavy if w |z|^2 > 100; each makes an eigenvalue far from 1. A row is expected to take

    3 + 2 sqrt(heavy) + 0.7 very_heavy

steps, whatever f, and at most one more than it has entries. (On 12,000 rows of generated counts, with
f = 32 to 128 and weights up to 10^7, this was within a quarter of the truth for nine rows in ten.) Where
that is more than the cheaper of the primal and the dual solve costs, the row is solved that way and
takes no step. Where the forecast fails, a row that has taken as many steps as the primal solve costs is
solved exactly after all, so it costs at most about twice its primal solve.
"""

from __future__ import annotations

import math
from typing import Any

from halfstep.kernels.cpu.compile import inlined, merged
from halfstep.kernels.cpu.rows import DUAL, PRIMAL, STEPPING, weights_within
from halfstep.kernels.cpu.vectors import item
from halfstep.kernels.cpu.weights import excess
from halfstep.kernels.stopping import HEAVY

# An exact solution may cost so many times what the steps cost, since it leaves nothing to gain.
PREFERENCE = 1.25
# The largest w eps in the dual solve of a heavy row. Its square bounds the error, which is then less
# than what the rule leaves.
TINY = 1 / 16


def expected_steps(heavy: int, very_heavy: int) -> float:
    """Return how many steps a row with so many heavy entries is expected to take: see the head."""
    return 3 + 2 * math.sqrt(heavy) + 0.7 * very_heavy


def primal_cost(n: int, f: int) -> float:
    """Return how many steps take as long as the primal solve of a row: n entries, f factors.

    Fitted to times with f = 8 to 256 and n = 16 to 512; with AVX2 and with AVX-512 they agree to within
    a quarter.
    """
    return 4 + f / 11 + (200 + 7 * f) / n


def dual_cost(n: int, f: int) -> float:
    """Return how many steps take as long as the dual solve of a row; fitted to the same times."""
    return 4 + 130 / f + (0.12 + 12 / f) * n


_expected_steps, primal_cost_of, _dual_cost = map(inlined, (expected_steps, primal_cost, dual_cost))


@merged
def heavy_entries(entries: Any, sizes: Any, mean: float, first: int, stop: int) -> tuple[int, int]:
    """Return how many entries are heavy and how many very heavy; `mean` is the mean squared scale."""
    heavy, very_heavy = 0, 0
    for e in range(first, stop):
        weight = excess(entries, e) * item(sizes, item(entries.indices, e)) * mean
        heavy += weight > HEAVY
        very_heavy += weight > 10 * HEAVY
    return heavy, very_heavy


@merged
def cheapest(
    entries: Any, scratch: Any, first: int, stop: int, f: int, heavy: int, very_heavy: int
) -> int:
    """Return the cheapest way to solve a row with heavy entries: STEPPING, DUAL or PRIMAL."""
    n = stop - first
    steps = 1 + min(_expected_steps(heavy, very_heavy), n + 1.0)
    kind, cost = STEPPING, PREFERENCE * steps
    if scratch.largest_order >= f and primal_cost_of(n, f) < cost:
        kind, cost = PRIMAL, primal_cost_of(n, f)
    if (
        n <= scratch.dual_when_heavy
        and _dual_cost(n, f) < cost
        and weights_within(entries, first, stop, TINY / scratch.eps)
    ):
        kind = DUAL
    return kind
