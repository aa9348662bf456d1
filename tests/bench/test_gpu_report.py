"""From the records of a run to the committed files."""

import shutil
from dataclasses import asdict, replace
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from halfstep.bench.environment import environment
from halfstep.bench.gpu.process import Place
from halfstep.bench.gpu.record import GpuTable, read_gpu
from halfstep.bench.gpu.results import report
from halfstep.bench.gpu.results.collect import collect, read_lines
from halfstep.bench.method.timing import spread
from halfstep.bench.report import gpu as gpu_report
from halfstep.bench.schema import CaseRecord, Row
from halfstep.errors import InputError

ROOT = Path(__file__).resolve().parents[2]
CARD = "NVIDIA H100 80GB HBM3, 81559 MiB, driver 580.1"


def row(solver, each, kind="rung", device="gpu", **more):
    return Row(
        solver, kind, device, objectives=[9.0, 8.0], objective=8.0, iterations_to_target=2,
        seconds=[[2 * each, each]], setup_seconds=[0.1], seconds_per_iteration=spread([each]),
        seconds_to_target=spread([3 * each]), **more,
    )  # fmt: skip


def table(shape="lastfm-360k", factors=128, each=0.01):
    rows = [
        row("gpu_cg_7_half", each, counted_bytes=9e9, speed_up=spread([30.0])),
        row("gpu_cg_1_naive", 20 * each, counted_bytes=4e10, speed_up=spread([1.5])),
        row("gpu_cholesky", 12 * each),
        row("implicit_gpu", 0.3, "reference"),
        row("implicit_gpu:storage=float16", 0.25, "reference"),
        row("eigenbasis", 1.5, device="cpu"),
        Row("implicit_cpu", "reference", "cpu", reason="not installed"),
    ]
    case = CaseRecord(0, factors, 0, True, 10, "implicit_gpu", 8.0, 7.9, [], rows)
    return GpuTable(shape, 358_868, 160_168, 17_500_000, case)


def stage(folder, name, *parts, gpu=CARD, emulated=False, failed=()):
    place = Place(folder, folder, emulated)
    place.record("stage", name=name, emulated=emulated, gpu=gpu)
    for part, found in parts:
        place.record(part, **found)
    place.record("done", seconds=100.0, failed=list(failed))
    return folder / "results.jsonl"


def first_parts():
    where = asdict(replace(environment(), gpu=CARD))
    yield "environment", {"environment": where, "packages": {}}
    yield "smoke", {"solver": "gpu_cg_7_half", "right": True}
    yield "ceiling", {"what": "copy", "bytes_per_second": 3e12}
    for size in (128, 256, 512, 1024):
        for megabytes in (20, 400):
            rate = 2e12 * size / 512 if megabytes == 400 else 4e12 * size / 512
            found = {"row_bytes": size, "table_megabytes": megabytes, "bytes_per_second": rate}
            yield "ceiling", {"what": "gather", **found}
    yield "ceiling", {"what": "rotation and Gramian", "flops_per_second": 5e13}
    yield "contest", {"table": table(each=0.5)}
    yield "contest", {"table": table()}
    yield "contest", {"table": table("lastfm-360k-raw", 256, 0.03)}
    yield (
        "parity",
        {
            "solver": "gpu_cg_7_half", "shape": "tastes", "factors": 64, "objective_ratio": 1.0001,
            "ndcg": 0.2, "ndcg_difference": -0.0001, "ndcg_standard_error": 0.0002,
            "judged": True, "relative_gap": 1e-6, "within": 1e-4, "equal": True,
        },
    )  # fmt: skip
    yield "scaling", {"solver": "eigenbasis", "threads": 16, "seconds": 0.5, "reason": None}
    yield (
        "options",
        {
            "option": "tf32", "description": "starts", "equal": False, "error": "no such card",
            "solver": "gpu_cg_7_half", "factors": 128,
        },
    )  # fmt: skip
    yield "left_out", {"name": "contest x 64", "reason": "out of time"}
    yield "ended", {"name": "half", "code": None, "timed_out": True, "seconds": 40.0}


@pytest.fixture
def files(tmp_path):
    first = stage(tmp_path / "first", "first", *first_parts())
    with first.open("ab") as file:
        file.write(b'{"part": "contest", "table": {"sha\n\xff\xfe\n')
    tests = {"exit_code": 0, "said": ["203 passed in 80 s"], "failed": []}
    sanitizer = {"tool": "memcheck", "solver": "gpu_cg_7_half", "exit_code": 0, "said": []}
    second = stage(tmp_path / "second", "second", ("tests", tests), ("sanitize", sanitizer))
    return [first, second]


@pytest.fixture
def root(tmp_path):
    root = tmp_path / "root"
    (root / "docs").mkdir(parents=True)
    (root / "bench").mkdir()
    shutil.copytree(ROOT / "bench" / "results", root / "bench" / "results")
    for page in ("README.md", "docs/measurements.md"):
        shutil.copy(ROOT / page, root / page)
    return root


