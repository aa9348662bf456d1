"""The two weights of a stored entry, computed from its one value where a loop needs them.

`halfstep.solvers.problem.Rule` has the formulas. A loop reads one number per entry in place of two, and
the four operations overlap with the entry's dot product.
"""

from __future__ import annotations

from typing import Any

from halfstep.kernels.cpu.compile import inlined
from halfstep.kernels.cpu.vectors import item


@inlined
def excess(entries: Any, e: int) -> Any:
    """Return the excess weight w of entry e."""
    rule = entries.rule
    return rule.excess_slope * abs(item(entries.values, e)) + rule.excess_shift


@inlined
def target(entries: Any, e: int) -> Any:
    """Return the target weight t of entry e."""
    rule, v = entries.rule, item(entries.values, e)
    return rule.target_slope * v + rule.target_shift if v > 0 else rule.below * v
