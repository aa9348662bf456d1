"""What all rows of a half-step share, whichever machine solves them.

A half-step has three stages. With the fixed side's factors Y and the rows to solve,

1. *share*: what all rows have in common is computed once, from the Gramian Y'Y and a few facts about the
   side to solve (`Shared`);
2. *rotate*: each row y of the fixed side becomes what the loops read (`Rows`): whitened, perhaps rounded
   to bfloat16, or y itself. No row needs another;
3. *solve*: given rows are solved, from their starts and the rotated rows that their entries name.

`Solver.half_step` does one after the other. On several machines the first stage is done once, the second
by who has the row, and the third by who has the entries: `halfstep.distributed`.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np

from halfstep.kernels import phases
from halfstep.solvers.gramian import Matrix, gramian, squares
from halfstep.solvers.problem import Problem, Weights
from halfstep.solvers.whitening import Basis, least_lambda, unwhitened, whitened
from halfstep.types import Floats

# If lambda is more than the trace of G divided by this, float32 sums in Y'Y err by less than storing Y
# as bfloat16 does.
_DROWNED = 2.0**15


class SideFacts(NamedTuple):
    """Facts about the side to solve, over all of its rows.

    Attributes
    ----------
    rows
        The number of rows with stored entries.
    entries
        The number of stored entries.
    smallest, largest
        The smallest and the largest lambda_u of a row with stored entries; None without any.
    unregularized
        Whether a row, with or without entries, has no regularisation.
    largest_excess
        As in `Weights`.
    """

    rows: int
    entries: int
    smallest: float | None
    largest: float | None
    unregularized: bool
    largest_excess: float

    @staticmethod
    def together(parts: Iterable[SideFacts]) -> SideFacts:
        """Return the facts of a side, from those of the parts that make it up."""
        listed = list(parts)
        smallest = [part.smallest for part in listed if part.smallest is not None]
        largest = [part.largest for part in listed if part.largest is not None]
        return SideFacts(
            sum(part.rows for part in listed),
            sum(part.entries for part in listed),
            min(smallest, default=None),
            max(largest, default=None),
            any(part.unregularized for part in listed),
            max((part.largest_excess for part in listed), default=-np.inf),
        )

    @property
    def lambdas(self) -> tuple[float, float]:
        """The smallest and the largest lambda_u, 1 without rows that have entries."""
        if self.smallest is None or self.largest is None:
            return 1.0, 1.0
        return self.smallest, self.largest


class Frame(NamedTuple):
    """What is known of a half-step before any factor is.

    Attributes
    ----------
    side
        The facts about the side to solve.
    columns
        The number of rows of the fixed side.
    a0
        Weight of the entries that are not stored.
    dtype, factors
        Of the factors.
    """

    side: SideFacts
    columns: int
    a0: float
    dtype: np.dtype[Any]
    factors: int

    @property
    def few_rows(self) -> bool:
        """Whether the side has no more rows with entries than twice the factors."""
        return self.side.rows <= 2 * self.factors

    @property
    def fixed_bytes(self) -> int:
        """The bytes of the fixed side's factors."""
        return self.columns * self.factors * self.dtype.itemsize


class Shared(NamedTuple):
    """What all rows of a half-step share.

    Attributes
    ----------
    frame
        What is known of the half-step before any factor is.
    gramian
        Y'Y, (f, f) float64, over all rows of the fixed side; None where a0 is 0, and where `basis` is
        what the rung reads of it.
    basis
        The coordinates of the half-step, or None for a rung that solves in the factors' own.
    """

    frame: Frame
    gramian: Matrix | None
    basis: Basis | None


class Rows(NamedTuple):
    """Rows of the fixed side as the loops read them, and as they travel.

    Attributes
    ----------
    Z
        (rows, ·), in the factors' dtype or packed as bfloat16.
    sizes
        (rows,) |z|^2 before rounding, in the factors' dtype; empty where nothing needs them.
    """

    Z: Any
    sizes: Floats


def side_facts(problem: Weights) -> SideFacts:
    """Return the facts about a side, counted once for a fit's."""
    kept = vars(vars(problem).get("_whole", problem))
    if "_facts" not in kept:
        stored = np.diff(problem.indptr) > 0
        lam = problem.lam[stored]
        kept["_facts"] = SideFacts(
            int(np.count_nonzero(stored)),
            int(problem.indptr[-1]),
            float(lam.min()) if len(lam) else None,
            float(lam.max()) if len(lam) else None,
            bool((problem.lam <= 0).any()),
            problem.largest_excess,
        )
    facts: SideFacts = kept["_facts"]
    if isinstance(problem, Problem) and problem.side_rows != facts.rows:
        return facts._replace(rows=problem.side_rows)  # a block, whose side has more rows
    return facts


def frame_of(problem: Problem) -> Frame:
    """Return what is known of a half-step whose fixed side is whole before its factors are."""
    side, Y = side_facts(problem), problem.Y
    return Frame(side, problem.columns - problem.pulled, problem.a0, Y.dtype, Y.shape[1])


def gramian_type(frame: Frame, squared: float, narrow: bool) -> np.dtype[Any]:
    """Return the dtype of the products in Y'Y; `squared` is the sum of the squares of Y.

    `narrow` allows the factors' own, if lambda is large enough: see `_DROWNED`.
    """
    drowned = narrow and frame.a0 * squared < frame.side.lambdas[0] * _DROWNED
    return np.dtype(frame.dtype if drowned else np.float64)


def whitened_by(frame: Frame, squared: float, YtY: Matrix | None) -> Shared:
    """Return the first stage of a half-step in whitened coordinates (`halfstep.solvers.whitening`).

    Parameters
    ----------
    squared
        The sum of the squares of all rows of the fixed side.
    YtY
        Y'Y over all of them, (f, f) float64; not used where a0 is 0.
    """
    eps = float(np.finfo(frame.dtype).eps)
    smallest, largest = frame.side.lambdas
    if frame.a0 == 0 or YtY is None:
        size = squared / max(1, frame.columns)
        return Shared(frame, None, unwhitened(frame.factors, size, smallest, eps))
    G = frame.a0 * YtY
    one_lambda = smallest == largest and smallest > least_lambda(G, eps)
    return Shared(frame, None, whitened(G, smallest, eps, one_lambda=one_lambda))


def shared_of(problem: Problem, threads: int, narrow: bool = False) -> Shared:
    """Return the first stage of a half-step whose fixed side is whole, for rungs that whiten.

    `narrow` as in `gramian_type`.
    """
    frame, squared, YtY = frame_of(problem), squares(problem.counted), None
    phases.lap(phases.REST)
    if problem.a0 != 0:
        YtY = gramian(problem.counted, threads, gramian_type(frame, squared, narrow))
    return whitened_by(frame, squared, YtY)
