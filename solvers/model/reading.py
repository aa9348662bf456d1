"""Queries in several threads on one model, while others assign factors or store rows.

* A query takes the sides that it needs once, at its head, as they were at one moment, and goes on with
  those. An assignment by another thread changes the next query.
* Rows are stored in place, at a cost that does not grow with the model, if no query reads the side at
  that moment. Otherwise they are stored in a copy, and the queries that are under way keep the array
  that they began with. Nobody waits for a query.
* Those who store rows, of any model, do so one after the other, so that none loses another's.

What a program writes into an array by itself, `item_factors *= 2` too, is outside of this.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from halfstep.errors import InputError, NotFitted
from halfstep.solvers.model.factors import needed
from halfstep.solvers.model.held import SIDES, Held

if TYPE_CHECKING:
    from halfstep.solvers.model import FittedModel


class Reading:
    """A block in which no row of the sides `names` of a model changes; see `factors.needed`.

    Entered, it gives the sides.
    """

    def __init__(self, model: FittedModel, *names: str, sparingly: str | None = None) -> None:
        self._model, self._names, self._sparingly = model, names, sparingly
        self._sides: tuple[Held, ...] = ()

    def __enter__(self) -> tuple[Held, ...]:
        current = self._model.__dict__.get
        while True:
            before = [current(name) for name in SIDES]
            try:
                sides = self._checked(before)
            except (InputError, NotFitted):
                if [current(name) for name in SIDES] == before:
                    raise
                continue  # an old side was compared with a new one
            for side in sides:
                side.gate.enter()
            self._sides = sides
            # Where they are all still the model's, they were its sides at one moment.
            if all(current(name) is side for name, side in zip(self._names, sides, strict=True)):
                return sides
            self.__exit__()

    def _checked(self, present: list[Held | None]) -> tuple[Held, ...]:
        """Return the sides, at once if nothing is left to check of those `present`."""
        X, Y = present
        if X is not None and Y is not None:
            width = X.width()
            if width is not None and width == Y.width():
                return tuple([Y if name == "item_factors" else X for name in self._names])
        return needed(self._model, *self._names, sparingly=self._sparingly)

    def __exit__(self, *_: Any) -> None:
        for side in self._sides:
            side.gate.leave()
        self._sides = ()
