"""The stopping rule in `conjugate_gradient`: what its figures claim, by dense systems in float64."""

import numpy as np
import pytest
from cases.rows import ROW_CONVENTIONS, problem, reported
from hypothesis import given
from hypothesis import strategies as st
from scipy import sparse

from halfstep import SOLVERS, InputError
from halfstep.errors import NotFinite
from halfstep.solvers.fit.start import starting_factors
from halfstep.solvers.fit.stopping import THETA, THETA_EXPLICIT
from halfstep.solvers.fit.weights import weigh

F = 7


def solver(**settings):
    return SOLVERS["conjugate_gradient"](factors=F, dtype=np.float64, **settings)


def dense(row):
    """Return A, b and M (what rows share) of a problem of one row, as the formulas say."""
    Y = row.Y[row.indices]
    M = row.a0 * row.Y.T @ row.Y + row.lam[0] * np.eye(row.Y.shape[1])
    return M + (Y.T * row.w) @ Y, Y.T @ row.t, M


def twice_the_error(A, b, x):
    """Return 2 (E(x) - E*), without the cancellation that the two of them would have."""
    difference = x - np.linalg.solve(A, b)
    return difference @ A @ difference


def one_by_one(half, X):
    """Yield each row that has entries as a problem of its own, and its start."""
    for u in np.flatnonzero(np.diff(half.indptr)):
        yield half.block(u, u + 1), X[u : u + 1]


def weighted(rows, Y, regularization=1.0):
    """Return a half-step in whose row u the entries i have the excess weight rows[u][i]."""
    matrix = sparse.csr_matrix(
        (
            np.concatenate([list(row.values()) for row in rows]) + 1.0,  # "implicit": w = r - 1
            np.concatenate([list(row) for row in rows]),
            np.cumsum([0, *map(len, rows)]),
        ),
        shape=(len(rows), len(Y)),
    )
    return weigh(matrix, dtype="float64", regularization=regularization).fixing(Y)


def normal(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape)


@pytest.mark.parametrize("steps", [1, 2, 5])
@pytest.mark.parametrize("name", ROW_CONVENTIONS)
def test_gains_are_exact_and_what_is_left_is_bounded(name, steps):
    half, X = problem(F, "float64", convention=name, longest=200)
    for row, x in one_by_one(half, X):
        A, b, _ = dense(row)
        solution, report = reported(solver(cg_steps=steps), row, x)
        before, after = (twice_the_error(A, b, v[0]) for v in (x, solution))
        assert report.gained == pytest.approx(before - after, rel=1e-9)
        if (row.w >= 0).all():
            assert after <= report.left * (1 + 1e-9) + 1e-12 * before


@pytest.mark.parametrize("name", ROW_CONVENTIONS)
def test_a_row_ends_when_it_has_gained_what_it_can(name):
    half, X = problem(F, "float64", convention=name, longest=200)
    theta = THETA_EXPLICIT if half.a0 == 0 else THETA
    for row, x in one_by_one(half, X):
        A, b, _ = dense(row)
        solution, report = reported(solver(cg_tolerance=theta), row, x)
        assert report.left <= theta * report.gained
        assert report.unsolved == 0
        if (row.w >= 0).all():
            assert twice_the_error(A, b, solution[0]) <= theta * report.gained
            if report.steps > 1:  # one step less would have been too few
                short = reported(solver(cg_steps=report.steps - 1), row, x)[1]
                assert short.left > theta * short.gained
        else:
            assert report.steps >= 2


def steps_by_hand(A, b, M, x, theta, tightened):
    """Return how many steps the rule takes, with the bound of one step or with that of all steps."""
    r, inverse = b - A @ x, np.linalg.inv(M)
    p = inverse @ r
    rs, gained, g = r @ p, 0.0, 1.0
    for step in range(1, 400):
        alpha = rs / (p @ A @ p)
        gained += alpha * rs
        r = r - alpha * A @ p
        following = r @ inverse @ r
        gap = g - alpha
        if gap * rs <= theta * gained:
            return step
        if tightened:
            g = gap / (gap + following / rs)
            if g * following <= theta * gained:
                return step
        p = inverse @ r + following / rs * p
        rs = following
    raise AssertionError("never ended")


