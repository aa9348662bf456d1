"""Asking a model on the command line: ids and names in and out, and nothing that was played before."""

import json
import os

import numpy as np
import pandas as pd
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

TABLES = {
    "taste.csv": "item_id,plays\n300,9\n360,2\n",
    "one.csv": "name\nRadiohead\nbeck\n",
    "heads.csv": "item_id,plays\n",
    "strange.csv": "item\nzzz\nyyy\n",
    "unclear.csv": "300,x\n310,y\n",
    "negative.csv": "item,plays\n300,1\n310,-2\n",
    "ragged.csv": "item,plays\n300,1\n310\n",
    "several.csv": "user,item,plays\n1,300,9\n2,310,4\n1,360,2\n",
    "empty.csv": "\n",
    "strangers.txt": "7\n8\n",
}


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
    for name, text in TABLES.items():
        (folder / name).write_text(text, encoding="utf-8")
    Dataset("s", plays.interactions, plays.user_ids + 9999, plays.item_ids).save(
        folder / "strangers.npz"
    )
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
    code, found = command("similar", "model.npz", "radiohead", "-n", 4)
    assert code == 0
    assert len(found) == 4
    assert "Radiohead" not in [one["name"] for one in found]
    assert {plays.item_index(one["item"]) % 2 for one in found} == {0}
    code, found = command("explain", "model.npz", "Radiohead", "--user", 2000)
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
            "there is no user '2070' among the 40 that the model knows; the near",
        ),
        (("recommend", "--like", "Radiohed"), "the nearest are 'Radiohead', 'Radiohead Tribute'"),
        (("recommend",), "give either --user ID, or --like NAME"),
        (("recommend", "--user", "2000", "--like", "Air"), "got --like and --user"),
        (("recommend", "--user", "2000", "--all", "-o", "a.csv"), "got --all and --user"),
        (("recommend", "--like", "Air", "--history", "one.csv"), "got --history and --like"),
        (("recommend", "--all"), "--all needs --output: a file that ends in .parquet, .csv"),
        (("recommend", "--all", "-o", "lists.xlsx"), "must end in one of .parquet, .pq, .csv, .js"),
        (("recommend", "--all", "-o", "nowhere/a.csv"), "--output: the folder 'nowhere' does not"),
        (("recommend", "--all", "-o", "out.csv", "-n", "0"), "-n must be at least 1"),
        (("recommend", "--users", "none.csv", "-o", "out.csv"), "none.csv: no such file"),
        (
            ("recommend", "--users", "taste.csv", "-o", "taste.csv"),
            "--output must be a file of its",
        ),
        (
            ("recommend", "--users", "taste.csv", "-o", "out.csv"),
            "must have one column, or a header",
        ),
        (("recommend", "--users", "strangers.txt", "-o", "out.csv"), "there is no user '7' among"),
        (("recommend", "--users", "empty.csv", "-o", "out.csv"), "empty.csv: the file is empty"),
        (("recommend", "--user", "2000", "-o", "out.csv"), "--output has no meaning without --all"),
        (("recommend", "--history", "empty.csv"), "empty.csv: the file is empty"),
        (
            ("recommend", "--history", "heads.csv"),
            "must have at least one item, got the header only",
        ),
        (("recommend", "--history", "strange.csv"), "none of its 2 items is known to the model"),
        (("recommend", "--history", "unclear.csv"), "a history must have a header with item"),
        (
            ("recommend", "--history", "negative.csv"),
            "line 3: a value must be a number of at least",
        ),
        (
            ("recommend", "--history", "ragged.csv"),
            "every line must have 2 fields as line 1 has, row 3",
        ),
        (("recommend", "--history", "several.csv"), "has 2 users (1, 2, ...): say with --user"),
        (("recommend", "--history", "several.csv", "--user", "3"), "has no rows of user '3'"),
        (("recommend", "--history", "taste.csv", "--user", "3"), "has no column of users"),
        (("recommend", "--history", "none.csv"), "none.csv: no such file"),
        (("recommend", "--history", "plays.npz"), "a table must end in one of .csv"),
        (("similar", "zzz"), "no item 'zzz' among the 10 that the model knows"),
        (("similar", "model.npz", "id:5"), "no item with the id '5' among the 10 that the model"),
        (("similar", "Air", "absent.npz"), "no model 'Air': the order is `halfstep similar MODEL"),
        (("similar", "Air", "model.npz"), "no model 'Air': the order is `halfstep similar MODEL"),
        (("similar", "model.npz"), "similar needs an item beside the model 'model.npz'"),
        (("similar", "absent.npz"), "similar needs an item beside the model 'absent.npz'"),
        (("explain", "model.npz", "--user", "2000"), "explain needs an item beside the model"),
        (("similar", "model.npz", "Radiohead", "Tribute"), "put quotes around a name that has bla"),
        (("similar", "plays.npz", "Air"), "plays.npz is not a halfstep model"),
        (("similar", "Air", "-n", "0"), "-n must be at least 1"),
        (("similar", "Air", "--data", "strangers.npz"), "the model knows none of its 40 users"),
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
        with pytest.raises(InputError, match="there is no item"):
            find_item(plays, empty)
    assert nearest("radiohed", NAMES) == ["Radiohead", "Radiohead Tribute"]
    assert nearest("", NAMES) == []


