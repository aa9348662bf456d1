"""The description of a data set: numbers against pandas, and what the page and the plots say."""

import json
import re
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy.sparse import csr_matrix

from halfstep import Dataset
from halfstep.cli.main import run
from halfstep.datasets.audioscrobbler.filters import Filters
from halfstep.datasets.audioscrobbler.read import read_audioscrobbler
from halfstep.datasets.description.page import page
from halfstep.datasets.description.plots import draw_plots
from halfstep.datasets.description.summary import describe, time_span
from halfstep.datasets.description.words import Words, item_word
from halfstep.datasets.generated.dump import generate_dump
from halfstep.datasets.triples import from_triples
from halfstep.errors import InputError


@pytest.fixture(scope="module")
def dump(tmp_path_factory):
    folder = tmp_path_factory.mktemp("generated") / "dump"
    generate_dump(folder, 5_000, seed=3)
    return folder


def test_numbers_are_those_of_pandas(dump):
    described = describe(read_audioscrobbler(dump), top=7)
    plays = pd.read_csv(dump / "user_artist_data.txt", sep=" ", header=None, names=["u", "a", "n"])
    raw = described["raw"]
    assert (raw["users"], raw["artists"]) == (plays["u"].nunique(), plays["a"].nunique())
    assert (raw["rows"], raw["plays"]) == (len(plays), plays["n"].sum())
    for name, values in {
        "plays per user": plays.groupby("u")["n"].sum(),
        "artists per user": plays.groupby("u").size(),
        "plays per artist": plays.groupby("a")["n"].sum(),
        "audience per artist": plays.groupby("a").size(),
    }.items():
        found = raw["distributions"][name]
        assert found["mean"] == pytest.approx(values.mean())
        assert found["largest"] == values.max()
        for percent, value in found["percentiles"].items():
            expected = np.quantile(values, float(percent) / 100, method="inverted_cdf")
            assert value == expected
    top = plays.groupby("a")["n"].sum().sort_values(ascending=False, kind="stable")
    assert raw["top artists"]["plays"][:7] == top.tolist()[:7]
    assert described["prepared"]["plays"] == raw["plays"]
    assert described["prepared"]["artists"] < raw["artists"]


def test_tables_are_sorted_and_named(dump):
    data = read_audioscrobbler(dump)
    described = describe(data, top=5)
    for table, column in (
        ("artists by plays", "plays"),
        ("artists by audience", "audience"),
        ("users by plays", "plays"),
        ("users by curiosity", "artists"),
    ):
        values = [row[column] for row in described[table]]
        assert len(values) == 5
        assert values == sorted(values, reverse=True)
    first = described["artists by plays"][0]
    column = data.item_index(first["id"])
    assert first["name"] == data.item_names[column]
    assert first["plays"] == data.interactions[:, [column]].sum()


def test_the_long_tail_by_hand():
    users = [0, 1, 2, 0, 0]
    described = describe(from_triples(users, [0, 0, 0, 1, 2], [6, 1, 1, 1, 1]))
    tail = described["prepared"]["long tail"]
    assert tail["artists that make up half of all plays"] == 1
    assert tail["share of artists with one listener"] == pytest.approx(2 / 3)
    assert tail["share of plays of the lower 80 % of artists"] == pytest.approx(0.2)
    assert described["raw"] is None
    with pytest.raises(InputError, match="top must be"):
        describe(from_triples([0], [0], [1]), top=0)


def test_fractions_are_described_and_values_below_0_refused():
    described = describe(from_triples([0, 0, 1], [0, 1, 1], [0.5, 2.25, 1234.5]))
    prepared = described["prepared"]
    assert prepared["plays"] == 1237.25
    assert prepared["distributions"]["plays per user"]["percentiles"]["50"] == 2.75
    assert prepared["distributions"]["artists per user"]["largest"] == 2
    tail = prepared["long tail"]
    assert tail["share of plays of the top 1 % of artists"] == pytest.approx(1236.75 / 1237.25)
    assert described["users by plays"][1]["its plays"] == 2.25
    written = page(described, {})
    assert "values that sum to 1,237.2: 3 pairs" in written
    assert "<td class=number>2.75</td>" in written
    small = describe(from_triples([0, 1], [0, 0], [0.1, 0.2]))
    assert small["prepared"]["concentration"]["share of plays"] == [1]
    json.dumps(described)
    told = r"x: values must be numbers from 0 .* got -1, 2 of 3 entries are .* --negative drop"
    with pytest.raises(InputError, match=told):
        describe(from_triples([0, 1, 2], [0, 0, 0], [3, -1, -0.5], name="x"))
    with pytest.raises(InputError, match="got nan, 1 of 1"):
        describe(replace(from_triples([0], [0], [1]), interactions=csr_matrix([[np.nan]])))


def test_marks_lie_at_their_values_and_on_the_curve(drawn):
    pytest.importorskip("matplotlib")
    users, values = np.arange(8), [0, 0, 0, 0.25, 0.25, 0.5, 0.5, 0.5]
    draw_plots(describe(from_triples(users, [0, 1, 2, 3, 4, 0, 1, 2], values)))
    axes = drawn[0][0].axes[0]
    marks = [tuple(line.get_xydata()[0]) for line in axes.lines if line.get_marker() == "o"]
    expected = [(0.25, 0.5), *[(0.5, share) for share in (0.75, 0.95, 0.99, 0.999)]]
    np.testing.assert_allclose(marks, expected)
    curve, half = drawn[-1][0].axes[0].lines
    assert half.get_xydata()[0].tolist() in curve.get_xydata().tolist()


