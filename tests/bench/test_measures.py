"""The suites that are no contest of half-steps: suite_queries, the suite_roofline, and growth."""

import io
import json
from dataclasses import asdict, replace

import pytest
from rich.console import Console

from halfstep.bench import suite_queries, suite_roofline
from halfstep.bench.limits import rates
from halfstep.bench.report.curves import bound_curves
from halfstep.bench.report.growth import bound_bytes, growth_table
from halfstep.bench.report.html import html
from halfstep.bench.report.markdown import markdown
from halfstep.bench.report.tables import measure_tables
from halfstep.bench.report.terminal import print_results
from halfstep.bench.results_file import read_results, write_results
from halfstep.bench.run import run_bench
from halfstep.bench.settings import BenchSettings


def run(bench_file, suite, **settings):
    return run_bench(
        BenchSettings(
            data=str(bench_file), suite=suite, repeats=2, num_threads=1, memory=False, **settings
        ),
        Console(file=io.StringIO()),
    )


@pytest.fixture(scope="module")
def query_results(bench_file):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(suite_queries, "BATCHES", (7,))
        patch.setattr(suite_queries, "SINGLE_CALLS", 2)
        return run(bench_file, "queries", factors=(3,))


@pytest.fixture(scope="module")
def roofline_results(bench_file):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(rates, "_SIDE", 64)
        patch.setattr(suite_roofline, "_GATHERED", 1 << 10)
        patch.setattr(suite_roofline, "_TABLE_BYTES", 1 << 20)
        return run(bench_file, "roofline", factors=(64, 128))


def test_queries_time_everybody_as_often(query_results):
    measures = query_results.measures
    assert all(len(m.seconds) == 2 and min(m.seconds) > 0 for m in measures)
    groups = {m.group: m.reference for m in measures}
    assert sum("two iterations of the fit" in r for r in groups.values()) == 1
    for m in measures:
        if m.reference == m.name:
            assert m.speed_up.median == 1
    titles = " ".join(groups)
    for word in ("Top 10", "most similar", "one user", "exact AUC", "Sampled AUC"):
        assert word in titles


def test_roofline_sets_the_iteration_against_its_bounds(roofline_results):
    measured, *bounds = bound_curves(roofline_results)
    assert measured.name == suite_roofline.MEASURED
    assert [curve.x for curve in (measured, *bounds)] == [(64.0, 128.0)] * 3
    arithmetic = next(curve for curve in bounds if curve.name == suite_roofline.ARITHMETIC)
    assert arithmetic.y[1] > 2 * arithmetic.y[0]
    assert "Time over the higher of the two bounds" in html(roofline_results)


@pytest.mark.parametrize("which", ["query_results", "roofline_results"])
def test_measures_are_written_read_and_shown(which, request, tmp_path):
    results = request.getfixturevalue(which)
    write_results(results, tmp_path / "r.json")
    assert asdict(read_results(tmp_path / "r.json")) == asdict(results)
    screen = Console(file=io.StringIO(), width=100)
    print_results(results, screen)
    for table in measure_tables(results):
        for shown in (screen.file.getvalue(), markdown(results)):
            assert table.title[:20].replace("|", "") in shown


def test_files_from_before_there_were_measures_are_read(query_results, tmp_path):
    path = tmp_path / "old.json"
    write_results(replace(query_results, measures=[]), path)
    value = json.loads(path.read_text())
    value["schema"] = 1
    del value["measures"]
    path.write_text(json.dumps(value))
    assert read_results(path).measures == []


def test_growth_is_per_entry_and_against_a_bound(bench_results):
    assert growth_table(bench_results) is None
    small = bench_results.data[0]
    twice = replace(small, entries=2 * small.entries)
    cases = [bench_results.cases[0], replace(bench_results.cases[0], data=1)]
    grown = replace(bench_results, suite="scaling", data=[small, twice], cases=cases)
    # Two data sets in one run do not grow by that.
    assert growth_table(replace(grown, suite="quick")) is None
    for row in cases[0].rows:
        row.peak_memory_bytes = None
    table = growth_table(grown)
    assert {line[1] for line in table.lines} == {f"{small.entries:,}", f"{twice.entries:,}"}
    assert all(len(line) == len(table.headings) for line in table.lines)
    expected = 16 * small.entries + (8 + 4 * 3) * (small.users + small.items) + 200_000_000
    assert bound_bytes(small, 3) == expected
    assert "Growth" in markdown(grown)
