"""Models alone on the command line: all lists, histories from tables, other data, old models."""

import json
import os

import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from halfstep import AlternatingLeastSquares, Solver
from halfstep.cli.main import run
from halfstep.datasets import Dataset
from halfstep.solvers.cholesky import Cholesky


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


def test_a_history_from_a_table_folds_somebody_new_in(plays, command, folder, capsys, caplog):
    row = sparse.csr_matrix((np.float32([9, 2]), ([0, 0], [0, 6])), shape=(1, 10))
    ids, scores = Solver.load("model.npz").recommend(0, row, N=3, recalculate_user=True)
    taste = "item_id,plays\n300,9\n360,2\n"
    tables = {
        "taste.csv": taste,
        "names.csv": "\ufeffname;plays\nRadiohead;9\nbeck;2\n",
        "bare.txt": "300\t9\n360\t2\n",
        "three.txt": "me,300,9\nme,360,2\n",
        "added.csv": "plays,artist\n4,300\n2,360\n5,300\n",
        "strange.tsv": "item\tplays\n300\t9\nzzz\t5\n360\t2\n",
    }
    for name, text in tables.items():
        (folder / name).write_text(text, encoding="utf-8")
    pd.DataFrame({"item_id": [300, 360], "count": [9.0, 2.0]}).to_parquet(folder / "taste.parquet")
    (folder / "utf16.csv").write_text(taste, encoding="utf-16")
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
    (folder / "old.csv").write_bytes("name\nBj\xf6rk\n".encode("cp1252"))
    assert command("recommend", "--history", "old.csv")[1]["history"][0]["name"] == "Björk"
    assert "old.csv is not in UTF-8; it was read as cp1252" in caplog.text
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
    assert command("similar", "model", "Air")[1] == command("similar", "model.npz", "Air")[1]
    alone = command("explain", "Air", "--user", " 2007 ")[1]
    assert alone == command("explain", "model.npz", "Air", "--user", 2007)[1]
