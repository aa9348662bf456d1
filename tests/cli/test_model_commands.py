"""Asking a model on the command line: ids and names in and out, and nothing that was played before."""

import numpy as np
import pytest
from scipy import sparse

from halfstep import Solver
from halfstep.cli.main import run
from halfstep.datasets.lookup import find_item, find_user, nearest
from halfstep.errors import InputError
from halfstep.solvers.cholesky import Cholesky


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
    parts = sum(one["score"] for one in found["contributions"]) + found["unsolved"]
    assert parts == pytest.approx(found["score"])
    model = Solver.load("model.npz")
    user, item = plays.user_index(2000), find_item(plays, "Radiohead")
    fitted = model.user_factors[user] @ model.item_factors[item]
    assert found["score"] == pytest.approx(fitted, rel=1e-5)
    assert abs(found["unsolved"]) > 1e-3
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
        (("recommend", "--history", "blank.csv"), "blank.csv: the file is empty"),
        (("recommend", "--history", "quotes.csv"), "quotes.csv: not a table: unexpected end"),
        (("recommend", "--history", "binary.csv"), "is no text in UTF-8, UTF-16 or cp1252"),
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
        (
            ("explain", "Air"),
            "explain needs --user ID: the order is `halfstep explain MODEL ITEM --us",
        ),
        (
            ("explain", "model.npz", "2000", "300"),
            "the order is `halfstep explain MODEL ITEM --user ID`, got 3 arguments",
        ),
        (
            ("recommend", "2000", "model.npz"),
            "the order is `halfstep recommend MODEL --user ID`, got 2 arguments: 2000 model.npz",
        ),
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
    names = plays.item_names.tolist()
    assert nearest("radiohed", names) == ["Radiohead", "Radiohead Tribute"]
    assert nearest("", names) == []


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
