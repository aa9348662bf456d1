"""`make gpu` without a card: that the command works from end to end, and that its counts are right."""

import signal
from dataclasses import replace

import numpy as np
import pytest
from emulator import EmulatorBackend, build

from halfstep.bench.environment import environment
from halfstep.bench.gpu import parts as gpu_parts
from halfstep.bench.gpu import proofs
from halfstep.bench.gpu import queries as gpu_queries
from halfstep.bench.gpu import run as gpu
from halfstep.bench.gpu.contest import contest, exact_against
from halfstep.bench.gpu.record import SCHEMA, GpuResults, GpuTable, Peaks, read_gpu
from halfstep.bench.gpu.shapes import Shape, generate, generate_many
from halfstep.bench.gpu.static.counts import per_entry
from halfstep.bench.gpu.static.page import resident_warps
from halfstep.bench.method.timing import spread
from halfstep.bench.report import gpu as gpu_report
from halfstep.bench.report import markdown
from halfstep.bench.schema import CaseRecord, Row
from halfstep.errors import InputError
from halfstep.files import write_json
from halfstep.kernels.cuda.backend import unavailable, using

FITS = ["float32", "float16", "bfloat16"]


def test_generated_data_has_its_shape_and_is_canonical():
    matrix = generate(Shape("some", 400, 300, 9000))
    assert matrix.shape == (400, 300)
    assert 0.8 * 9000 < matrix.nnz < 1.2 * 9000
    assert (np.diff(matrix.indptr) > 0).all()
    for u in range(400):
        assert (np.diff(matrix.indices[matrix.indptr[u] : matrix.indptr[u + 1]]) > 0).all()
    assert (generate(Shape("some", 400, 300, 9000)) != matrix).nnz == 0


def test_data_without_sorting_is_canonical_and_in_time():
    shape = Shape("many", 700, 500, 60_000)
    matrix = generate_many(shape)
    rows = np.repeat(np.arange(700), np.diff(matrix.indptr))
    assert (np.diff(rows * 500 + matrix.indices) > 0).all()
    assert 0.7 * 60_000 < matrix.nnz < 1.1 * 60_000
    assert (np.diff(matrix.indptr) > 0).all()
    popular = np.bincount(matrix.indices, minlength=500)
    assert popular[:20].min() > popular[-20:].max()
    assert set(np.unique(matrix.data)) == set(range(1, 9))
    with pytest.raises(TimeoutError, match="generating many took more than 0 s"):
        generate_many(shape, seconds=0)


def test_tastes_show_in_what_users_have():
    shape = Shape("some", 400, 300, 9000, tastes=10)
    matrix = generate(shape)
    assert matrix.has_canonical_format
    assert (matrix != generate(replace(shape, tastes=0))).nnz > 0
    # Users of one taste, ten apart, share more than neighbours do.
    shared = (matrix > 0).astype(int) @ (matrix > 0).astype(int).T
    same, other = (np.mean([shared[u, u + apart] for u in range(300)]) for apart in (10, 1))
    assert same > 1.5 * other


def test_a_part_has_its_time_and_its_failure_is_its_own():
    setting = gpu_parts.Setting(quick=False, emulate=False, first=lambda: None)

    def broken(*_):
        raise ValueError("no such thing")

    def endless(*_):
        while True:
            sum(range(1000))

    def run(part, left=100.0, setting=setting):
        return gpu_parts.run(part, setting, left)["cannot_run"]

    assert run(gpu_parts.Part("x", 5, 9, broken), left=4) == "left out: 4 s were left, it needs 5"
    assert run(gpu_parts.Part("x", 5, 9, broken)) == "ValueError: no such thing"
    if hasattr(signal, "SIGALRM"):
        assert "it took more than" in run(gpu_parts.Part("x", 0, 0.2, endless))
    quick = replace(setting, quick=True)
    assert "full run" in run(gpu_parts.Part("x", 0, 9, broken, full=True), setting=quick)
    # All parts fit the two commands, whatever the first tables take.
    assert gpu_parts.wanted(quick=True) < 60 < gpu_parts.wanted(quick=False) < 200


