"""Early stopping: every solver takes the callback, and the fit ends with its best factors."""

import numpy as np
import pytest
from cases.solvers import suited

from halfstep import SOLVERS, InputError
from halfstep.evaluation.metrics.held_out import evaluate
from halfstep.evaluation.protocols.early_stopping import EarlyStopping, list_length
from halfstep.evaluation.protocols.split import per_user


@pytest.fixture(scope="module")
def split(two_tastes):
    return per_user(two_tastes.interactions, 0.3, random_state=7)


def overfitting(split, solver=SOLVERS["cholesky"], **settings):
    """A model whose held-out quality falls after some iterations: many factors, no regularisation."""
    return suited(
        solver, factors=20, regularization=1e-4, iterations=12, random_state=0, **settings
    )


def test_every_solver_takes_it(any_solver, split):
    if any_solver.name == "irspack_cpu":
        model = suited(any_solver, factors=4, iterations=6, random_state=0, regularization=0.1)
    else:
        model = overfitting(split, any_solver)
    stop = EarlyStopping(model, split.train, split.test, metric="recall@5")
    model.fit(split.train, show_progress=False, callback=stop)
    assert 1 <= len(stop.history) <= model.iterations
    assert stop.best == max(stop.history) == stop.history[stop.iterations - 1]
    measured = evaluate(*model._fitted(), split.train, split.test, ks=(5,), auc=False)
    np.testing.assert_array_equal(measured.per_user["recall@5"], stop.per_user)
    np.testing.assert_array_equal(measured.users, stop.judged_users)


def test_it_ends_after_its_patience_with_the_best_factors(split):
    model = overfitting(split)
    curve = []

    def look(iteration, seconds, loss):
        means = evaluate(*model._fitted(), split.train, split.test, ks=(10,), auc=False).means()
        curve.append(means["ndcg@10"])

    model.fit(split.train, show_progress=False, callback=look)
    best = int(np.argmax(curve)) + 1
    assert best < 9, "the data must make this model overfit, or the test shows nothing"
    patience = len(curve) - best - 1
    for waits in (patience, 20):
        model = overfitting(split)
        stop = EarlyStopping(model, split.train, split.test, metric="ndcg@10", patience=waits)
        model.fit(split.train, show_progress=False, callback=stop)
        assert stop.history == curve[: best + waits]
        assert stop.iterations == best
        short = overfitting(split).set_params(iterations=best).fit(split.train, show_progress=False)
        np.testing.assert_array_equal(model.user_factors, short.user_factors)
        np.testing.assert_array_equal(model.item_factors, short.item_factors)


def test_after_can_end_it_and_users_are_those_asked_for(split):
    model = overfitting(split)
    calls = []

    def after(iterations, value):
        calls.append((iterations, value))
        return iterations == 2

    rows = np.flatnonzero(np.diff(split.test.indptr))[:30]
    stop = EarlyStopping(
        model, split.train, split.test, metric="auc", users=rows, after=after, patience=9
    )
    model.fit(split.train, show_progress=False, callback=stop)
    assert [c[0] for c in calls] == [1, 2]
    assert [c[1] for c in calls] == stop.history
    np.testing.assert_array_equal(stop.judged_users, rows)


def test_bad_arguments(split):
    model = overfitting(split)
    for metric in ("ndcg", "ndcg@0", "ndcg@x", "rmse@10", ""):
        with pytest.raises(InputError, match="metric must be auc, or one of ndcg, recall"):
            EarlyStopping(model, split.train, split.test, metric=metric)
    with pytest.raises(InputError, match="patience must be an integer of at least 1, got 0"):
        EarlyStopping(model, split.train, split.test, patience=0)
    assert list_length("auc") is None
    assert list_length("recall_capped@20") == 20
