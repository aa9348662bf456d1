"""What a fit does after every half-step and after every iteration, in every solver."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Protocol, TypeAlias

import numpy as np

from halfstep.errors import InputError, NotFinite
from halfstep.interruption import Interruption
from halfstep.progress import Advance
from halfstep.solvers.features.in_fit import state
from halfstep.solvers.fit.checkpoint import Checkpoints, State
from halfstep.solvers.fit.stopping import HalfStepReport, IterationReport
from halfstep.solvers.inputs import row_not_finite as row_not_finite
from halfstep.solvers.problem import Problem, Weights
from halfstep.types import Floats

Callback: TypeAlias = Callable[[int, float, float | None], Any]

log = logging.getLogger("halfstep")


class Fitting(Protocol):
    """The attributes and methods of a solver that a monitor uses."""

    calculate_training_loss: bool
    loss_history_: list[float]
    seconds_: list[float]
    relaxation_: list[float]
    _gains: list[float | None]
    report_: list[IterationReport]
    interrupted_: int | None
    _half_reports: dict[str, HalfStepReport | None]

    def _fitted(self) -> tuple[Floats, Floats]: ...
    def _keep(self, iteration: int, X: Any, Y: Any) -> None: ...
    def _loss(self, sides: Any) -> float: ...
    def _omega(self, done: int) -> float: ...
    def _row_not_finite(self, factors: Any) -> int | None: ...


class Monitor:
    """Checks the factors after each half-step, keeps them in the model, and reports progress.

    A solver calls `half_step_done` after the users' half-step, unless it cannot stop there, and the
    monitor itself after the items' half-step. Both return True if the fit must end.

    Parameters
    ----------
    start, end
        The state from which the fit goes on, and the number of whole iterations after which it ends.
    replaces
        Whether the model has factors that are not the start's. Half an iteration from the start is no
        reason to drop them.
    """

    def __init__(
        self,
        model: Fitting,
        weights: tuple[Weights, Weights],
        start: State,
        end: int,
        checkpoints: Checkpoints | None,
        interruption: Interruption,
        advance: Advance,
        callback: Callback | None,
        *,
        replaces: bool = False,
    ) -> None:
        self.model, self.weights = model, weights
        self.done, self.end, self._begun = start.done, end, start.begun
        self._start: tuple[Any, Any] | None = (start.user_factors, start.item_factors)
        self._replaces = replaces
        self.checkpoints, self.interruption = checkpoints, interruption
        self.advance, self.callback = advance, callback
        self.said = ""  # what of an interruption
        self._checked: Any = None
        self._reported = len(model.report_)
        self._watched: dict[str, Callable[[], int | None]] = {}

    def whole(self) -> tuple[Any, Any]:
        """Return both sides' factors after the last whole iteration, which may be the start."""
        return self._start or self.model._fitted()

    def watch(self, side: str, row: Callable[[], int | None]) -> None:
        """Check a side's next factors by `row`, and not before the iteration ends.

        A solver on a device calls this before it hands the factors over, so that the host need not wait
        for each half-step. `row` returns the first row that is not finite, or None.
        """
        self._watched[side] = row

    @contextmanager
    def blaming(self, X: Any) -> Iterator[None]:
        """If the items' half-step fails inside because the watched X is not finite, raise NotFinite."""
        try:
            yield
        except (ArithmeticError, ValueError, Warning):
            if "user" in self._watched:
                self._check("user", X)
            raise

    def half_step_done(self, X: Any, Y: Any) -> bool:
        """Check user factors X that were solved with the previous iteration's item factors Y fixed.

        If the user has pressed Ctrl-C, save the previous iteration's factors, keep X and Y in the model
        and return True. In the first iteration, a model that has other factors keeps those.
        """
        if "user" not in self._watched or self.interruption.requested:
            self._check("user", X)
            self._checked = X
        if not self.interruption.requested:
            return False
        self._save()  # before `_keep`: a fit can only resume after a whole iteration
        if self._start is not None and self._replaces:
            self._note(" and the users' half of one more", "that it had before")
            return True
        self._start = None
        self.model._keep(self.done, X, Y)
        self._note(" and the users' half of one more")
        return True

    def __call__(self, iteration: int, seconds: float, X: Any, Y: Any) -> bool:
        """Check and keep both sides' factors after an iteration, and return whether the fit ends.

        `seconds` is the time of its half-steps. `iteration` is ignored: it begins at 0 in a resumed fit,
        whose iterations are counted by `done`.
        """
        if X is not self._checked:
            self._check("user", X)
        self._check("item", Y)
        model, iteration = self.model, self.done
        model._keep(iteration, X, Y)
        self._start = None
        model.seconds_.append(seconds)
        users, items = (model._half_reports.get(side) for side in ("user", "item"))
        if users is not None and items is not None:
            model.report_.append(IterationReport(users, items))
        self._note_pace()
        self.done += 1
        loss = None
        if model.calculate_training_loss:
            loss = model._loss(self.weights)
            model.loss_history_.append(loss)
        last = self.done >= self.end
        if self.checkpoints is not None and (last or self.checkpoints.due(self.done)):
            self._save()
        self.advance(loss)
        stop = None if self.callback is None else self.callback(iteration, seconds, loss)
        if self.interruption.requested and not last:
            self._save()
            self._note("")
            return True
        return last or (isinstance(stop, bool | np.bool_) and bool(stop))

    def _note_pace(self) -> None:
        """Note the iteration's over-relaxation factor, and what it gained, for the next ones."""
        model, reports = self.model, self.model.report_
        omega = model._omega(self.done)
        gain = None
        if len(reports) > self._reported:
            gain = sum(half.gained for half in reports[-1])
        self._reported = len(reports)
        model.relaxation_.append(omega)
        model._gains.append(gain)

    def _check(self, side: str, factors: Any) -> None:
        watched = self._watched.pop(side, None)
        row = self.model._row_not_finite(factors) if watched is None else watched()
        if row is not None:
            reason = f"the {side} factors of row {row} are not finite"
            raise NotFinite(reason, row, self.done, side)

    def _save(self) -> None:
        if self.checkpoints is not None:
            history = self.model.loss_history_, self.model.seconds_
            pace, attributes = pace_of(self.model), state(self.model)
            try:
                self.checkpoints.write(
                    State(self.done, *self.whole(), *history, self._begun, *pace, attributes)
                )
            except InputError as error:  # a full disk is no reason to lose the fit itself
                log.warning("no checkpoint after %d iterations: %s", self.done, error)

    def _note(self, half: str, kept: str = "of that point") -> None:
        self.model.interrupted_ = self.done
        self.said = (
            f"fit interrupted after {self.done} of {self.end} iterations{half}: "
            f"the model has the factors {kept}"
        )
        log.warning("%s", self.said)


def pace_of(model: Fitting) -> tuple[list[float], list[float | None]]:
    """Return copies of what the next over-relaxation factor of a fit follows from."""
    return list(model.relaxation_), list(model._gains)


def located(error: Exception, done: int, side: str, problem: Problem) -> NotFinite:
    """Return the NotFinite to raise for an `error` in a half-step of `side` after `done` iterations."""
    if isinstance(error, NotFinite):
        where = f"the {side}s' half-step failed: {error.reason}"
        return NotFinite(where, error.row, done, side)
    # The fixed side's factors are so large that its Gramian overflows: report the fixed side's row.
    row = int(np.argmax(np.abs(problem.Y).max(axis=1)))
    other = "item" if side == "user" else "user"
    reason = (
        f"the {side}s' half-step failed ({error}): the {other} factors of row {row} are too large"
    )
    return NotFinite(reason, row, done, side)
