"""Attributes in the commands and in `Recommender`: fit, recommend, evaluate, tune."""

from __future__ import annotations

import json

import numpy as np
import pytest

from halfstep import Recommender
from halfstep.cli.main import run
from halfstep.datasets import load
from halfstep.datasets.features import read_features
from halfstep.errors import InputError

KINDS = ("folk", "jazz", "pop", "rock")
MODEL = ["--confidence", "log", "--regularization", "5", "-f", "6", "--iterations", "6"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Plays of users who like one kind each, with tables of the users and the items."""
    path = tmp_path_factory.mktemp("music")
    rng = np.random.default_rng(0)
    songs = {f"song {k}": rng.choice(KINDS, 2, replace=False) for k in range(40)}
    tastes = {f"user {k}": rng.choice(KINDS) for k in range(80)}
    plays = [
        f"{user},{song},{rng.integers(1, 20)}"
        for user, taste in tastes.items()
        for song, kinds in songs.items()
        if rng.random() < (0.6 if taste in kinds else 0.04)
    ]
    (path / "plays.csv").write_text("user,item,plays\n" + "\n".join(plays) + "\n")
    rows = [f"{song},{'|'.join(kinds)}" for song, kinds in songs.items()]
    (path / "items.csv").write_text("item,kinds\n" + "\n".join(rows) + "\nsong 99,jazz\n")
    rows = [f"{user},taste,{taste}" for user, taste in tastes.items()]
    (path / "users.csv").write_text("user,name,value\n" + "\n".join(rows) + "\n")
    return path


@pytest.fixture(scope="module")
def fitted(folder):
    arguments = ["fit", "-d", str(folder / "plays.csv"), "-o", str(folder / "model.npz"), *MODEL]
    files = [
        "--item-features",
        str(folder / "items.csv"),
        "--user-features",
        str(folder / "users.csv"),
    ]
    assert run([*arguments, *files, "--feature-regularization", "20,30"]) == 0
    return folder / "model.npz"


def liked(kinds, folder):
    """Return the songs of a kind."""
    rows = (folder / "items.csv").read_text().splitlines()[1:]
    return {row.split(",")[0] for row in rows if kinds in row.split(",")[1].split("|")}


def test_somebody_new_gets_songs_by_attributes(fitted, folder, capsys):
    answer = folder / "answer.json"
    arguments = ["recommend", str(fitted), "--attribute", "taste=jazz", "-n", "5", "--json"]
    assert run([*arguments, str(answer)]) == 0
    found = json.loads(answer.read_text())
    assert found["attributes"] == {"taste": "jazz"}
    assert len({one["item"] for one in found["recommended"]} & liked("jazz", folder)) >= 4
    assert run(["recommend", str(fitted), "--attribute", "taste=jazz", "--like", "song 1"]) == 0
    capsys.readouterr()
    for words, message in (
        ("mood=sad", "attributes must name fields of the fit (taste), got mood"),
        ("taste=polka", "none of the attributes is known to the model"),
        ("taste=", "attributes must have a value"),
        ("taste", "--attribute must be FIELD=VALUE, got 'taste'"),
    ):
        assert run(["recommend", str(fitted), "--attribute", words]) == 2
        assert message in " ".join(capsys.readouterr().err.split())


def test_a_recommender_knows_fields_after_it_was_saved(fitted, folder):
    recommender = Recommender.load(fitted)
    assert recommender.model.feature_regularization == [20.0, 30.0]
    best = recommender.recommend_new([], 5, attributes={"taste": "rock"})
    assert len({one.item for one in best} & liked("rock", folder)) >= 4
    both = recommender.recommend_new(["song 1"], 5, attributes={"taste": "rock"})
    assert "song 1" not in {one.item for one in both}
    with pytest.raises(InputError, match="at least one item"):
        recommender.recommend_new([], 5)
    with pytest.raises(InputError, match="must map fields"):
        recommender.recommend_new([], 5, attributes=["rock"])


def test_a_recommender_is_fitted_with_features(folder):
    data = load(str(folder / "plays.csv"))
    kinds = read_features(folder / "items.csv", data.item_ids)
    recommender = Recommender.fit(
        data, factors=4, iterations=3, random_state=0, item_features=kinds, show_progress=False
    )
    assert recommender.model.item_feature_factors.shape == (len(KINDS) + 1, 4)
    with pytest.raises(InputError, match="fitted with user_features"):
        recommender.recommend_new([], attributes={"taste": "rock"})


@pytest.mark.parametrize(
    ("split", "option", "table"),
    [("new-items", "--item-features", "items.csv"), ("new-users", "--user-features", "users.csv")],
)
def test_new_rows_are_judged(split, option, table, folder, tmp_path):
    answer = tmp_path / "answer.json"
    arguments = ["evaluate", "-d", str(folder / "plays.csv"), "--split", split, *MODEL]
    assert run([*arguments, option, str(folder / table), "--json", str(answer)]) == 0
    found = json.loads(answer.read_text())
    assert found["protocol"] == split
    name = found["paired"]["of"]
    assert split == "new-users" or found["paired"]["metrics"]["auc"]["low"] > 0
    means = {model: found["models"][model]["ndcg@10"] for model in (name, "random")}
    assert means[name] > means["random"] + 0.1


def test_tune_chooses_by_new_items(folder, tmp_path, capsys):
    out = tmp_path / "report"
    arguments = ["tune", "-d", str(folder / "plays.csv"), "--out", str(out), "--trials", "3"]
    arguments += ["--search", "random", "--protocol", "new-items", "--factors", "4"]
    assert run([*arguments, "--item-features", str(folder / "items.csv")]) == 0
    assert "--item-features" in capsys.readouterr().out
    assert (out / "model.npz").exists()


def test_options_without_files_are_refused(folder, capsys):
    data = ["-d", str(folder / "plays.csv"), "-o", str(folder / "other.npz")]
    for words, message in (
        (["--feature-regularization", "3"], "needs --user-features or --item-features"),
        (
            ["--item-features", str(folder / "items.csv"), "--feature-regularization", "0"],
            "positive",
        ),
        (["--feature-min-count", "3"], "needs --user-features or --item-features"),
        (
            ["--item-features", str(folder / "items.csv"), "--feature-regularization", "a"],
            "one number",
        ),
        (["--item-features", str(folder / "users.csv")], "its ids must be the data's items"),
        (["--item-features", str(folder / "none.csv")], "none.csv"),
    ):
        assert run(["fit", *data, *words]) == 2
        assert message in " ".join(capsys.readouterr().err.split())
    assert not (folder / "other.npz").exists()
