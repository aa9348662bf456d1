"""The errors and the warnings that halfstep raises for its users."""

from __future__ import annotations

from typing import Any


class InputError(ValueError):
    """Bad input: the message names the argument, the rule and the value, in one line."""


class NotFinite(FloatingPointError):
    """A half-step led to NaN or infinity; the model keeps the factors of the last good iteration.

    Attributes
    ----------
    row
        The first row that is not finite, or None if no single row is the cause.
    iteration, side
        Where in a fit: the iteration, counted from 0 as callbacks count, and the side that was being
        solved, "user" or "item". None outside a fit.
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
    """A fit was not started because it needs more memory than is free; the message says what fits."""


class DeviceOutOfMemory(MemoryError):
    """A CUDA device ran out of memory during a fit or a query; the message says who holds it.

    Attributes
    ----------
    available
        Bytes that this process could have in all when it happened; 0 if that is not known.
    """

    def __init__(self, reason: str, available: int = 0) -> None:
        super().__init__(reason)
        self.reason, self.available = reason, available

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.reason, self.available)


class DeviceLost(RuntimeError):
    """A CUDA device failed during a fit or a query, and this process cannot use it any more.

    A fit's message names its checkpoint. The fit's model has no factors, since they were on the device.
    """


class SolverUnavailable(RuntimeError):
    """A solver that was requested by name cannot run here; the message says what to install."""


class NumericalWarning(UserWarning):
    """A result is less than it should be: numbers were too large or too near. The message says why."""


class FactorsDropped(UserWarning):
    """A fit starts anew in a model whose factors were set by hand; the message says what keeps them."""


class UnknownId(InputError, IndexError):
    """A user or item index outside the model."""


class NotFitted(InputError):
    """The model has no factors yet."""
