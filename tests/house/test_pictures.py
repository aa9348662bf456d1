"""Pictures and pages: ticks, edges and colours, in light and in dark, on screens and phones."""

import re
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from cases.pictures import assert_whole
from cases.tuning import trial
from hypothesis import given, settings
from hypothesis import strategies as st

from halfstep import pictures
from halfstep.bench.report.charts import line_chart
from halfstep.bench.report.curves import Curve
from halfstep.colours import BACKGROUNDS, COLOURS, MARKS, TEXTS, variables, with_variables
from halfstep.evaluation.tuning import plot
from halfstep.evaluation.tuning.search import Search
from halfstep.evaluation.tuning.space import LogUniform
from halfstep.page_style import CSS, whole_page


@settings(deadline=None)
@given(st.floats(-12, 12), st.floats(1e-3, 14))
def test_a_logarithmic_axis_has_at_least_two_ticks_that_differ(start, decades):
    pytest.importorskip("matplotlib")
    low, high = 10.0**start, 10.0 ** (start + decades)
    ticks = pictures.log_ticks(low, high)
    assert 2 <= len(ticks) <= 8
    assert all(low <= tick <= high for tick in ticks)
    assert ticks == sorted(set(ticks))
    assert len({pictures.number(tick) for tick in ticks}) == len(ticks)


def test_ticks_are_round():
    pytest.importorskip("matplotlib")
    assert pictures.log_ticks(1, 1e4) == [1, 10, 100, 1000, 10000]
    assert pictures.log_ticks(0.9, 60) == [1, 2, 5, 10, 20, 50]
    assert pictures.log_ticks(90, 110) == [90, 100, 110]
    assert pictures.log_ticks(1e-7, 1e5) == [1e-6, 1e-3, 1, 1e3]
    assert [pictures.number(x) for x in (0.002, 1000, 25)] == ["0.002", "1,000", "25"]
    assert pictures.number(2e-5) == r"$\mathdefault{2 · 10^{-5}}$"
    low, high = pictures.widened(7, 7, least=4)
    assert (low, high) == pytest.approx((3.5, 14))
    assert pictures.widened(1, 9) == (1, 9)


def test_what_sticks_out_is_in_the_picture():
    figures = pytest.importorskip("matplotlib.figure")
    with pictures.look():
        figure = figures.Figure((2, 1))
        axes = figure.subplots()
        axes.annotate("a long text to the right " * 3, (0.9, 1.4), annotation_clip=False)
        svg = pictures.svg_file(figure).decode()
        assert_whole(figure, svg)
    _, _, width, height = map(float, re.search(r'viewBox="([^"]+)"', svg)[1].split())
    assert width > 300
    assert height > 80
    assert svg.count("prefers-color-scheme: dark") == 1
    element = pictures.svg_element(svg.encode())
    assert element.startswith("<svg")
    assert "prefers-color-scheme" not in element
    assert not re.search(r"<svg[^>]*\s(width|height|xmlns)", element)
    assert re.findall(r'\sid="(?!c[0-9a-f]{8}-)', element) == []


def luminance(colour):
    """Return the relative luminance of "#rrggbb" as WCAG defines it."""
    parts = np.array([int(colour[k : k + 2], 16) / 255 for k in (1, 3, 5)])
    linear = np.where(parts <= 0.04045, parts / 12.92, ((parts + 0.055) / 1.055) ** 2.4)
    return float(linear @ [0.2126, 0.7152, 0.0722])


@pytest.mark.parametrize("mode", [0, 1], ids=["light", "dark"])
def test_texts_and_marks_stand_out_from_the_paper(mode):
    paper = luminance(BACKGROUNDS["paper"][mode])

    def contrast(pair):
        bright, dim = sorted((luminance(pair[mode]), paper), reverse=True)
        return (bright + 0.05) / (dim + 0.05)

    assert {name for name, pair in TEXTS.items() if contrast(pair) < 4.5} == set()
    assert {name for name, pair in MARKS.items() if contrast(pair) < 1.9} == set()
    assert contrast(BACKGROUNDS["rule"]) < 1.9


