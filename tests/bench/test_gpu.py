"""What a run on a card measures: its data, its contest, and that its counts are right."""

from dataclasses import replace

import numpy as np
import pytest
from emulator import EmulatorBackend, build

from halfstep.bench.environment import environment
from halfstep.bench.gpu import plan
from halfstep.bench.gpu import queries as gpu_queries
from halfstep.bench.gpu.contest import CardLost, contest, failed
from halfstep.bench.gpu.record import SCHEMA, GpuResults, GpuTable, Peaks, read_gpu
from halfstep.bench.gpu.results.collect import exact_against
from halfstep.bench.gpu.shapes import SHAPES, Shape, generate, generate_many
from halfstep.bench.gpu.static.counts import per_entry
from halfstep.bench.gpu.static.page import resident_warps
from halfstep.bench.method.timing import spread
from halfstep.bench.report import gpu as gpu_report
from halfstep.bench.schema import CaseRecord, Row
from halfstep.errors import InputError
from halfstep.files import write_json
from halfstep.kernels.cuda.backend import using
from halfstep.solvers import SOLVERS

emulated = pytest.mark.skipif(build.why_not() is not None, reason=str(build.why_not()))


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


def test_raw_counts_have_a_heavy_tail():
    mild, raw = (generate(Shape("some", 4000, 3000, 200_000, tail=tail)).data for tail in (0, 1.2))
    assert (raw >= 1).all()
    np.testing.assert_array_equal(raw, np.rint(raw))
    assert mild.max() < 2000 < 10_000 < raw.max() <= 500_000
    # Of a power law with exponent 1.2 the largest per cent of the entries hold most of the sum.
    top = np.sort(raw)[-len(raw) // 100 :]
    assert 0.4 < top.sum() / raw.sum() < 0.8
    tail = len(top) / np.log(top / top[0]).sum()
    assert 0.9 < tail < 1.6
    assert SHAPES["lastfm-360k-raw"].convention["confidence"] == "linear"
    assert SHAPES["lastfm-360k"].convention["confidence"] == "log"


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


@emulated
def test_a_case_on_the_emulator_has_rows_with_ratios(tmp_path):
    matrix = generate(Shape("tiny", 60, 90, 900))
    names = ["gpu_cholesky", "implicit_gpu", "gpu_cg_1_naive", "eigenbasis"]
    with using(EmulatorBackend()):
        case = contest(matrix, 8, names, 2, lambda: 100.0)
        late = contest(matrix, 8, names[:1], 2, lambda: 0.0)
    exact, peer, naive, on_cpu = case.rows
    assert failed(case) == failed(late) == []
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
        SCHEMA, True, environment(), None, tables=[GpuTable("tiny", 60, 90, 843, case)]
    )
    file = tmp_path / "emulated.json"
    write_json(file, results)
    assert read_gpu(file) == results
    file.write_text(file.read_text().replace('"counted_flops"', '"counted_flop"'))
    with pytest.raises(InputError, match=r"results.tables\[0\].case.rows\[0\] must"):
        read_gpu(file)


@emulated
def test_recommendations_are_timed_against_a_peer_s():
    matrix = generate(Shape("tiny", 60, 90, 900))
    asked = []

    def peer(users):
        asked.append(len(users))
        return np.tile(np.arange(10), (len(users), 1)), None

    with using(EmulatorBackend()):
        of = gpu_queries.fitted(matrix, 4)
        found = gpu_queries.measure(of, 1e4, {"peer": peer})
    assert asked == [60] * 5  # warm, taken, two repeats, compared
    assert (found["reference"], found["users_asked"]) == ("peer", 60)
    assert found["speed_up"] > 0
    assert 0 <= found["same_lists"] < 0.9
    _, train, test = of
    assert (train + test != matrix).nnz == 0
    assert 0.05 * matrix.nnz < test.nnz < 0.15 * matrix.nnz


