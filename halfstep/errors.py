"""The errors that a user of halfstep is meant to meet, and the one warning."""

from __future__ import annotations

from typing import Any


class InputError(ValueError):
    """Bad input: the message names the argument, the rule and the value, in one line."""


class NotFinite(FloatingPointError):
    """A half-step led to NaN or infinity; the model keeps the factors of the last good iteration.

    Attributes
    ----------
    row
        The first row that is not finite, or None where no single one is to blame.
    iteration, side
        Where it happened in a fit: the iteration, counted from 0 as callbacks count, and "user" or
        "item", the side that was being solved. None outside a fit.
    """

    def __init__(
        self,
        reason: str,
        row: int | None = None,
        iteration: int | None = None,
        side: str | None = None,
    ) -> None:
        super().__init__(reason if iteration is None else f"iteration {iteration}: {reason}")
        self.reason, self.row, self.iteration, self.side = reason, row, iteration, side

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.reason, self.row, self.iteration, self.side)


class NotEnoughMemory(InputError, MemoryError):
    """A fit that would need more memory than there is was not started; the message says what fits."""


class SolverUnavailable(RuntimeError):
    """A solver that was asked for by name cannot run here; the message says what to install."""


class NumericalWarning(UserWarning):
    """A half-step was singular to working precision and was regularised; the message says by what."""


class UnknownId(InputError, IndexError):
    """A user or item index outside the model."""


class NotFitted(InputError):
    """The model has no factors yet."""
