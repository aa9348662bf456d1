"""`warm_start`: a fit goes on as if it had never stopped, also with users and items that are new."""

import numpy as np
import pytest
from cases.solvers import CONVENTIONS, awkward, suited
from scipy import sparse

from halfstep import SOLVERS, AlternatingLeastSquares, InputError
from halfstep.solvers.objective import objective

SETTINGS = {"factors": 5, "random_state": 0, "num_threads": 1, "calculate_training_loss": True}


def model(solver="cholesky", **settings):
    solver = SOLVERS[solver] if isinstance(solver, str) else solver
    return suited(solver, **{**SETTINGS, "iterations": 3, **settings})


def fit(model, matrix=None, **arguments):
    matrix = awkward(negative=False) if matrix is None else matrix
    return model.fit(matrix, show_progress=False, **arguments)


def grown(users=4, items=3):
    """Return the awkward matrix below and left of new rows: placed by known entries, or not."""
    old = awkward(negative=False)
    m, n = old.shape
    whole = sparse.lil_matrix((m + users, n + items))
    whole[:m, :n] = old
    if users:
        whole[m, 3:20] = 2.0
        whole[m + 1, 7] = 5.0
    if items:
        whole[4:12, n] = 3.0
    if users and items:
        whole[m, n + 1] = 4.0  # an item that only a new user has
        whole[m + 2, n + 2] = 1.0  # neither the user nor the item is known
    return whole.tocsr()


def same(a, b):
    return np.array_equal(a.user_factors, b.user_factors) and np.array_equal(
        a.item_factors, b.item_factors
    )


def test_two_fits_have_the_bits_of_one(any_solver):
    whole, parts = model(any_solver, iterations=5), model(any_solver, warm_start=True)
    fit(whole)
    fit(parts)  # without factors, a warm start is a start
    seconds = list(parts.seconds_)
    seen = []
    parts.set_params(iterations=2)
    fit(parts, callback=lambda iteration, *_: seen.append(iteration))
    assert same(parts, whole)
    if any_solver.name != "popularity":
        assert seen == [3, 4]
        assert len(parts.seconds_) == 5
        assert parts.loss_history_ == whole.loss_history_
    assert parts.seconds_[: len(seconds)] == seconds
    assert len(parts.report_) in (0, 2)


def test_over_relaxation_goes_on_too():
    whole = fit(model("eigenbasis", iterations=4))
    parts = fit(model("eigenbasis", iterations=1, warm_start=True))
    for _ in range(3):
        fit(parts)
    assert same(parts, whole)
    assert not same(fit(model("eigenbasis", iterations=4, relaxation=1.0)), whole)


def test_without_iterations_nothing_changes():
    one = fit(model(warm_start=True))
    before = one.user_factors.copy(), list(one.loss_history_)
    one.set_params(iterations=0)
    fit(one)
    assert np.array_equal(one.user_factors, before[0])
    assert one.loss_history_ == before[1]


def test_factors_from_elsewhere_are_gone_on_from(tmp_path):
    whole = fit(model(iterations=5))
    fit(model()).save(tmp_path / "model.npz")
    loaded = SOLVERS["cholesky"].load(tmp_path / "model.npz")
    fit(loaded.set_params(warm_start=True, iterations=2))
    assert same(loaded, whole)
    half = fit(model())
    assigned = model(dtype=np.float64, warm_start=True, iterations=2)
    assigned.user_factors, assigned.item_factors = half.user_factors, half.item_factors
    fit(assigned)
    assert assigned.user_factors.dtype == np.float64
    np.testing.assert_allclose(assigned.item_factors, whole.item_factors, rtol=1e-3, atol=1e-4)
    lone = model(warm_start=True, iterations=1, dtype=np.float64)
    lone.item_factors = half.item_factors
    fit(lone)
    np.testing.assert_allclose(lone.loss_history_[0], whole.loss_history_[3], rtol=1e-4)


def test_every_constructor_has_it(any_solver):
    assert any_solver.parameters()["warm_start"] is False
    assert AlternatingLeastSquares(warm_start=True, solver="cholesky").warm_start is True


@pytest.mark.parametrize("value", [1, "yes", None])
def test_it_is_true_or_false(value):
    with pytest.raises(InputError, match="warm_start must be True or False, got"):
        model(warm_start=value)