def test_exact_is_compared_by_iteration_and_by_target():
    def row(solver, each, reached):
        times = {"seconds_per_iteration": spread([each]), "seconds_to_target": spread([reached])}
        return Row(solver, "rung", "gpu", **times)

    rows = [row("cg", 2.0, 10.0), row("gpu_cholesky", 5.0, 20.0), row("implicit_gpu", 8.0, 80.0)]
    table = gpu_table(rows)
    found = exact_against([table], "cg")
    assert (found["iteration_ratio"], found["speed_up_to_target"]) == (2.5, 4.0)
    rows[1] = Row("gpu_cholesky", "rung", "gpu", reason="broken")
    assert exact_against([table], "cg")["cannot_run"] == "gpu_cholesky: broken"
    rows[1] = Row("gpu_cholesky", "rung", "gpu")
    assert exact_against([table], "cg")["cannot_run"] == "gpu_cholesky: left out: out of time"
    assert "missing" in exact_against([], "cg")["cannot_run"]


def gpu_table(rows):
    case = CaseRecord(0, 128, 0, True, 10, "implicit_gpu", 50.0, 40.0, [], rows)
    return GpuTable("lastfm-360k", 358_868, 160_168, 17_500_000, case)


def test_rows_of_a_card_are_drawn_as_those_of_the_cpu():
    best = Row(
        "gpu_cg_7_half", "rung", "gpu", iterations_to_target=4, objective_gap=-0.001,
        seconds=[[0.02, 0.01, 0.01]], setup_seconds=[0.4, 0.6, 0.5],
        seconds_per_iteration=spread([0.01, 0.01]), seconds_to_target=spread([0.05]),
        speed_up=spread([40.0]), peak_device_bytes=2_500_000_000, counted_bytes=9e9,
    )  # fmt: skip
    rows = [Row("implicit_gpu", "reference", "gpu", reason="no card"), best]
    table = gpu_report.card_table(gpu_table(rows), Peaks(3e12, 5e13))
    line = dict(zip(table.headings, table.lines[0], strict=True))
    assert line == {
        "solver": "gpu_cg_7_half", "device": "gpu", "iteration": "10.0 ms", "to target": "50.0 ms",
        "it.": "4", "speed-up": "40×", "gap": "-0.1000 %", "set-up": "500 ms",
        "device memory": "2.50 GB", "of copy peak": "30%",
    }  # fmt: skip
    assert table.notes == ("implicit_gpu: cannot run: no card",)


@pytest.mark.skipif(build.why_not() is not None, reason=str(build.why_not()))
def test_a_case_on_the_emulator_has_rows_with_ratios(tmp_path):
    matrix = generate(Shape("tiny", 60, 90, 900))
    names = ["gpu_cholesky", "implicit_gpu", "gpu_cg_1_naive", "eigenbasis"]
    with using(EmulatorBackend()):
        case = contest(matrix, 8, names, 2, lambda: 100.0)
        late = contest(matrix, 8, names[:1], 2, lambda: 0.0)
    exact, peer, naive, on_cpu = case.rows
    assert [row.solver for row in case.rows] == names
    assert (case.reference, case.target) == ("gpu_cg_1_naive", naive.objective)
    assert case.order == [
        ["gpu_cholesky", "gpu_cg_1_naive", "eigenbasis"],
        ["gpu_cg_1_naive", "gpu_cholesky"],
    ]
    assert "CUDA" in peer.reason
    assert len(exact.objectives) == 10
    assert 1 <= exact.iterations_to_target <= 10
    assert exact.seconds_to_target.median < sum(exact.seconds[0]) + sum(exact.seconds[1])
    assert exact.speed_up.lowest <= exact.speed_up.median
    assert naive.speed_up.median == 1
    assert naive.counted_bytes > 0
    assert on_cpu.objectives[0] is None
    assert len(on_cpu.seconds) == 1
    assert late.rows[0].reason == "left out: out of time"
    assert (late.reference, late.target) == ("", None)

    results = GpuResults(
        SCHEMA, True, True, environment(), None, tables=[GpuTable("tiny", 60, 90, 843, case)]
    )
    file = tmp_path / "emulated.json"
    write_json(file, results)
    assert read_gpu(file) == results
    file.write_text(file.read_text().replace('"counted_flops"', '"counted_flop"'))
    with pytest.raises(InputError, match=r"results.tables\[0\].case.rows\[0\] must"):
        read_gpu(file)


