"""What surrounds the iterations of a fit: memory, weights, start, progress, Ctrl-C, last warning."""

from __future__ import annotations

import logging
from typing import Any

import numpy as np
from scipy import sparse

from halfstep.blas import blas_threads
from halfstep.errors import InputError
from halfstep.interruption import interruption
from halfstep.progress import progress_bar, stage
from halfstep.solvers.features.in_fit import (
    begin,
    bytes_of,
    complete,
    given_to,
    taken_features,
    warmed,
)
from halfstep.solvers.fit import weighing
from halfstep.solvers.fit.checkpoint import Checkpoints, State, checkpoints
from halfstep.solvers.fit.memory import check_memory
from halfstep.solvers.fit.monitor import Callback, Monitor, pace_of
from halfstep.solvers.fit.precision import warn_of_lost_precision
from halfstep.solvers.fit.refit import announce_start, goes_on, has_factors, kept_if_it_fails
from halfstep.solvers.fit.start import starting_factors
from halfstep.solvers.fit.stopping import warn_of_unsolved_rows
from halfstep.solvers.fit.taking import taken
from halfstep.solvers.fit.warm_start import check_warm_start, warm_factors

log = logging.getLogger("halfstep")

ON_INTERRUPT = ("raise", "keep")
_OF_OBJECTIVE = (
    *("confidence", "alpha", "epsilon", "background", "transform", "bm25_k1", "bm25_b"),
    *("regularization", "regularization_exponent"),
)


def run(
    model: Any,
    user_items: Any,
    checkpointing: tuple[Any, Any, Any],
    on_interrupt: str,
    *,
    show_progress: Any,
    callback: Callback | None,
    features: tuple[Any, Any] = (None, None),
) -> None:
    """Fit `model` to a sparse matrix; see `Solver.fit`.

    `checkpointing` holds its arguments `checkpoint`, `checkpoint_every` and `resume`.
    """
    matrix = taken(user_items, int(model.num_threads))
    if not isinstance(show_progress, bool | np.bool_ | None):
        raise InputError(
            f"show_progress must be True or False, got {type(show_progress).__name__}: the second "
            "argument of fit is no y, since ALS learns from user_items alone"
        )
    show_progress = show_progress is None or bool(show_progress)
    if on_interrupt not in ON_INTERRUPT:
        raise InputError(f"on_interrupt must be 'raise' or 'keep', got {on_interrupt!r}")
    if goes_on(model):
        check_warm_start(model, matrix.shape)
    given = taken_features(model, matrix, *features)
    # No local name here for a state or its factors: it would keep them in memory for the whole fit.
    keeper, *resumed = checkpoints(model, matrix, *checkpointing, given=given)
    check_memory(model, matrix, bytes_of(model, matrix.nnz, given))
    with kept_if_it_fails(model), given_to(model, given):
        model._fitted_to, fitted_to = None, model._fitted_to
        before = model.__dict__.get("item_factors")
        if resumed == [None]:
            announce_start(model, matrix, fitted_to)
        prepared = weighing.prepared(model, matrix)
        with stage("weighing the entries", show_progress):
            weights = model._sides(prepared)
        stopped = _iterate(
            model,
            weights,
            _start(model, prepared, resumed.pop()),
            keeper,
            show_progress,
            callback,
        )
        if not stopped or model.__dict__.get("item_factors") is not before:  # else those of before
            complete(model)
    warn_of_unsolved_rows(model.report_)
    if model.iterations and model.kind != "baseline":
        warn_of_lost_precision(model, prepared)
    if stopped and on_interrupt == "raise":
        raise KeyboardInterrupt(stopped)


def _start(model: Any, matrix: sparse.csr_matrix, state: State | None) -> State:
    """Return the state from which the fit goes on."""
    if state is not None:
        return state
    if goes_on(model):
        if model.init_factors is not None:
            log.warning("init_factors is not used: warm_start goes on from the model's factors")
        done = len(model.seconds_)
        factors = warm_factors(model, matrix)
        losses = list(model.loss_history_)
        if len(losses) != done or model._objective_of != objective_of(model):
            losses = []  # of another objective, or not of all iterations
        warm = State(done, *factors, losses, list(model.seconds_), done, *pace_of(model))
        start: State = warmed(model, matrix, warm)
        return start
    settings = model.init_factors, matrix.shape, model.factors, model.dtype, model.random_state
    return State(0, *starting_factors(*settings), [], [])


def objective_of(model: Any) -> tuple[Any, ...]:
    """Return the settings on which a model's objective depends, besides the data."""
    settings = model._settings()
    return tuple(settings[name] for name in _OF_OBJECTIVE)


def _iterate(
    model: Any,
    weights: tuple[Any, Any],
    start: State,
    keeper: Checkpoints | None,
    show_progress: bool,
    callback: Callback | None,
) -> str:
    """Run the iterations from `start`, and return what Ctrl-C has ended, or ""."""
    users, items = weights
    begin(model, start.features)
    model._objective_of = objective_of(model)
    replaces = has_factors(model) and not goes_on(model)
    model.loss_history_, model.seconds_ = start.losses, start.seconds
    model.relaxation_, model._gains = list(start.omegas), list(start.gains)
    model.interrupted_ = None
    model.report_, model._half_reports = [], {}
    model._warned_of_ridge = False
    done, end = start.done, start.begun + int(model.iterations)
    if done >= end:
        model._keep(done, start.user_factors, start.item_factors)
        return ""
    with (
        progress_bar(end - done, show_progress, f"fit, {model.name}") as advance,
        blas_threads(int(model.num_threads) or None),
        # OpenBLAS's AVX-512 kernels set error flags on good input too: the monitor finds bad rows.
        np.errstate(all="ignore"),
        interruption() as ctrl_c,
    ):
        monitor = Monitor(
            model, weights, start, end, keeper, ctrl_c, advance, callback, replaces=replaces
        )
        del start
        model._alternate(users, items, monitor.whole()[0], monitor.whole()[1], monitor)
    if monitor.said or not ctrl_c.requested:
        return monitor.said
    return f"Ctrl-C came in the last iteration: the fit is done, after {end} iterations"
