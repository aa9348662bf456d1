"""The README's ladder: ideas and costs of the rungs' own files, times of the fullest results file."""

import copy
import json
import sys
from dataclasses import replace

import pytest

from halfstep.bench.environment import environment
from halfstep.bench.gpu.record import SCHEMA, GpuResults, GpuTable
from halfstep.bench.method.spread import Spread
from halfstep.bench.report import ladder, markdown, published
from halfstep.bench.results_file import write_results
from halfstep.bench.schema import CaseRecord, Row
from halfstep.errors import InputError
from halfstep.solvers import SOLVERS

MARKERS = "<!-- ladder:begin -->\nbefore it was measured\n<!-- ladder:end -->\n"


def row(name, each, iterations=2):
    spread = Spread(*[each] * 5)
    total = Spread(*[iterations * each] * 5) if iterations else None
    fits = [[each] * 3, [each] * 3]
    return Row(
        solver=name, kind="rung", device="cpu", seconds=fits, seconds_per_iteration=spread,
        iterations_to_target=iterations, seconds_to_target=total,
    )  # fmt: skip


def run_of(bench_results, rows, reference="eigenbasis:exact"):
    results = copy.deepcopy(bench_results)
    results.cases = results.cases[:1]
    results.cases[0].rows = rows
    results.cases[0].reference = reference
    return results


def lines(text):
    """Return the cells of each rung's line."""
    cells = (line.strip("| ").split(" | ") for line in text.splitlines() if line.startswith("| [`"))
    return {line[0].split("`")[1]: line for line in cells}


@pytest.mark.parametrize("name", [*ladder.rungs("cpu"), *ladder.rungs("gpu")])
def test_every_rung_says_its_idea_and_its_cost(name):
    for said in (ladder.idea(SOLVERS[name]), ladder.cost(SOLVERS[name])):
        assert 10 < len(said) < 160
        assert "\n" not in said


def test_a_rung_without_them_is_an_error(monkeypatch):
    module = sys.modules[SOLVERS["naive"].__module__]
    monkeypatch.setattr(module, "__doc__", "Rung 1, other: an idea.\n\nCost: much.")
    for say in (ladder.idea, ladder.cost):
        with pytest.raises(ValueError, match=r"halfstep\.solvers\.naive: its docstring must"):
            say(SOLVERS["naive"])


def test_the_ladder_is_in_order_and_measured_where_it_is(bench_results):
    rows = [row("naive", 1.0), row("cholesky", 0.25), row("subspace", 0.1, None)]
    few = run_of(bench_results, [row("naive", 9.0), row("eigenbasis", 9.0)])
    other = run_of(bench_results, [row(n, 9.0) for n in ladder.rungs("cpu")], "implicit_cpu")
    text = ladder.markdown([few, run_of(bench_results, rows), other], [])
    found = lines(text)
    assert list(found) == [n for n, s in SOLVERS.items() if s.kind == "rung"]
    assert found["naive"][0] == "[`naive`](solvers/naive.py)"
    assert found["naive"][2] == "rows (columns f² + f³) operations"
    assert found["naive"][3:] == ["1.00 s", "2.00 s", "–"]
    assert found["cholesky"][3:] == ["250 ms", "500 ms", "4.0×"]
    assert found["subspace"][3] == "100 ms"
    assert found["subspace"][5] == "–"
    assert found["eigenbasis"][3:] == ["not yet measured", "not yet measured", "–"]
    assert found["gpu_cg_7_half"][3] == "not yet measured"
    assert "2 fits that take turns" in text
    assert "exact ALS after 3 iterations" in text


def test_the_newest_of_two_equal_files_counts(bench_results):
    old, new = (run_of(bench_results, [row("naive", each)]) for each in (9.0, 1.0))
    old.created, new.created = "2026-01-01T00:00:00", "2026-01-02T00:00:00"
    for runs in ([old, new], [new, old]):
        assert lines(ladder.markdown(runs, []))["naive"][3] == "1.00 s"


def card(emulated=False):
    def measured(solver, each, objectives):
        return Row(
            solver, "rung", "gpu", objectives=objectives, seconds=[[each] * len(objectives)] * 2,
            seconds_per_iteration=Spread(*[each] * 5),
        )  # fmt: skip

    rows = [
        measured("gpu_cholesky", 0.5, [120.0, 100.9, 100.0]),
        measured("gpu_cg_1_naive", 0.2, [150.0, 110.0, 102.0]),
        measured("gpu_cg_2_whitened", 0.1, [130.0, 110.0, 100.5]),
        Row("gpu_cg_3_warps", "rung", "gpu", reason="broken"),
        measured("implicit_gpu", 0.4, [130.0, 110.0, 101.0]),
    ]
    case = CaseRecord(0, 64, 0, True, 3, "implicit_gpu", 100.0, 100.0, [], rows)
    where = replace(environment(), gpu="A Card")
    table = GpuTable("songs", 4000, 300, 9000, case)
    return GpuResults(SCHEMA, emulated, where, None, tables=[table])


def test_a_card_s_times_are_in_the_gpu_s_ladder():
    text = ladder.markdown([], [card(emulated=True), card()])
    found = lines(text)
    assert found["gpu_cholesky"][3:] == ["500 ms", "1.00 s", "–"]
    assert found["gpu_cg_1_naive"][3:] == ["200 ms", "not reached", "–"]
    assert found["gpu_cg_2_whitened"][3:] == ["100 ms", "300 ms", "–"]
    assert found["gpu_cg_3_warps"][3] == "not yet measured"
    assert "On songs (4,000 users × 300 items, 9,000 entries), f = 64; A Card." in text
    assert "exact ALS after 3 iterations" in text
    emulated = lines(ladder.markdown([], [card(emulated=True)]))
    assert emulated["gpu_cholesky"][3] == "not yet measured"


def test_the_page_holds_the_ladder_between_its_markers(bench_results, tmp_path):
    (tmp_path / "results").mkdir()
    run = run_of(bench_results, [row("naive", 1.0)])
    write_results(run, tmp_path / "results" / "one.json")
    page = tmp_path / "page.md"
    page.write_text(MARKERS)
    markdown.rewrite(page, tmp_path / "results")
    assert "before it was measured" not in page.read_text()
    assert lines(page.read_text())["naive"][3] == "1.00 s"


def test_published_results_have_markers_of_their_own(bench_results, tmp_path):
    results = tmp_path / "results"
    results.mkdir()
    source = {"source": "Some et al.", "hit_rate": 0.7, "ndcg": 0.425}
    reproduced = [{"published": source, "solver": "naive", "hit_rate": 0.71234, "ndcg": 0.4}]
    (results / "published.json").write_text(json.dumps(reproduced))
    write_results(bench_results, results / "run.json")
    page = tmp_path / "page.md"
    page.write_text(
        "<!-- published:begin -->\n<!-- published:end -->\n" + markdown.BEGIN + markdown.END
    )
    markdown.rewrite(page, results)
    line = "| Some et al. | .7123 | .7000 | .4000 | .4250 |"
    assert page.read_text().count(line) == 1
    with pytest.raises(InputError, match="published results must have the field 'ndcg'"):
        published.markdown([{"published": source, "hit_rate": 0.7}])
