"""Searches: what is tried, on what, what is chosen, and that a killed one goes on where it was."""

import time
from dataclasses import replace

import numpy as np
import pytest
from cases.solvers import awkward
from cases.tuning import trial
from scipy import sparse

from halfstep import SOLVERS, InputError
from halfstep.evaluation.protocols.partitions import parts_of
from halfstep.evaluation.tuning.budget import Climb, _affordable, _sizes, climb
from halfstep.evaluation.tuning.search import Search, tune
from halfstep.evaluation.tuning.space import (
    LAB_GRID,
    Choice,
    LogUniform,
    als_space,
    narrowed,
    settings_of,
    within,
)
from halfstep.evaluation.tuning.trial import Tuner

pytest.importorskip("optuna")
SMALL = {"factors": Choice((2, 4)), "regularization": Choice((1.0, 0.01, 0.0001))}


@pytest.fixture(scope="module")
def parts(two_tastes):
    return list(parts_of("per-user", two_tastes.interactions, repeats=2, random_state=0))


@pytest.fixture(scope="module")
def tuner(parts):
    return Tuner(parts, "ndcg@10", "cholesky", {"confidence": "linear"}, iterations=4)


def test_grid_tries_everything_once_on_the_same_parts(tuner, parts):
    search = tune(tuner, SMALL, search="grid")
    tried = [(t.params["factors"], t.params["regularization"]) for t in search.trials]
    assert tried == [(f, r) for f in (2, 4) for r in (1.0, 0.01, 0.0001)]
    assert not any(t.pruned for t in search.trials)
    # A trial is what fitting and judging by hand gives, its value the mean over users of their means.
    from halfstep.evaluation.protocols.validation import validate

    settings = search.best.settings
    assert settings["confidence"] == "linear"
    one = replace(tuner, parts=parts[:1])
    (single,) = tune(
        one, {k: Choice((v,)) for k, v in search.best.params.items()}, search="grid"
    ).trials
    model = SOLVERS["cholesky"](**settings, iterations=single.iterations, random_state=0)
    judged = validate({"one": lambda: model}, parts[:1]).summaries("one")["ndcg@10"]
    assert single.value == pytest.approx(judged.mean, rel=1e-9)
    assert single.value == max(single.curve)
    assert judged.high - judged.low == pytest.approx(2 * 1.96 * single.error, rel=0.1)


def test_random_draws_are_seeded_and_none_comes_twice(tuner):
    drawn = [tune(replace(tuner, seed=s), SMALL, search="random", trials=5) for s in (0, 0, 1)]
    params = [[t.params for t in search.trials] for search in drawn]
    assert params[0] == params[1] != params[2]
    assert [t.value for t in drawn[0].trials] == [t.value for t in drawn[1].trials]
    assert len({tuple(p.values()) for p in params[0]}) == 5
    free = tune(tuner, {"regularization": LogUniform(0.01, 10)}, search="random", trials=3)
    assert all(0.01 <= t.params["regularization"] <= 10 for t in free.trials)


def test_the_lab_searches_36_and_12():
    assert np.prod([len(axis.values) for axis in LAB_GRID.values()]) == 36
    from halfstep.evaluation.tuning.search import DEFAULT_TRIALS

    assert DEFAULT_TRIALS["random"] == 12


def test_tpe_prunes_what_runs_below_and_never_the_best(two_tastes):
    parts = list(parts_of("per-user", two_tastes.interactions, random_state=0))
    tuner = Tuner(parts, "ndcg@10", "cholesky", None, iterations=6, patience=6)
    space = als_space(parts[0].train) | {"factors": Choice((4,))}
    search = tune(tuner, space, trials=18)
    assert len(search.trials) == 18
    pruned = [t for t in search.trials if t.pruned]
    assert pruned
    assert all(len(t.curve) >= 2 for t in pruned)
    assert all(len(t.curve) > t.iterations or len(t.curve) == 6 for t in search.complete)
    assert search.best.value == max(t.value for t in search.complete)
    assert {t.params["confidence"] for t in search.trials} == {"binary", "log", "linear"}


def test_only_the_parts_are_fitted(two_tastes, monkeypatch):
    seen = []

    class Spy(SOLVERS["cholesky"]):
        def fit(self, user_items, **settings):
            seen.append(user_items)
            return super().fit(user_items, **settings)

    monkeypatch.setitem(SOLVERS, "cholesky", Spy)
    train = two_tastes.interactions
    climb(train, budget=2, metric="ndcg@10", solver="cholesky", max_factors=4, iterations=2)
    assert len(seen) > 1
    assert len({m.nnz for m in seen}) == 1
    assert all(m.nnz < train.nnz for m in seen)
    inside = seen[0].astype(bool) > train.astype(bool)
    assert inside.nnz == 0


