import copy
import dataclasses
import json
import math
import re
import subprocess
import sys
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

import halfstep
from halfstep.bench.method.spread import Interval, Spread
from halfstep.bench.report import markdown
from halfstep.bench.report.html import html
from halfstep.bench.report.tables import case_table
from halfstep.bench.report.terminal import print_results
from halfstep.bench.results_file import read_results, write_results
from halfstep.bench.run import run_bench
from halfstep.bench.schema import SCHEMA, Row
from halfstep.bench.settings import BenchSettings
from halfstep.errors import InputError

README = f"# halfstep\n\n{markdown.BEGIN}\nold\n{markdown.END}\n\nafter\n"


def shown(results, width):
    stream = StringIO()
    print_results(results, Console(file=stream, width=width))
    return stream.getvalue()


def test_a_run_holds_what_a_record_must(bench_results, bench_file):
    assert bench_results.schema == SCHEMA
    assert bench_results.data[0].name == "<b>tiny&"
    assert len(bench_results.data[0].content_hash) == 64
    assert [case.factors for case in bench_results.cases] == [3, 5]
    assert bench_results.settings["data"] == bench_file.name
    assert str(bench_file.parent) not in json.dumps(dataclasses.asdict(bench_results))
    where = bench_results.environment
    assert {"python", "numpy", "scipy", "numba", "implicit", "halfstep"} <= set(where.versions)
    assert where.cores >= 1
    assert where.blas


def test_results_survive_the_file(bench_results, tmp_path):
    write_results(bench_results, tmp_path / "results.json")
    assert read_results(tmp_path / "results.json") == bench_results
    assert [p.name for p in tmp_path.iterdir()] == ["results.json"]


def test_no_nan_reaches_the_file(bench_results, tmp_path):
    spoiled = dataclasses.replace(
        bench_results, cases=[dataclasses.replace(bench_results.cases[0])]
    )
    spoiled.cases[0].rows = [
        Row(
            "x",
            "rung",
            "cpu",
            objectives=[1.0, math.nan],
            objective=math.inf,
            objective_gap=-math.inf,
        )
    ]
    write_results(spoiled, tmp_path / "results.json")
    text = (tmp_path / "results.json").read_text()
    assert not re.search(r"\b(NaN|Infinity)\b", text)
    row = read_results(tmp_path / "results.json").cases[0].rows[0]
    assert row.objectives == [1.0, None]
    assert row.objective is None


def damage(results, change):
    value = json.loads(json.dumps(dataclasses.asdict(results)))
    change(value)
    return json.dumps(value)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda v: v.pop("schema"), "has no field 'schema'"),
        (lambda v: v.update(schema=5), "schema must be from 1 to 4, got 5"),
        (lambda v: v.update(schema=True), "schema must be from 1 to 4, got True"),
        (lambda v: v["cases"][0].pop("second"), r"cases\[0\] must have the field 'second'"),
        (lambda v: v.pop("cases"), "results must have the field 'cases'"),
        (lambda v: v.update(extra=1), "results must not have the field 'extra'"),
        (
            lambda v: v["cases"][0].update(factors="3"),
            r"cases\[0\].factors must be a int, got \"3\"",
        ),
        (lambda v: v["cases"][0].update(factors=True), r"cases\[0\].factors must be a int"),
        (lambda v: v["cases"][1].update(data=1), r"cases\[1\].data must be below 1, got 1"),
        (lambda v: v["cases"][0]["rows"][0].update(seconds=[1.0]), r"seconds\[0\] must be a list"),
        (lambda v: v["cases"][0]["rows"][0].update(solver=None), "solver must be a str"),
        (lambda v: v["environment"].update(versions=[]), "versions must be an object"),
    ],
)
def test_a_foreign_or_damaged_file_is_refused(bench_results, tmp_path, change, message):
    path = tmp_path / "results.json"
    path.write_text(damage(bench_results, change))
    with pytest.raises(InputError, match=message):
        read_results(path)


@pytest.mark.parametrize("text", ["", "{", "[1]", "3", '{"schema": NaN}', "\x00"])
def test_what_is_no_results_file_is_refused(tmp_path, text):
    path = tmp_path / "results.json"
    path.write_text(text)
    with pytest.raises(InputError, match=r"strict JSON|has no field"):
        read_results(path)