def test_both_stages_become_one_file(files):
    found = collect(files)
    assert found.environment.gpu == CARD
    assert (found.peaks.bytes_per_second, found.peaks.flops_per_second) == (3e12, 5e13)
    assert found.tests["said"] == ["203 passed in 80 s"]
    assert found.seconds == 200
    cases = {(one.shape, one.case.factors): one.case for one in found.tables}
    assert set(cases) == {("lastfm-360k", 128), ("lastfm-360k-raw", 256)}
    # Of a case that was recorded as it grew, the last record counts.
    assert cases["lastfm-360k", 128].rows[0].seconds_per_iteration.median == 0.01
    assert found.exact["iteration_ratio"] == pytest.approx(12)
    assert [line for line in found.left_out if "torn" in line] == [
        f"first/results.jsonl, line {n}: torn, skipped" for n in (23, 24)
    ]
    assert "contest x 64: out of time" in found.left_out
    assert "half: took too long" in found.left_out


def test_a_stage_that_ran_again_counts_once(files, tmp_path):
    again = stage(tmp_path / "first", "first", ("contest", {"table": table(each=0.02)}))
    found = collect([again, files[1]])
    assert found.ceilings == []
    assert found.seconds == 200
    (one,) = found.tables
    assert one.case.rows[0].seconds_per_iteration.median == 0.02


def test_what_does_not_fit_is_said_and_the_rest_is_kept(tmp_path):
    broken = {"table": {"shape": "tiny"}}
    file = stage(
        tmp_path, "first", ("contest", broken), ("fit", {"error": "E: no", "arguments": []})
    )
    found = collect([file])
    assert found.tables == []
    assert found.environment.commit == "unknown"
    assert found.environment.gpu == CARD
    assert any(line.startswith("a record of contest does not fit") for line in found.left_out)
    assert "fit : E: no" in found.left_out


def test_a_rung_that_is_nan_is_in_the_report(tmp_path):
    parts = {part: found for part, found in first_parts() if part in ("parity", "options")}
    nan = {**parts["parity"], "objective_ratio": float("nan"), "relative_gap": float("inf")}
    option = {**parts["options"], "error": None, "objective_difference": float("nan")}
    other = {**option, "option": "graph", "equal": True, "warned": ["goes on without"]}
    options = (("options", option), ("options", other))
    file = stage(tmp_path, "first", ("parity", {**nan, "equal": False}), *options)
    said = gpu_report.markdown(collect([file]))
    assert "| gpu_cg_7_half, tastes | – | -0.00010 ± 0.00020 | – | NO |" in said
    assert "| tf32 | – | – | – | NO |" in said
    assert "| graph | – | – | – | yes; goes on without |" in said


def test_files_of_two_cards_or_of_none_are_refused(files, tmp_path):
    other = stage(tmp_path / "other", "second", gpu="NVIDIA H200, 1 MiB, driver 1")
    with pytest.raises(InputError, match=r"the stages must be of one card, got .*H100.*H200"):
        collect([files[0], other])
    emulated = stage(tmp_path / "emulated", "second", gpu=None, emulated=True)
    with pytest.raises(InputError, match="the emulator"):
        collect([files[0], emulated])
    empty = tmp_path / "empty.jsonl"
    empty.write_text('{"part": "done"}\n')
    with pytest.raises(InputError, match="must hold a stage of make gpu"):
        collect([empty])
    with pytest.raises(InputError, match="cannot be read"):
        read_lines(tmp_path / "none.jsonl")


def test_one_command_writes_all_that_is_committed(files, root, capsys, drawn):
    pytest.importorskip("matplotlib")
    assert report.main(["--root", str(root), *map(str, files)]) == 0
    said = capsys.readouterr().out
    assert "torn, skipped" in said
    results = root / "bench" / "results" / "gpu" / "nvidia-h100-80gb-hbm3.json"
    record = read_gpu(results)
    picture = root / "docs" / record.picture
    assert ET.parse(picture).getroot().tag.endswith("svg")
    assert len(drawn) == 1
    page = (root / "docs" / "measurements.md").read_text()
    assert f"]({record.picture})" in page
    assert "203 passed in 80 s" in page
    assert "| tf32 | – | – | no such card | NO |" in page
    readme = (root / "README.md").read_text()
    line = "| lastfm-360k, f = 128, NVIDIA H100 80GB HBM3 | gpu_cg_7_half | 10.0 ms | 300 ms | 250 ms | "
    assert line in readme
    assert "No run on a card" not in readme
    assert "| 1.50 s | – | 30× |" in readme
    # The ladder has the card's times.
    assert "not yet measured" in (ROOT / "README.md").read_text()
    before = results.read_bytes(), page, readme
    assert report.main(["--root", str(root), *map(str, files)]) == 0
    after = results.read_bytes(), (root / "docs" / "measurements.md").read_text(), readme
    assert before == after


def test_the_emulators_results_are_refused_unless_meant(tmp_path, root, capsys):
    file = stage(tmp_path / "e", "first", ("contest", {"table": table()}), gpu=None, emulated=True)
    before = (root / "README.md").read_text()
    assert report.main(["--root", str(root), str(file)]) == 1
    assert "no speeds" in capsys.readouterr().err
    assert not (root / "bench" / "results" / "gpu").exists()
    assert report.main(["--root", str(root), "--emulated", str(file)]) == 0
    assert read_gpu(root / "bench" / "results" / "gpu" / "emulator.json").emulated
    assert (root / "README.md").read_text() == before  # it shows cards only
    assert "the emulator (no speeds)" in (root / "docs" / "measurements.md").read_text()


def test_without_a_card_the_readme_says_so():
    assert "No run on a card" in gpu_report.short([])
