"""The race of trials: who ends early, who is measured on a sample, and what trials share."""

import numpy as np
import pytest
from cases.solvers import awkward
from scipy import sparse

from halfstep import SOLVERS
from halfstep.evaluation.protocols.partitions import parts_of
from halfstep.evaluation.tuning import judge as judging
from halfstep.evaluation.tuning.judge import Judge
from halfstep.evaluation.tuning.race import Measured, Race, difference, fallen
from halfstep.evaluation.tuning.search import tune
from halfstep.evaluation.tuning.shared_weights import SharedWeights
from halfstep.evaluation.tuning.space import Choice, LogUniform
from halfstep.evaluation.tuning.trial import Tuner, _Curve

USERS = 400
SAMPLE = np.arange(USERS) < 100


def of_users(mean, seed=0, spread=0.3, apart=0.01):
    """Return a metric of 400 users: they differ by `spread`, each by `apart` from trial to trial."""
    users = np.random.default_rng(99).normal(0, spread, USERS)
    noise = np.random.default_rng(seed).normal(0, apart, USERS)
    noise -= noise.mean()
    return mean + users - users.mean() + noise


def whole(*args, **kwargs):
    return Measured(of_users(*args, **kwargs), whole=True)


def raced(*means):
    race = Race()
    race.enter([whole(m, seed=k) for k, m in enumerate(means)], 1 + int(np.argmax(means)))
    return race


def test_a_difference_is_far_more_certain_than_a_value():
    first, second = of_users(0.5, seed=1), of_users(0.49, seed=2)
    mean, half = difference(first, second)
    assert mean == pytest.approx(0.01)
    assert half == pytest.approx(1.96 * (first - second).std(ddof=1) / 20)
    assert half < 0.01 < 1.96 * first.std() / 20
    assert difference(first[:19], second[:19])[1] == np.inf  # too few users for an interval


@pytest.mark.parametrize(
    ("iteration", "mean", "lost"),
    [
        (1, 0.0, False),  # the first iteration says nothing
        (2, 0.385, False),  # a slow start: less than 5 % below
        (2, 0.37, True),
        (3, 0.497, True),
        (3, 0.4999, False),  # the interval holds 0
        (3, 0.51, False),
        (4, 0.497, True),  # past the leader's peak, the peak counts
        (9, 0.4999, False),
    ],
)
def test_who_is_behind(iteration, mean, lost):
    race = raced(0.1, 0.4, 0.5, 0.3)
    assert not Race().behind(iteration, whole(mean), SAMPLE)
    assert race.behind(iteration, whole(mean, seed=7), SAMPLE) is lost


def test_all_users_are_measured_only_if_the_iteration_can_be_the_best():
    race = raced(0.1, 0.4, 0.5)
    for mean, measured in ((0.45, 100), (0.4999, 400), (0.6, 400)):
        asked, values = [], of_users(mean, seed=5)

        def measure(mask, asked=asked, values=values):
            asked.append(int(mask.sum()))
            return values[mask]

        now = race.measured(SAMPLE, measure)
        assert sum(asked) == measured
        assert now.whole is (measured == 400)
        if now.whole:
            np.testing.assert_array_equal(now.values, values)
        # The estimate from a quarter of the users is as good as their differences are alike.
        assert now.mean == pytest.approx(mean, abs=4 * 0.014 / np.sqrt(100))
        assert abs(values[SAMPLE].mean() - mean) > 0.01  # which the sample's own mean is not
    # Of a trial that has nothing in common with the leader, the sample's own mean is the estimate.
    noise = np.random.default_rng(3).uniform(0, 0.01, USERS)
    now = race.measured(SAMPLE, lambda mask: noise[mask])
    assert now.mean == pytest.approx(noise[SAMPLE].mean(), abs=1e-3)
    first = Race().measured(SAMPLE, lambda mask: of_users(0.2)[mask])
    assert first.whole
    assert first.mean == pytest.approx(0.2)