@pytest.mark.parametrize(
    ("change", "matrix", "said"),
    [
        ({}, awkward()[:40], "user_items has 40 users and the model 43; keep their rows"),
        ({}, awkward()[:, :60], "user_items has 60 items and the model 61"),
        ({"factors": 6}, awkward(), "user_factors of 5 columns, and factors is 6: set factors=5"),
        ({"user_factors": np.ones(43)}, awkward(), "user_factors must be a matrix of numbers"),
        ({"item_factors": np.full((61, 5), "x")}, awkward(), "item_factors must be a matrix"),
        ({"item_factors": np.full((61, 5), np.nan)}, awkward(), "item_factors must be finite"),
    ],
)
def test_what_cannot_go_on_says_why(change, matrix, said):
    one = fit(model(warm_start=True))
    for name, value in change.items():
        setattr(one, name, value)
    before = one.user_factors
    with pytest.raises(InputError, match=said):
        fit(one, matrix)
    assert one.user_factors is before
    one.set_params(warm_start=False)
    if "user_factors" not in change and "item_factors" not in change:
        fit(one, matrix)


@pytest.mark.parametrize(("users", "items"), [(4, 0), (0, 3), (4, 3)])
@pytest.mark.parametrize("convention", list(CONVENTIONS))
def test_new_rows_start_where_fold_in_places_them(users, items, convention):
    old = fit(model(**CONVENTIONS[convention], warm_start=True))
    matrix = grown(users, items)
    m, n = old.user_factors.shape[0], old.item_factors.shape[0]
    X = old.recalculate_user(np.arange(m, m + users), matrix[m:, :n]) if users else None
    start = fit(model(**CONVENTIONS[convention], warm_start=True))
    start.set_params(iterations=0)
    fit(start, matrix)
    assert start.user_factors.shape == (m + users, 5)
    assert start.item_factors.shape == (n + items, 5)
    assert np.array_equal(start.user_factors[:m], old.user_factors)
    assert np.array_equal(start.item_factors[:n], old.item_factors)
    if users:
        np.testing.assert_allclose(start.user_factors[m : m + 2], X[:2], rtol=1e-4, atol=1e-6)
        for row in start.user_factors[m + 2 :]:
            assert 0 < row.max() < 0.01
    if items:
        known = np.ones(m + users, bool)
        known[m + 2 :] = False
        users_known = model(**CONVENTIONS[convention])
        users_known.user_factors = np.where(known[:, None], start.user_factors, 0)
        users_known.item_factors = start.item_factors
        Y = users_known.recalculate_item(np.arange(n, n + items), matrix[:, n:].T.tocsr())
        placed = 2 if users else 1
        np.testing.assert_allclose(
            start.item_factors[n : n + placed], Y[:placed], rtol=1e-4, atol=1e-6
        )
        for row in start.item_factors[n + placed :]:
            assert 0 < row.max() < 0.01


def test_a_grown_fit_is_as_good_as_a_new_one(any_solver):
    matrix = grown()
    before = fit(model(any_solver, warm_start=True, iterations=6))
    fit(before.set_params(iterations=3), matrix)
    anew = fit(model(any_solver, iterations=9), matrix)
    assert before.user_factors.shape == anew.user_factors.shape
    sides = anew.weights(matrix)
    gone_on, started = (objective(*sides, *each._fitted()) for each in (before, anew))
    assert gone_on < 1.02 * started


def test_a_killed_warm_fit_resumes(tmp_path):
    class Killed(Exception):
        pass

    def die(iteration, *_):
        if iteration == 4:
            raise Killed

    path = tmp_path / "state"
    whole = fit(fit(model(warm_start=True)))
    one = fit(model(warm_start=True))
    with pytest.raises(Killed):
        fit(one, checkpoint=path, callback=die)
    assert len(one.seconds_) == 3
    fit(one, checkpoint=path, resume=True)
    assert same(one, whole)
    assert len(one.seconds_) == 6
    other = fit(model(warm_start=True, iterations=2))
    with pytest.raises(
        InputError, match=r"its starting factors \(init_factors, or with warm_start"
    ):
        fit(other.set_params(iterations=3), checkpoint=path, resume=True)


def test_losses_of_another_objective_are_not_gone_on_with():
    one = model(calculate_training_loss=True, iterations=2)
    fit(one)
    fit(one.set_params(warm_start=True))
    assert len(one.loss_history_) == len(one.seconds_) == 4
    fit(one.set_params(confidence="log"))
    assert len(one.loss_history_) == 2
    assert len(one.seconds_) == 6


def test_new_rows_of_both_sides_start_from_different_numbers():
    one = model(iterations=0, random_state=3)
    fit(one)
    bigger = sparse.block_diag((awkward(negative=False), sparse.csr_matrix((5, 5)))).tocsr()
    one.set_params(warm_start=True)
    one.fit(bigger, show_progress=False)
    assert not np.array_equal(one.user_factors[-5:], one.item_factors[-5:])