def test_an_absent_file_is_refused(tmp_path):
    with pytest.raises(InputError, match="cannot be read"):
        read_results(tmp_path / "absent.json")


@pytest.mark.parametrize("width", [60, 80, 100, 120, 140, 200])
def test_the_terminal_shows_every_column_solver_and_reason(bench_results, width):
    text = shown(bench_results, width)
    for case in bench_results.tables():
        for word in " ".join(case_table(bench_results, case).headings).split():
            assert re.search(rf"(?<!\S){re.escape(word)}(?!\S)", text), word
    for name in {row.solver for case in bench_results.cases for row in case.rows}:
        assert text.count(name) >= 2
    for case in bench_results.tables():
        for cell in (c for line in case_table(bench_results, case).lines for c in line):
            assert all(word in text for word in cell.split())
    assert "cannot run" in " ".join(text.split())
    assert "needs <CUDA>" in text
    assert "…" not in text
    assert all(len(line) <= width for line in text.splitlines())


def test_narrow_terminals_get_time_and_quality_below_one_another(bench_results):
    narrow, wide = shown(bench_results, 80), shown(bench_results, 140)
    titles = [line.rstrip() for line in narrow.splitlines() if line.startswith("<b>tiny&, ")]
    parts = dict.fromkeys(title.rpartition(": ")[2] for title in titles)
    assert list(parts) == ["time", "quality"]
    headings = [line.split() for line in narrow.splitlines() if line.startswith("solver ")]
    assert headings[0] == ["solver", "device", "iteration", "to", "target", "it.", "speed-up"]
    assert {"objective", "gap", "NDCG@10"} <= {h for line in headings[1:] for h in line}
    in_one = next(line.split() for line in wide.splitlines() if line.startswith("solver "))
    assert in_one == " ".join(case_table(bench_results, bench_results.cases[0]).headings).split()


def test_columns_that_would_be_empty_are_left_out(bench_results):
    results = copy.deepcopy(bench_results)
    case = results.cases[0]
    row = next(r for r in case.rows if r.objectives)
    for other in case.rows:
        other.speed_ups, other.relaxed_gap, other.seconds_to_second = {}, None, None
    before = case_table(results, case).headings
    assert "against implicit_cpu" not in before
    row.speed_ups = {"implicit_cpu": Spread(2.0, 2.0, 3.0, 4.0, 4.0)}
    row.relaxed_gap = 0.25
    row.judgement = copy.deepcopy(next(r.judgement for r in case.rows if r.judgement))
    row.judgement.held_out["ndcg@10"] = dataclasses.replace(
        row.judgement.held_out["ndcg@10"], ratio=Interval(0.987, 0.981, 0.993)
    )
    table = case_table(results, case)
    cells = next(line for line in table.lines if line[0] == row.solver)
    line = dict(zip(table.headings, cells, strict=True))
    assert set(table.headings) - set(before) == {"against implicit_cpu", "to relaxed"}
    assert line["against implicit_cpu"] == "3.0× (2.0–4.0)"
    assert line["to relaxed"] == "+25 %"
    assert line["its ratio"] == "0.987 (0.981–0.993)"


def test_the_files_of_the_first_schema_are_read_and_keep_their_target(tmp_path):
    root = Path(halfstep.__file__).resolve().parent.parent
    old = read_results(root / "bench" / "results" / "epyc-2-cores-gowalla-64-128.json")
    assert (old.schema, old.method.target_tolerance, old.method.second_tolerance) == (1, 1e-5, None)
    said = markdown.markdown(old)
    assert "Target: the float64 objective of implicit_cpu after 10 iterations" in said
    assert "1e-05 (relative)" in said
    assert not any(words in said for words in ("exact ALS", "to implicit's"))


def test_a_file_from_before_there_were_rows_of_a_card_is_read(bench_results, tmp_path):
    def older(value):
        value["schema"] = 2
        for row in (row for case in value["cases"] for row in case["rows"]):
            assert {row.pop(name) for name in ("peak_device_bytes", "counted_bytes")} == {None}

    (tmp_path / "results.json").write_text(damage(bench_results, older))
    assert read_results(tmp_path / "results.json").cases == bench_results.cases


