"""The errors that a user of halfstep is meant to meet, and the one warning."""


class InputError(ValueError):
    """Bad input: the message names the argument, the rule and the value, in one line."""


class SolverUnavailable(RuntimeError):
    """A solver that was asked for by name cannot run here; the message says what to install."""


class NumericalWarning(UserWarning):
    """A half-step was singular to working precision and was regularised; the message says by what."""


class UnknownId(InputError, IndexError):
    """A user or item index outside the model."""


class NotFitted(InputError):
    """The model has no factors yet."""