def test_describe_writes_a_page_plots_and_json(dump, tmp_path, capsys):
    pytest.importorskip("matplotlib")
    out = tmp_path / "out"
    data = read_audioscrobbler(dump, filters=Filters(min_audience=3))
    data.save(tmp_path / "plays.npz")
    assert run(["data", "describe", str(tmp_path / "plays.npz"), "-o", str(out), "--top", "3"]) == 0
    found = json.loads((out / "description.json").read_text())
    written = (out / "description.html").read_text()
    for number in (found["raw"]["users"], found["raw"]["plays"], found["prepared"]["artists"]):
        assert f"{number:,}" in written
    for name in ("plays-per-user", "audience-per-artist", "long-tail"):
        assert (out / f"{name}.svg").read_text().endswith("</svg>\n")
    assert written.count("<svg") == 5
    assert "<img" not in written
    assert written.count('<div class="scroll"><table>') == written.count("<table>") > 5
    ids = re.findall(r'\sid="([^"]+)"', written)
    assert len(ids) == len(set(ids))
    assert "left out by request: fewer than 3 listeners" in written
    for artist in found["artists by plays"]:
        assert artist["name"].replace("&", "&amp;").replace('"', "&quot;") in written
    assert run(["data", "describe", str(tmp_path / "no.npz"), "-o", str(out)]) == 2
    assert run(["data", "describe", "music-small", "-o", str(tmp_path / "plays.npz")]) == 2
    assert "must be a folder" in capsys.readouterr().err


def text_of(page):
    """Return what a page says, without its style and what is drawn, in lower case."""
    return re.sub(r"<style>.*?</style>|<[^>]*>", " ", page, flags=re.DOTALL).lower()


@pytest.fixture
def purchases():
    return pd.DataFrame(
        {
            "customer": ["a", "b", "a", "c", "a", None],
            "article": ["x", "x", "y", "x", "y", "z"],
            "quantity": [2, 1, 1, 4, 3, 1],
            "date": pd.to_datetime(["2020-01-02", None, "2021-03-04", None, "2020-05-06", None]),
        }
    )


def test_a_shop_has_users_and_items_and_music_what_was_played(purchases, drawn):
    pytest.importorskip("matplotlib")
    roles = {"user": "customer", "value": "quantity"}
    shop = describe(Dataset.from_frame(purchases, item="article", **roles))
    said = text_of(page(shop, draw_plots(shop)))
    assert re.findall(r"artist|play|listen|track|music", said) == []
    for phrase in ("3 users have 2 items", "how many users an item reaches", "values, summed 11"):
        assert phrase in re.sub(r"\s+", " ", said)
    assert len(drawn) == 5
    songs = purchases.rename(columns={"article": "track_id"})
    played = describe(Dataset.from_frame(songs, item="track_id", **roles))
    said = re.sub(r"\s+", " ", text_of(page(played, draw_plots(played))))
    for phrase in ("3 users played 2 tracks 11 times", "different tracks of one user"):
        assert phrase in said
    assert re.findall(r"artist|\bitems?\b", said.replace("the same user and item:", "")) == []
    assert describe(from_triples([0], [0], [1]))["item"] == "item"


def test_what_an_item_is_follows_from_the_source():
    assert item_word({"format": "audioscrobbler"}) == "artist"
    assert item_word({"format": "hetrec"}) == "artist"
    assert item_word({"format": "csv"}) == "item"
    for column, word in (
        ("artist_id", "artist"), ("artistID:token", "artist"), ("song", "song"), ("Tracks", "track"),
        ("trackname", "item"), ("column 2", "item"), ("backtrack", "item"),
    ):  # fmt: skip
        assert item_word({"reading": {"columns": {"item": column}}}) == word
    assert Words("track")("audience per artist") == "audience per track"
    assert Words("item")("audience per artist") == "users per item"


def test_times_duplicates_and_left_out_rows_are_told(purchases):
    roles = {"user": "customer", "item": "article", "value": "quantity", "time": "date"}
    described = describe(Dataset.from_frame(purchases, **roles))
    assert described["times"] == {
        "first": "2020-01-02 00:00:00", "last": "2021-03-04 00:00:00", "without": 0.5,
    }  # fmt: skip
    said = re.sub(r"\s+", " ", text_of(page(described, {})))
    assert "the first time is 2020-01-02 00:00:00, the last 2021-03-04 00:00:00 (utc)" in said
    assert "50 % of the entries have none" in said
    assert "1 more rows of the same user and item: added" in said
    assert "6 rows were read" in said
    assert re.search(r"left out, missing user: 1\b", said)
    json.dumps(described)


def test_times_outside_the_calendar_and_no_times():
    data = from_triples([0, 1], [0, 0], [1, 1])
    assert time_span(data) is None
    far = replace(data, times=np.array([-1e15, 1e15]))
    assert time_span(far) == {"first": "-1e+15 s", "last": "1e+15 s", "without": 0}
    none = replace(data, times=np.array([np.nan, np.nan]))
    assert time_span(none) == {"first": None, "last": None, "without": 1}
    assert "No entry has a time" in page(describe(none), {})


@pytest.mark.parametrize("values", [[7, 7], [0, 1_000], [0, 0], [1e-9, 1e-9]])
def test_plots_of_almost_nothing_are_whole(values, drawn):
    pytest.importorskip("matplotlib")
    draw_plots(describe(from_triples([0, 1], [0, 1], values)))
    assert len(drawn) == 5


def test_without_matplotlib_it_says_what_to_install(monkeypatch, tmp_path, capsys):
    import importlib.util

    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name == "matplotlib" else find(name)
    )
    assert run(["data", "describe", "music-small", "-o", str(tmp_path / "out")]) == 2
    assert 'pip install "halfstep[bench]"' in capsys.readouterr().err
