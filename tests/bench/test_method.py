import math
from dataclasses import replace

import numpy as np
import pytest
from cases.bench import CASE, SETTINGS

from halfstep.bench.method.check import (
    Checked,
    check,
    float64_objective,
    predict_seconds,
)
from halfstep.bench.method.contest import run_case
from halfstep.bench.method.contestants import Contestant, choose_reference, contestants
from halfstep.bench.method.verdicts import verdict_of
from halfstep.errors import InputError
from halfstep.evaluation.equivalence import MARGIN
from halfstep.evaluation.metrics.held_out import Evaluation
from halfstep.solvers import SOLVERS, Solver


class Damaged(SOLVERS["cholesky"]):
    name = "damaged"

    def half_step(self, problem, X):
        solution = super().half_step(problem, X)
        return np.roll(solution, 1, axis=0)


class Missing(SOLVERS["cholesky"]):
    name = "missing"

    @classmethod
    def unavailable(cls):
        return "needs what is not there"


class Slow(SOLVERS["cholesky"]):
    name = "slow"

    def half_step(self, problem, X):
        import time

        time.sleep(0.002 * problem.rows)
        return super().half_step(problem, X)


@pytest.fixture
def register(monkeypatch):
    def add(*solvers: type[Solver]) -> None:
        for solver in solvers:
            monkeypatch.setitem(SOLVERS, solver.name, solver)

    return add


def run(settings, data, case=CASE):
    return run_case(case, data, 0, settings, lambda line: None)


def rows_of(record):
    return {row.solver: row for row in record.rows}


def test_reference_is_the_first_that_runs_and_knows_the_convention(monkeypatch):
    arguments = {"factors": 4}
    assert choose_reference(arguments) == "eigenbasis:exact"
    assert choose_reference(arguments | {"confidence": "explicit"}) == "eigenbasis:exact"
    monkeypatch.setattr(SOLVERS["eigenbasis"], "unavailable", classmethod(lambda cls: "absent"))
    assert choose_reference(arguments) == "cholesky"
    monkeypatch.setattr(SOLVERS["cholesky"], "unavailable", classmethod(lambda cls: "absent"))
    with pytest.raises(InputError, match="no reference can run: eigenbasis:exact: absent; chol"):
        choose_reference(arguments)


def test_the_reference_always_takes_part_and_comes_first():
    only = replace(SETTINGS, solvers=("cholesky",))
    names = [c.name for c in contestants(only, CASE)]
    assert names == [choose_reference(contestants(only, CASE)[0].arguments), "cholesky"]


def test_a_sweep_has_no_baseline():
    names = [c.name for c in contestants(SETTINGS, replace(CASE, table=False))]
    assert "popularity" not in names


def test_a_case_fills_its_rows(bench_data):
    record = run(SETTINGS, bench_data)
    rows = rows_of(record)
    reference = rows[record.reference]
    assert record.target == reference.objectives[2] == reference.objective
    assert reference.iterations_to_target <= 3
    for name in ("cholesky", "conjugate_gradient"):
        row = rows[name]
        assert row.reason is None
        assert len(row.seconds) == len(row.setup_seconds) == 2
        assert all(s > 0 for fit in row.seconds for s in fit)
        assert row.seconds_per_iteration.lowest <= row.seconds_per_iteration.median
        assert set(row.quality) == {"ndcg@10", "auc"}
    # Both solve the same problem; three iterations on tiny data do not decide held-out quality.
    assert rows["cholesky"].judgement.objective == "equivalent"
    baseline = rows["popularity"]
    assert baseline.objective is None
    assert baseline.seconds == []
    assert baseline.judgement.objective is None


def test_all_contestants_start_from_the_same_factors(bench_data, register, monkeypatch):
    starts = []
    fit = Solver.fit

    def spy(self, *args, **kwargs):
        starts.append(self.init_factors)
        return fit(self, *args, **kwargs)

    monkeypatch.setattr(Solver, "fit", spy)
    run(SETTINGS, bench_data)
    assert len(starts) > 6
    for X, Y in starts:
        np.testing.assert_array_equal(X, starts[0][0])
        np.testing.assert_array_equal(Y, starts[0][1])


def test_a_damaged_solver_is_not_equivalent(bench_data, register):
    register(Damaged)
    row = rows_of(run(replace(SETTINGS, solvers=("damaged",)), bench_data))["damaged"]
    assert row.judgement.verdict == "worse"
    assert row.objective_gap > 0.05
    assert row.iterations_to_target is None
    assert row.seconds_to_target is None
    assert row.speed_up is None
    assert "did not reach the target objective in 6 iterations" in row.notes


def test_a_solver_that_cannot_run_keeps_its_row(bench_data, register):
    register(Missing)
    record = run(replace(SETTINGS, solvers=("missing", "cholesky")), bench_data)
    row = rows_of(record)["missing"]
    assert row.reason == "needs what is not there"
    assert row.seconds == []
    assert rows_of(record)["cholesky"].reason is None


def test_a_convention_that_a_solver_has_no_words_for_is_its_reason(bench_data, register):
    class Narrow(SOLVERS["cholesky"]):
        name = "narrow"

        def check(self):
            raise InputError("narrow has no confidence 'log'")

    register(Narrow)
    row = rows_of(run(replace(SETTINGS, solvers=("narrow",)), bench_data))["narrow"]
    assert row.reason == "narrow has no confidence 'log'"


def test_factors_that_are_not_finite_are_a_reason(bench_data, register):
    class Nan(SOLVERS["cholesky"]):
        name = "nan"

        def half_step(self, problem, X):
            return np.full_like(X, np.nan)

    register(Nan)
    row = rows_of(run(replace(SETTINGS, solvers=("nan",)), bench_data))["nan"]
    assert "not finite" in row.reason