@emulated
def test_an_option_of_queries_must_not_change_a_bit(monkeypatch):
    with using(EmulatorBackend()) as backend:
        of = gpu_queries.fitted(generate(Shape("tiny", 60, 90, 900)), 4)
        found = gpu_queries.try_coarse(of, 1e4)
        assert (found["option"], found["equal"], found["users"]) == ("coarse-top-k", True, 60)
        assert min(found["seconds_off"], found["seconds_on"]) > 0
        assert backend.launched("top_k") == backend.launched("top_k_coarse") > 3
        recommend, asked = type(of.model).recommend, []

        def other(model, *args, **settings):
            ids, scores = recommend(model, *args, **settings)
            asked.append(backend.launches[-1].kernel == "top_k_coarse")
            return ids, np.nextafter(scores, 9) if asked[-1] else scores

        monkeypatch.setattr(type(of.model), "recommend", other)
        assert not gpu_queries.try_coarse(of, 1e4)["equal"]
        assert any(asked)
        backend.lost = RuntimeError("gone")
        found = gpu_queries.try_coarse(of, 1e4)
    assert (found["error"], found["equal"]) == ("RuntimeError: gone", False)


def test_counts_fall_along_the_ladder():
    ladder = [name for name in reversed(plan.gpu_rungs()) if "_cg_" in name]
    counted = [per_entry(name, 128).bytes for name in ladder]
    assert counted == sorted(counted, reverse=True)
    assert counted[-1] == 2 * 128 + 8 + 2 * 4  # of a mild row: the start and one step
    # 64 registers and no shared memory: half of 64 warps; 113 KB: two blocks of 8 warps.
    assert resident_warps(64, 0, 128) == 32
    assert resident_warps(32, 113 * 1024 - 1024, 256) == 16


@pytest.mark.kernels
@emulated
def test_an_error_costs_its_own_row(monkeypatch):
    class Odd(Exception):
        """As CuPy's errors of the compiler, no RuntimeError."""

    broken = SOLVERS["gpu_cholesky"]
    fits, each = [], []

    def fit(self, *_, **__):
        fits.append(self)
        if len(fits) > 1:
            raise Odd("in the timed fit")
        return real(self, *_, **__)

    real = broken.fit
    monkeypatch.setattr(broken, "fit", fit)
    matrix = generate(Shape("tiny", 60, 90, 900))
    with using(EmulatorBackend()):
        case = contest(
            matrix, 8, ["gpu_cholesky", "gpu_cg_1_naive"], 2, lambda: 100.0, keep=each.append
        )
    assert case.rows[0].reason == "Odd: in the timed fit"
    assert failed(case) == ["gpu_cholesky: Odd: in the timed fit"]
    assert case.rows[0].seconds_per_iteration is None
    assert len(case.rows[1].seconds) == 2
    # The case is kept after each fit: with one row's times first, then with both.
    assert [len(found.rows[1].seconds) for found in each] == [0, 1, 2]


@emulated
def test_a_lost_card_ends_the_contest_and_names_who_lost_it(monkeypatch):
    backend, kept = EmulatorBackend(), []
    broken = SOLVERS["gpu_cholesky"]

    def lose(*_, **__):
        def gone():
            raise RuntimeError("an illegal memory access was encountered")

        monkeypatch.setattr(backend, "synchronize", gone)
        gone()

    monkeypatch.setattr(broken, "fit", lose)
    matrix = generate(Shape("tiny", 60, 90, 900))
    names = ["gpu_cg_1_naive", "gpu_cholesky", "gpu_cg_2_whitened"]
    with using(backend), pytest.raises(CardLost, match="gpu_cholesky: an illegal"):
        contest(matrix, 8, names, 1, lambda: 100.0, keep=kept.append)
    (case,) = kept
    assert [row.solver for row in case.rows] == names[:2]
    assert case.rows[0].reason is None
    assert case.rows[1].reason.startswith("it lost the card")


@pytest.mark.kernels
@emulated
def test_a_contest_takes_variants_and_the_convention_of_its_data():
    matrix = generate(SHAPES["tiny-raw"])
    names = ["gpu_cg_7_half:storage=bfloat16", "implicit_gpu:storage=float16", "gpu_cg_1_naive"]
    with using(EmulatorBackend()):
        case = contest(matrix, 8, names, 1, lambda: 100.0, SHAPES["tiny-raw"].convention)
        plain = contest(matrix, 8, names[2:], 1, lambda: 100.0)
    assert [row.solver for row in case.rows] == names
    assert case.convention["confidence"] == "linear"
    assert case.rows[0].objectives != case.rows[2].objectives
    assert case.rows[2].objective != plain.rows[0].objective
