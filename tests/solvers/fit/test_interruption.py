"""Ctrl-C in a fit: a whole pair of factors after the first, at once at the second, handlers restored."""

import logging
import signal
import threading
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pytest
from cases.solvers import awkward, suited

from halfstep import SOLVERS, InputError
from halfstep.errors import NotFinite
from halfstep.interruption import interrupted_at_once


@dataclass(eq=False, repr=False)
class Interrupted(SOLVERS["cholesky"]):
    """Presses Ctrl-C during the half-steps that are named, counted from 0 and users first."""

    presses: ClassVar[tuple] = ()

    def half_step(self, problem, X):
        self.taken = getattr(self, "taken", -1) + 1
        if self.taken in self.presses:
            signal.raise_signal(signal.SIGINT)
        return super().half_step(problem, X)


def pressed_in(*presses, iterations, kind=Interrupted):
    model = kind(factors=4, iterations=iterations, random_state=0)
    model.presses = presses
    return model


def fit(model, on_interrupt="keep", **arguments):
    return model.fit(awkward(), show_progress=False, on_interrupt=on_interrupt, **arguments)


def after(half_steps):
    """Return the factors that an uninterrupted fit has after so many half-steps."""
    whole = fit(SOLVERS["cholesky"](factors=4, iterations=half_steps // 2, random_state=0))
    X, Y = whole.user_factors, whole.item_factors
    if half_steps % 2:
        X = fit(SOLVERS["cholesky"](factors=4, iterations=half_steps // 2 + 1, random_state=0))
        X = X.user_factors
    return X, Y


@pytest.mark.parametrize("press", range(6))
def test_a_fit_ends_after_the_current_half_step(press, caplog, tmp_path):
    model = pressed_in(press, iterations=5)
    with caplog.at_level(logging.WARNING, "halfstep"):
        assert fit(model, checkpoint=tmp_path / "state", checkpoint_every=3) is model
    X, Y = after(press + 1)
    assert np.array_equal(model.user_factors, X)
    assert np.array_equal(model.item_factors, Y)
    done = (press + 1) // 2
    assert model.interrupted_ == done == len(model.seconds_)
    assert f"fit interrupted after {done} of 5 iterations" in caplog.text
    assert ("users' half of one more" in caplog.text) == (press % 2 == 0)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    assert len(model.recommend(1, awkward()[1])[0])
    # The checkpoint is of whole iterations, so that what goes on from it is what never stopped.
    resumed = pressed_in(iterations=5)
    fit(resumed, checkpoint=tmp_path / "state", resume=True)
    whole = after(10)
    assert np.array_equal(resumed.user_factors, whole[0])
    assert np.array_equal(resumed.item_factors, whole[1])
    assert resumed.interrupted_ is None


def test_a_loop_of_fits_ends_with_the_one_that_is_interrupted(caplog):
    done = []

    def loop():
        for press in (None, 2, None):
            model = pressed_in(press, iterations=5)
            done.append(model)
            fit(model, on_interrupt="raise")

    with pytest.raises(KeyboardInterrupt, match="after 1 of 5 iterations and the users' half"):
        loop()
    model = done[-1]
    assert [len(each.seconds_) for each in done] == [5, 1]
    X, Y = after(3)
    assert np.array_equal(model.user_factors, X)
    assert np.array_equal(model.item_factors, Y)
    assert model.interrupted_ == 1
    assert len(model.recommend(1, awkward()[1])[0])
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_raising_is_the_default():
    with pytest.raises(KeyboardInterrupt):
        pressed_in(2, iterations=5).fit(awkward(), show_progress=False)


def test_ctrl_c_in_the_last_half_step_is_not_swallowed():
    model = pressed_in(5, iterations=3)
    with pytest.raises(KeyboardInterrupt, match="the fit is done, after 3 iterations"):
        fit(model, on_interrupt="raise")
    assert model.interrupted_ is None
    assert len(model.seconds_) == 3
    kept = fit(pressed_in(5, iterations=3))
    assert np.array_equal(kept.item_factors, model.item_factors)


@pytest.mark.parametrize("value", ["Keep", "", None, True])
def test_on_interrupt_is_one_of_two_words(value):
    model = pressed_in(iterations=1)
    with pytest.raises(InputError, match="on_interrupt must be 'raise' or 'keep', got"):
        fit(model, on_interrupt=value)
    assert model.user_factors is None


def test_a_recommender_is_kept_on_request(two_tastes, monkeypatch):
    from halfstep.recommender import Recommender

    monkeypatch.setitem(SOLVERS, "interrupted", Interrupted)
    monkeypatch.setattr(Interrupted, "presses", (2,))
    settings = {"factors": 3, "iterations": 4, "random_state": 0}
    with pytest.raises(KeyboardInterrupt):
        Recommender.fit(two_tastes, "interrupted", **settings)
    kept = Recommender.fit(two_tastes, "interrupted", on_interrupt="keep", **settings)
    assert kept.model.interrupted_ == 1


def test_the_second_ends_at_once_and_keeps_the_last_iteration():
    @dataclass(eq=False, repr=False)
    class Impatient(Interrupted):
        def half_step(self, problem, X):
            solution = super().half_step(problem, X)
            if self.taken in self.presses:
                signal.raise_signal(signal.SIGINT)
            return solution

    model = pressed_in(5, iterations=5, kind=Impatient)
    with pytest.raises(KeyboardInterrupt):
        fit(model)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    X, Y = after(4)
    assert np.array_equal(model.user_factors, X)
    assert np.array_equal(model.item_factors, Y)


def test_ctrl_c_in_a_callback_ends_the_fit_there(any_solver):
    def press(iteration, seconds, loss):
        if iteration == 1:
            signal.raise_signal(signal.SIGINT)

    model = suited(any_solver, factors=3, iterations=4, random_state=0)
    matrix = awkward(negative=False)
    model.fit(matrix, show_progress=False, callback=press, on_interrupt="keep")
    if any_solver.name != "popularity":
        assert model.interrupted_ == len(model.seconds_) == 2
    assert np.isfinite(model.user_factors).all()
    assert np.isfinite(model.item_factors).all()


def test_a_program_that_handles_sigint_itself_keeps_its_handler():
    pressed = []
    old = signal.signal(signal.SIGINT, lambda *_: pressed.append(1))
    try:
        handler = signal.getsignal(signal.SIGINT)
        model = fit(pressed_in(2, iterations=3))
        assert signal.getsignal(signal.SIGINT) is handler
    finally:
        signal.signal(signal.SIGINT, old)
    assert pressed == [1]
    assert model.interrupted_ is None
    assert len(model.seconds_) == 3


def test_a_fit_in_another_thread_leaves_signals_alone():
    model = pressed_in(iterations=2)
    thread = threading.Thread(target=fit, args=(model,))
    thread.start()
    thread.join()
    assert len(model.seconds_) == 2
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_what_runs_several_fits_is_interrupted_at_once():
    model = pressed_in(2, iterations=3)
    with pytest.raises(KeyboardInterrupt), interrupted_at_once():
        fit(model)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_handlers_are_restored_after_an_error():
    @dataclass(eq=False, repr=False)
    class Failing(SOLVERS["cholesky"]):
        def half_step(self, problem, X):
            raise FloatingPointError("too much")

    with pytest.raises(NotFinite):
        fit(Failing(factors=4))
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_threads_end_with_the_task_that_they_have():
    from halfstep.kernels.cpu.threads import spread

    started, go_on = [], threading.Event()

    def run(task, state):
        started.append(task)
        if threading.current_thread() is threading.main_thread():
            threading.Timer(0.05, go_on.set).start()
            raise KeyboardInterrupt
        go_on.wait(5)

    with pytest.raises(KeyboardInterrupt):
        spread(range(1000), 2, lambda: None, run)
    assert len(started) <= 3


def test_an_audited_fit_is_interrupted_at_once():
    from halfstep.evaluation.trace import trace_fit
    from halfstep.solvers.fit.start import starting_factors

    model = pressed_in(2, iterations=3)
    model.set_params(init_factors=starting_factors(None, awkward().shape, 4, np.float32, 0))
    model.presses = (2,)
    with pytest.raises(KeyboardInterrupt):
        trace_fit(model, awkward())
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