def test_a_model_that_carries_no_ids_says_what_to_do(plays, folder, tmp_path, capsys, caplog):
    model = Cholesky(factors=2, iterations=1, random_state=0).fit(plays.interactions)
    plain, data = str(tmp_path / "plain.npz"), str(folder / "plays.npz")
    model.save(plain)
    assert run(["similar", plain, "Air"]) == 2
    assert (
        "give the data that it was fitted to with --data, or fit again" in capsys.readouterr().err
    )
    assert run(["similar", plain, "Air", "--data", "music-small"]) == 2
    assert "was fitted to 40 users x 10 items, music-small has" in capsys.readouterr().err
    assert run(["similar", plain, "Air", "--data", data]) == 0
    assert "its rows are taken to be those of" in caplog.text
    # As the command wrote them before models carried ids.
    np.savez(plain, **dict(np.load(plain)), fitted_to=np.array(json.dumps({"data": data})))
    assert run(["similar", plain, "Air"]) == 2
    assert f"with --data ({data}, if it is unchanged)" in capsys.readouterr().err
    assert run(["recommend", plain, "--user", "2007", "--data", data]) == 0
    Cholesky(factors=2).save(plain)
    assert run(["similar", plain, "Air", "--data", data]) == 2
    assert "has no factors: it was saved before a fit" in capsys.readouterr().err
    # A model's own `load` reads what the command writes.
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


def test_all_lists_go_to_a_file(plays, command, folder, capsys):
    code, found = command("recommend", "--all", "-o", "lists.csv", "-n", 3)
    assert code == 0
    assert found == {"file": "lists.csv", "users": 40, "rows": 120, "without": {}, "short": 0}
    assert "wrote lists.csv: 40 users, 120 rows" in capsys.readouterr().out
    lists = pd.read_csv(folder / "lists.csv", keep_default_na=False)
    _, alone = command("recommend", "--user", 2007, "-n", 3)
    rows = lists[lists.user == 2007]
    assert rows["item"].astype(str).tolist() == [one["item"] for one in alone["recommended"]]
    assert rows["name"].tolist() == [one["name"] for one in alone["recommended"]]
    (folder / "some.txt").write_text("2007\nnobody\n2003\n2007\n")
    code, found = command("recommend", "model.npz", "--users", "some.txt", "-o", "some.parquet")
    assert code == 0
    assert (found["users"], found["without"]) == (2, {"are not known to the model": 1})
    assert "1 users are not known to the model and get no list" in capsys.readouterr().out
    assert pd.read_parquet(folder / "some.parquet").user.unique().tolist() == [2007, 2003]
    (folder / "some.csv").write_text("country,customer_id\nde,2003\n")
    assert command("recommend", "--users", "some.csv", "-o", "some.jsonl")[1]["users"] == 1


