"""The starting factors of one shard: the numbers that a fit in one process would draw for its rows."""

from __future__ import annotations

from typing import Any

import numpy as np

from halfstep.distributed.facts import Facts
from halfstep.solvers.fit.start import SCALE
from halfstep.types import Floats


def rows_of_start(facts: Facts, side: str, shard: int, solver: Any, seed: int) -> Floats:
    """Return (rows, f) numbers drawn uniformly from [0, 0.01), as `starting_factors` draws them.

    One stream of numbers is drawn from, users first. A float32 takes half of one of its 64-bit draws.
    """
    f, kind = int(solver.factors), np.dtype(solver.dtype)
    starts = facts.starts[side]
    first, stop = starts[shard], starts[shard + 1]
    if side == "item":
        first, stop = first + facts.rows("user"), stop + facts.rows("user")
    skipped, bits = first * f, np.random.PCG64(seed)
    generator: Any = np.random.Generator(bits)
    if kind == np.float32:
        bits.advance(skipped // 2)
        generator.random(skipped % 2, kind)
    else:
        bits.advance(skipped)
    drawn: Floats = generator.random((stop - first, f), kind)
    drawn *= kind.type(SCALE)
    return drawn
