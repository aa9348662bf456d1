"""What an iteration must compute and move, by phase: counted from the data and from what the rows took.

Of a half-step that solves R rows against C fixed ones, with n stored entries, an operation being one
multiplication or one addition:

| phase | operations | bytes |
| --- | --- | --- |
| Gramian Y'Y, half of it | C f^2 | read Y |
| rotate the fixed side, by a triangle | C f^2 | read Y, write Z |
| rotate in, the rows that take steps | R f^2 | read X |
| gather and solve | counted by the loops: 2 f for half a pass | for each entry, a row of Z and 8 |
| rotate out | R f^2 | write X; over-relaxation reads the old one |

Half a pass is a dot product or an update for each of a row's entries; the 8 bytes are an index and a
value. By full matrices in place of triangles, which is where rows differ in lambda, the rotations
compute twice as much. A number has four bytes, in Z two where it is bfloat16.
"""

from __future__ import annotations

from dataclasses import dataclass

from halfstep.kernels.phases import FIXED, GRAMIAN, INWARD, OUTWARD, SOLVE

FLOAT = 4
ENTRY = 8  # an index and a value


@dataclass(frozen=True)
class HalfStep:
    """The sizes of one half-step.

    Attributes
    ----------
    rows, fixed, stepped
        Rows to solve, rows of the fixed side, and rows that took steps.
    entries
        Stored entries.
    stored_bytes
        Bytes of a number of Z.
    triangular
        Whether the rotations are by triangles.
    relaxed
        Whether the rows are over-relaxed.
    """

    rows: int
    fixed: int
    stepped: int
    entries: int
    factors: int
    stored_bytes: int
    triangular: bool
    relaxed: bool

    def operations(self) -> dict[str, float]:
        """Return the operations of each phase but the solve, whose loops count theirs."""
        product = self.factors**2 * (1 if self.triangular else 2)
        return {
            GRAMIAN: float(self.fixed * self.factors**2),
            FIXED: float(self.fixed * product),
            INWARD: float(self.stepped * product),
            OUTWARD: float(self.rows * product),
        }

    def bytes(self) -> dict[str, float]:
        """Return the bytes that each phase reads or writes at least."""
        row, stored = FLOAT * self.factors, self.stored_bytes * self.factors
        return {
            GRAMIAN: float(self.fixed * row),
            FIXED: float(self.fixed * (row + stored)),
            INWARD: float(self.stepped * row),
            SOLVE: float(self.entries * (stored + ENTRY)),
            OUTWARD: float(self.rows * row * (2 if self.relaxed else 1)),
        }


def added(parts: list[dict[str, float]]) -> dict[str, float]:
    """Return the sums of several half-steps, phase by phase."""
    return {name: sum(part[name] for part in parts) for name in parts[0]}


# Adds and shuffles that end the dot products of four entries: see `kernels.cpu.vectors.store_sums`.
_SUMMING = 9 + 9
_LANES = 16


def loops_share(factors: int, stored_bytes: int) -> float:
    """Return the largest share of the products' peak that the solve's loops can reach, by count.

    The processor has two ports for arithmetic on vectors of 16 numbers, and products keep both busy with
    multiply-adds. Of one pass over one entry they take

    * f / 16 multiply-adds for the dot product and as many for the update;
    * with bfloat16, f / 32 shifts for each of the two: every second vector is unpacked by one;
    * a quarter of the 9 adds and 9 shuffles that turn the sums of four entries into four numbers.

    Counted in the compiled loops for AVX-512. Loads, offsets and the weights' arithmetic come on top.
    """
    fused = 2 * factors / _LANES
    shifts = fused / 2 if stored_bytes == 2 else 0.0
    return fused / (fused + shifts + _SUMMING / 4)
