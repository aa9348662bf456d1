"""Asking a model on the command line: ids and names in and out, and nothing that was played before."""

import json

import numpy as np
import pytest
from scipy import sparse

from halfstep import AlternatingLeastSquares, Solver
from halfstep.cli.main import run
from halfstep.datasets import Dataset
from halfstep.datasets.lookup import find_item, find_user, nearest
from halfstep.datasets.triples import from_triples
from halfstep.errors import InputError
from halfstep.solvers.cholesky import Cholesky

NAMES = (
    "Radiohead",
    "Björk",
    "Beck",
    "[unknown]",
    "311",
    "Air",
    "beck",
    "",
    "Radiohead Tribute",
    "U2",
)


@pytest.fixture(scope="module")
def plays():
    """Two tastes: even users even artists; ids that are no indices."""
    rng = np.random.default_rng(0)
    users = np.repeat(np.arange(40), 3)
    items = users % 2 + 2 * rng.integers(5, size=len(users))
    data = from_triples(users + 2000, items * 10 + 300, rng.integers(1, 50, size=len(users)))
    names = np.array(NAMES, dtype=object)
    return Dataset("tiny", data.interactions, data.user_ids, data.item_ids, item_names=names)


@pytest.fixture(scope="module")
def folder(plays, tmp_path_factory):
    """Hold the data and a model that was fitted to it."""
    folder = tmp_path_factory.mktemp("model")
    plays.save(folder / "plays.npz")
    settings = ["--solver", "cholesky", "--factors", "2", "--regularization", "1"]
    model, data = str(folder / "model.npz"), str(folder / "plays.npz")
    assert run(["fit", "-o", model, "--data", data, *settings]) == 0
    return folder


@pytest.fixture
def command(folder, monkeypatch):
    monkeypatch.chdir(folder)

    def call(*arguments):
        code = run([*(str(a) for a in arguments), "--json", "out.json"])
        return code, json.loads((folder / "out.json").read_text()) if code == 0 else None

    return call


def test_recommend_for_a_user(plays, command, capsys):
    code, found = command("recommend", "--user", 2007, "-n", 20)
    assert code == 0
    row = plays.user_index(2007)
    had = set(plays.interactions[row].indices.tolist())
    recommended = [plays.item_index(one["item"]) for one in found["recommended"]]
    assert set(recommended) == set(range(10)) - had
    assert {plays.item_index(one["item"]) for one in found["history"]} == had
    model = Solver.load("model.npz")
    ids, scores = model.recommend(row, plays.interactions[row], N=20)
    assert recommended == ids.tolist()
    assert [one["score"] for one in found["recommended"]] == pytest.approx(scores)
    printed = capsys.readouterr().out
    assert "For user 2007" in printed
    assert "Has most of" in printed
    assert all(str(plays.item_names[item]) in printed for item in had)
    assert command("recommend", "--user", 2000, "-n", 20)[0] == 0
    assert "[unknown]" in capsys.readouterr().out  # a name, not markup


