"""What a GPU rung's kernels must move and calculate: counted, not measured.

Per stored entry and half-step, as the head of each `.cu` file counts it, and per iteration with what
is done once: the Gramian, and the three products that rotate factors.
"""

from __future__ import annotations

from dataclasses import dataclass

from halfstep.kernels.cuda.lanes import lanes

# As launched by default; from rung 5 on those of a mild row, which has enough after one.
STEPS = {
    "gpu_cg_1_naive": 3, "gpu_cg_5_binned": 1, "gpu_cg_6_split": 1, "gpu_cg_7_half": 1
}  # fmt: skip
WHITENED_STEPS = 2
_HUB = 4096


@dataclass(frozen=True)
class Counted:
    """Bytes and floating-point operations."""

    bytes: float
    flops: float

    def __add__(self, other: Counted) -> Counted:
        return Counted(self.bytes + other.bytes, self.flops + other.flops)

    def times(self, factor: float) -> Counted:
        """Return so many of it."""
        return Counted(self.bytes * factor, self.flops * factor)


def per_entry(rung: str, factors: int, *, gathered_once: bool = True) -> Counted:
    """Return what a stored entry costs in one half-step of float32 factors.

    Parameters
    ----------
    rung
        A conjugate gradient rung's name.
    gathered_once
        Whether its row fits shared memory, in the rungs that keep rows there.
    """
    passes = STEPS.get(rung, WHITENED_STEPS) + 1
    flops = 4.0 * passes * factors
    if rung in ("gpu_cg_1_naive", "gpu_cg_2_whitened"):
        return Counted(passes * (4.0 * factors + 8) + 4, flops)
    stored, size = ("float16", 2) if rung == "gpu_cg_7_half" else ("float32", 4)
    row = float(lanes(factors, stored, diagonal=False).wide * size)
    # Index and w are read in every pass, or the index only where the row is gathered; t once.
    if rung == "gpu_cg_3_warps" or not gathered_once:
        return Counted(passes * (row + 8) + 4, flops)
    return Counted(row + 8 + 4 * passes, flops)


def per_row(rung: str, factors: int) -> Counted:
    """Return what a row costs besides its entries: x in and out, and the Gramian where there is one."""
    if rung != "gpu_cg_1_naive":
        return Counted(8.0 * factors, 0)
    passes = STEPS[rung] + 1
    return Counted(8.0 * factors + passes * 4.0 * factors**2, 2.0 * passes * factors**2)


def dense(rung: str, factors: int, solved: int, fixed: int) -> Counted:
    """Return a half-step's Gramian and rotations: `solved` rows from `fixed` ones."""
    f = float(factors)
    gramian = Counted(4 * f * fixed, 2 * f * f * fixed)
    if rung == "gpu_cg_1_naive":
        return gramian
    rotations = Counted(8 * f * (fixed + 2 * solved), 2 * f * f * (fixed + 2 * solved))
    return gramian + rotations


def iteration(rung: str, factors: int, users: int, items: int, entries: int) -> Counted:
    """Return a whole iteration's, every row gathered once where the rung keeps rows."""
    both = per_entry(rung, factors).times(2 * entries)
    rows = per_row(rung, factors).times(users + items)
    return both + rows + dense(rung, factors, users, items) + dense(rung, factors, items, users)