def test_only_a_better_trial_that_was_measured_on_all_users_leads():
    race = raced(0.1, 0.5)
    race.enter([whole(0.4)], 1)
    race.enter([Measured(of_users(0.9), whole=False)], 1)
    assert race.curve[race.peak - 1].mean == pytest.approx(0.5)
    race.enter([whole(0.6), whole(0.55)], 1)
    assert (len(race.curve), race.peak) == (2, 1)


def test_a_fit_has_fallen_when_its_interval_says_so():
    best = whole(0.5, seed=1)
    assert fallen(whole(0.497, seed=2), best, SAMPLE)
    assert not fallen(whole(0.4995, seed=2), best, SAMPLE)
    # The same difference in all users, measured on a quarter of them alone, says less.
    noise = np.random.default_rng(5).normal(0, 0.02, 100)
    gaps = np.tile(noise - noise.mean() - 0.003, 4)
    now = best.values + gaps
    assert fallen(Measured(now, whole=True), best, SAMPLE)
    assert not fallen(Measured(now, whole=False), best, SAMPLE)


def test_a_trial_that_is_past_its_peak_has_not_lost():
    """Its later iterations are below the leader's peak, but it peaked as high."""

    class Script:
        rows, sample, means = np.arange(USERS), SAMPLE, [0.1, 0.4, 0.4999, 0.48]

        def measure(self, model, mask):
            return whole(self.means[len(curve.measured)], seed=7).values[mask]

    for means, (length, pruned) in (
        ([0.1, 0.4, 0.4999, 0.48], (4, False)),
        ([0.1, 0.4, 0.48, 0.49], (3, True)),
    ):
        script = Script()
        script.means = means
        curve = _Curve(None, script, 2, raced(0.1, 0.4, 0.5), lambda *_: False)
        ended = [k for k in range(4) if curve(k, 0.0, None)]
        assert (ended[0] + 1, curve.pruned) == (length, pruned)


class Toy:
    """A tuner whose trials follow given curves: asymptote a, reached at the same rate by all."""

    metric, seed = "ndcg@10", 0

    def __init__(self, iterations=9):
        self.lengths, self._iterations = {}, iterations

    def run(self, params, prune, race):
        a, curve = params["a"], []
        pruned = False
        for k in range(1, self._iterations + 1):
            curve.append(a * (1 - 0.5**k))
            if prune(k, curve[-1]):
                pruned = True
                break
        self.lengths[a] = len(curve)
        return {
            "settings": {"factors": 4}, "pruned": pruned, "value": max(curve), "error": 0.01,
            "iterations": len(curve), "seconds": 0.1, "fit_seconds": 0.01, "curve": curve,
        }  # fmt: skip


