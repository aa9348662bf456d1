"""Iterations that are recorded once and replayed (option `graph`).

`kernels.device.graphs` says what a recording is. An iteration is recorded with its factors at fixed
addresses: it reads them there and ends by writing the new ones there, so that the next replay goes on.
Settings that the kernels get as arguments, as omega, are recorded too, so an iteration with another
omega is recorded anew. The first iteration of a fit is not recorded: it sorts rows into bins and
compiles what is left to compile. Nor is one that would not be replayed.

What the host decides from numbers of the device would be decided once for all replays. There is one such
thing, when to stop launching steps of hubs, so a recorded half-step launches all steps that a hub may
take. A hub that has ended takes no part in them, so the bits are the same; each costs the device
about two microseconds, a launch whose blocks return at once.

The model gets copies of the factors, because it keeps those of the last good iteration, and a callback
those of any. So an iteration moves 2 (users + items) f numbers more than one that is not replayed: in
float32, with 650,000 rows and 128 factors, 0.7 GB. With the option `coordinates` it is twice that,
because the numbers that a half-step ends with are not the result of a product, which could be written to
their place.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any, ClassVar, NamedTuple, Protocol

from halfstep.errors import DeviceLost, NumericalWarning
from halfstep.kernels.cuda.backend import Array, Backend
from halfstep.kernels.device.options import enabled
from halfstep.machine import one_line
from halfstep.solvers.gpu.basis import diagonal
from halfstep.solvers.gpu.device.coordinates import Coordinates
from halfstep.solvers.gpu.device.side import Side
from halfstep.solvers.gpu.device.tally import Iteration

OPTION = "graph"
Looks = tuple[Callable[[], int | None], Callable[[], int | None]]


class Replayable(Protocol):
    """What is called on a GPU solver; `halfstep.solvers.gpu.base` documents each method."""

    name: ClassVar[str]
    iterations: int
    _replayable: ClassVar[bool]

    def _omega(self, done: int) -> float: ...
    def _begin(self, done: int) -> Iteration: ...
    def _solved(
        self, backend: Backend, side: Side, Y: Array, X: Array, iteration: Iteration
    ) -> Array: ...
    def _end(self, iteration: Iteration) -> None: ...


class Replayed(NamedTuple):
    """A replayed iteration: its settings, its factors, and what tells their first row not finite."""

    iteration: Iteration
    X: Array
    Y: Array
    looks: Looks


def warn_without(reason: str) -> None:
    """Warn that a fit goes on without the option `graph`."""
    warnings.warn(
        f"{reason}: the fit goes on without the GPU option {OPTION}", NumericalWarning, stacklevel=2
    )


class Place:
    """Fixed addresses of one side's factors."""

    def __init__(self, backend: Backend, like: Array | Coordinates) -> None:
        self.backend = backend
        arrays = _arrays(backend, like)
        self._kept = [backend.empty(array.shape, array.dtype) for array in arrays]

    @property
    def factors(self) -> Array | Coordinates:
        """The factors there, (rows, f), for use in a recording."""
        return self._as_factors(self._kept)

    def take(self, factors: Array | Coordinates) -> None:
        """Copy factors to this place, if they are not there."""
        for kept, array in zip(self._kept, _arrays(self.backend, factors), strict=True):
            if array is not kept:
                self.backend.copy(kept, array)

    def copied(self) -> Array | Coordinates:
        """Return a copy of the factors, in new arrays."""
        copies = [self.backend.empty(kept.shape, kept.dtype) for kept in self._kept]
        for copy, kept in zip(copies, self._kept, strict=True):
            self.backend.copy(copy, kept)
        return self._as_factors(copies)

    def _as_factors(self, arrays: list[Array]) -> Array | Coordinates:
        if len(arrays) == 1:
            return arrays[0]
        numbers, outward = arrays
        return Coordinates(self.backend, numbers, self.backend.raw(outward))


def _arrays(backend: Backend, factors: Array | Coordinates) -> list[Array]:
    """Return the arrays on the device that make up factors."""
    if not isinstance(factors, Coordinates):
        return [factors]
    with backend.on_card():  # where CuPy copies `outward`, if its rows are not contiguous
        return [factors.numbers, backend.to_device(factors.outward)]


class _Recorded:
    """An iteration that is recorded."""

    def __init__(
        self,
        solver: Replayable,
        backend: Backend,
        sides: tuple[Side, Side],
        done: int,
        X: Any,
        Y: Any,
    ) -> None:
        self.backend = backend
        self.now = solver._begin(done)._replace(in_place=True)
        self._board = self.now.board(backend)
        self._places = users, items = Place(backend, X), Place(backend, Y)
        self._held: tuple[Any, Any] = (None, None)

        def region() -> Looks:
            solved = solver._solved(backend, sides[0], items.factors, users.factors, self.now)
            looked = self._board.look(0, solved)
            users.take(solved)
            del solved  # its memory is used again
            solved = solver._solved(backend, sides[1], users.factors, items.factors, self.now)
            looks = looked, self._board.look(1, solved)
            items.take(solved)
            return looks

        self._replay, self._looks = backend.record(region)

    def run(self, X: Any, Y: Any) -> Replayed:
        """Return the iteration that begins with these factors."""
        for place, held, factors in zip(self._places, self._held, (X, Y), strict=True):
            if held is not factors:
                place.take(factors)
        self._board.forget()
        self._replay()
        users, items = self._places
        self._held = users.copied(), items.copied()
        return Replayed(self.now, *self._held, self._looks)


class Replays:
    """The recordings of a fit; without the option `graph` there are none.

    Warns where the option is on and the fit cannot be recorded.
    """

    def __init__(self, solver: Replayable, backend: Backend, users: Side, items: Side) -> None:
        self.solver, self.backend, self.sides = solver, backend, (users, items)
        self._on, self._first = enabled(OPTION), True
        self._recorded: _Recorded | None = None
        reason = self._why_not() if self._on else None
        if reason is not None:
            self._give_up(reason)

    def iteration(self, done: int, end: int, X: Any, Y: Any) -> Replayed | None:
        """Return the iteration after `done` ones, replayed; or None if it is none to be replayed.

        The fit ends after `end` iterations.
        X and Y are its starting factors, which are not written to.
        """
        first, self._first = self._first, False
        if not self._on or first:
            return None
        omega = self.solver._omega(done)
        if self._recorded is None or self._recorded.now.omega != omega:
            self._recorded = None
            if done + 1 >= end or self.solver._omega(done + 1) != omega:
                return None
            try:
                self._recorded = _Recorded(self.solver, self.backend, self.sides, done, X, Y)
            except DeviceLost:
                raise
            except Exception as error:  # nothing has run: the fit is where it was
                self._give_up(f"an iteration cannot be recorded ({one_line(error)})")
                return None
        return self._recorded.run(X, Y)

    def _why_not(self) -> str | None:
        """Return what of the fit cannot be recorded, or None."""
        if not self.solver._replayable:
            return f"iterations of {self.solver.name} cannot be recorded"
        if any(side.prior is not None for side in self.sides):
            return "the host fits attributes between the half-steps"
        if not all(side.lengths.any() for side in self.sides):
            return "there are no stored entries"
        if any(map(diagonal, self.sides)):
            return (
                "rows differ in their regularization, which takes eigenvectors, and these cannot be "
                "recorded"
            )
        return None

    def _give_up(self, reason: str) -> None:
        self._on, self._recorded = False, None
        warn_without(reason)
