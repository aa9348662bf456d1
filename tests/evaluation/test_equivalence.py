"""The four questions, asked of solvers that agree and of one that is damaged."""

import numpy as np
import pytest
from scipy import sparse

from halfstep import SOLVERS, InputError
from halfstep.evaluation.equivalence import compare
from halfstep.evaluation.predictions import compare_predictions
from halfstep.evaluation.protocols.split import per_user
from halfstep.evaluation.trace import trace_fit
from halfstep.solvers.fit.start import starting_factors


class Damaged(SOLVERS["cholesky"]):
    """Solves every third row of users a little wrong."""

    def half_step(self, problem, X):
        solution = super().half_step(problem, X)
        if len(solution) == 400:
            solution[::3] *= 0.8
        return solution


@pytest.fixture(scope="module")
def split():
    rng = np.random.default_rng(0)
    taste = rng.dirichlet(np.full(6, 0.2), 400) @ rng.dirichlet(np.full(150, 0.1), 6)
    plays = rng.poisson(300 * taste * rng.lognormal(0, 1, (400, 1)) / 3)
    return per_user(sparse.csr_matrix(plays.astype(float)), 0.2, random_state=0)


@pytest.fixture(scope="module")
def traced(split):
    start = starting_factors(None, split.train.shape, 6, np.float32, 0)

    def trace(solver, **own):
        settings = {"factors": 6, "iterations": 4, "confidence": "linear", "regularization": 1.0}
        return trace_fit(solver(init_factors=start, **settings, **own), split.train)

    return {
        "naive": trace(SOLVERS["naive"]),
        "cholesky": trace(SOLVERS["cholesky"]),
        "steps": trace(SOLVERS["conjugate_gradient"], cg_steps=60),
        "one step": trace(SOLVERS["conjugate_gradient"], cg_steps=1),
        "damaged": trace(Damaged),
    }


@pytest.mark.parametrize("other", ["cholesky", "steps"])
def test_rungs_that_solve_exactly_are_equivalent(traced, split, other):
    answer = compare(traced["naive"], traced[other], split.train, split.test)
    assert answer.verdict == answer.objective_verdict == "equivalent"
    assert len(answer.objective_gaps) == 4
    assert max(map(abs, answer.objective_gaps)) < 1e-4
    assert answer.predictions.overlap > 0.99
    assert answer.predictions.rank_correlation > 0.98
    assert answer.predictions.item_angle < 1
    for trace in (traced["naive"], traced[other]):
        assert max(worst for _, worst in trace.user_residuals + trace.item_residuals) < 1e-3


def test_a_damaged_half_step_is_seen_in_every_answer(traced, split):
    answer = compare(traced["naive"], traced["damaged"], split.train, split.test)
    assert answer.verdict != "equivalent"
    assert answer.objective_verdict == "worse"
    assert answer.objective_gaps[-1] > 0.005
    assert max(worst for _, worst in traced["damaged"].user_residuals) > 0.1
    assert max(worst for _, worst in traced["damaged"].item_residuals) < 1e-3
    assert answer.predictions.item_angle > 1


def test_fewer_steps_leave_a_residual_and_an_objective_behind(traced, split):
    answer = compare(traced["naive"], traced["one step"], split.train, split.test)
    assert answer.objective_gaps[0] > 0.001
    exact, few = (traced[name].user_residuals[0][0] for name in ("naive", "one step"))
    assert few > 100 * exact
    assert answer.predictions.overlap < 0.99


def test_a_lower_objective_is_not_better_by_itself(traced, split):
    from dataclasses import replace

    a = traced["naive"]
    lower = replace(a, objectives=[0.9 * loss for loss in a.objectives])
    answer = compare(a, lower, split.train, split.test)
    assert answer.objective_gaps[-1] == pytest.approx(-0.1)
    assert answer.verdict == answer.summary == "equivalent"
    answer = compare(lower, a, split.train, split.test)
    assert answer.summary == "worse: objective +11 %"


