"""The README's one line per case: the fastest rung against each peer's best, pair by pair."""

import copy

from halfstep.bench.method.spread import Spread
from halfstep.bench.report import markdown
from halfstep.bench.report.headline import headline
from halfstep.bench.results_file import write_results
from halfstep.bench.schema import Row


def row(name, kind, fits, iterations):
    totals = sorted(sum(fit[:iterations]) for fit in fits)
    return Row(
        solver=name,
        kind=kind,
        device="cpu",
        iterations_to_target=iterations,
        seconds=fits,
        seconds_to_target=Spread(*(totals[0],) * 2, sum(totals) / len(totals), *(totals[-1],) * 2),
    )


def results_of(bench_results, rows, reference="eigenbasis:exact"):
    results = copy.deepcopy(bench_results)
    results.cases = results.cases[:1]
    results.cases[0].rows = rows
    results.cases[0].reference = reference
    return results


ROWS = [
    row("slow", "rung", [[9.0, 9.0], [9.0, 9.0]], 2),
    row("fast", "rung", [[1.0, 1.0, 7.0], [2.0, 2.0, 7.0]], 2),
    row("peer:method=a", "reference", [[4.0, 4.0], [4.0, 4.0]], 2),
    row("peer:method=b", "reference", [[3.0, 3.0], [6.0, 4.0]], 2),
    Row("other", "reference", "cpu", seconds=[[1.0]]),
]


def test_ratios_are_paired_with_the_best_of_each_peer(bench_results):
    # peer:method=a takes 8 s twice, b 6 s and 10 s: as fast by the median, and a is first.
    table = headline([results_of(bench_results, ROWS)])
    assert table.headings[4:] == ("times sooner than peer", "times sooner than other")
    (line,) = table.lines
    # Pairs: 8 / 2 and 8 / 4.
    assert line[1:] == (
        "eigenbasis:exact, 3 iterations",
        "fast",
        "3.00 s",
        "3.0× (2.0–4.0)",
        "not reached",
    )


def test_a_run_without_a_rung_at_the_target_has_no_line(bench_results):
    assert headline([results_of(bench_results, ROWS[2:])]) is None


def test_the_page_holds_the_headline_between_its_markers(bench_results, tmp_path):
    (tmp_path / "results").mkdir()
    write_results(results_of(bench_results, ROWS), tmp_path / "results" / "one.json")
    page = tmp_path / "page.md"
    page.write_text(f"before\n{markdown.HEADLINE_BEGIN}\nold\n{markdown.HEADLINE_END}\nafter\n")
    earlier = results_of(bench_results, [row("then", "rung", [[1.0]], 1)], "peer:method=a")
    write_results(earlier, tmp_path / "results" / "two.json")
    markdown.rewrite(page, tmp_path / "results")
    text = page.read_text()
    assert "old" not in text
    assert "| then |" not in text
    assert "| fast | 3.00 s | 3.0× (2.0–4.0) | not reached |" in text
    assert text.startswith(f"before\n{markdown.HEADLINE_BEGIN}")
    assert text.endswith(f"{markdown.HEADLINE_END}\nafter\n")


def test_tables_with_another_target_are_the_earlier_ones(bench_results, tmp_path):
    (tmp_path / "results").mkdir()
    of_peer = results_of(bench_results, ROWS, "peer:method=a")
    assert headline([of_peer]) is None
    assert headline([of_peer], exact=False).lines[0][1] == "peer:method=a, 3 iterations"
    write_results(of_peer, tmp_path / "results" / "one.json")
    page = tmp_path / "page.md"
    page.write_text(f"{markdown.EARLIER_BEGIN}\nold\n{markdown.EARLIER_END}\n")
    markdown.rewrite(page, tmp_path / "results")
    assert "| fast | 3.00 s | 3.0× (2.0–4.0) | not reached |" in page.read_text()


def test_the_methods_of_implicit_are_told_apart_and_one_may_never_get_there(bench_results):
    never = Row("implicit_cpu", "reference", "cpu", seconds=[[1.0]], objectives=[9.0] * 6)
    cut = Row("other", "reference", "cpu", seconds=[[1.0]], objectives=[9.0] * 5)
    exact = row("implicit_cpu:use_cg=false", "reference", [[4.0, 4.0], [4.0, 4.0]], 2)
    table = headline([results_of(bench_results, [*ROWS[:2], never, cut, exact])])
    assert table.headings[4:] == (
        "times sooner than implicit's CG",
        "times sooner than other",
        "times sooner than implicit's Cholesky",
    )
    assert table.lines[0][4:] == ("never gets there", "not reached", "3.0× (2.0–4.0)")
