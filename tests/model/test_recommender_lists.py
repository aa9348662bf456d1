"""The lists of many users in a file: those of each user, in bounded memory, whole or not at all."""

import contextlib
import json
import os
import signal

import numpy as np
import pandas as pd
import pytest
from cases.recommender import SETTINGS, made
from scipy import sparse

from halfstep import InputError, Recommender, Solver
from halfstep.cli.main import run
from halfstep.datasets import Dataset
from halfstep.recommender import lists, writing

READERS = {
    "csv": lambda path: pd.read_csv(path, keep_default_na=False),
    "parquet": pd.read_parquet,
    "pq": pd.read_parquet,
    "jsonl": lambda path: pd.DataFrame(map(json.loads, path.read_text("utf-8").splitlines())),
}


@pytest.mark.parametrize("ending", READERS)
def test_all_lists_are_those_of_each_user(kind, ending, tmp_path, monkeypatch):
    data = made(kind)
    recommender = Recommender.fit(data, **SETTINGS)
    asked = []
    monkeypatch.setattr(lists, "_USERS", 7)
    monkeypatch.setattr(
        type(recommender.model),
        "recommend",
        lambda model, users, *rest: (
            asked.append(len(users)) or Solver.recommend(model, users, *rest)
        ),
    )
    path = tmp_path / f"lists.{ending}"
    path.write_text("an older file")
    done = []
    bar = contextlib.nullcontext(done.append)
    monkeypatch.setattr(
        writing, "count_bar", lambda what, total, *_, **__: done.append(-total) or bar
    )
    written = recommender.write_all(path, 6)
    assert sum(done) == 0  # as many as it was said that there would be
    assert max(asked) == 7  # users in memory at a time
    monkeypatch.undo()
    assert written == writing.Written(40, 240, {"had no entries in the fit": 1}, 0)
    found = READERS[ending](path)
    assert list(found.columns) == ["user", "rank", "item", "name", "score"]
    assert list(found.user.unique()) == data.user_ids[:-1].tolist()
    for user, rows in found.groupby("user"):
        assert rows["rank"].tolist() == list(range(1, 7))
        expected = recommender.recommend(user, 6)
        assert rows["item"].tolist() == [one.item for one in expected]
        assert rows["name"].tolist() == [one.name for one in expected]
        assert rows["score"].tolist() == pytest.approx([one.score for one in expected], rel=1e-6)
    assert os.listdir(tmp_path) == [path.name]


def test_lists_of_some_users_in_their_order_and_short_ones(fitted, tmp_path):
    data = made()
    users = data.user_ids[[9, 2, 5]].tolist()
    fitted.write_all(tmp_path / "some.csv", 3, users=users)
    assert list(pd.read_csv(tmp_path / "some.csv").user.unique()) == users
    written = fitted.write_all(tmp_path / "all.csv", 100)
    assert written.short == 40
    assert written.rows == 40 * 23 - data.entries
    full = Dataset("full", sparse.csr_matrix(np.ones((41, 23))), data.user_ids, data.item_ids)
    written = fitted.with_history(full).write_all(tmp_path / "none.jsonl")
    assert written.without == {"had no entries in the fit": 1, "have every item already": 40}
    assert (tmp_path / "none.jsonl").read_bytes() == b""
    for stranger in (3, "01007", None, 1007.5):
        with pytest.raises(InputError, match=r"there is no user .* among"):
            fitted.write_all(tmp_path / "x.csv", users=[1007, stranger])
    with pytest.raises(
        InputError, match=r"must end in one of .parquet, .pq, .csv, .jsonl, .ndjson"
    ):
        fitted.write_all(tmp_path / "x.xlsx")
    with pytest.raises(InputError, match="n must be at least 1"):
        fitted.write_all(tmp_path / "x.csv", 0)
    assert not (tmp_path / "x.csv").exists()


@pytest.mark.parametrize("ending", READERS)
@pytest.mark.parametrize("fault", [KeyboardInterrupt, OSError(28, "No space left on device")])
def test_what_ends_half_way_leaves_the_old_file(fitted, tmp_path, monkeypatch, ending, fault):
    path = tmp_path / f"lists.{ending}"
    path.write_text("an older file")
    monkeypatch.setattr(lists, "_USERS", 7)
    whole = lists.Lists._block

    def ends(self, users):
        if self.written > 20:
            raise fault
        return whole(self, users)

    monkeypatch.setattr(lists.Lists, "_block", ends)
    expected = KeyboardInterrupt if fault is KeyboardInterrupt else InputError
    with pytest.raises(expected):
        fitted.write_all(path)
    assert path.read_text() == "an older file"
    assert os.listdir(tmp_path) == [path.name]


def test_ctrl_c_leaves_no_half_file(fitted, tmp_path, monkeypatch, capsys):
    fitted.save(tmp_path / "model.npz")
    monkeypatch.setattr(lists, "_USERS", 7)
    monkeypatch.setattr(
        lists.Lists, "_leave_out", lambda self, *_: self.written > 20 and signal.raise_signal(2)
    )
    files = str(tmp_path / "model.npz"), str(tmp_path / "lists.parquet")
    assert run(["recommend", files[0], "--all", "-o", files[1]]) == 130
    assert capsys.readouterr().err == "halfstep: interrupted\n"
    assert os.listdir(tmp_path) == ["model.npz"]