def test_successive_halving_lets_the_best_third_go_on():
    pytest.importorskip("optuna")
    order = [0.50, 0.30, 0.60, 0.40, 0.45, 0.55, 0.52, 0.70, 0.10, 0.57, 0.35, 0.20]
    toy = Toy()
    space = {"a": LogUniform(0.01, 1.0)}
    search = tune(toy, space, trials=12, first=[{"a": a} for a in order], name="toy")

    def expected(place, a):
        # A trial goes on from its third iteration if it is among the best third so far, or the best.
        kept = max(1, (place + 1) // 3)
        return 9 if a in sorted(order[: place + 1])[-kept:] else 3

    assert toy.lengths == {a: expected(k, a) for k, a in enumerate(order)}
    assert search.best.params["a"] == 0.70
    assert sum(toy.lengths.values()) < 0.7 * 9 * len(order)


@pytest.fixture(scope="module")
def parts(two_tastes):
    return list(parts_of("per-user", two_tastes.interactions, random_state=0))


def test_a_sample_is_drawn_from_the_users_and_measured_alike(parts, monkeypatch):
    monkeypatch.setattr(judging, "SAMPLE", 30)
    judge = Judge(parts[0], "ndcg@10", 90, 0, None, 1)
    assert (len(judge.rows), judge.sample.sum()) == (90, 30)
    model = SOLVERS["cholesky"](factors=4, iterations=2, random_state=0)
    model.fit(parts[0].train, show_progress=False)
    everybody = judge.measure(model, np.ones(90, bool))
    np.testing.assert_allclose(judge.measure(model, judge.sample), everybody[judge.sample])
    from halfstep.evaluation.metrics.held_out import evaluate

    there = evaluate(*model._fitted(), parts[0].history, parts[0].test, users=judge.rows)
    np.testing.assert_allclose(everybody, there.per_user["ndcg@10"])


def test_trials_of_a_search_transpose_once_and_prepare_once(parts, monkeypatch):
    pytest.importorskip("optuna")
    from halfstep.evaluation.tuning import shared_weights, trial

    counts = {"transposed": 0, "judges": 0}

    def counted(name, function):
        def call(*args, **kwargs):
            counts[name] += 1
            return function(*args, **kwargs)

        return call

    transposed = counted("transposed", shared_weights.transposed_weights)
    monkeypatch.setattr(shared_weights, "transposed_weights", transposed)
    monkeypatch.setattr(trial, "Judge", counted("judges", Judge))
    tuner = Tuner(parts, "ndcg@10", "cholesky", None, iterations=1)
    space = {
        "regularization": Choice((0.1, 1.0)),
        "alpha": Choice((1.0, 2.0)),
        "factors": Choice((2, 3)),
        "confidence": Choice(("linear", "log")),
    }
    assert len(tune(tuner, space, search="grid").trials) == 16
    tune(tuner.with_fixed({"confidence": "linear"}), {"alpha": Choice((3.0,))}, search="grid")
    assert counts == {"transposed": 2, "judges": 1}


def test_shared_weights_have_the_bits_of_new_ones():
    plays = sparse.csr_matrix(np.ceil(np.abs(awkward(negative=False).toarray())))
    other = plays.copy()
    other.data[3] += 1
    shared = SharedWeights()
    conventions = [
        {"confidence": "linear", "alpha": 2.0, "regularization": 0.1},
        {"confidence": "linear", "alpha": 3.0, "regularization_exponent": 1.0},
        {"confidence": "log", "alpha": 3.0},
        {"confidence": "log", "alpha": 3.0, "epsilon": 0.5},
        {"confidence": "binary", "background": 0.3},
        {"confidence": "binary", "background": 0.2, "dtype": np.float64},
    ]
    for matrix in (plays, other, plays):
        for settings in conventions:
            model = SOLVERS["cholesky"](factors=2, **settings)
            expected = model.weights(matrix)
            shared.serve(model)
            for side, wanted in zip(model.weights(matrix), expected, strict=True):
                for name in ("indptr", "indices", "values", "lam", "w", "t"):
                    array, of = getattr(side, name), getattr(wanted, name)
                    assert array.dtype == of.dtype
                    np.testing.assert_array_equal(array, of)
                for name in ("rule", "a0", "columns", "constant"):
                    assert getattr(side, name) == getattr(wanted, name)
    assert 5 <= shared.transpositions < 18


def test_a_number_of_trials_gives_the_same_search_twice(two_tastes, monkeypatch):
    pytest.importorskip("optuna")
    from halfstep.evaluation.tuning import budget

    monkeypatch.setattr(budget, "_SMALL", 2)
    found = [
        budget.climb(two_tastes.interactions, trials=9, metric="ndcg@10", solver="cholesky",
                     max_factors=8, iterations=3, seed=seed)
        for seed in (0, 0, 1)
    ]  # fmt: skip
    tried = [[(t.params, t.value, t.pruned) for t in c.together.trials] for c in found]
    assert tried[0] == tried[1] != tried[2]
    assert {f: len(s.trials) for f, s in found[0].stages.items()} == {2: 9, 4: 2, 8: 2}
