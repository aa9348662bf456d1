import gc
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
from cases.bench import CASE, SETTINGS

from halfstep.bench.method import memory
from halfstep.bench.method.contest import run_case
from halfstep.bench.method.contestants import Contestant, contestants, rotated
from halfstep.bench.method.timing import (
    TimingPlan,
    pairwise_ratio,
    seconds_to,
    spread,
    time_fits,
    timing_plan,
)
from halfstep.solvers import SOLVERS


def test_timed_fits_are_interleaved_and_rotated(bench_data):
    settings = replace(SETTINGS, solvers=("cholesky", "conjugate_gradient"))
    record = run_case(CASE, bench_data, 0, settings, lambda line: None)
    assert len(record.order) == 2
    assert sorted(record.order[0]) == sorted(record.order[1])
    assert record.order[1] == [*record.order[0][1:], record.order[0][0]]


def test_rotation():
    assert ["".join(rotated("abc", i)) for i in range(4)] == ["abc", "bca", "cab", "abc"]
    assert rotated((), 3) == []


def test_repeats_are_cut_before_iterations(bench_data):
    found = SimpleNamespace(
        contestant=None,
        objectives=[3.0] * 4,
        iterations_to_target=4,
        seconds_per_iteration=1.0,
        notes=[],
    )
    case = replace(CASE, iterations=4, repeats=5)
    assert timing_plan(found, replace(case, budget=100)) == TimingPlan(None, 4, 5)
    assert found.notes == []
    assert timing_plan(found, replace(case, budget=24)) == TimingPlan(None, 4, 3)
    assert timing_plan(found, replace(case, budget=6)) == TimingPlan(None, 3, 1)
    assert timing_plan(found, replace(case, budget=1.5)) is None
    assert len(found.notes) == 4


def test_the_collector_rests_while_timing_and_comes_back(bench_data, start):
    states = []

    class Watching(SOLVERS["cholesky"]):
        name = "watching"

        def half_step(self, problem, X):
            states.append(gc.isenabled())
            return super().half_step(problem, X)

    arguments = contestants(SETTINGS, CASE)[0].arguments
    time_fits([TimingPlan(Contestant(Watching, arguments), 1, 2)], bench_data.train, start)
    assert states == [False] * 4
    assert gc.isenabled()


def test_ratios_are_formed_in_pairs():
    ratios = pairwise_ratio([2.0, 20.0, 200.0], [1.0, 10.0])
    assert (ratios.lowest, ratios.median, ratios.highest) == (2.0, 2.0, 2.0)
    assert pairwise_ratio([], [1.0]) is None


def test_spread_and_extrapolation():
    five = spread([4.0, 1.0, 2.0, 3.0, 5.0])
    assert (five.lowest, five.q1, five.median, five.q3, five.highest) == (1, 2, 3, 4, 5)
    assert spread([]) is None
    assert seconds_to([1.0, 2.0, 9.0], 2) == 3.0
    assert seconds_to([1.0, 2.0], 4) == 6.0


def test_peak_memory_is_that_of_a_process_of_its_own(bench_data, tmp_path):
    ballast = np.ones(60_000_000)  # 480 MB here must not show there
    contestant = contestants(SETTINGS, CASE)[0]
    memory.write_input(tmp_path / "input.npz", contestant, bench_data.train)
    peak = memory.measure(tmp_path / "input.npz", "cholesky")
    assert 10e6 < peak < 400e6
    assert len(ballast)


def test_a_failing_memory_process_is_a_line(tmp_path):
    said = memory.measure(tmp_path / "absent.npz", "cholesky")
    assert said.startswith("memory not measured: exit code 1")
