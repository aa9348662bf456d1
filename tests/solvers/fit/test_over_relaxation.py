"""The over-relaxation factor: what it follows, and that a fit which follows it only ever descends."""

import numpy as np
import pytest
from cases.solvers import heavy_tailed

from halfstep.errors import InputError
from halfstep.solvers import SOLVERS
from halfstep.solvers.fit.over_relaxation import (
    FAST,
    FASTEST,
    USUAL,
    best_omega,
    check_relaxation,
    omega_of,
    settled,
)

SETTINGS = {"factors": 8, "random_state": 0, "calculate_training_loss": True}


def gains_of_sor(B, omega, iterations):
    """Return what each iteration of block SOR on x'x + y'y + 2 x'B y gains, from a random start."""
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((2, len(B)))
    values = []
    for _ in range(iterations):
        x = x + omega * (-B @ y - x)
        y = y + omega * (-B.T @ x - y)
        values.append(x @ x + y @ y + 2 * x @ B @ y)
    return -np.diff(values)


@pytest.mark.parametrize("rate", [0.8, 0.95, 0.99])
@pytest.mark.parametrize("omega", [1.0, 1.2, 1.3])
def test_the_factor_is_youngs_where_the_slowest_rate_is_known(rate, omega):
    rng = np.random.default_rng(1)
    left, right = (np.linalg.qr(rng.standard_normal((6, 6)))[0] for _ in range(2))
    B = left @ np.diag(np.sqrt([rate, 0.3, 0.2, 0.1, 0.05, 0.0])) @ right.T
    gains = gains_of_sor(B, omega, 60)
    best = 2 / (1 + np.sqrt(1 - rate))
    if omega < best - 0.1:
        assert best_omega(gains[-1] / gains[-2], omega) == pytest.approx(best, abs=1e-3)
    # And it is the best: in as many iterations no other factor gets as far.
    ends = {w: gains_of_sor(B, w, 25)[-1] for w in (best - 0.15, best, min(best + 0.15, 1.98))}
    assert min(ends, key=ends.get) == best


@pytest.mark.parametrize(
    ("done", "omegas", "gains", "omega"),
    [
        (0, [], [], 1.0),
        (1, [1.0], [100.0], USUAL),
        (2, [1.0, USUAL], [100.0, 10.0], FAST),  # the first gained most of it
        (2, [1.0, USUAL], [100.0, 30.0], USUAL),
        (2, [1.0, USUAL], [100.0, None], USUAL),
        (3, [1.0, USUAL, USUAL], [1.0, 1.0, 2.0], USUAL),  # it is still on its way
        (3, [1.0, USUAL, FAST], [9.0, 1.0, 2.0], USUAL),
        (4, [1.0, USUAL, FAST, FAST], [9.0, 1.0, 0.6, 0.7], FAST),
        (3, [1.0, USUAL, USUAL], [9.0, 10.0, 1.0], USUAL),  # faster than omega - 1
        (3, [1.0, USUAL, USUAL], [9.0, 10.0, 0.2], USUAL),
        (5, [1.9, 1.9], [10.0, 9.0], FASTEST),  # of a fit that was given more before
        (3, [1.0, USUAL, USUAL], [9.0, 10.0, 9.0], USUAL + 0.1),  # a tenth at a time
        (9, [FASTEST, FASTEST], [10.0, 9.9], FASTEST),
        (9, [1.6, 1.6], [10.0, 5.0], 1.6),  # and never back
        (9, [], [], USUAL),  # a warm start of factors whose fit is not known
        (9, [USUAL, USUAL], [0.0, 0.0], USUAL),
        (9, [USUAL, USUAL], [1.0, float("nan")], USUAL),
    ],
)
def test_the_rule(done, omegas, gains, omega):
    assert omega_of(None, done, omegas, gains) == omega


def test_a_given_factor_and_a_given_sequence():
    assert [omega_of(1.3, done, [], []) for done in range(4)] == [1.0, 1.0, 1.3, 1.3]
    assert [omega_of((1, 1.5, 0.9), done, [], []) for done in range(5)] == [1, 1.5, 0.9, 0.9, 0.9]
    assert settled(None, None) is None
    assert settled(None, None, exact=True) == 1
    assert (settled(None, 3), settled(None, 4), settled(1.2, 4)) == (USUAL, 1.0, 1.2)


@pytest.mark.parametrize(
    "wrong",
    [
        0,
        2,
        -1,
        "1.4",
        b"\x01",
        True,
        [],
        [1.0, 2.0],
        [1.4, None],
        float("nan"),
        10**400,
        np.ones(3),
    ],
)
def test_what_is_no_factor(wrong):
    with pytest.raises(InputError, match="relaxation must"):
        check_relaxation(wrong)


def test_a_fit_says_its_factors_and_never_goes_up():
    matrix = heavy_tailed()
    model = SOLVERS["eigenbasis"](**SETTINGS, dtype="float64", confidence="linear", iterations=12)
    model.fit(matrix, show_progress=False)
    assert model.relaxation_[:3] == [1.0, USUAL, FAST]
    assert len(model.relaxation_) == 12
    assert max(model.relaxation_) <= FASTEST
    assert model.loss_history_ == sorted(model.loss_history_, reverse=True)
    # Exact half-steps with the same factors go the same way.
    exact = SOLVERS["eigenbasis"](
        **SETTINGS, dtype="float64", confidence="linear", iterations=12, exact=True,
        relaxation=model.relaxation_,
    ).fit(matrix, show_progress=False)  # fmt: skip
    assert exact.relaxation_ == model.relaxation_
    assert model.loss_history_[3:] == pytest.approx(exact.loss_history_[3:], rel=0.01)
    assert (
        model.loss_history_[-1]
        < exact.set_params(relaxation=1.0).fit(matrix, show_progress=False).loss_history_[-1]
    )


def test_a_resumed_fit_has_the_factors_of_one_that_never_stopped(tmp_path):
    matrix, path = heavy_tailed(), tmp_path / "state"
    settings = {**SETTINGS, "confidence": "linear"}
    whole = SOLVERS["eigenbasis"](**settings, iterations=8).fit(matrix, show_progress=False)
    for iterations in (2, 3, 6, 8):
        part = SOLVERS["eigenbasis"](**settings, iterations=iterations)
        part.fit(matrix, show_progress=False, checkpoint=path, resume=True)
    assert part.relaxation_ == whole.relaxation_
    assert part.user_factors.tobytes() == whole.user_factors.tobytes()


def test_a_fit_that_fails_leaves_the_factors_of_the_one_before():
    matrix = heavy_tailed()
    model = SOLVERS["eigenbasis"](**SETTINGS, iterations=3).fit(matrix, show_progress=False)
    before = list(model.relaxation_), list(model._gains)

    def fails(*_):
        raise ValueError

    with pytest.raises(ValueError):
        model.fit(matrix, show_progress=False, callback=fails)
    assert (model.relaxation_, model._gains) == before
