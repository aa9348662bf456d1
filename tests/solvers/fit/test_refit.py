"""A fit of a model with factors: they stay until the first iteration is done, and if the fit fails."""

import copy
import logging
import pickle
import signal
import sys
import warnings
import weakref
from dataclasses import dataclass

import numpy as np
import pytest
from cases.solvers import awkward, suited

from halfstep import SOLVERS, InputError
from halfstep.errors import FactorsDropped, NotFinite
from halfstep.solvers.model.conversion import to_device

KEPT = (
    "user_factors", "item_factors", "loss_history_", "seconds_", "report_", "interrupted_",
)  # fmt: skip


@dataclass(eq=False, repr=False)
class Watched(SOLVERS["conjugate_gradient"]):
    """Calls `before(model, taken)` before each half-step, counted from 0 and users first."""

    def half_step(self, problem, X):
        self.taken = getattr(self, "taken", -1) + 1
        getattr(self, "before", lambda *_: None)(self, self.taken)
        return super().half_step(problem, X) * getattr(self, "factor", 1)


def fit(model, matrix=None, **arguments):
    matrix = awkward(negative=False) if matrix is None else matrix
    return model.fit(matrix, show_progress=False, **arguments)


def fitted(kind=Watched, **settings):
    settings = {"factors": 4, "iterations": 3, "calculate_training_loss": True, **settings}
    model = fit(suited(kind, **{"random_state": 0, **settings}))
    model.taken = -1
    return model


def held(model):
    return {name: getattr(model, name) for name in KEPT}


def assert_as_before(model, before):
    for name, value in before.items():
        now = getattr(model, name)
        assert now is value or (isinstance(value, list) and now == value), name
    assert model.recommend(1, awkward(negative=False)[1])[0].shape == (10,)


def test_the_old_factors_stay_until_an_iteration_is_done():
    seen = []
    model = fitted(iterations=2)
    old = model.user_factors, model.item_factors
    model.random_state = 1
    model.before = lambda model, taken: seen.append((model.user_factors, model.item_factors))
    at_callback = []
    fit(model, callback=lambda *_: at_callback.append(model.item_factors))
    assert [now is then for now, then in zip(seen[0] + seen[1], old * 2, strict=True)] == [True] * 4
    assert seen[2][1] is seen[3][1] is at_callback[0]
    assert model.item_factors is at_callback[1]


def fails_with(error):
    def before(model, taken):
        if taken == model.at:
            raise error

    return before


@pytest.mark.parametrize("at", range(4))
@pytest.mark.parametrize("error", [MemoryError(), FloatingPointError("too much"), OSError("no")])
def test_a_half_step_that_fails_leaves_what_there_was(at, error):
    model = fitted()
    before = held(model)
    model.at, model.before = at, fails_with(error)
    model.set_params(iterations=7, random_state=3)
    with pytest.raises(NotFinite if isinstance(error, FloatingPointError) else type(error)):
        fit(model)
    assert_as_before(model, before)
    del model.before
    assert len(fit(model).seconds_) == 7


@pytest.mark.parametrize("iteration", range(3))
def test_a_callback_that_raises_leaves_what_there_was(any_solver, iteration):
    if any_solver.name == "popularity" and iteration:
        pytest.skip("popularity has one iteration")
    model = fitted(any_solver, num_threads=1)
    before = held(model)
    model.random_state = 5

    def callback(done, seconds, loss):
        if done == iteration:
            raise RuntimeError("of the caller")

    with pytest.raises(RuntimeError, match="of the caller"):
        fit(model, callback=callback)
    assert_as_before(model, before)


def test_nan_and_bad_arguments_leave_what_there_was():
    model = fitted()
    before = held(model)
    model.factor = np.nan
    with pytest.raises(NotFinite, match="iteration 0: the user factors"):
        fit(model)
    assert_as_before(model, before)
    model.factor = 1
    bad = awkward(negative=False).astype(np.float64)
    bad.data[3] = 1e300
    for matrix, arguments in ((bad, {}), (None, {"on_interrupt": "no"}), (None, {"resume": True})):
        with pytest.raises(InputError):
            fit(model, matrix, **arguments)
        assert_as_before(model, before)
    model.init_factors = (np.ones((2, 2)), np.ones((2, 2)))
    with pytest.raises(InputError, match="init_factors: user_factors must have shape"):
        fit(model)
    assert_as_before(model, before)


def test_a_first_fit_that_fails_keeps_its_last_whole_iteration():
    model = Watched(factors=4, iterations=5, random_state=0)
    model.at, model.before = 5, fails_with(MemoryError())
    with pytest.raises(MemoryError):
        fit(model)
    whole = fitted(iterations=2)
    assert np.array_equal(model.user_factors, whole.user_factors)
    assert len(model.seconds_) == 2