@pytest.mark.skipif(build.why_not() is not None, reason=str(build.why_not()))
def test_recommendations_are_timed_against_a_peer_s():
    matrix = generate(Shape("tiny", 60, 90, 900))
    asked = []

    def peer(users):
        asked.append(len(users))
        return np.tile(np.arange(10), (len(users), 1)), None

    with using(EmulatorBackend()):
        found = gpu_queries.measure(matrix, 4, 1e4, {"peer": peer})
    assert asked == [60] * 5  # warm, taken, two repeats, compared
    assert (found["reference"], found["users_asked"]) == ("peer", 60)
    assert found["speed_up"] > 0
    assert 0 <= found["same_lists"] < 0.9
    train, test = gpu_queries.held_out(matrix)
    assert (train + test != matrix).nnz == 0
    assert 0.05 * matrix.nnz < test.nnz < 0.15 * matrix.nnz


def test_counts_fall_along_the_ladder():
    ladder = [name for name in reversed(proofs.gpu_rungs()) if "_cg_" in name]
    counted = [per_entry(name, 128).bytes for name in ladder]
    assert counted == sorted(counted, reverse=True)
    assert counted[-1] == 2 * 128 + 8 + 2 * 4  # of a mild row: the start and one step
    # 64 registers and no shared memory: half of 64 warps; 113 KB: two blocks of 8 warps.
    assert resident_warps(64, 0, 128) == 32
    assert resident_warps(32, 113 * 1024 - 1024, 256) == 16


@pytest.mark.kernels
@pytest.mark.skipif(build.why_not() is not None, reason=str(build.why_not()))
def test_the_whole_command_on_the_emulator(tmp_path):
    file = tmp_path / "results" / "emulated.json"
    assert gpu.main(["--emulate", "--out", str(file)]) == 0
    record = read_gpu(file)
    assert all(row["equal"] for row in record.parity)
    (table,) = record.tables
    ran = {row.solver for row in table.case.rows if row.seconds}
    assert ran >= {*proofs.gpu_rungs(), "eigenbasis"}
    assert table.case.reference == "gpu_cg_1_naive"
    assert record.exact["iteration_ratio"] > 0
    assert record.queries["evaluation"]["largest_difference_from_cpu"] < 1e-6
    streaming = record.streaming
    assert streaming["ways"]["resident"]["block_entries"] is None
    assert streaming["ways"]["streamed"]["block_entries"] < streaming["entries"]
    assert streaming["equal_bits"]
    assert [row["storage"] for row in record.half["rows"]][:3] == FITS
    assert "full run" in record.billion["cannot_run"]
    page = tmp_path / "README.md"
    page.write_text(f"{markdown.BEGIN}\n{markdown.END}\n")
    markdown.rewrite(page, file.parent)
    assert "| gpu_cg_7_half |" in page.read_text()
    assert "the emulator (no speeds)" in page.read_text()
    for said in (
        "Exact half-steps",
        "60 of 60 users",
        "equal bit for bit",
        "What float16 and bfloat16 storage cost",
    ):
        assert said in page.read_text()


def test_without_a_card_it_says_why(capsys):
    if unavailable() is None:
        pytest.skip("there is a card")
    assert gpu.main([]) == 2
    assert "cannot run here: " in capsys.readouterr().err
