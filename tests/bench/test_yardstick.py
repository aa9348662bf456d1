"""Exact ALS as the yardstick: what a row says of it, and of the peers on the way there."""

import math
from dataclasses import replace

import numpy as np
import pytest
from cases.bench import CASE, SETTINGS

from halfstep.bench.contestant_names import EXACT, PEERS, RELAXED, default_contestants, is_exact
from halfstep.bench.method import contest
from halfstep.bench.method.check import SECOND_TOLERANCE, TARGET_TOLERANCE, Checked, first_reaching
from halfstep.bench.method.contestants import Contestant
from halfstep.bench.method.ratios import mean_ratios
from halfstep.bench.method.spread import Spread
from halfstep.bench.method.timing import seconds_to
from halfstep.bench.method.verdicts import verdict_of
from halfstep.bench.report import numbers
from halfstep.bench.report.html import html
from halfstep.bench.report.sentences import convention_line, method_lines, target_line
from halfstep.bench.run import run_bench
from halfstep.bench.schema import Row
from halfstep.bench.settings import BenchSettings
from halfstep.evaluation.metrics.held_out import Evaluation
from halfstep.evaluation.verdict import describe
from halfstep.solvers import SOLVERS

SECOND = "conjugate_gradient:cg_steps=1"


@pytest.fixture(scope="module")
def record(bench_data):
    names = (EXACT, RELAXED, SECOND, "conjugate_gradient", "cholesky")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(contest, "PEERS", (SECOND, "cholesky"))
        settings = replace(SETTINGS, solvers=names)
        return contest.run_case(
            replace(CASE, iterations=4), bench_data, 0, settings, lambda line: None
        )


def test_the_target_is_the_exact_objective_within_a_percent(record):
    assert record.reference == EXACT
    rows = {row.solver: row for row in record.rows}
    assert record.target == rows[EXACT].objective
    first = rows["cholesky"].iterations_to_target
    bound = record.target * (1 + TARGET_TOLERANCE)
    assert rows["cholesky"].objectives[first - 1] <= bound
    assert all(value > bound for value in rows["cholesky"].objectives[: first - 1])


def test_the_target_is_within_its_tolerance():
    assert first_reaching([3.0, 2.0, 1.0], 2.0) == 2
    assert first_reaching([3.0, 2.0 * 1.009], 2.0) == 2
    assert first_reaching([3.0, 2.0 * 1.011], 2.0) is None
    assert first_reaching([2.0 * (1 + 1.1e-5), 2.0 * (1 + 0.9e-5)], 2.0, SECOND_TOLERANCE) == 2
    assert first_reaching([math.nan], 2.0) is None


def test_the_first_peers_objective_is_a_second_target(record):
    rows = {row.solver: row for row in record.rows}
    assert record.second == SECOND
    assert record.second_target == rows[SECOND].objectives[3]
    assert rows[SECOND].iterations_to_second <= 4
    for row in rows.values():
        reached = [v <= record.second_target * (1 + SECOND_TOLERANCE) for v in row.objectives]
        expected = reached.index(True) + 1 if True in reached else None
        assert row.iterations_to_second == expected
        if expected:
            assert row.seconds_to_second.lowest == min(seconds_to(f, expected) for f in row.seconds)


def test_every_row_states_its_objective_relative_to_exact_over_relaxed(record):
    rows = {row.solver: row for row in record.rows}
    relaxed = rows[RELAXED].objectives[3]
    for row in rows.values():
        assert row.relaxed_gap == pytest.approx((row.objectives[3] - relaxed) / relaxed)
    assert rows[RELAXED].relaxed_gap == 0
    assert rows[EXACT].relaxed_gap != 0


def test_speed_ups_are_paired_against_each_peer_that_gets_there(record):
    rows = {row.solver: row for row in record.rows}
    ours, peer = rows["conjugate_gradient"], rows["cholesky"]
    needed = ours.iterations_to_target, peer.iterations_to_target
    pairs = [
        seconds_to(theirs, needed[1]) / seconds_to(mine, needed[0])
        for theirs, mine in zip(peer.seconds, ours.seconds, strict=True)
    ]
    assert ours.speed_ups["cholesky"].lowest == pytest.approx(min(pairs))
    assert rows["cholesky"].speed_ups["cholesky"] == Spread(1, 1, 1, 1, 1)
    assert (SECOND in ours.speed_ups) == (rows[SECOND].iterations_to_target is not None)


def test_never_is_said_after_twice_the_iterations_alone():
    row = Row("x", "reference", "cpu", seconds=[[1.0]], objectives=[2.0] * 10)
    assert numbers.to_target(row, 5) == "never gets there"
    assert numbers.to_target(row, 6) == "not reached"
    assert numbers.to_target(Row("x", "rung", "cpu"), 5) == "–"


