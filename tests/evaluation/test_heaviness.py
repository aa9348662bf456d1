"""How heavy weights are: figures by hand, and the bound on steps against conjugate gradients."""

import numpy as np
import pytest
from scipy import sparse

from halfstep.evaluation.heaviness import heaviest_within, heaviness
from halfstep.solvers.eigenbasis import Eigenbasis
from halfstep.solvers.fit.stopping import MAX_STEPS, THETA, THETA_EXPLICIT
from halfstep.solvers.inputs import as_csr


def weighed(rows, **convention):
    return heaviness(Eigenbasis(factors=1, **convention), as_csr(sparse.csr_matrix(rows)))


# Rows and columns without entries do not count.
PLAYS = [[1.0, 3, 0, 0, 0], [0, 0, 0, 0, 0], [0, 5, 5001, 0, 0], [2, 0, 0, 1.5, 0]]


def test_figures_by_hand():
    found = weighed(PLAYS)
    assert (found.entries, found.background, found.negative) == (6, 1.0, 0.0)
    # w = r - 1: 0, 2, 4, 5000, 1, 0.5
    assert found.excess.median == pytest.approx(1.5)
    assert found.excess.largest == 5000
    assert (found.users.rows, found.items.rows) == (3, 4)
    assert (found.users.total.median, found.users.total.largest) == (2, 5004)
    assert found.items.total.median == pytest.approx(3.5)  # 1, 6, 5000, 0.5
    assert found.users.most == MAX_STEPS


def test_shares_by_hand():
    # With a theta of 0.05 the largest w may be up to 0.717 times a0.
    limit = heaviest_within(2, 0.05)
    assert limit == pytest.approx(0.717, abs=0.001)
    found = weighed(PLAYS)
    assert found.users.theta == found.items.theta == THETA
    assert found.users.limit == pytest.approx(heaviest_within(2, THETA))
    assert (found.users.within_two, found.items.within_two) == (0, 0)
    assert weighed(PLAYS, cg_tolerance=0.05).items.within_two == 1 / 4
    assert 4 < heaviest_within(MAX_STEPS, THETA) < 5000
    assert found.users.within_most == pytest.approx(2 / 3)


def test_background_is_the_unit():
    found = weighed(PLAYS, confidence="binary", background=3.0)
    assert found.excess.largest == 1
    assert found.users.limit == pytest.approx(3 * heaviest_within(2, THETA))
    assert found.users.within_two == 1
    assert weighed(PLAYS, confidence="binary", background=0.1).users.within_two == 0


def test_rows_with_a_negative_weight_have_no_bound():
    found = weighed([[1.2, 1.3, 1.1], [0.9, 1.3, 1.2], [1.1, 1.4, 1.2]])
    assert found.negative == pytest.approx(1 / 9)
    assert found.users.within_two == pytest.approx(2 / 3)
    assert found.users.within_most == pytest.approx(2 / 3)
    assert found.items.within_two == pytest.approx(2 / 3)


def test_without_a_background_there_is_no_bound():
    found = weighed(PLAYS, confidence="explicit")
    assert found.users.limit is None
    assert (found.users.within_two, found.users.within_most) == (0, 0)
    assert found.users.theta == THETA_EXPLICIT


def test_few_rows_have_a_smaller_theta():
    model = Eigenbasis(factors=2)
    found = heaviness(model, as_csr(sparse.csr_matrix(np.ones((4, 7)))))
    assert found.users.theta < found.items.theta


def steps_by_rule(A, b, theta):
    """Count the steps of conjugate gradients, in float64, until the rule ends them."""
    x, r = np.zeros(len(b)), b.copy()
    p, rs, gained = r.copy(), b @ b, 0.0
    for step in range(1, 1000):
        if rs <= 1e-28 * (b @ b):  # solved to rounding
            return step - 1
        Ap = A @ p
        alpha = rs / (p @ Ap)
        gained += alpha * rs
        if (1 - alpha) * rs <= theta * gained:
            return step
        x, r = x + alpha * p, r - alpha * Ap
        p, rs = r + (r @ r) / rs * p, r @ r
    raise AssertionError("never ended")


@pytest.mark.parametrize("theta", [0.001, 0.05, 0.5])
@pytest.mark.parametrize("steps", [1, 2, 3, 8, 32])
def test_no_row_within_the_bound_takes_more_steps(steps, theta):
    x = heaviest_within(steps, theta)
    rng = np.random.default_rng(steps)
    for size in (2, 3, 5, 40):
        for spread in (0.2, 1, 5):
            eigenvalues = 1 + x * rng.random(size) ** spread
            eigenvalues[:2] = 1, 1 + x
            b = rng.standard_normal(size) * eigenvalues ** rng.uniform(0, 1)
            assert steps_by_rule(np.diag(eigenvalues), b, theta) <= steps


def test_the_bound_grows_with_steps_and_theta():
    limits = [[heaviest_within(s, theta) for s in (1, 2, 5, 32)] for theta in (0.001, 0.05, 0.5)]
    assert np.all(np.diff(limits, axis=0) > 0)
    assert np.all(np.diff(limits, axis=1) > 0)


def test_the_bound_is_not_empty():
    # Some row just beyond ten times the bound takes more: the share is of something.
    x = 10 * heaviest_within(2, 0.05)
    assert steps_by_rule(np.diag([1, 1 + x / 2, 1 + x]), np.array([1, 2, 3.0]), 0.05) > 2


def test_columns_never_exceed_what_all_of_them_share():
    """Sum of z z' over any columns is at most I / a0: what the bound rests on."""
    rng = np.random.default_rng(0)
    Y, a0, lam = rng.standard_normal((60, 7)), 0.3, 0.01
    values, Q = np.linalg.eigh(a0 * Y.T @ Y + lam * np.eye(7))
    Z = Y @ (Q / np.sqrt(values))
    w = rng.uniform(0, 4, size=40)
    largest = np.linalg.eigvalsh(np.eye(7) + (Z[:40].T * w) @ Z[:40]).max()
    assert largest <= 1 + w.max() / a0
