"""The suites that are no contest of half-steps: suite_queries, the suite_roofline, and growth."""

import io
import json
import re
from dataclasses import asdict, replace

import numpy as np
import pytest
from rich.console import Console
from scipy import sparse

from halfstep.bench import (
    suite_evaluation,
    suite_memory,
    suite_queries,
    suite_roofline,
    suite_small,
    suite_small_fixed,
)
from halfstep.bench.limits import rates
from halfstep.bench.method import stages
from halfstep.bench.report.curves import bound_curves
from halfstep.bench.report.growth import bound_bytes, growth_table
from halfstep.bench.report.html import html
from halfstep.bench.report.markdown import markdown
from halfstep.bench.report.tables import measure_tables
from halfstep.bench.report.terminal import print_results
from halfstep.bench.results_file import read_results, write_results
from halfstep.bench.run import run_bench
from halfstep.bench.settings import BenchSettings
from halfstep.errors import InputError


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


@pytest.fixture(scope="module")
def small_results():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(suite_small, "GRID", ((60, 40, 500), (50, 70, 600)))
        patch.setattr(suite_small_fixed, "_CALLS", 2)
        settings = BenchSettings(suite="small", repeats=2, factors=(3,), num_threads=1)
        return run_bench(replace(settings, iterations=3, memory=False), Console(file=io.StringIO()))


def test_little_data_has_a_line_a_cell_with_everybodys_quality(small_results):
    whole, to_exact, fixed = measure_tables(small_results)
    assert [line[0].partition(" entries")[0] for line in whole.lines] == ["500", "600"]
    ours = 1 + list(suite_small.contestants()).index(suite_small.OURS)
    for line in whole.lines:
        assert len(line) == len(whole.headings)
        assert "%" in line[ours]
        assert all("×" in cell for cell in line[2:])
    assert all("iterations" in line[ours] for line in to_exact.lines)
    assert suite_small_fixed.WHOLE_FIT in {line[0] for line in fixed.lines}


def test_little_data_is_fitted_by_everybody_to_the_same_objective():
    settings = BenchSettings(suite="small", num_threads=1)
    matrix = suite_small.generated(60, 40, 500, seed=1)
    assert matrix.nnz == 500
    cell = suite_small.cell_of(settings, matrix, 3)
    ends = {name: cell.objective(fit(cell, 30)) for name, fit in suite_small.contestants().items()}
    assert max(ends.values()) < 1.02 * min(ends.values()), ends
    ours = suite_small.contestants()[suite_small.OURS]
    target = cell.objective(ours(cell, 4)) / (1 + suite_small.NEAR) + 1e-9
    assert suite_small._iterations_to(cell, ours, target, 10) == 4
    assert suite_small._iterations_to(cell, ours, 0.0, 10) is None


def test_evaluation_is_compared_with_the_product(bench_file):
    measures = run(bench_file, "evaluation", factors=(3,)).measures
    assert {m.reference for m in measures} == {suite_evaluation.PRODUCT}
    groups = {m.group for m in measures}
    assert len(groups) == 2
    for group in groups:
        names = {m.name for m in measures if m.group == group}
        assert suite_evaluation.PRODUCT in names
        assert sum(name.startswith("halfstep") for name in names) == 2
    assert all(len(m.seconds) == 2 and min(m.seconds) > 0 for m in measures)


def test_the_product_forms_every_score(monkeypatch):
    rng = np.random.default_rng(0)
    X, Y = (rng.standard_normal((n, 5)).astype(np.float32) for n in (31, 47))
    users = np.array([3, 30, 7, 0, 12])
    formed = np.zeros((5, 47), int)
    matmul = np.matmul

    def watched(part, items, out):
        matmul(part, items, out=out)
        rows = [int(np.flatnonzero((X[users] == x).all(1))[0]) for x in part]
        columns = [int(np.flatnonzero((y == Y).all(1))[0]) for y in items.T]
        np.testing.assert_allclose(out, (X[users] @ Y.T)[np.ix_(rows, columns)], atol=1e-5)
        formed[np.ix_(rows, columns)] += 1

    monkeypatch.setattr(np, "matmul", watched)
    suite_evaluation.multiply(X, Y, users, (2, 10), 1)
    assert (formed == 1).all()


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


@pytest.mark.parametrize("which", ["query_results", "roofline_results", "small_results"])
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


@pytest.mark.parametrize("suite", ["memory", "preparation"])
def test_memory_is_measured_in_processes_of_its_own(suite, monkeypatch, tmp_path):
    monkeypatch.setattr(suite_memory, "FITS", ((None, 3_000_000, "implicit"),))
    monkeypatch.setattr(suite_memory, "PREPARED_ENTRIES", 600_000)
    settings = BenchSettings(suite=suite, factors=(16,) if suite == "memory" else None)
    results = run_bench(settings, Console(file=io.StringIO()))
    names = [measure.name for measure in results.measures]
    details = " ".join(measure.detail for measure in results.measures)
    if suite == "memory":
        assert names == ["3,000,000 entries, implicit"]
        ratio = float(re.search(r"MB, (.*) times both sides and the factors", details)[1])
        # Besides these there are the factors of the iteration before, on so little data in two forms,
        # and scratch. One more array of a number for each entry would be another .24. Elsewhere the
        # peak is that of what came before.
        assert 0.8 < ratio < 1.4 or not stages._RESET.exists()
    else:
        assert names[:3] == ["checks", "weights, implicit", "transpose, implicit"]
        assert [name for name in names if name.startswith("order")] == [
            "order, CSR, rows unsorted", "order, CSC", "order, COO, shuffled",
        ]  # fmt: skip
    assert all(measure.seconds[0] > 0 for measure in results.measures)
    write_results(results, tmp_path / "r.json")
    assert asdict(read_results(tmp_path / "r.json")) == asdict(results)
    assert "Peak memory" in markdown(results) or "Preparation" in markdown(results)


def test_drawn_entries_are_canonical_and_the_same_for_a_seed():
    one, again = stages.drawn(100_000, 3), stages.drawn(100_000, 3)
    assert abs(one.nnz - 100_000) < 5_000
    fresh = sparse.csr_matrix((one.data, one.indices, one.indptr), shape=one.shape)
    assert fresh.has_canonical_format
    assert one.data.min() >= 1
    assert (one != again).nnz == 0


def test_a_stage_that_fails_says_why():
    with pytest.raises(InputError, match=r"'nothing' failed with exit code 1: KeyError: 'nothing'"):
        suite_memory._stages("nothing", path="nowhere.npz")