def checked(name, ndcg, auc, objective):
    per_user = {"ndcg@10": np.asarray(ndcg, float), "auc": np.asarray(auc, float)}
    found = Checked(Contestant(SOLVERS[name], {}))
    found.evaluation = Evaluation(np.arange(len(ndcg)), per_user, {})
    found.objectives = [objective]
    return found


def test_the_verdict_names_the_metrics_that_fail():
    reference = checked("cholesky", [0.5] * 30, [0.8] * 30, 100.0)
    bad = verdict_of(checked("conjugate_gradient", [0.34] * 30, [0.8] * 30, 113.0), reference, 1, 0)
    assert bad.said == "worse: objective +13 %, NDCG@10 −32 %"
    assert bad.verdict == "worse"
    # An objective can fail a fit; a lower one does not make it better.
    low = verdict_of(checked("conjugate_gradient", [0.5] * 30, [0.8] * 30, 80.0), reference, 1, 0)
    assert (low.said, low.objective) == ("equivalent", "equivalent")
    assert describe({"AUC": ("undecided", -0.004)}) == "undecided: AUC −0.4 %"
    row = Row("x", "rung", "cpu", judgement=bad)
    assert numbers.verdict(row, EXACT) == bad.said


def test_the_ratio_of_means_has_a_paired_interval():
    rng = np.random.default_rng(0)
    hard = rng.random(400)
    same, noisy, none = mean_ratios(
        np.array([0.9 * hard, 0.9 * hard + 0.3 * rng.normal(size=400), 0 * hard]), hard, 0
    )
    # What makes a user hard drops out.
    assert (same.mean, same.low, same.high) == pytest.approx((0.9, 0.9, 0.9))
    assert noisy.low < noisy.mean < noisy.high
    spread = 0.3 / np.sqrt(400) / hard.mean()
    assert noisy.high - noisy.low == pytest.approx(2 * 1.96 * spread, rel=0.2)
    assert (none.mean, none.low, none.high) == (0, 0, 0)
    assert mean_ratios(hard[None], 0 * hard, 0) == [None]
    assert mean_ratios(np.ones((1, 2)), np.array([0.0, 1.0]), 0)[0].low is None


def test_exact_is_told_from_what_is_relaxed_or_takes_steps():
    assert is_exact(EXACT)
    assert is_exact("eigenbasis:exact:compress=false")
    assert is_exact("cholesky")
    for name in (RELAXED, "eigenbasis", "implicit_cpu:use_cg=false", "conjugate_gradient"):
        assert not is_exact(name)


@pytest.mark.parametrize("suite", ["quick", "full"])
def test_exact_relaxed_exact_and_both_methods_of_implicit_take_part(suite):
    names = default_contestants(suite)
    assert {EXACT, RELAXED, *PEERS} <= set(names)
    assert len(names) == len(set(names))
    assert ("naive" in names) == (suite == "quick")
    assert "naive" not in default_contestants(suite, to_read=False)


def test_two_conventions_in_a_run_are_each_said(monkeypatch, two_tastes):
    monkeypatch.setattr(
        "halfstep.datasets.load", lambda name, options=None: replace(two_tastes, name=name)
    )
    monkeypatch.setattr("halfstep.bench.suites.QUICK_TABLE", 5)
    monkeypatch.setattr("halfstep.bench.suites.QUICK_SWEEP", (3,))
    monkeypatch.setattr(
        "halfstep.bench.method.contestants.default_contestants",
        lambda *a, **k: (RELAXED, "cholesky"),
    )
    from io import StringIO

    from rich.console import Console

    settings = BenchSettings(iterations=3, repeats=1, num_threads=1, memory=False)
    results = run_bench(settings, Console(file=StringIO()))
    assert [data.name for data in results.data] == ["music-small", "plays-small"]
    assert [case.data for case in results.cases] == [0, 0, 1]
    mild, heavy = results.tables()
    assert mild.convention["confidence"] == "log"
    assert heavy.convention["confidence"] == "implicit"
    assert heavy.target > 0
    assert heavy.target != mild.target
    line = convention_line(results)
    assert "music-small: confidence log, alpha 1.0, epsilon 1.0, regularization 20.0; " in line
    assert "plays-small: confidence implicit, alpha 1.0" in line
    assert "within 1 % of the objective of exact ALS (eigenbasis:exact)" in target_line(results)
    assert "0.01 (relative)" in " ".join(method_lines(results))
    pytest.importorskip("matplotlib")
    leads = html(results).split('class="lead">')[1:]
    assert [lead.partition(": ")[0] for lead in leads] == ["music-small", "plays-small"]