def test_a_fit_without_a_name_writes_the_model_that_the_others_read(folder, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    data = str(folder / "plays.npz")
    assert run(["fit", "--data", data, "--solver", "cholesky", "--factors", "3"]) == 0
    assert run(["recommend", "--user", "2007"]) == 0
    assert Solver.load("model.npz").factors == 3


def test_a_fit_does_not_replace_its_data(folder, monkeypatch, capsys):
    monkeypatch.chdir(folder)
    before = (folder / "plays.npz").read_bytes()
    assert run(["fit", "-o", f"../{folder.name}/plays", "--data", "plays.npz"]) == 2
    assert "--output must be a file of its own" in capsys.readouterr().err
    assert (folder / "plays.npz").read_bytes() == before


def test_somebody_new_is_folded_in_by_one_half_step(plays, command):
    code, found = command("recommend", "--like", "Radiohead", "--like", "beck", "-n", 3)
    assert code == 0
    columns = [0, 6]  # "beck" as it is written, not "Beck"
    assert {one["name"] for one in found["history"]} == {"Radiohead", "beck"} == set(found["like"])
    found = found["recommended"]
    assert not {"Radiohead", "beck"} & {one["name"] for one in found}
    matrix = plays.interactions.toarray()
    usual = [matrix[:, c][matrix[:, c] > 0].mean() for c in columns]
    row = sparse.csr_matrix((np.float32(usual), ([0, 0], columns)), shape=(1, 10))
    ids, scores = Solver.load("model.npz").recommend(0, row, N=3, recalculate_user=True)
    assert [plays.item_index(one["item"]) for one in found] == ids.tolist()
    assert [one["score"] for one in found] == pytest.approx(scores)
    assert {i % 2 for i in ids.tolist()} == {0}  # the same taste


def test_similar_and_explain(plays, command):
    code, found = command("similar", "radiohead", "-n", 4)
    assert code == 0
    assert len(found) == 4
    assert "Radiohead" not in [one["name"] for one in found]
    assert {plays.item_index(one["item"]) % 2 for one in found} == {0}
    code, found = command("explain", "Radiohead", "--user", 2000)
    assert code == 0
    assert found["item"] == "Radiohead"
    assert sum(one["score"] for one in found["contributions"]) == pytest.approx(found["score"])
    row = plays.interactions[plays.user_index(2000)]
    assert {plays.item_index(one["item"]) for one in found["contributions"]} == set(
        row.indices.tolist()
    )


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (
            ("recommend", "--user", "2070"),
            "there is no user '2070' among the 40 in the data; the near",
        ),
        (("recommend", "--like", "Radiohed"), "the nearest are 'Radiohead', 'Radiohead Tribute'"),
        (("recommend",), "give either --user ID, or --like NAME"),
        (("recommend", "--user", "2000", "--like", "Air"), "give either --user ID, or"),
        (("similar", "zzz"), "no artist or item 'zzz' among the 10 in the data"),
        (("similar", "id:5"), "item_id must be one of"),
        (("similar", "Air", "absent.npz"), "absent.npz"),
        (("similar", "Air", "-n", "0"), "-n must be at least 1"),
        (("similar", "Air", "--data", "music-small"), "was fitted to 40 users x 10 items"),
        (("explain", "Air"), "Missing option '--user'"),
    ],
)
def test_refusals_are_one_line(command, capsys, arguments, says):
    code, _ = command(*arguments)
    assert code == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert says in error


def test_names_and_ids(plays):
    assert find_item(plays, "Beck") == 2
    assert find_item(plays, "BECK") in (2, 6)
    assert find_item(plays, " björk ") == 1
    assert find_item(plays, "311") == 4  # a name before an id
    assert find_item(plays, "320") == 2
    assert find_item(plays, "id:310") == 1
    assert find_user(plays, "2003") == 3
    for empty in ("", " "):
        with pytest.raises(InputError, match="there is no artist"):
            find_item(plays, empty)
    assert nearest("radiohed", NAMES) == ["Radiohead", "Radiohead Tribute"]
    assert nearest("", NAMES) == []


def test_a_model_of_other_data_or_without_a_note(plays, folder, tmp_path, capsys):
    model = Cholesky(factors=2, iterations=1, random_state=0).fit(plays.interactions)
    model.save(tmp_path / "plain.npz")
    assert run(["similar", "Air", str(tmp_path / "plain.npz")]) == 2
    assert "does not name the data that it was fitted to: give --data" in capsys.readouterr().err
    data = str(folder / "plays.npz")
    assert run(["similar", "Air", str(tmp_path / "plain.npz"), "--data", data]) == 0
    # The note stands in the model's file, which everything else reads as before.
    assert AlternatingLeastSquares.load(folder / "model.npz").factors == 2


@pytest.mark.parametrize("form", [sparse.csc_matrix, sparse.csc_array, sparse.coo_matrix])
def test_what_was_played_is_never_recommended_whatever_the_form(plays, form):
    matrix = form(plays.interactions)
    model = Cholesky(factors=3, iterations=3, random_state=0).fit(matrix)
    users = np.arange(plays.users)
    ids, _ = model.recommend(users, matrix, N=10)
    dense = plays.interactions.toarray()
    for user in users:
        left = ids[user][ids[user] >= 0]
        assert (dense[user, left] == 0).all()
        assert len(left) == (dense[user] == 0).sum()
