"""Hubs of a half-step on several machines: rows whose entries stay where the other side's rows live.

A row with more entries than a machine's fair share would want nearly all rows of the fixed side on one
machine. Instead, its entries stay in the pieces of `halfstep.kernels.cpu.high_degree`, each where most
of its rows of the fixed side are. For each pass over its entries the row's own machine sends a vector
and gets each piece's sum. The pieces, and the order in which their sums are added, are those of one
machine, so the bits are the same.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from halfstep.kernels.cpu import rows as cpu_rows
from halfstep.kernels.cpu.high_degree import (
    HighDegreeRow,
    add_piece,
    has_heavy,
    has_negative,
    pass_over_piece,
)
from halfstep.kernels.cpu.rotation import rotation
from halfstep.kernels.cpu.rows import TALLY
from halfstep.kernels.cpu.scratch import Side
from halfstep.kernels.cpu.vectors import lanes
from halfstep.solvers.half_step import (
    Method,
    Tally,
    basis_of,
    scratch_of,
    side_of,
    starts_from_zero,
    width,
)
from halfstep.solvers.problem import Weights
from halfstep.solvers.shared import Rows, Shared
from halfstep.types import Floats

SUM, SYSTEM, NEGATIVE, HEAVY = "sum", "system", "negative", "heavy"

# Given what to do and with what, returns each piece's answer, in their order.
Ask = Callable[[str, Any], list[Any]]


class HubRow(HighDegreeRow):
    """A high-degree row whose pieces are elsewhere, and answer by `ask`."""

    def __init__(self, weights: Weights, entries: int, shared: Shared, method: Method, ask: Ask):
        none = Rows(np.empty((1, width(shared.frame)), shared.frame.dtype), np.empty(0))
        side = side_of(weights, none, shared)
        pointers = np.array([0, entries])
        super().__init__(
            side._replace(indptr=pointers),
            0,
            width(shared.frame),
            1,
            lambda: scratch_of(shared, method),
        )
        self.ask = ask

    def sums(self, mode: float, vector: Floats) -> Floats:
        """See `HighDegreeRow`."""
        return np.stack(self.ask(SUM, (mode, vector)))

    def systems(self) -> tuple[Floats, Floats]:
        """See `HighDegreeRow`."""
        A, b = zip(*self.ask(SYSTEM, None), strict=True)
        return np.stack(A), np.stack(b)

    def has_negative(self) -> bool:
        """See `HighDegreeRow`."""
        return any(self.ask(NEGATIVE, None))

    def is_heavy(self) -> bool:
        """See `HighDegreeRow`."""
        return any(self.ask(HEAVY, float(self.scale @ self.scale) / self.f))


def answer(
    weights: Weights, rows: Rows, shared: Shared, method: Method, what: str, given: Any
) -> Any:
    """Return what a piece adds to a hub's pass; `weights` has its entries as one row."""
    side: Side = side_of(weights, rows, shared)
    f, kind = width(shared.frame), shared.frame.dtype
    piece = (0, int(weights.indptr[1]))
    if what == NEGATIVE:
        return has_negative(side, slice(*piece))
    if what == HEAVY:
        return has_heavy(side, slice(*piece), given)
    work, b = scratch_of(shared, method), np.zeros(f, kind)
    if what == SYSTEM:
        A = np.zeros((f, f + lanes(kind.itemsize)), kind)
        add_piece(side, work, 0, piece, A, b)
        return A, b
    mode, vector = given
    pass_over_piece(side, work, 0, piece, np.array(vector), b, mode)
    return b


def solve_hub(
    row: HubRow, start: Floats, shared: Shared, method: Method, omega: float
) -> tuple[Floats, Tally]:
    """Return a hub's solution (1, f), from its start (1, f), and its tally."""
    basis, wide, f = basis_of(shared), width(shared.frame), start.shape[1]
    lower = False if basis.triangular else None
    dtype = start.dtype
    from_zero = starts_from_zero(shared.frame)
    part, solution = np.zeros((1, wide), dtype), np.empty((1, f), dtype)
    tally = np.zeros(TALLY + 1)
    if method.warm and not from_zero:
        rotation(basis.inward, f, wide, dtype, lower)(np.array(start), part)
    assert method.high_degree is not None
    part[0] = method.high_degree(row, part[0], tally)
    rotation(basis.outward, wide, f, dtype, lower)(part, solution)
    omega = dtype.type(1 if from_zero or not basis.complete() else omega)
    if omega != 1:
        cpu_rows.over_relax(np.array([0, 1]), 0, np.array(start), solution, omega)
    return solution, tally