def test_parts_are_relative_to_the_first_fit(traced, split):
    answer = compare(traced["naive"], traced["damaged"], split.train, split.test)
    assert list(answer.parts) == ["objective", "NDCG@10", "AUC"]
    assert answer.parts["objective"] == ("worse", answer.objective_gaps[-1])
    before, after = answer.means["auc"]
    assert answer.parts["AUC"][1] == pytest.approx(after / before - 1)
    assert answer.summary.startswith("worse: objective +")


def test_a_baseline_is_judged_by_what_it_recommends_alone(traced, split):
    start = starting_factors(None, split.train.shape, 6, np.float32, 0)
    popular = trace_fit(SOLVERS["popularity"](factors=6, init_factors=start), split.train, "top")
    assert (popular.name, popular.baseline) == ("top", True)
    for pair in ((traced["naive"], popular), (popular, traced["naive"])):
        answer = compare(*pair, split.train, split.test)
        assert answer.objective_verdict is None
        assert answer.objective_gaps == []
        assert list(answer.parts) == ["NDCG@10", "AUC"]


def test_fits_of_different_lengths_are_refused(traced, split):
    from dataclasses import replace

    shorter = replace(traced["naive"], objectives=traced["naive"].objectives[:-1])
    with pytest.raises(InputError, match=r"the same number of iterations, got \(4, 3\)"):
        compare(traced["naive"], shorter, split.train, split.test)


def test_evaluations_that_are_known_are_taken(traced, split):
    from halfstep.evaluation.metrics.held_out import evaluate

    a, b = traced["naive"], traced["damaged"]
    known = tuple(evaluate(t.X, t.Y, split.train, split.test, ks=(10,)) for t in (b, a))
    answer = compare(a, b, split.train, split.test, evaluations=known)
    itself = compare(a, b, split.train, split.test)
    assert answer.means["auc"] == itself.means["auc"][::-1]


def test_margins_and_lists_matter(traced, split):
    a, b = traced["naive"], traced["damaged"]
    lenient = compare(a, b, split.train, split.test, margin=10.0, objective_tolerance=10.0, k=5)
    assert lenient.verdict == "equivalent"
    assert list(lenient.held_out) == ["ndcg@5", "auc"]
    few = compare_predictions(a, b, split.train, users=7)
    assert few.users == 7
    assert few.overlap != compare_predictions(a, b, split.train).overlap


def test_a_margin_that_allows_nothing_is_refused(traced, split):
    for wrong in ({"margin": -1.0}, {"margin": np.nan}, {"objective_tolerance": 0.0}, {"k": 0}):
        with pytest.raises(InputError, match=r"must be (positive and finite|at least 1)"):
            compare(traced["naive"], traced["cholesky"], split.train, split.test, **wrong)


def test_models_that_recommend_nothing_right_are_undecided(traced, split):
    from dataclasses import replace

    train = sparse.csr_matrix(
        (np.ones(400), (np.arange(400), np.zeros(400, int))), shape=(400, 150)
    )
    test = sparse.csr_matrix((np.ones(400), (np.arange(400), np.full(400, 149))), shape=(400, 150))
    Y = np.ones_like(traced["naive"].Y)
    Y[149] = -1  # the held-out item of everybody comes last
    nothing = replace(traced["naive"], X=np.ones_like(traced["naive"].X), Y=Y)
    answer = compare(nothing, nothing, train, test)
    assert answer.held_out["ndcg@10"].verdict == answer.verdict == "undecided"
    zero = replace(nothing, X=0 * nothing.X, Y=0 * nothing.Y)
    assert compare(zero, zero, train, test).predictions.item_angle == 90


def test_rotated_factors_predict_the_same(traced, split):
    """Factors are free up to rotation; predictions and verdicts are not changed by one."""
    from dataclasses import replace

    a = traced["naive"]
    Q, _ = np.linalg.qr(np.random.default_rng(0).normal(size=(6, 6)))
    rotated = replace(a, X=(a.X @ Q).astype(np.float32), Y=(a.Y @ Q).astype(np.float32))
    answer = compare(a, rotated, split.train, split.test)
    assert answer.verdict == "equivalent"
    assert answer.predictions.user_angle < 0.1
    assert answer.predictions.overlap > 0.99
