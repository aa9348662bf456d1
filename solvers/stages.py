"""The three stages of a half-step as methods of a solver, for rows that are on several machines.

`halfstep.solvers.shared` says what the stages are. Here is what they are for a rung that solves in the
factors' own coordinates: the rows travel as they are, and a `half_step` on the gathered ones is given
the Gramian of all. Rungs in whitened coordinates have their own.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from halfstep.blas import blas_threads
from halfstep.kernels.cpu.threads import cores
from halfstep.solvers.gramian import Matrix
from halfstep.solvers.problem import Problem, Weights
from halfstep.solvers.shared import Frame, Rows, Shared, gramian_type, whitened_by
from halfstep.types import Floats

if TYPE_CHECKING:
    from halfstep.solvers.half_step import Method


class Stages:
    """What a half-step on rows of several machines calls, in this order: see `halfstep.distributed`."""

    # Why the rung's half-step cannot be shared by several machines, or None.
    not_shared: ClassVar[str | None] = None
    # Whether the entries of a hub may be in pieces on several machines: `halfstep.solvers.hub_rows`.
    splits_hubs: ClassVar[bool] = False

    def half_step(self, problem: Problem, X: Floats) -> Floats:
        """See `Solver.half_step`."""
        raise NotImplementedError

    def gramian_type(self, frame: Frame, squared: float) -> np.dtype[Any]:
        """Return the dtype of the products of which the fixed side's Gramian is the sum.

        Parameters
        ----------
        frame
            What is known of the half-step before any factor is.
        squared
            The sum of the squares of the fixed side's factors.

        See Also
        --------
        halfstep.Solver.share : The next stage.
        """
        return gramian_type(frame, squared, narrow=False)

    def share(self, frame: Frame, squared: float, YtY: Matrix | None) -> Shared:
        """Return what all rows share, given the sum of squares and the Gramian of the fixed side.

        Parameters
        ----------
        frame, squared
            As in `gramian_type`.
        YtY
            Gramian (f, f) of the fixed side, float64; None without a background weight.

        See Also
        --------
        halfstep.Solver.rotate : The next stage.
        """
        return Shared(frame, YtY, None)

    def rotate(self, Y: Floats, shared: Shared) -> Rows:
        """Return rows of the fixed side, Y (rows, f), as they travel and are read: (rows, ·).

        See Also
        --------
        halfstep.Solver.room : Room for such rows.
        halfstep.Solver.solve : The next stage, which reads them.
        """
        return Rows(Y, np.empty(0, Y.dtype))

    def room(self, count: int, shared: Shared) -> Rows:
        """Return room for `count` rows as `rotate` returns them, to be filled and given to `solve`.

        See Also
        --------
        halfstep.Solver.rotate : The rows.
        """
        frame = shared.frame
        return Rows(np.empty((count, frame.factors), frame.dtype), np.empty(0, frame.dtype))

    def row_bytes(self, frame: Frame) -> int:
        """Return the bytes of a row of the fixed side as it travels.

        See Also
        --------
        halfstep.Solver.rotate : The rows.
        """
        return frame.factors * frame.dtype.itemsize

    def solve(
        self,
        weights: Weights,
        X: Floats,
        rows: Rows,
        shared: Shared,
        *,
        omega: float = 1.0,
        reports: list[Any] | None = None,
    ) -> Floats:
        """Return the solved rows (rows, f) of `weights`, whose indices count the gathered `rows`.

        Parameters
        ----------
        weights
            The rows to solve.
        X
            (rows, f), their start.
        rows
            The rows of the fixed side that the entries name, as `rotate` returns them.
        shared
            What `share` returned.
        omega
            The over-relaxation factor.
        reports
            A list to which a `HalfStepReport` is appended, or None.

        See Also
        --------
        halfstep.Solver.half_step : All stages, on one machine.
        """
        Z = rows.Z
        given = weights if weights.columns == len(Z) else replace(weights, columns=len(Z))
        more = {"side_rows": shared.frame.side.rows, "YtY": shared.gramian}
        return self.half_step(given.fixing(Z, omega=omega, reports=reports, **more), X)

    def piece(self, weights: Weights, rows: Rows, shared: Shared, what: str, given: Any) -> Any:
        """Return what a piece of a hub adds to a pass; only where `splits_hubs`.

        See Also
        --------
        halfstep.Solver.solve_hub : Asks the pieces.
        """
        raise NotImplementedError

    def solve_hub(
        self,
        weights: Weights,
        entries: int,
        X: Floats,
        shared: Shared,
        ask: Any,
        *,
        omega: float = 1.0,
        reports: list[Any] | None = None,
    ) -> Floats:
        """Return the solved row of a hub; only where `splits_hubs`.

        See Also
        --------
        halfstep.Solver.piece : What a piece of the hub answers.
        halfstep.Solver.solve : Solves all other rows.
        """
        raise NotImplementedError


class WhitenedStages(Stages):
    """The stages of a compiled rung in whitened coordinates: see `halfstep.solvers.half_step`."""

    num_threads: int

    def _method(self, frame: Frame) -> Method:
        """Return how the rows are solved."""
        raise NotImplementedError

    def gramian_type(self, frame: Frame, squared: float) -> np.dtype[Any]:
        """See `Stages`: the factors' own dtype where lambda drowns its errors."""
        return gramian_type(frame, squared, narrow=self._method(frame).bfloat16)

    def share(self, frame: Frame, squared: float, YtY: Matrix | None) -> Shared:
        """See `Stages`: the coordinates come with it."""
        with blas_threads(1):
            return whitened_by(frame, squared, YtY)

    def rotate(self, Y: Floats, shared: Shared) -> Rows:
        """See `Stages`: (rows, padded f), or packed as bfloat16 (rows, padded f / 2) uint32."""
        from halfstep.solvers.half_step import rotated

        with blas_threads(1):
            Z, sizes = rotated(Y, shared, cores(self.num_threads), self._method(shared.frame))
        return Rows(Z[:-1], sizes)

    def room(self, count: int, shared: Shared) -> Rows:
        """See `Stages`: the rows begin at a cache line, and are followed by one of zeros."""
        from halfstep.solvers.half_step import room_for

        return room_for(count, shared, self._method(shared.frame))

    def row_bytes(self, frame: Frame) -> int:
        """See `Stages`."""
        from halfstep.solvers.half_step import bytes_of_row

        return bytes_of_row(frame, self._method(frame))

    def piece(self, weights: Weights, rows: Rows, shared: Shared, what: str, given: Any) -> Any:
        """Return what a piece of a hub adds to a pass: see `halfstep.solvers.hub_rows`."""
        from halfstep.solvers.hub_rows import answer

        with blas_threads(1):
            return answer(weights, rows, shared, self._method(shared.frame), what, given)

    def solve_hub(
        self,
        weights: Weights,
        entries: int,
        X: Floats,
        shared: Shared,
        ask: Any,
        *,
        omega: float = 1.0,
        reports: list[Any] | None = None,
    ) -> Floats:
        """Return the solved row (1, f) of a hub with so many entries, whose pieces answer by `ask`.

        `weights` has the row, without its entries; X (1, f) is its start.
        """
        from halfstep.solvers.hub_rows import HubRow, solve_hub

        method = self._method(shared.frame)
        with blas_threads(1):
            row = HubRow(weights, entries, shared, method, ask)
            solution, tally = solve_hub(row, X, shared, method, omega)
        self._report(tally, reports)
        return solution

    def solve(
        self,
        weights: Weights,
        X: Floats,
        rows: Rows,
        shared: Shared,
        *,
        omega: float = 1.0,
        reports: list[Any] | None = None,
    ) -> Floats:
        """See `Stages`."""
        from halfstep.solvers.half_step import solve_rotated

        method, threads = self._method(shared.frame), cores(self.num_threads)
        with blas_threads(1):
            solution, tally = solve_rotated(weights, X, rows, shared, threads, method, omega)
        self._report(tally, reports)
        return solution

    def _report(self, tally: Any, reports: list[Any] | None) -> None:
        """Append what the tally of a half-step says to `reports`, if the rung measures it."""
