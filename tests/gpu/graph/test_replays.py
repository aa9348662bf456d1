"""Iterations that are recorded and replayed (option `graph`), by the emulator's tape.

The tape holds what the device was asked for, and a replay runs no line of the solver: so equal bits show
that nothing on the host changes between iterations, and that the factors go round. It refuses what a
CUDA graph refuses.
"""

import copy
import os
import signal

import numpy as np
import pytest
from cases import gpu_gramian
from cases.gpu import device as on_device
from cases.solvers import awkward
from emulator import EmulatorBackend, build

from halfstep import SOLVERS, InputError
from halfstep.errors import NotFinite, NumericalWarning
from halfstep.kernels.cuda.backend import using
from halfstep.kernels.device.options import NEEDS, OPTIONS, check_needs, enabled, optional
from halfstep.solvers.gpu import base, cg_6_split
from halfstep.solvers.gpu.device.memory import MemoryPlan

pytestmark = [
    pytest.mark.kernels,
    pytest.mark.skipif(build.why_not() is not None, reason=str(build.why_not())),
]
RECORDED = ("gpu_cg_5_binned", "gpu_cg_6_split", "gpu_cg_7_half", "gpu_cg_8_tensor")
EAGER, GRAPH = ("factor-on-card",), ("factor-on-card", "graph")
LOG = {"confidence": "log", "regularization": 0.3}
CONVENTIONS = {
    "log": LOG,
    "raw": {"confidence": "implicit", "alpha": 40.0, "regularization": 0.3},
    "explicit": {"confidence": "explicit", "regularization": 0.3, "regularization_exponent": 0.5},
    "fixed": {**LOG, "cg_steps": 4, "dtype": "float64"},
}
# Relaxed alike from the third iteration on, so that it is known how many iterations are replayed.
COMMON = {"factors": 9, "iterations": 6, "random_state": 0, "relaxation": 1.4}


@pytest.fixture
def card():
    with on_device("random", multiprocessors=3) as backend:
        yield backend


@pytest.fixture
def hubs(monkeypatch):
    monkeypatch.setattr(cg_6_split, "LONGEST", 30)


def fitted(name, options, solver=None, **settings):
    of, settings = solver or SOLVERS[name], {**COMMON, **settings}
    if not hasattr(of, "relaxation") or "cg_steps" in settings:
        del settings["relaxation"]
    with optional(*options):
        return of(**settings).fit(awkward(), show_progress=False)


def same_bits(one, other):
    for side in ("user_factors", "item_factors"):
        np.testing.assert_array_equal(getattr(one, side), getattr(other, side))
    assert one.report_ == other.report_
    assert one.loss_history_ == other.loss_history_


CASES = [
    *((name, "log", ()) for name in RECORDED),
    *(("gpu_cg_7_half", convention, ()) for convention in CONVENTIONS if convention != "log"),
    *(("gpu_cg_7_half", convention, ("coordinates",)) for convention in CONVENTIONS),
    ("gpu_cg_8_tensor", "raw", tuple(OPTIONS)),
]


@pytest.mark.parametrize(("name", "convention", "more"), CASES)
def test_replayed_iterations_have_the_bits_of_others(name, convention, more, card, hubs):
    more = tuple(option for option in more if option not in GRAPH)
    settings = {**CONVENTIONS[convention], "calculate_training_loss": True}
    plain = fitted(name, (*EAGER, *more), **settings)
    assert not card.replays
    same_bits(fitted(name, (*GRAPH, *more), **settings), plain)
    # Not the first iteration, nor, where the factor of the third is another, the second.
    assert card.replays == (5 if convention == "fixed" else 4)
    assert len(card.tapes) == 1


def test_rows_that_are_solved_exactly_are_replayed(card):
    with gpu_gramian.exact_from(5, 20):
        plain, replayed = (fitted(gpu_gramian.NAME, way, **LOG) for way in (EAGER, GRAPH))
    same_bits(replayed, plain)
    assert (card.replays, card.launched("cg_9_solve") > 0) == (4, True)


@pytest.mark.parametrize(
    ("omegas", "tapes", "replays"),
    [
        ((1, 1, 1.4, 1.4, 1.4, 1.4), 1, 4),
        ((1, 1, 1, 1, 1, 1), 1, 5),
        ((1, 1, 1, 1.3, 1.3, 1.3), 2, 5),
        ((1, 1.1, 1.2, 1.3, 1.4, 1.5), 0, 0),
    ],
)
def test_an_iteration_is_recorded_anew_for_another_omega(omegas, tapes, replays, card):
    class Relaxed(SOLVERS["gpu_cg_6_split"]):
        def _omega(self, done):
            return float([*omegas, omegas[-1]][done])

    plain = fitted("", EAGER, Relaxed, **LOG)
    same_bits(fitted("", GRAPH, Relaxed, **LOG), plain)
    assert (len(card.tapes), card.replays) == (tapes, replays)


