"""The description of play counts: numbers against pandas, and what the page and the plots say."""

import json

import numpy as np
import pandas as pd
import pytest

from halfstep.cli.main import run
from halfstep.datasets.audioscrobbler.filters import Filters
from halfstep.datasets.audioscrobbler.read import read_audioscrobbler
from halfstep.datasets.description.summary import describe
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
    with pytest.raises(InputError, match="whole numbers"):
        describe(from_triples([0], [0], [0.5]))
    with pytest.raises(InputError, match="top must be"):
        describe(from_triples([0], [0], [1]), top=0)


def test_describe_writes_a_page_plots_and_json(dump, tmp_path, capsys):
    pytest.importorskip("matplotlib")
    out = tmp_path / "out"
    data = read_audioscrobbler(dump, filters=Filters(min_audience=3))
    data.save(tmp_path / "plays.npz")
    assert run(["data", "describe", str(tmp_path / "plays.npz"), "-o", str(out), "--top", "3"]) == 0
    found = json.loads((out / "description.json").read_text())
    page = (out / "description.html").read_text()
    for number in (found["raw"]["users"], found["raw"]["plays"], found["prepared"]["artists"]):
        assert f"{number:,}" in page
    for name in ("plays-per-user", "audience-per-artist", "long-tail"):
        assert (out / f"{name}.png").read_bytes().startswith(b"\x89PNG")
    assert page.count("data:image/png") == 5
    assert "left out by request: fewer than 3 listeners" in page
    for artist in found["artists by plays"]:
        assert artist["name"].replace("&", "&amp;").replace('"', "&quot;") in page
    assert run(["data", "describe", str(tmp_path / "no.npz"), "-o", str(out)]) == 2
    assert run(["data", "describe", "music-small", "-o", str(tmp_path / "plays.npz")]) == 2
    assert "must be a folder" in capsys.readouterr().err


def test_without_matplotlib_it_says_what_to_install(monkeypatch, tmp_path, capsys):
    import importlib.util

    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name == "matplotlib" else find(name)
    )
    assert run(["data", "describe", "music-small", "-o", str(tmp_path / "out")]) == 2
    assert 'pip install "halfstep[bench]"' in capsys.readouterr().err