def test_without_iterations_the_start_is_the_model():
    model = fitted()
    model.iterations = 0
    assert fit(model).user_factors.max() < 0.01
    assert model.loss_history_ == []


@pytest.mark.parametrize(("press", "new"), [(0, False), (1, True), (2, True)])
def test_ctrl_c_never_leaves_the_random_start(press, new):
    model = fitted()
    old = model.item_factors
    model.before = lambda model, taken: taken == press and signal.raise_signal(signal.SIGINT)
    said = "factors of that point" if new else "factors that it had before"
    with pytest.raises(KeyboardInterrupt, match=said):
        fit(model)
    assert (model.item_factors is not old) == new
    assert np.linalg.norm(model.item_factors) > 0.5 * np.linalg.norm(old)


@pytest.mark.skipif(
    sys.version_info < (3, 11), reason="before 3.11, a call's arguments live until it returns"
)
@pytest.mark.parametrize("warm", [False, True])
def test_the_start_does_not_stay_in_memory(warm):
    starts, left = [], []
    model = fitted(iterations=2) if warm else Watched(factors=4, iterations=2)
    model.set_params(warm_start=warm)

    def half_step(problem, X):
        starts.append(weakref.ref(X))
        left.append(sum(start() is not None for start in starts[:2]))
        return super(Watched, model).half_step(problem, X)

    model.half_step = half_step
    fit(model)
    # The factors of before a refit are kept until it ends, and are the start of a warm one.
    assert left[2:] == ([2, 2] if warm else [0, 0])
    assert [start() is not None for start in starts[:2]] == [False, False]


def test_factors_that_were_set_are_not_dropped_in_silence(any_solver):
    model = fitted(any_solver, num_threads=1)
    fit(model)  # a fit's own factors may go
    model.item_factors = model.item_factors * 2
    with pytest.warns(FactorsDropped, match="^item_factors were set by hand.*warm_start=True") as w:
        fit(model)
    assert w[0].filename == __file__
    fit(model)
    model.init_factors = model.user_factors, model.item_factors
    model.user_factors = np.ones_like(model.user_factors)
    fit(model)  # who gives a start knows


def test_each_way_to_set_factors_counts_and_no_other():
    matrix = awkward(negative=False)
    fresh = SOLVERS["cholesky"](factors=4, iterations=1)
    fresh.user_factors, fresh.item_factors = np.ones((43, 4)), np.ones((61, 4))
    by_users, by_items = fitted(), fitted()
    by_users.partial_fit_users([1], matrix[[5]])
    by_items.partial_fit_items([1], matrix.T.tocsr()[[3]])
    copies = pickle.loads(pickle.dumps(by_users)), copy.copy(by_users), to_device(by_users, "cpu")
    both = "^user_factors and item_factors were set"
    said = [both, "^user_factors were set", "^item_factors were set", both, both, both]
    for model, text in zip((fresh, by_users, by_items, *copies), said, strict=True):
        with pytest.warns(FactorsDropped, match=text):
            fit(model)
    emptied = fitted()
    emptied.user_factors = emptied.item_factors = None
    made = fitted()
    for model in (emptied, copy.deepcopy(made), copy.copy(made), to_device(made, "cpu")):
        fit(model)


def test_a_loaded_model_is_fitted_without_a_word(tmp_path):
    fitted(SOLVERS["cholesky"]).save(tmp_path / "model.npz")
    model = SOLVERS["cholesky"].load(tmp_path / "model.npz")
    fit(model)
    model = SOLVERS["cholesky"].load(tmp_path / "model.npz")
    model.user_factors = model.user_factors + 1
    before = held(model)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(FactorsDropped):
            fit(model)
    assert_as_before(model, before)


def test_the_same_fit_again_says_that_it_starts_anew(caplog):
    def said(model, matrix=None):
        caplog.clear()
        with caplog.at_level(logging.INFO, "halfstep"):
            fit(model, matrix)
        return "starts anew from random_state=0" in caplog.text

    model = fitted()
    assert said(model)
    assert not said(fitted(warm_start=True))
    assert not said(model, awkward(negative=False, seed=2))
    assert not said(Watched(factors=4, iterations=1, random_state=0))
    assert not said(fitted(random_state=None))
    model.fit_callback = lambda *_: (_ for _ in ()).throw(RuntimeError)
    with pytest.raises(RuntimeError):
        fit(model)
    model.fit_callback = None
    assert not said(model)  # the last fit that was one had other data