@pytest.mark.parametrize("iterations", [1, 2, 3])
def test_what_would_not_be_replayed_is_not_recorded(iterations, card):
    fitted("gpu_cg_6_split", GRAPH, iterations=iterations, relaxation=1.0, **LOG)
    assert card.replays == {1: 0, 2: 0, 3: 2}[iterations]


def asked(card, options, **settings):
    """Return what the host asks of the device in the last iteration: launches, products, reads."""
    seen = []
    with optional(*options):
        SOLVERS["gpu_cg_7_half"](**COMMON, **LOG, **settings).fit(
            awkward(),
            show_progress=False,
            callback=lambda *_: seen.append((card.launched(), len(card.products), card.reads)),
        )
    return tuple(int(n) for n in np.subtract(seen[-1], seen[-2]))


def test_the_host_asks_for_one_replay_and_one_read(card, hubs):
    eager = asked(card, EAGER)
    assert eager == (23, 6, 2)  # of which one read looks whether hubs go on
    assert asked(card, GRAPH) == (0, 0, 1)
    (tape,) = card.tapes
    # All 64 pairs of launches instead of six.
    assert tape.counts["launch"] == eager[0] + 2 * (64 - 6)
    assert (tape.counts["product"], tape.counts["gram"]) == (6, 2)
    assert tape.counts["copy"] == 10  # the bases' matrices and vectors, but no factors
    assert 60 < tape.counts["algebra"] < 100


def test_what_is_read_between_iterations_is_of_that_iteration(card, tmp_path):
    """Losses, checkpoints, factors on the host and on the device, and copies of the model."""
    found = {}
    for options in (EAGER, GRAPH):
        seen, held = [], []
        with optional(*options):
            model = SOLVERS["gpu_cg_6_split"](**COMMON, **LOG, calculate_training_loss=True)

            def look(*_, model=model, seen=seen, held=held):
                seen.append(model.user_factors.copy())
                held.append((copy.copy(model), model.device_factors_))

            model.fit(awkward(), show_progress=False, checkpoint=tmp_path / "fit", callback=look)
            part = SOLVERS["gpu_cg_6_split"](**{**COMMON, "iterations": 3}, **LOG)
            part.fit(awkward(), show_progress=False, checkpoint=tmp_path / "part")
            rest = SOLVERS["gpu_cg_6_split"](**COMMON, **LOG)
            rest.fit(awkward(), show_progress=False, resume=tmp_path / "part")
        for at, (later, (X, Y)) in zip(seen, held, strict=True):
            np.testing.assert_array_equal(later.user_factors, at)
            np.testing.assert_array_equal(card.to_host(X), at)
            np.testing.assert_array_equal(card.to_host(Y), later.item_factors)
        np.testing.assert_array_equal(rest.user_factors, model.user_factors)
        found[options] = model, seen
    (plain, one), (replayed, other) = found.values()
    assert card.replays == 4 + 0 + 2
    same_bits(replayed, plain)
    np.testing.assert_array_equal(one, other)


def test_ctrl_c_ends_the_fit_after_a_replay(card):
    with optional(*GRAPH):
        model = SOLVERS["gpu_cg_6_split"](**COMMON, **LOG)
        press = lambda done, *_: done == 3 and os.kill(os.getpid(), signal.SIGINT)  # noqa: E731
        model.fit(awkward(), show_progress=False, callback=press, on_interrupt="keep")
    assert model.interrupted_ == 4
    same_bits(model, fitted("gpu_cg_6_split", EAGER, iterations=4, **LOG))


def test_a_callback_ends_a_replayed_fit(card):
    with optional(*GRAPH):
        model = SOLVERS["gpu_cg_6_split"](**COMMON, **LOG)
        model.fit(awkward(), show_progress=False, callback=lambda done, *_: done == 3)
    same_bits(model, fitted("gpu_cg_6_split", EAGER, iterations=4, **LOG))


