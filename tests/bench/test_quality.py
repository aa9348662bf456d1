"""The suite `quality`: its cells, their numbers, and going on with what is there."""

import copy
import dataclasses
from io import StringIO

import pytest
from rich.console import Console

from halfstep import SOLVERS
from halfstep.bench.method.spread import Interval, Spread
from halfstep.bench.quality import cell as quality_cell
from halfstep.bench.quality import plan
from halfstep.bench.quality import run as quality_run
from halfstep.bench.quality.plan import Weighting
from halfstep.bench.quality.record import Bar
from halfstep.bench.quality.table import OVERFITTING, quality_tables
from halfstep.bench.quality.verdict import never
from halfstep.bench.report import markdown
from halfstep.bench.report.html import html
from halfstep.bench.report.terminal import print_results
from halfstep.bench.results_file import read_results, write_results
from halfstep.bench.run import run_bench
from halfstep.bench.settings import BenchSettings
from halfstep.errors import InputError

EXACT, AUTO, RELAXED = quality_cell.OURS


def settings(path, **others):
    given = {"iterations": 6, "factors": (5, 7), "num_threads": 1, "budget": 20.0}
    return BenchSettings(suite="quality", out=path / "results.json", **given | others)


def run(chosen):
    return run_bench(chosen, Console(file=StringIO(), width=200))


@pytest.fixture(scope="module")
def small(two_tastes):
    """The suite on one small data set with two weightings and quick peers."""
    data = dataclasses.replace(two_tastes, name="music-small")
    raw = {"confidence": "implicit", "regularization": 0.05}
    log = {"confidence": "log", "regularization": 2.0}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("halfstep.datasets.load", lambda name: data)
        patch.setattr(
            plan,
            "WEIGHTINGS",
            (
                Weighting("music-small", "raw", raw, fit_time=0.75, sooner=2.0, sooner_at=(5,)),
                Weighting("music-small", "log", log),
                Weighting("gowalla", "log", log),
            ),
        )
        peers = ("conjugate_gradient:cg_steps=1", "cholesky")
        patch.setattr(quality_cell, "OTHERS", (*peers, "absent"))
        patch.setattr(quality_cell, "PEERS", peers)
        absent = type("Absent", (SOLVERS["cholesky"],), {"name": "absent"})
        absent.unavailable = classmethod(lambda cls: "is not installed")
        patch.setitem(SOLVERS, "absent", absent)
        patch.delenv("HALFSTEP_DATA", raising=False)
        yield


@pytest.fixture(scope="module")
def results(small, tmp_path_factory):
    return run(settings(tmp_path_factory.mktemp("quality")))


def test_every_cell_holds_all_contestants_and_seeds(results):
    assert [cell.name for cell in results.cells] == [
        f"music-small, {weighting}, f = {f}" for weighting in ("raw", "log") for f in (5, 7)
    ]
    assert results.left_out == [
        "gowalla: real data: name the folder that holds it, --data-folder or HALFSTEP_DATA"
    ]
    for cell in results.cells:
        assert cell.seeds == [0, 1, 2]
        assert cell.overfitting is not None
        for name in quality_cell.OURS:
            assert len(cell.standing(name).to_exact) == 3
            assert len(cell.standing(name).seconds) == quality_cell.MOST_PAIRS
            assert all(len(fit) == 6 for fit in cell.standing(name).seconds)
        assert cell.standing(EXACT).to_exact == [1, 1, 1]
        assert cell.standing(EXACT).fit_time == Spread(1, 1, 1, 1, 1)
        assert cell.standing(RELAXED).to_relaxed == [1, 1, 1]
        assert cell.standing(RELAXED).ratios != cell.standing(EXACT).ratios
        assert len(cell.standing("cholesky").to_exact) == 1
        assert cell.standing("absent").reason == "is not installed"
    # Another weighting is another problem.
    assert results.cells[0].standing(AUTO).quality != results.cells[2].standing(AUTO).quality
    assert results.cells[0].convention["confidence"] == "implicit"


def test_cholesky_gets_where_exact_does_in_as_many_iterations(results):
    for cell in results.cells:
        exact, peer = cell.standing(EXACT), cell.standing("cholesky")
        assert peer.to_exact[0] == pytest.approx(1, abs=1e-3)
        assert peer.iterations_to_target == exact.iterations_to_target
        assert peer.sooner.median > 0


def test_results_survive_the_file_and_are_shown(results, tmp_path):
    write_results(results, tmp_path / "r.json")
    assert read_results(tmp_path / "r.json") == results
    stream = StringIO()
    print_results(results, Console(file=stream, width=160))
    page = markdown.markdown(results)
    for cell in results.cells:
        assert cell.name in page
    assert "music-small, raw, f = 5" in stream.getvalue()
    assert "music-small, raw: confidence implicit, alpha 1.0" in page
    assert all(len(line) == len(g.headings) for g in quality_tables(results) for line in g.lines)


