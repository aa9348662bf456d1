"""The three stages of a GPU half-step: what all rows share, the fixed side as kernels read it, the rows.

`DeviceStages._prepare` does them one after the other for a device that has the fixed side whole. For
rows that are on several machines (`halfstep.solvers.stages`, `halfstep.distributed`) they are methods
that take and return arrays of the host, or of the device where they are given such:

* `share` is f x f algebra on the host, by whoever drives the fit, who needs no device;
* `rotate` uploads rows of the fixed side, multiplies and stores them as the kernels read them, and
  returns these bytes: 16-bit numbers as uint16;
* `solve` uploads the gathered rows and the starts. The stored entries stay on the device from one
  half-step to the next: they are all uploaded, whatever `memory_limit` says.

What a rung decides by looking at rows it decides here by facts about whole sides, so that all machines
do the same: whether the rows are few, whether lambda is one for all, how Z is stored and scaled. A row's
own length and weights decide by which kernel it is solved.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, ClassVar

import numpy as np

from halfstep.blas import blas_threads
from halfstep.errors import InputError
from halfstep.kernels.cuda.backend import Array, Backend, chosen
from halfstep.solvers.gpu.device.side import Side
from halfstep.solvers.gpu.device.tally import Iteration, Tallies
from halfstep.solvers.gramian import Matrix
from halfstep.solvers.problem import Weights
from halfstep.solvers.shared import Frame, Rows, Shared, gramian_type
from halfstep.solvers.stages import Stages
from halfstep.solvers.whitening import Basis
from halfstep.types import Floats

_KEPT = "_on_device"  # by this name in `vars` of weights that were uploaded


class DeviceStages(Stages):
    """The stages of a GPU rung, in one process and shared by several machines.

    A rung implements the methods from `_basis` to `_start`, and `_advance` and `_finish` of
    `halfstep.solvers.gpu.base.GpuSolver`. `side` has no arrays in them, and maybe no rows.
    """

    factors: int
    dtype: Any
    devices: Sequence[int] | None
    # Whether rows report how far they were solved.
    _tallied: ClassVar[bool] = False

    def _basis(self, backend: Backend, side: Side, Y: Array, X: Array, iteration: Iteration) -> Any:
        """Return what the half-step's f x f algebra gives, on the device, with Y fixed and start X."""
        raise NotImplementedError

    def _coordinates(self, side: Side, squared: float, YtY: Matrix | None) -> Basis | None:
        """Return the part of `_basis` that the driver calculates, on the host; see `Stages.share`."""
        return None

    def _uploaded(self, backend: Backend, side: Side, shared: Shared) -> Any:
        """Return `_basis` as it follows from what is shared."""
        raise NotImplementedError

    def _travels(self, side: Side) -> tuple[int, np.dtype[Any]]:
        """Return how many numbers a row of the fixed side is stored in, and their type on the host."""
        return self.factors, np.dtype(self.dtype)

    def _rotated(self, backend: Backend, side: Side, basis: Any, Y: Array) -> Array:
        """Return rows of the fixed side Y (rows, f) as the kernels read them."""
        raise NotImplementedError

    def _fixed(
        self, backend: Backend, side: Side, Z: Array, basis: Any, iteration: Iteration, X: Array
    ) -> Any:
        """Return what `_advance` and `_finish` need, from the rotated fixed side Z."""
        raise NotImplementedError

    def _start(self, backend: Backend, side: Side, basis: Any, X: Array) -> Array:
        """Return the start X (rows, f) in the half-step's coordinates: always a new array."""
        raise NotImplementedError

    def _advance(self, backend: Backend, side: Side, fixed: Any, x: Array) -> None:
        raise NotImplementedError

    def _finish(self, backend: Backend, fixed: Any, x: Array) -> Array:
        raise NotImplementedError

    def _prepare(
        self, backend: Backend, side: Side, Y: Array, X: Array, iteration: Iteration
    ) -> tuple[Any, Array]:
        """Return what the half-step with Y fixed needs, and the start X in the half-step's coordinates.

        Called once per half-step and device, before any row is solved. The arrays of `side` must not be
        read: in a streamed fit it has none yet. The start is a new array, because the model keeps X
        until the solution is known to be finite.
        """
        basis = self._basis(backend, side, Y, X, iteration)
        Z = self._rotated(backend, side, basis, Y)
        fixed = self._fixed(backend, side, Z, basis, iteration, X)
        return fixed, self._start(backend, side, basis, X)

    def gramian_type(self, frame: Frame, squared: float) -> np.dtype[Any]:
        """See `Stages`: the factors' own dtype where Z is rounded and lambda drowns the errors."""
        _, kind = self._travels(Side.of_frame(frame))
        return gramian_type(frame, squared, narrow=kind == np.uint16)

    def share(self, frame: Frame, squared: float, YtY: Matrix | None) -> Shared:
        """See `Stages`; no device is needed.

        Raises
        ------
        InputError
            `devices` names several: each process of a shared fit has one.
        """
        if self.devices is not None and len(self.devices) != 1:
            raise InputError(
                "devices must name one device, or be None, in a fit over workers, got "
                f"{list(self.devices)}: start a worker for each"
            )
        with blas_threads(1):
            basis = self._coordinates(Side.of_frame(frame), squared, YtY)
        return Shared(frame, YtY if basis is None else None, basis)

    def rotate(self, Y: Floats, shared: Shared) -> Rows:
        """See `Stages`: (rows, padded f); of a device array Y, on the device."""
        side, on_host = Side.of_frame(shared.frame), isinstance(Y, np.ndarray)
        if not len(Y) and on_host:
            return self.room(0, shared)
        backend = self._device()
        basis = self._uploaded(backend, side, shared)
        Z = self._rotated(backend, side, basis, backend.to_device(Y))
        Z = Z.view(self._travels(side)[1])
        return Rows(backend.to_host(Z) if on_host else Z, np.empty(0, shared.frame.dtype))

    def room(self, count: int, shared: Shared) -> Rows:
        """See `Stages`: an array of the host."""
        wide, kind = self._travels(Side.of_frame(shared.frame))
        return Rows(np.empty((count, wide), kind), np.empty(0, shared.frame.dtype))

    def row_bytes(self, frame: Frame) -> int:
        """See `Stages`."""
        wide, kind = self._travels(Side.of_frame(frame))
        return wide * kind.itemsize

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
        """See `Stages`. The solution is on the device if X is."""
        tallies = Tallies() if reports is not None and self._tallied else None
        on_host = isinstance(X, np.ndarray)
        if weights.indptr[-1]:
            backend = self._device()
            side = self._kept(backend, weights, shared.frame)
            basis = self._uploaded(backend, side, shared)
            Z, start = backend.to_device(rows.Z), backend.to_device(X)
            Z = self._read(side, Z)
            fixed = self._fixed(backend, side, Z, basis, Iteration(omega, tallies), start)
            x = self._start(backend, side, basis, start)
            self._advance(backend, side, fixed, x)
            solved = self._finish(backend, fixed, x)
            solution: Floats = backend.to_host(solved) if on_host else solved
        else:
            none = np.zeros(X.shape, X.dtype)
            solution = none if on_host else self._device().to_device(none)
        if tallies is not None and reports is not None:
            reports.append(tallies.half(0))
        return solution

    def _read(self, side: Side, Z: Array) -> Array:
        """Return rows that came as they travel in the type in which the kernels read them."""
        return Z

    def _device(self) -> Backend:
        return chosen(self.devices)[0]

    def _kept(self, backend: Backend, weights: Weights, frame: Frame) -> Side:
        """Return the weights on the device, uploaded at the first half-step that solves them."""
        found = vars(weights).get(_KEPT)
        if found is not None:
            solver, device, known, side = found
            if solver is self and device is backend and known == frame:
                kept: Side = side
                return kept
        common, own = Side.of_frame(frame), Side.upload(backend, weights)
        side = replace(
            own, smallest_lam=common.smallest_lam, largest_lam=common.largest_lam,
            columns=common.columns, frame=frame,
        )  # fmt: skip
        vars(weights)[_KEPT] = self, backend, frame, side
        return side