@pytest.mark.parametrize("rung", ["conjugate_gradient", "eigenbasis"])
def test_all_steps_together_bound_what_is_left_and_rows_end_sooner(rung):
    half, X = problem(33, "float64", convention="linear", longest=200)
    own = {"cg_max_steps": 400} if rung == "conjugate_gradient" else {"compress": False}
    model = SOLVERS[rung](factors=33, dtype=np.float64, cg_tolerance=0.05, **own)
    found, expected, before = [], [], []
    for row, x in one_by_one(half, X):
        report = reported(model, row, x)[1]
        if report.stepped and not report.completed:
            found.append(report.steps)
            arguments = *dense(row), x[0], 0.05
            expected.append(steps_by_hand(*arguments, True))
            before.append(steps_by_hand(*arguments, False))
    assert found == expected
    assert sum(found) < 0.95 * sum(before)


def test_rows_do_not_notice_those_that_leave_the_block():
    half, X = problem(F, "float64", convention="huge", longest=200)
    together, report = reported(solver(), half, X)
    alone = [reported(solver(), row, x) for row, x in one_by_one(half, X)]
    stored = np.diff(half.indptr) > 0
    # A weight of a million enlarges rounding; a row in another's place would be off by all its size.
    size = np.abs(together).max()
    np.testing.assert_allclose(together[stored], [x[0] for x, _ in alone], rtol=0, atol=1e-6 * size)
    assert not together[~stored].any()
    assert report.rows == report.stepped == stored.sum() == len(alone)
    steps = [r.steps for _, r in alone]
    assert len(set(steps)) > 1
    assert (report.steps, report.most_steps) == (sum(steps), max(steps))
    for name in ("gained", "left"):
        assert getattr(report, name) == pytest.approx(sum(getattr(r, name) for _, r in alone))


@pytest.mark.parametrize("steps", [1, 2, 6])
def test_a_number_means_so_many_steps(steps):
    half, X = problem(33, "float64", longest=200)
    found, report = reported(
        SOLVERS["conjugate_gradient"](factors=33, dtype=np.float64, cg_steps=steps), half, X
    )
    # After one step more than it has entries a row has come to rounding.
    lengths = np.diff(half.indptr)
    assert report.steps == sum(min(steps, n + 1) for n in lengths if n)
    assert report.most_steps == steps
    assert report.unsolved == 0
    for u in np.flatnonzero(np.diff(half.indptr)):
        A, b, M = dense(half.block(u, u + 1))
        x, inverse = X[u], np.linalg.inv(M)
        r = b - A @ x
        p = z = inverse @ r
        for _ in range(steps):
            alpha = (r @ z) / (p @ A @ p)
            x, rz, r = x + alpha * p, r @ z, r - alpha * A @ p
            z = inverse @ r
            p = z + (r @ z) / rz * p
        np.testing.assert_allclose(found[u], x, rtol=0, atol=1e-8 * np.abs(x).max())


def test_mild_rows_take_one_step_and_heavy_ones_many():
    Y, X = normal(300, F), normal(7, F, seed=1)
    entries = range(40)
    rows = [dict.fromkeys(entries, w) for w in (1e-3, 1e-2, 0.0)]
    heavy = 10 ** np.linspace(0, 6, 40)
    rows += [dict(zip(entries, heavy * scale, strict=True)) for scale in (1e-3, 1.0, 1e3)]
    rows += [{0: 1e6}]
    half = weighted(rows, Y)
    model = solver(cg_tolerance=THETA)
    steps = [reported(model, row, x)[1].steps for row, x in one_by_one(half, X)]
    assert steps[:3] == [1, 1, 1]
    assert min(steps[4:6]) >= 5
    assert steps[6] <= 2  # an identity and one direction
    solution = model.half_step(half, X)
    for u, (row, _) in enumerate(one_by_one(half, X)):
        A, b, _ = dense(row)
        error, whole = (twice_the_error(A, b, x) for x in (solution[u], X[u]))
        assert error <= THETA / (1 + THETA) * whole


def test_rows_with_a_negative_weight_take_two_steps_at_least():
    Y = normal(300, F)
    rows = [{0: -1e-3, 5: 1e-3}, {0: 1e-3, 5: 1e-3}, {3: -1.0}, {3: -0.5, 4: 1e5}, {7: -1e-3}]
    half = weighted(rows, Y)
    model = solver(cg_tolerance=THETA)
    reports = [reported(model, row, x)[1] for row, x in one_by_one(half, normal(5, F))]
    assert [r.steps for r in reports[:2]] == [2, 1]
    assert all(r.steps >= 2 for r in reports[2:])
    once = reported(solver(cg_max_steps=1), half, normal(5, F))[1]
    assert once.most_steps == 1


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_row_that_is_not_finite_is_named(dtype):
    half, X = problem(F, dtype, longest=200)
    X[9, 3] = np.nan
    with pytest.raises(NotFinite, match="the residual of row 9 is not finite") as caught:
        SOLVERS["conjugate_gradient"](factors=F, dtype=dtype).half_step(half, X)
    assert caught.value.row == 9