def test_colours_are_variables_with_the_light_colour_for_programs_without():
    found = with_variables('<path style="fill: #222222; stroke: #123456"/>')
    assert found == '<path style="fill: #222222; fill: var(--ink, #222222); stroke: #123456"/>'
    css = variables("svg")
    for name, (light, dark) in COLOURS.items():
        before, after = css.split("@media screen and (prefers-color-scheme: dark)")
        assert f"--{name}: {light};" in before
        assert f"--{name}: {dark};" in after


def test_pages_fit_a_phone_and_follow_the_mode():
    page = whole_page("a <b>", "<p>text</p>")
    assert "<title>a &lt;b&gt;</title>" in page
    assert '<meta name="viewport" content="width=device-width' in page
    assert "color-scheme: light dark" in CSS
    assert ".scroll { overflow-x: auto;" in CSS
    assert "figure svg { display: block; width: 100%; height: auto; }" in CSS
    plain = CSS.replace(variables(":root"), "")
    assert re.findall(r"#[0-9a-fA-F]{3,6}\b", plain) == []
    used = set(re.findall(r"var\(--(\w+)", plain))
    assert used <= set(COLOURS)
    wide = [float(w) for w in re.findall(r"(?<!max-)(?:min-)?width: ([\d.]+)(?:px|rem)", plain)]
    assert wide == []


def test_a_search_with_a_low_end_below_zero_is_whole(drawn, tmp_path):
    pytest.importorskip("matplotlib")
    trials = [trial(0.5 + k / 100, error=0.4, regularization=2 + k / 5) for k in range(6)]
    trials += [trial(0.02, error=0.1, regularization=40.0), trial(0.5, factors=8, pruned=True)]
    for n, one in enumerate(trials):
        one.params["regularization"] = one.settings.get("regularization", 1.0) + n / 9
    search = Search("ndcg@20", {"regularization": LogUniform(0.01, 100)}, trials)
    plot.plot_search(search, tmp_path / "search.svg", "a title " * 30)
    ((figure, _),) = drawn
    assert min(axes.get_ylim()[0] for axes in figure.axes if axes.axison) < 0.5 - 1.96 * 0.4


@pytest.mark.parametrize(
    ("x", "y"), [((64,), (0.5,)), ((8, 16), (0.5, 0.51)), ((1, 1e6), (1e-9, 1))]
)
def test_a_chart_of_one_size_or_one_height_has_ticks(x, y, drawn):
    pytest.importorskip("matplotlib")
    curves = [Curve(f"a solver with a long name {n}", x, y) for n in range(25)]
    names = [curve.name for curve in curves]
    chart = line_chart(curves, names, "factors f", "seconds", (0.7, "target"), x_ticks=x)
    ((figure, _),) = drawn
    box = figure.get_tightbbox(figure.canvas.get_renderer())
    assert box.y0 >= 0
    assert box.y1 <= figure.get_size_inches()[1]
    assert all(name in chart for name in names)


def test_many_sizes_have_labels_that_do_not_touch(drawn):
    pytest.importorskip("matplotlib")
    sizes = tuple(float(n) for n in range(100, 140))
    line_chart([Curve("a", sizes, sizes)], ["a"], "factors f", "seconds", x_ticks=sizes)
    ((figure, _),) = drawn
    renderer = figure.canvas.get_renderer()
    boxes = [label.get_window_extent(renderer) for label in figure.axes[0].get_xticklabels()]
    assert len(boxes) >= 2
    assert all(a.x1 <= b.x0 for a, b in pairwise(boxes))


def test_no_picture_of_the_project_is_made_of_dots():
    root = Path(__file__).resolve().parents[2]
    folders = ("halfstep", "datasets", "evaluation", "bench", "cli", "lab")
    sources = [file for folder in folders for file in (root / folder).rglob("*.py")]
    assert [file for file in sources if 'format="png"' in file.read_text()] == []