def test_a_bug_in_a_solver_is_not_swallowed(bench_data, register):
    class Bug(SOLVERS["cholesky"]):
        name = "bug"

        def half_step(self, problem, X):
            raise TypeError("a bug")

    register(Bug)
    with pytest.raises(TypeError, match="a bug"):
        run(replace(SETTINGS, solvers=("bug",)), bench_data)


def test_a_contestant_over_the_budget_is_left_out(bench_data, register):
    register(Slow)
    record = run(replace(SETTINGS, solvers=("slow",)), bench_data, replace(CASE, budget=0.01))
    assert rows_of(record)["slow"].reason.startswith("left out: an iteration would take about")


def test_the_check_ends_with_its_budget(bench_data, start, register):
    field = contestants(SETTINGS, CASE)
    measure = float64_objective(field[0], bench_data)
    slow = Contestant(Slow, field[0].arguments)
    found = check(slow, replace(CASE, iterations=20), bench_data, start, measure, 0.0, 1.0)
    assert 1 <= len(found.objectives) < 20
    assert found.notes == [
        f"stopped after {len(found.objectives)} of 20 iterations: the check has 1 s"
    ]


def checked(name, ndcg, auc, objectives=(1.0,)):
    per_user = {"ndcg@10": np.asarray(ndcg, float), "auc": np.asarray(auc, float)}
    evaluation = Evaluation(np.arange(len(ndcg)), per_user, {})
    found = Checked(Contestant(SOLVERS[name], {}), evaluation=evaluation)
    found.objectives = list(objectives)
    return found


@pytest.mark.parametrize(
    ("ndcg", "auc", "objective", "verdict"),
    [
        (0.5, 0.8, 1.0, "equivalent"),
        (0.5, 0.8, 1.006, "worse"),
        (0.5, 0.8, math.nan, "undecided"),
        (0.48, 0.8, 1.0, "worse"),
        (0.5, 0.77, 1.0, "worse"),
        (0.5, 0.83, 1.0, "better"),
    ],
)
def test_objective_and_both_metrics_are_judged(ndcg, auc, objective, verdict):
    reference = checked("cholesky", [0.5] * 30, [0.8] * 30)
    other = checked("conjugate_gradient", [ndcg] * 30, [auc] * 30, (objective,))
    found = verdict_of(other, reference, 1, 0)
    assert found.verdict == verdict
    assert found.held_out["auc"].margin == pytest.approx(MARGIN * 0.8)
    assert found.held_out["ndcg@10"].difference == pytest.approx(ndcg - 0.5)


def test_without_a_margin_nothing_is_decided():
    reference = checked("cholesky", [0.0] * 30, [0.8] * 30)
    for ours in (0.0, 0.5):
        found = verdict_of(checked("conjugate_gradient", [ours] * 30, [0.8] * 30), reference, 1, 0)
        assert found.verdict == found.held_out["ndcg@10"].verdict == "undecided"
        assert found.held_out["auc"].verdict == "equivalent"


def test_a_baseline_is_judged_by_held_out_quality_alone():
    reference = checked("cholesky", [0.5] * 30, [0.8] * 30)
    found = verdict_of(checked("popularity", [0.5] * 30, [0.8] * 30, ()), reference, 1, 0)
    assert (found.verdict, found.objective) == ("equivalent", None)


def test_a_better_solver_needs_fewer_iterations_for_the_same_target(bench_data, start):
    field = contestants(replace(SETTINGS, solvers=("cholesky",)), CASE)
    measure = float64_objective(field[0], bench_data)
    reference = check(field[0], CASE, bench_data, start, measure, None, math.inf)
    easy = check(field[1], CASE, bench_data, start, measure, reference.objectives[0] * 1.01, 30.0)
    assert easy.iterations_to_target == 1
    assert len(easy.objectives) == 3


def test_the_prediction_is_of_the_right_size(bench_data, start):
    model = Slow(factors=7, num_threads=1)
    predicted = predict_seconds(model, bench_data.train, start)
    rows = sum(bench_data.train.shape)
    assert 0.002 * rows <= predicted < 0.02 * rows


class Shared(Slow):
    """A half-step that begins with a fifth of a second for what all rows share."""

    def half_step(self, problem, X):
        import time

        time.sleep(0.2)
        return super().half_step(problem, X)


def test_what_all_rows_share_is_predicted_once(bench_data, start, monkeypatch):
    monkeypatch.setattr("halfstep.bench.method.check._ENOUGH_SECONDS", 0.03)
    rows = sum(bench_data.train.shape)
    predicted = predict_seconds(Shared(factors=7, num_threads=1), bench_data.train, start)
    # Two sides' share is 0.4 s; scaled with the rows it would be 10 s and more.
    # Times on a busy machine vary, and the prediction is a difference of them.
    assert 0.7 * (0.4 + 0.002 * rows) <= predicted < 4 + 0.02 * rows


class WholeIteration(SOLVERS["cholesky"]):
    """A reference whose half-step on a block of rows takes as long as one on all."""

    name = "whole_iteration"
    kind = "reference"

    def half_step(self, problem, X):
        import time

        time.sleep(0.3)
        return super().half_step(problem, X)


def test_a_reference_is_predicted_by_an_iteration_of_its_own(bench_data, register):
    register(WholeIteration)
    settings = replace(SETTINGS, solvers=("whole_iteration",))
    rows = rows_of(run(settings, bench_data, replace(CASE, iterations=1, repeats=1, budget=2.0)))
    assert rows["whole_iteration"].reason is None