def test_rows_that_end_at_the_limit_are_counted():
    Y = normal(300, F)
    heavy = dict(zip(range(40), 10 ** np.linspace(0, 6, 40), strict=True))
    half = weighted([heavy, dict.fromkeys(range(40), 1e-3), {}, heavy], Y)
    X = normal(4, F)
    report = reported(solver(cg_max_steps=2), half, X)[1]
    assert (report.rows, report.stepped) == (3, 3)
    assert 5 <= report.steps <= 6
    assert (report.most_steps, report.unsolved) == (2, 2)
    assert report.left > THETA * report.gained
    assert reported(solver(), half, X)[1].unsolved == 0
    exact = SOLVERS["naive"](factors=F, dtype=np.float64).half_step(half, X)
    again = reported(solver(), half, exact)[1]
    assert again.gained < 1e-12 * report.gained  # a row that is solved has nothing to gain


@given(
    spectrum=st.lists(st.floats(-3, 2), min_size=1, max_size=8),
    weights=st.lists(st.floats(-3, 6), min_size=1, max_size=12),
    ridge=st.floats(-3, 2),
    seed=st.integers(0, 2**16),
)
def test_the_bound_holds_for_any_spectrum(spectrum, weights, ridge, seed):
    f = len(spectrum)
    left, right = (np.linalg.qr(normal(n, f, seed=seed + n))[0] for n in (20, f))
    Y = left * 10 ** np.array(spectrum) @ right
    half = weighted([dict(enumerate(10 ** np.array(weights)))], Y, 10**ridge)
    A, b, _ = dense(half)
    start = normal(1, f, seed=seed)
    for x in (start, np.zeros((1, f))):
        model = SOLVERS["conjugate_gradient"](factors=f, dtype=np.float64)
        solution, report = reported(model, half, x)
        before, after = (twice_the_error(A, b, v[0]) for v in (x, solution))
        rounding = 1e-9 * before
        assert abs(report.gained - (before - after)) <= rounding
        assert after <= report.left + rounding
        if not report.unsolved:
            assert after <= THETA * report.gained + rounding


def play_counts(users=400, items=300, entries=8000, seed=2):
    """Return counts with the tail of play counts: Pareto of exponent 1.1."""
    rng = np.random.default_rng(seed)
    places = rng.integers(users, size=entries), (items * rng.random(entries) ** 2).astype(int)
    matrix = sparse.csr_matrix((np.ones(entries), places), shape=(users, items))
    matrix.data = np.ceil(10 * (1 + rng.pareto(1.1, matrix.nnz)))
    return matrix


def test_raw_play_counts_are_fitted_as_by_exact_rows():
    matrix = play_counts()
    assert matrix.data.max() > 1e4
    settings = {
        "factors": 32,
        "init_factors": starting_factors(None, matrix.shape, 32, np.float32, 1),
        "calculate_training_loss": True,
    }
    rule, few, exact = (
        SOLVERS[name](**settings, **own).fit(matrix, show_progress=False).loss_history_[-1]
        for name, own in (
            ("conjugate_gradient", {}),
            ("conjugate_gradient", {"cg_steps": 1}),
            ("cholesky", {}),
        )
    )
    assert rule <= 1.01 * exact
    assert few > 1.05 * exact  # the data are such that it matters


def test_tolerance_and_limit_change_the_steps():
    half, X = problem(F, "float64", convention="huge", longest=200)
    steps = [
        reported(solver(**settings), half, X)[1].steps
        for settings in ({"cg_tolerance": 1e-6}, {}, {"cg_tolerance": 0.9}, {"cg_max_steps": 1})
    ]
    assert steps == sorted(steps, reverse=True)
    assert len(set(steps)) == 4


def test_arguments_that_would_be_ignored_are_refused():
    for settings in (
        {"cg_steps": 3, "cg_tolerance": 0.1},
        {"cg_steps": 3, "cg_max_steps": 9},
        {"cg_tolerance": 1.0},
        {"cg_max_steps": 0},
    ):
        with pytest.raises(InputError, match=r"cg_(steps|tolerance|max_steps)"):
            solver(**settings)
