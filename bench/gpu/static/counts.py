"""The bytes and operations of a GPU rung's kernels: counted, not measured.

They are counted for a stored entry and half-step, as at the head of each `.cu` file, and for an
iteration with the work that does not depend on the entries: the Gramian and the three products that
rotate factors.
"""

from __future__ import annotations

from dataclasses import dataclass

from halfstep.kernels.cuda.lanes import lanes, wide_tiles

# CG steps by default; from rung 5 on those of a mild row, which stops after one.
STEPS = {
    "gpu_cg_1_naive": 3, "gpu_cg_5_binned": 1, "gpu_cg_6_split": 1, "gpu_cg_7_half": 1,
    "gpu_cg_8_tensor": 1, "gpu_cg_9_gramian": 1,
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
        """Return both multiplied by `factor`."""
        return Counted(self.bytes * factor, self.flops * factor)


def per_entry(rung: str, factors: int, *, gathered_once: bool = True) -> Counted:
    """Return the cost of a stored entry in one half-step of float32 factors.

    Parameters
    ----------
    rung
        Name of a conjugate gradient rung.
    gathered_once
        Whether the entry's row fits shared memory, in the rungs that keep rows there.
    """
    passes = STEPS.get(rung, WHITENED_STEPS) + 1
    flops = 4.0 * passes * factors
    if rung in ("gpu_cg_1_naive", "gpu_cg_2_whitened"):
        return Counted(passes * (4.0 * factors + 8) + 4, flops)
    if rung in ("gpu_cg_8_tensor", "gpu_cg_9_gramian"):
        row = 2.0 * wide_tiles(factors)
    elif rung == "gpu_cg_7_half":
        row = 2.0 * lanes(factors, "float16", diagonal=False).wide
    else:
        row = 4.0 * lanes(factors, "float32", diagonal=False).wide
    # w is read in every pass, the index in every pass that gathers, and t once.
    if rung == "gpu_cg_3_warps" or not gathered_once:
        return Counted(passes * (row + 8) + 4, flops)
    return Counted(row + 8 + 4 * passes, flops)


def per_row(rung: str, factors: int) -> Counted:
    """Return the cost of a row beside its entries: x read and written, and the naive rung's Gramian."""
    if rung != "gpu_cg_1_naive":
        return Counted(8.0 * factors, 0)
    passes = STEPS[rung] + 1
    return Counted(8.0 * factors + passes * 4.0 * factors**2, 2.0 * passes * factors**2)


def dense(rung: str, factors: int, solved: int, fixed: int) -> Counted:
    """Return the cost of a half-step's Gramian and rotations.

    Parameters
    ----------
    solved, fixed
        Rows of the side that is solved, and of the fixed side.
    """
    f = float(factors)
    gramian = Counted(4 * f * fixed, 2 * f * f * fixed)
    if rung == "gpu_cg_1_naive":
        return gramian
    rotations = Counted(8 * f * (fixed + 2 * solved), 2 * f * f * (fixed + 2 * solved))
    return gramian + rotations


def iteration(rung: str, factors: int, users: int, items: int, entries: int) -> Counted:
    """Return the cost of an iteration, every row gathered once where the rung keeps rows."""
    both = per_entry(rung, factors).times(2 * entries)
    rows = per_row(rung, factors).times(users + items)
    return both + rows + dense(rung, factors, users, items) + dense(rung, factors, items, users)