def test_a_history_from_a_table_folds_somebody_new_in(plays, command, folder, capsys):
    row = sparse.csr_matrix((np.float32([9, 2]), ([0, 0], [0, 6])), shape=(1, 10))
    ids, scores = Solver.load("model.npz").recommend(0, row, N=3, recalculate_user=True)
    tables = {
        "taste.csv": TABLES["taste.csv"],
        "names.csv": "\ufeffname;plays\nRadiohead;9\nbeck;2\n",
        "bare.txt": "300\t9\n360\t2\n",
        "three.txt": "me,300,9\nme,360,2\n",
        "added.csv": "plays,artist\n4,300\n2,360\n5,300\n",
        "strange.tsv": "item\tplays\n300\t9\nzzz\t5\n360\t2\n",
    }
    for name, text in tables.items():
        (folder / name).write_text(text, encoding="utf-8")
    pd.DataFrame({"item_id": [300, 360], "count": [9.0, 2.0]}).to_parquet(folder / "taste.parquet")
    (folder / "utf16.csv").write_text(TABLES["taste.csv"], encoding="utf-16")
    for name in (*tables, "taste.parquet", "utf16.csv"):
        code, found = command("recommend", "--history", name, "-n", 3)
        assert code == 0, name
        assert [plays.item_index(one["item"]) for one in found["recommended"]] == ids.tolist()
        assert [one["score"] for one in found["recommended"]] == pytest.approx(scores.tolist())
        assert [one["value"] for one in found["history"]] == [9, 2]
        assert found["history_file"] == name
    said = capsys.readouterr().out
    assert "taste.csv: 2 items by id; columns: item item_id, value plays" in said
    assert "names.csv: 2 items by name; columns: item name, value plays" in said
    assert "Likes" in said
    found = command("recommend", "--history", "several.csv", "--user", 1, "-n", 3)[1]
    assert [plays.item_index(one["item"]) for one in found["recommended"]] == ids.tolist()
    # Items without values count what they usually do, as with --like.
    alike = command("recommend", "--like", "Radiohead", "--like", "beck")[1]["recommended"]
    (folder / "likes.txt").write_text("radiohead\nbeck\n")
    for name in ("one.csv", "likes.txt"):
        assert command("recommend", "--history", name)[1]["recommended"] == alike
    # A column of names is read as names, though one of them is also another item's id.
    (folder / "mixed.csv").write_text("artist\n311\nAir\nU2\n")
    found = command("recommend", "--history", "mixed.csv")[1]
    assert {one["name"] for one in found["history"]} == {"311", "Air", "U2"}


def test_a_model_without_histories_needs_data_for_some_commands(plays, folder, tmp_path, capsys):
    model, data = str(tmp_path / "m.npz"), str(folder / "plays.npz")
    settings = ["--solver", "cholesky", "--factors", "2", "--regularization", "1"]
    assert run(["fit", "-o", model, "--data", data, "--no-history", *settings]) == 0
    asked = {
        "recommend --user": ["recommend", model, "--user", "2007"],
        "recommend --all": ["recommend", model, "--all", "-o", str(tmp_path / "lists.csv")],
        "explain": ["explain", model, "Air", "--user", "2007"],
    }
    for arguments in asked.values():
        capsys.readouterr()
        assert run(arguments) == 2
        assert "saved without what each user has: give that data (--data" in capsys.readouterr().err
        assert os.listdir(tmp_path) == ["m.npz"]
        assert run([*arguments, "--data", data]) == 0
        (tmp_path / "lists.csv").unlink(missing_ok=True)
    assert run(["similar", model, "Air"]) == 0
    assert run(["recommend", model, "--like", "Air"]) == 0


def test_other_data_of_the_same_shape_gives_nobody_anothers_list(plays, command, folder, caplog):
    whole = command("recommend", "--user", 2007)[1]
    moved = np.r_[1:40, 0]
    ids = np.append(plays.user_ids[1:], 5)
    matrix = sparse.csr_matrix(plays.interactions[moved])
    Dataset("today", matrix, ids, plays.item_ids).save(folder / "today.npz")
    assert command("recommend", "--user", 2007, "--data", "today.npz")[1] == whole
    assert "today: 1 users are not known to the model" in caplog.text
    assert command("recommend", "--user", 5, "--data", "today.npz")[0] == 2
    assert command("recommend", "--user", 2000, "--data", "today.npz")[0] == 2
    found = command("recommend", "--all", "-o", "today.csv", "--data", "today.npz")[1]
    assert found["without"] == {"are not in the data": 1}
    assert 2000 not in set(pd.read_csv(folder / "today.csv").user)


def test_an_item_alone_is_asked_of_the_model_here(command):
    assert command("similar", "Air")[1] == command("similar", "model.npz", "Air")[1]
    alone = command("explain", "Air", "--user", 2007)[1]
    assert alone == command("explain", "model.npz", "Air", "--user", 2007)[1]
