"""The suites `roofline` and `threads`: rates, counts, Amdahl's law, their tables and their page."""

import io
from dataclasses import asdict, replace

import numpy as np
import pytest
from rich.console import Console

from halfstep.bench import suite_roofline, suite_threads
from halfstep.bench.limits import rates
from halfstep.bench.limits.amdahl import serial_fraction, speed_up, thread_counts
from halfstep.bench.limits.record import PhaseCell, PhaseRecord
from halfstep.bench.limits.work import HalfStep, added, loops_share
from halfstep.bench.report import limits, limits_page, markdown
from halfstep.bench.report.html import html
from halfstep.bench.report.roofline_picture import draw, points
from halfstep.bench.report.terminal import print_results
from halfstep.bench.results_file import read_results, write_results
from halfstep.bench.run import run_bench
from halfstep.bench.settings import BenchSettings
from halfstep.errors import InputError
from halfstep.kernels.phases import ALGEBRA, FIXED, GRAMIAN, INWARD, OUTWARD, SOLVE, WAITING


def run(bench_file, suite, **settings):
    return run_bench(
        BenchSettings(data=str(bench_file), suite=suite, repeats=2, memory=False, **settings),
        Console(file=io.StringIO()),
    )


@pytest.fixture(scope="module")
def roofline_results(bench_file):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(rates, "_SIDE", 64)
        patch.setattr(suite_roofline, "_GATHERED", 1 << 10)
        patch.setattr(suite_roofline, "_TABLE_BYTES", 1 << 20)
        return run(bench_file, "roofline", factors=(64, 128), num_threads=1)


@pytest.fixture(scope="module")
def threads_results(bench_file):
    return run(bench_file, "threads", factors=(64,), num_threads=3)


def test_each_phase_of_the_roofline_has_its_work_and_its_roof(roofline_results):
    first, second = roofline_results.phases
    assert (first.factors, second.factors, first.threads) == (64, 128, 1)
    for cell in (first, second):
        names = [phase.phase for phase in cell.phases]
        assert {GRAMIAN, FIXED, INWARD, SOLVE, OUTWARD, ALGEBRA} <= set(names)
        assert len(cell.seconds) == 2
        for phase in cell.phases:
            assert len(phase.wall) == len(phase.busy) <= 2
            if phase.operations is not None:
                assert min(phase.operations, phase.bytes, phase.at_peak, phase.at_bandwidth) > 0
                assert phase.roof() == max(phase.at_peak, phase.at_bandwidth)
    for name, times in ((GRAMIAN, 4), (OUTWARD, 4), (SOLVE, 2)):
        before, after = (cell.phase(name) for cell in (first, second))
        # Rows may take other steps at another f.
        assert after.operations == pytest.approx(
            times * before.operations, rel=0.5 * (name == SOLVE)
        )
    assert [rate.what for rate in first.rates][:4] == ["float32 products", "loops", "copy", "copy"]


def test_work_is_counted_by_the_sizes():
    step = HalfStep(
        rows=100, fixed=30, stepped=80, entries=1000, factors=8, stored_bytes=2,
        triangular=True, relaxed=True,
    )  # fmt: skip
    assert step.operations() == {GRAMIAN: 1920, FIXED: 1920, INWARD: 5120, OUTWARD: 6400}
    assert step.bytes() == {
        GRAMIAN: 960, FIXED: 30 * (32 + 16), INWARD: 2560, SOLVE: 1000 * 24, OUTWARD: 6400
    }  # fmt: skip
    full = replace(step, triangular=False, relaxed=False)
    assert full.operations() == {GRAMIAN: 1920, FIXED: 3840, INWARD: 10240, OUTWARD: 12800}
    assert full.bytes()[OUTWARD] == 3200
    assert added([step.bytes(), full.bytes()])[OUTWARD] == 9600


def test_the_loops_share_of_the_peak_is_counted():
    assert loops_share(64, 2) == pytest.approx(8 / (8 + 4 + 4.5))
    assert loops_share(64, 4) == pytest.approx(8 / (8 + 4.5))
    assert loops_share(1 << 20, 4) == pytest.approx(1, abs=1e-4)


@pytest.mark.parametrize("width", [16, 48, 64])
@pytest.mark.parametrize("count", [1, 8, 37])
def test_a_gathered_sum_is_the_sum(width, count):
    rng = np.random.default_rng(0)
    table = rates.table_of(50, 4 * width)
    table[:] = rng.integers(0, 9, table.shape)
    assert table.ctypes.data % 64 == 0
    places = rng.integers(0, 50, 40, dtype=np.int32)
    total = np.zeros(width, np.float32)
    rates.gather_rows(places, 3, 3 + count, table, 16, total)
    np.testing.assert_array_equal(total, table[places[3 : 3 + count]].sum(axis=0))


def test_rates_are_those_of_what_was_moved():
    assert rates.copy(1 << 16, 1) > 1e6
    assert rates.random_gather(100, 64, 1000, 2) > 1e6


