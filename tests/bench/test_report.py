import re
from html.parser import HTMLParser
from io import StringIO

import pytest
from rich.console import Console

from halfstep.bench.report.html import html
from halfstep.bench.run import write_report
from halfstep.errors import InputError


class Loads(HTMLParser):
    """Collects what a page would fetch, and its tags that are not closed."""

    def __init__(self):
        super().__init__()
        self.fetched, self.text, self.tags, self.ids = [], [], [], []

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        for name, value in attrs:
            if name == "id":
                self.ids.append(value)
            if name in ("src", "href", "xlink:href") and not (value or "").startswith("#"):
                self.fetched.append(value)

    def handle_data(self, data):
        self.text.append(data)


@pytest.fixture(scope="module")
def page(bench_results):
    pytest.importorskip("matplotlib")
    return html(bench_results)


def test_the_report_is_self_contained(page):
    parser = Loads()
    parser.feed(page)
    assert parser.fetched == []
    assert "http://" not in page
    assert "https://" not in page
    assert "@import" not in page
    assert not [tag for tag, _ in parser.tags if tag in ("script", "link", "img", "iframe")]
    assert len(parser.ids) == len(set(parser.ids))


def test_the_report_shows_everybody_and_escapes(page, bench_results):
    parser = Loads()
    parser.feed(page)
    text = "".join(parser.text)
    for name in {row.solver for case in bench_results.cases for row in case.rows}:
        assert name in text
    assert '<CUDA> & "luck"' in text
    assert "<b>tiny" not in page
    assert "<b>tiny&" in text
    charts = [attrs for tag, attrs in parser.tags if tag == "svg"]
    assert len(charts) == 5
    assert all(attrs["role"] == "img" and len(attrs["aria-label"]) > 20 for attrs in charts)
    assert any(tag == "meta" and a.get("name") == "viewport" for tag, a in parser.tags)
    assert "@media print" in page


def test_every_reference_inside_a_chart_has_its_target(page):
    ids = set(re.findall(r'\sid="([^"]+)"', page))
    used = set(re.findall(r'(?:url\(#|href="#)([^")]+)', page))
    assert used <= ids


def test_the_charts_of_a_report_are_whole(bench_results, drawn):
    pytest.importorskip("matplotlib")
    html(bench_results)
    assert len(drawn) == 5


def test_write_report_writes_both_files(bench_results, tmp_path):
    pytest.importorskip("matplotlib")
    paths = write_report(bench_results, tmp_path / "out")
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == ["report.html", "results.json"]
    assert all(p.exists() for p in paths)


def test_without_matplotlib_there_is_a_line_and_no_report(bench_results, tmp_path, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    stream = StringIO()
    paths = write_report(bench_results, tmp_path, Console(file=stream, width=200))
    assert [p.name for p in paths] == ["results.json"]
    assert (
        'no report: matplotlib is not installed: pip install "halfstep[bench]"' in stream.getvalue()
    )


def test_an_unwritable_folder_is_bad_input(bench_results, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot be made"):
        write_report(bench_results, tmp_path / "file")