def test_best_and_simplest():
    best = trial(0.50, error=0.02, factors=128)
    simple = trial(0.485, factors=32, alpha=40.0)
    simpler = trial(0.481, factors=32, alpha=10.0, iterations=3)
    worse = trial(0.479, factors=16)
    lucky = trial(0.9, factors=8, pruned=True)
    search = Search("ndcg@10", SMALL, [simple, lucky, best, worse, simpler])
    assert search.best is best
    assert search.simplest is simpler
    assert Search("ndcg@10", SMALL, [simple, best]).simplest is simple
    same = [trial(0.5, regularization=r) for r in (0.1, 1.0)]
    assert Search("ndcg@10", SMALL, same).simplest.settings["regularization"] == 1.0
    with pytest.raises(InputError, match="must have a complete trial, got none"):
        _ = Search("ndcg@10", SMALL, [lucky]).best


def test_one_range_of_background_and_strength_means_the_same_in_every_convention():
    plays = sparse.csr_matrix(np.ceil(np.abs(awkward(negative=False).toarray())))
    b, s = 0.05, 0.01
    models = {}
    for confidence, exponent in (("binary", 0), ("binary", 1), ("log", 0), ("linear", 1)):
        params = {"background": b, "strength": s, "exponent": exponent, "confidence": confidence}
        settings = settings_of(params, plays) | {"dtype": np.float64}
        models[confidence, exponent] = SOLVERS["cholesky"](factors=2, **settings)
    for model in models.values():
        users, _ = model.weights(plays)
        # What a stored entry weighs above the background, over what an unstored one does.
        assert np.mean(users.w) / users.a0 == pytest.approx(1 / b)
        assert users.lam.mean() / users.a0 == pytest.approx(
            s * (plays.nnz / plays.shape[0] + b * plays.shape[1]) / b
        )
    assert np.ptp(models["binary", 1].weights(plays)[0].lam) > 0
    assert set(als_space(plays)) == {"background", "strength", "exponent", "confidence"}
    plays.data[:] = 1
    assert set(als_space(plays)) == {"background", "strength", "exponent"}


def test_narrowed_is_the_neighbourhood_of_the_best():
    space = {"background": LogUniform(0.002, 1), "exponent": Choice((0, 1))}
    near = narrowed(
        space, [{"background": 0.01, "exponent": 1}, {"background": 0.8, "exponent": 1}]
    )
    assert near == {"background": LogUniform(0.005, 1), "exponent": Choice((1,))}
    assert within(near, {"background": 0.8, "exponent": 1})
    assert not within(near, {"background": 0.8, "exponent": 0})
    assert not within(near, {"background": 0.004, "exponent": 1})
    assert not within(near, {"background": 0.8})


def test_climb_goes_up_within_the_budget_and_takes_the_best_of_all(two_tastes):
    begin = time.perf_counter()
    told = []
    result = climb(
        two_tastes.interactions, budget=3, metric="ndcg@10", iterations=3, solver="cholesky",
        max_factors=16, after=lambda factors, trial: told.append((factors, trial)),
    )  # fmt: skip
    assert time.perf_counter() - begin < 30
    assert list(result.stages) == sorted({factors for factors, _ in told})
    assert result.best.value == max(t.value for _, t in told if not t.pruned)
    assert result.together.best == result.best
    with pytest.raises(InputError, match="budget must be at least 1 second, got 0"):
        climb(two_tastes.interactions, budget=0)
    with pytest.raises(InputError, match="trials must be an integer of at least 1, got 0"):
        climb(two_tastes.interactions, trials=0)
    with pytest.raises(InputError, match="budget or trials must say how long to search"):
        climb(two_tastes.interactions)


def test_stages():
    assert _sizes(1024) == [64, 256, 1024]
    assert _sizes(128) == [64, 128]
    assert _sizes(40) == [40]
    # One trial at 128 factors takes 6 (4 * 0.5 + 2 * 0.5) = 18 s, its last fit 1.2 * 5 * 2 + 2 s.
    assert _affordable(trial(0.1), 1024, 50.5, 1.0) == 128
    assert _affordable(trial(0.1), 1024, 10_000, 1.0) == 1024
    small, large = trial(0.2), trial(0.3, factors=128)
    of = {64: Search("auc", SMALL, [small]), 128: Search("auc", SMALL, [large])}
    assert Climb(of).best is large
    of[64] = Search("auc", SMALL, [trial(0.4)])
    assert Climb(of).best.settings["factors"] == 64


def test_bad_arguments(tuner, parts):
    for search, space, message in (
        ("tepid", SMALL, "search must be one of grid, random, tpe, got 'tepid'"),
        (
            "grid",
            {"alpha": LogUniform(1, 2)},
            "needs a list of values of alpha, got a range",
        ),
    ):
        with pytest.raises(InputError, match=message):
            tune(tuner, space, search=search)
    with pytest.raises(InputError, match="trials must be an integer of at least 1, got 0"):
        tune(tuner, SMALL, trials=0)
    with pytest.raises(InputError, match="a choice must have at least one value"):
        Choice(())
    with pytest.raises(InputError, match="a range must have 0 < low < high, got 0 to 1"):
        LogUniform(0, 1)
    for wrong, message in (
        ({"parts": []}, "at least one part"),
        ({"metric": "rmse"}, "metric must be auc"),
        ({"iterations": 0}, "iterations must be an integer of at least 1"),
        ({"users": 0}, "users must be an integer of at least 1"),
    ):
        with pytest.raises(InputError, match=message):
            replace(tuner, **wrong)