def test_amdahl_finds_the_share_that_made_the_times():
    for s in (0.0, 0.03, 0.4, 1.0):
        for n in (2, 8):
            times = [10.0 * (s + (1 - s) / n), 20.0 * (s + (1 - s) / n)]
            assert serial_fraction([10.0, 20.0], times, n) == pytest.approx(s)
            assert speed_up(s, n) == pytest.approx(10 / times[0])
    assert serial_fraction([1.0], [0.4], 2) == pytest.approx(-0.2)
    assert speed_up(-0.2, 4) == 4
    with pytest.raises(ValueError, match="at least 2, got 1"):
        serial_fraction([1.0], [1.0], 1)
    assert thread_counts(1) == (1,)
    assert thread_counts(6) == (1, 2, 4, 6)
    assert thread_counts(64) == (1, 2, 4, 8, 16, 32, 64)


def test_every_number_of_threads_has_every_round(threads_results):
    assert [cell.threads for cell in threads_results.phases] == [1, 2, 3]
    for cell in threads_results.phases:
        assert len(cell.seconds) == 2 * suite_threads.ROUNDS
        assert len(cell.of_fit()) == len(cell.outside) == suite_threads.ROUNDS
    (table,) = limits.threads_tables(threads_results)
    assert table.headings == ("phase", "1 thread", "2 threads", "3 threads", "share at 2")
    assert "not measured above 3 threads" in table.notes
    law = limits.amdahl_table(threads_results)
    assert [line[1] for line in law.lines] == ["2", "3"]


def cell_of(threads, wall, busy):
    """A cell of one iteration with a parallel phase, a serial one, and waiting."""
    return PhaseCell(
        0, 64, threads, [wall], [0.5], 1, 1.0, 2,
        [
            PhaseRecord(SOLVE, [wall - 0.1], [busy], 4e9, 1e9, 0.02, 0.04),
            PhaseRecord(ALGEBRA, [0.1], [0.09]),
            PhaseRecord(WAITING, [0.05], [0.0]),
        ],
    )  # fmt: skip


def test_a_phase_counts_by_its_threads_and_what_is_left_is_waiting(threads_results):
    cell = cell_of(2, 0.7, 1.0)
    assert cell.phase(SOLVE).seconds(2) == 0.5
    assert cell.phase(ALGEBRA).seconds(2) == 0.1
    assert cell.running() == pytest.approx(0.6)
    assert cell.waiting() == pytest.approx(0.1)
    assert limits.roofs(cell) == (0.04, 0.04)
    assert points(cell) == {SOLVE: (4.0, 8e9)}
    results = replace(threads_results, phases=[cell_of(1, 1.1, 1.0), cell])
    (line,) = limits.amdahl_table(results).lines
    # 1.1 seconds become 0.7: s = 2 x 0.7 / 1.1 - 1.
    assert line[1:6] == ("2", "1.57×", "27.3 %", "9.1 %", "algebra, 14.3 %")
    table = limits.phase_table(results, cell)
    assert table.lines[0] == (
        SOLVE, "500 ms", "71.4 %", "4", "8", "1", "2", "moving", "40.0 ms", "12.50×"
    )  # fmt: skip


@pytest.mark.parametrize("which", ["roofline_results", "threads_results"])
def test_phases_are_written_read_and_shown(which, request, tmp_path):
    results = request.getfixturevalue(which)
    path = tmp_path / f"here-{results.suite}.json"
    write_results(results, path)
    assert asdict(read_results(path)) == asdict(results)
    screen = Console(file=io.StringIO(), width=200)
    print_results(results, screen)
    shown = html(results)
    for table in limits.limits_tables(results):
        assert table.lines[-1][0].replace("<b>", "") in screen.file.getvalue().replace("<b>", "")
        assert f"<td>{table.headings[0]}" in shown or f">{table.headings[0]}</th>" in shown
    page = tmp_path / "limits.md"
    page.write_text(
        "\n".join(f"<!-- {name}:begin --><!-- {name}:end -->" for name in limits_page.PARTS)
    )
    markdown.rewrite(page, tmp_path)
    text = page.read_text()
    assert text.count(limits_page.NOTHING) == len(limits_page.PARTS) - 1
    assert "How this was measured" in text
    # The tables are on that page, and so not among all others.
    others = tmp_path / "measurements.md"
    others.write_text(f"{markdown.BEGIN}{markdown.END}")
    markdown.rewrite(others, tmp_path)
    assert "|" not in others.read_text()


def test_a_file_of_phases_names_its_data(roofline_results, tmp_path):
    wrong = [replace(roofline_results.phases[0], data=1)]
    write_results(replace(roofline_results, phases=wrong), tmp_path / "r.json")
    with pytest.raises(InputError, match=r"phases\[0\].data must be below 1, got 1"):
        read_results(tmp_path / "r.json")


def test_the_picture_has_every_phase_under_the_roof(roofline_results, tmp_path):
    pytest.importorskip("matplotlib")
    write_results(roofline_results, tmp_path / "here-roofline.json")
    (file,) = limits_page.draw_pictures(tmp_path, tmp_path)
    assert file == tmp_path / limits_page.picture_of("here-roofline")
    text = file.read_text()
    for words in (SOLVE, GRAMIAN, "operations a byte", "our loops in cache"):
        assert words in text
    draw(roofline_results, tmp_path / "again.svg")
    assert (tmp_path / "again.svg").read_bytes() == file.read_bytes()