def test_long_cells_are_broken_between_words_alone(bench_results):
    results = copy.deepcopy(bench_results)
    for row in results.cases[0].rows:
        row.speed_up = Spread(1234.0, 1234.0, 23456.0, 34567.0, 34567.0)
        row.objective = 123456789012.0
        row.peak_memory_bytes = 12_340_000_000
    for width in (60, 80, 100, 140):
        text = shown(results, width)
        for word in ("23,000×", "(1,200–35,000)", "123,456,789,012", "12.34"):
            assert word in text
        assert all(len(line) <= width for line in text.splitlines())


def test_the_readme_is_rewritten_between_its_markers(bench_results, tmp_path):
    (tmp_path / "results").mkdir()
    write_results(bench_results, tmp_path / "results" / "one.json")
    path = tmp_path / "README.md"
    path.write_text(README)
    markdown.rewrite(path, tmp_path / "results")
    text = path.read_text()
    assert text.startswith(f"# halfstep\n\n{markdown.BEGIN}\n")
    assert text.endswith(f"{markdown.END}\n\nafter\n")
    assert "old" not in text
    assert "| cholesky |" in text
    assert "cannot run" in text
    assert "\\<CUDA>" in text
    assert bench_results.environment.cpu in text
    assert "read the ratios" in text
    rows = [
        line for line in text.splitlines() if line.startswith("| ") and not line.startswith("| --")
    ]
    columns = len(case_table(bench_results, bench_results.cases[0]).headings)
    counts = {line.replace("\\|", "").count("|") for line in rows if "cholesky" in line}
    assert counts <= {columns + 1, 4}
    again = path.read_text()
    markdown.rewrite(path, tmp_path / "results")
    assert path.read_text() == again


@pytest.mark.parametrize(
    "text", ["none", markdown.BEGIN, f"{markdown.END}{markdown.BEGIN}", README + README]
)
def test_a_readme_without_its_markers_is_left_alone(bench_results, tmp_path, text):
    (tmp_path / "results").mkdir()
    write_results(bench_results, tmp_path / "results" / "one.json")
    path = tmp_path / "README.md"
    path.write_text(text)
    with pytest.raises(InputError, match="must hold <!-- table:begin -->"):
        markdown.rewrite(path, tmp_path / "results")
    assert path.read_text() == text


def test_the_readme_needs_results(tmp_path):
    path = tmp_path / "README.md"
    path.write_text(README)
    with pytest.raises(InputError, match="must hold results files"):
        markdown.rewrite(path, tmp_path / "nothing")
    (tmp_path / "results").mkdir()
    (tmp_path / "results" / "bad.json").write_text("{}")
    with pytest.raises(InputError, match=r"bad\.json"):
        markdown.rewrite(path, tmp_path / "results")
    assert path.read_text() == README


def test_the_readme_module_reports_bad_input_in_one_line(tmp_path):
    command = [
        sys.executable,
        "-m",
        "halfstep.bench.report.markdown",
        str(tmp_path / "no.md"),
        str(tmp_path),
    ]
    root = Path(halfstep.__file__).resolve().parent.parent
    done = subprocess.run(command, capture_output=True, text=True, cwd=root, check=False)
    assert done.returncode == 2
    assert len(done.stderr.strip().splitlines()) == 1


def test_an_interrupted_run_says_so_and_goes_on_up(bench_file, monkeypatch):
    def interrupt(*args):
        raise KeyboardInterrupt

    monkeypatch.setattr("halfstep.bench.run.run_case", interrupt)
    stream = StringIO()
    with pytest.raises(KeyboardInterrupt):
        run_bench(BenchSettings(data=str(bench_file)), Console(file=stream))
    assert stream.getvalue() == "interrupted: no results were written\n"


def test_absent_data_is_refused(tmp_path):
    with pytest.raises(InputError):
        run_bench(BenchSettings(data=str(tmp_path / "absent.npz")), Console(file=StringIO()))


def test_scaling_runs_on_generated_data(monkeypatch):
    monkeypatch.setattr("halfstep.bench.suites.SCALING_ENTRIES", (1_000, 3_000))
    settings = BenchSettings(
        suite="scaling", solvers=("conjugate_gradient",), factors=(4,), num_threads=1, repeats=1
    )
    results = run_bench(settings, Console(file=StringIO()))
    assert [case.table for case in results.cases] == [False, False]
    assert len({data.entries for data in results.data}) == 2
    assert results.cases[0].target is None
    assert "entries, f = 4" in shown(results, 120)
    assert "stored entries" in html(results)
    assert "**Seconds per iteration**" in markdown.markdown(results)