@pytest.mark.parametrize(("side", "rows"), [("user", 43), ("item", 61)])
def test_a_row_that_turns_nan_in_a_replay_is_named_and_the_last_factors_stay(side, rows, card):
    poison = card.to_device(np.full((1, 12), 0.1, np.float32))

    class Poisoned(SOLVERS["gpu_cg_6_split"]):
        def _advance(self, backend, side, fixed, x):
            super()._advance(backend, side, fixed, x)
            if side.rows == rows:
                backend.copy(x[9:10], poison)

    seen = []
    model = Poisoned(**COMMON, **LOG)

    def look(done, *_):
        seen.append((model.user_factors, model.item_factors))
        if done == 3:
            card.copy(poison, card.to_device(np.full((1, 12), np.nan, np.float32)))

    with (
        optional(*GRAPH),
        pytest.warns(NumericalWarning, match=f"iteration 4: the {side} factors of row 9 .* host$"),
        pytest.raises(NotFinite, match=f"iteration 4: the {side} factors of row 9 are not finite"),
    ):
        model.fit(awkward(), show_progress=False, callback=look)
    assert card.replays == 3
    np.testing.assert_array_equal(model.user_factors, seen[3][0])
    np.testing.assert_array_equal(model.item_factors, seen[3][1])


FORBIDDEN = {
    "a copy to the host": lambda backend, x: backend.to_host(x),
    "a copy from the host": lambda backend, x: backend.to_device(np.zeros(3)),
    "a wait": lambda backend, x: backend.synchronize(),
    "an upload": lambda backend, x: backend.upload(x, np.zeros(x.shape, x.dtype), 0),
    "an array is read": lambda backend, x: algebra_of(backend, x, lambda xp, A: float(xp.max(A))),
    "a number of an array": lambda backend, x: algebra_of(backend, x, lambda xp, A: A[0, 0]),
    "is not compiled": lambda backend, x: backend.launch(
        "tally.cu", "tally", ("REAL=float", "UNHEARD=1"), (1,), (32,), ()
    ),
}


def algebra_of(backend, x, act):
    with backend.on_card() as algebra:
        return act(algebra.xp, backend.raw(x))


@pytest.mark.parametrize("said", FORBIDDEN)
def test_what_a_graph_cannot_hold_is_refused_and_the_fit_goes_on(said, card):
    class Reading(SOLVERS["gpu_cg_6_split"]):
        def _advance(self, backend, side, fixed, x):
            super()._advance(backend, side, fixed, x)
            if backend.recording:  # elsewhere some of these would fail for other reasons
                FORBIDDEN[said](backend, x)

    plain = fitted("gpu_cg_6_split", EAGER, **LOG)
    message = rf"an iteration cannot be recorded \(.*{said}.*\): the fit goes on without"
    with pytest.warns(NumericalWarning, match=message) as caught:
        model = fitted("", GRAPH, Reading, **LOG)
    assert len(caught) == 1
    assert card.replays == 0
    assert not card.recording
    same_bits(model, plain)


def test_a_replay_runs_nothing_of_the_solver(card):
    calls = []

    class Counted(SOLVERS["gpu_cg_6_split"]):
        def _advance(self, backend, side, fixed, x):
            calls.append(backend.recording)
            super()._advance(backend, side, fixed, x)

    fitted("", GRAPH, Counted, **LOG)
    assert calls == 4 * [False] + 2 * [True]


@pytest.mark.parametrize(
    ("name", "settings", "said"),
    [
        ("gpu_cholesky", {}, "iterations of gpu_cholesky cannot be recorded"),
        ("gpu_cg_4_shared", {}, "iterations of gpu_cg_4_shared cannot be recorded"),
        ("gpu_cg_6_split", {"regularization_exponent": 0.5}, "eigenvectors"),
        ("gpu_cg_6_split", {"devices": [0, 1]}, "shared by several devices"),
    ],
)
def test_a_fit_that_cannot_be_recorded_says_why_and_goes_on(name, settings, said):
    settings = {**LOG, **settings}
    with using(*(EmulatorBackend(ordinal=k) for k in range(2))):
        plain = fitted(name, EAGER, **settings)
        with pytest.warns(NumericalWarning, match=f"{said}.*goes on without the GPU option graph"):
            same_bits(fitted(name, GRAPH, **settings), plain)


def test_a_streamed_fit_says_so(card, monkeypatch):
    plan = base.plan_memory
    monkeypatch.setattr(
        base, "plan_memory", lambda size, room: MemoryPlan(60, plan(size, room).parts, room)
    )
    with pytest.warns(NumericalWarning, match="streamed or shared"):
        fitted("gpu_cg_6_split", GRAPH, **LOG)
    assert not card.tapes


def test_it_needs_its_other_option(card):
    assert NEEDS.keys() <= OPTIONS.keys()
    with optional("graph"), pytest.raises(InputError, match="graph needs factor-on-card"):
        fitted("gpu_cg_6_split", (), **LOG)
    with optional("graph", "factor-on-card"):
        check_needs()
        assert enabled("graph")