def test_the_report_shows_the_cells(results):
    pytest.importorskip("matplotlib")
    assert "music-small, log, f = 7" in html(results)


def test_what_is_finished_is_written_and_gone_on_with(small, tmp_path, monkeypatch):
    chosen = settings(tmp_path, cells="*f = 5")
    whole, calls = quality_run.run_cell, []

    def interrupted(planned, *rest):
        calls.append(planned.name)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return whole(planned, *rest)

    monkeypatch.setattr(quality_run, "run_cell", interrupted)
    screen = Console(file=StringIO(), width=200)
    with pytest.raises(KeyboardInterrupt):
        run_bench(chosen, screen)
    assert "holds the finished cells; --resume goes on" in screen.file.getvalue()
    path = chosen.results_path()
    assert [cell.name for cell in read_results(path).cells] == ["music-small, raw, f = 5"]
    with pytest.raises(InputError, match="holds 1 cells: --resume keeps them"):
        run(chosen)
    after = run(dataclasses.replace(chosen, resume=True))
    assert calls[2:] == ["music-small, log, f = 5"]
    assert [cell.name for cell in after.cells] == calls[:2]
    assert read_results(path).cells == after.cells
    assert len(after.data) == 1
    with pytest.raises(InputError, match="has iterations 6, got 5"):
        run(dataclasses.replace(chosen, resume=True, iterations=5))


def test_a_cell_that_fails_is_left_out_with_its_reason(small, tmp_path, monkeypatch):
    whole = quality_run.run_cell

    def failing(planned, *rest):
        if planned.weighting.name == "raw":
            raise ArithmeticError("row 3 is not finite")
        return whole(planned, *rest)

    monkeypatch.setattr(quality_run, "run_cell", failing)
    results = run(settings(tmp_path, factors=(5,)))
    assert [cell.weighting for cell in results.cells] == ["log"]
    assert "music-small, raw, f = 5: row 3 is not finite" in results.left_out


def test_little_time_costs_repeats_and_seeds_but_no_cell(small, tmp_path):
    (cell,) = run(settings(tmp_path, cells="raw, f = 5", budget=1e-6)).cells
    assert cell.seeds == [0]
    assert cell.notes == ["1 of 3 seeds: more are over the cell's time"]
    assert len(cell.standing(AUTO).to_exact) == 1
    assert len(cell.standing(AUTO).seconds) == 1
    peer = cell.standing("cholesky")
    assert peer.checked == 1
    # Its one iteration is exact's first, so it takes as many as exact.
    assert peer.iterations_to_target == cell.standing(EXACT).iterations_to_target
    other = cell.standing("conjugate_gradient:cg_steps=1")
    assert (other.checked, never(other, cell)) == (1, False)
    assert any("stopped after 1 iterations" in note for note in other.notes)


def test_a_cell_that_overfits_is_named_so(results):
    changed = copy.deepcopy(results)
    changed.cells[0].overfitting = Interval(0.9, 0.85, 0.97)
    changed.cells[2].overfitting = Interval(0.99, 0.95, 1.02)
    compact, *_ = quality_tables(changed)
    assert compact.lines[0][0] == "music-small, raw, f = 5 (overfits)"
    assert "overfits" not in compact.lines[2][0]
    assert OVERFITTING in compact.notes
    for cell in changed.cells:
        cell.overfitting = None
    assert OVERFITTING not in quality_tables(changed)[0].notes


def test_a_bar_missed_for_lack_of_users_is_called_undecided(results):
    changed = copy.deepcopy(results)
    ours = changed.cells[0].standing(AUTO)
    changed.cells[0].bars = [Bar("NDCG@10", 0.985, 0.9, False)]
    for high, said in ((1.1, True), (0.98, False)):
        ours.relaxed_ratios["ndcg@10"] = Interval(0.95, 0.9, high)
        line = quality_tables(changed)[1].lines[0]
        assert any("NDCG@10 0.9 (at least 0.985)" in cell for cell in line)
        assert any("undecided: its interval holds 1" in cell for cell in line) == said


def test_cells_without_time_are_left_out(small, tmp_path, monkeypatch):
    monkeypatch.setattr(quality_run, "SECONDS", 0)
    with pytest.raises(InputError, match="log, f = 7: no time left; --resume goes on with it"):
        run(settings(tmp_path, budget=None))


def test_the_readme_has_a_line_per_cell(results, tmp_path):
    (tmp_path / "results").mkdir()
    write_results(results, tmp_path / "results" / "one.json")
    page = tmp_path / "page.md"
    page.write_text(f"{markdown.HEADLINE_BEGIN}\n{markdown.HEADLINE_END}\n")
    markdown.rewrite(page, tmp_path / "results")
    lines = [line for line in page.read_text().splitlines() if line.startswith("| music-small")]
    assert len(lines) == len(results.cells)
    assert "contestant" not in page.read_text()
