"""`halfstep cluster evaluate`, and `fit --held-out`: the numbers of one process, and what is refused."""

import json
import logging
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from cases.cluster.models import SMALL, cut, having, ids_of, model_of

from halfstep.cli.cluster import show_evaluation
from halfstep.cli.main import run
from halfstep.evaluation import evaluate


def read(name):
    return json.loads(Path(name).read_text())


@pytest.fixture
def case(tmp_path, monkeypatch):
    """A model in the folder `fit`, and held-out rows in `held.parquet`, one of nobody."""
    monkeypatch.chdir(tmp_path)
    model, matrix = model_of(SMALL), having(SMALL)
    cut(tmp_path / "fit", model, matrix, shards=2)
    rng = np.random.default_rng(3)
    test = matrix.copy().tolil()
    test[:] = 0
    for row in range(0, SMALL[0] - 1, 2):
        free = np.flatnonzero(matrix[row].toarray().ravel() == 0)
        test[row, rng.choice(free, 3, replace=False)] = rng.integers(1, 5, 3)
    test = test.tocsr()
    users, items = ids_of(SMALL)
    at = test.tocoo()
    frame = pd.DataFrame({"user": users[at.row], "item": items[at.col], "value": at.data})
    frame.loc[len(frame)] = [3, 50, 1.0]
    frame.astype({"user": int, "item": int}).to_parquet("held.parquet", index=False)
    return model, matrix, test


def test_numbers_are_those_of_one_process(case, capsys, caplog):
    model, matrix, test = case
    asked = ("cluster", "evaluate", "fit", "--held-out", "held.parquet", "-k", "4")
    with caplog.at_level(logging.WARNING, "halfstep"):
        assert run([*asked, "--json", "e.json", "--per-user", "got"]) == 0
    assert "1 row left out, of users that the model does not know" in caplog.text
    found, said = read("e.json"), capsys.readouterr()
    expected = evaluate(model.user_factors, model.item_factors, matrix, test, ks=(4,))
    means = {**expected.means(), "coverage@4": expected.coverage[4]}
    assert found["models"] == {"cholesky": means}
    assert found["users"] == len(expected.users)
    assert f"{means['ndcg@4']:.4f}" in said.out
    assert "[95 % interval over users, by bootstrap]" in said.out
    assert pd.read_parquet("got").has_history.sum() == len(expected.users)
    assert found["without_history"]["users"] == len(expected.without_history.users) > 0
    low, mean, high = (found["intervals"]["cholesky"]["auc"][n] for n in ("low", "mean", "high"))
    assert low < mean < high
    assert run([*asked, "--json", "two.json", "--metrics", "auc, ndcg", "--min-value", "3"]) == 0
    some = read("two.json")
    least = evaluate(model.user_factors, model.item_factors, matrix, test, ks=(4,), min_value=3)
    assert some["models"]["cholesky"]["ndcg@4"] == least.means()["ndcg@4"]
    assert some["not_relevant"] == least.not_relevant > 0
    assert sorted(some["intervals"]["cholesky"]) == ["auc", "ndcg@4"]


def test_intervals_of_very_many_users_are_by_standard_errors(case, monkeypatch, capsys):
    asked = ["cluster", "evaluate", "fit", "--held-out", "held.parquet"]
    assert run([*asked, "--json", "a.json"]) == 0
    monkeypatch.setattr(show_evaluation, "MOST_RESAMPLED", 3)
    assert run([*asked, "--json", "b.json"]) == 0
    assert "by standard errors" in capsys.readouterr().out
    a, b = (read(f"{n}.json")["intervals"]["cholesky"]["auc"] for n in "ab")
    assert a["mean"] == b["mean"]
    assert a["low"] == pytest.approx(b["low"], abs=0.02)
    assert a["high"] == pytest.approx(b["high"], abs=0.02)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "--held-out must name Parquet files"),
        (["--held-out", "none*"], "test must name Parquet files, got 'none*'"),
        (["--held-out", "held.parquet", "-k", "0"], "-k must be at least 1, got 0"),
        (["--held-out", "held.parquet", "--metrics", "ndcg@3"], "--metrics must be one of precis"),
        (["--held-out", "held.parquet", "--overlap", "no"], "--overlap must be one of error"),
        (["--held-out", "held.parquet", "--threads", "-1"], "--threads must be at least 0"),
        (["--held-out", "held.parquet", "--seed", "-1"], "--seed must be at least 0"),
        (["--held-out", "held.parquet", "--item", "buyer"], "(--user, --item, --value)"),
        (["--held-out", "held.parquet", "--tls-ca", "x"], "belong to --scheduler"),
        (["--held-out", "held.parquet", "--workers", "0"], "--workers must be from 1"),
        (["--held-out", "held.parquet", "--json", "/proc/x"], "--json"),
        (["--held-out", "held.parquet", "--min-value", "9"], "got none, the highest value is"),
        (["--held-out", "text.parquet"], "the column 'user' must be int64 as in the fit's data"),
        (["--held-out", "empty.parquet"], "must hold out an entry with a value above 0"),
        (["--held-out", "nobody.parquet"], "must have users and items of the fit's data"),
    ],
)
def test_bad_options_are_refused_in_one_line(case, arguments, words, capsys):
    held = pd.read_parquet("held.parquet")
    held.assign(user="a").to_parquet("text.parquet")
    held.head(0).to_parquet("empty.parquet")
    held.assign(user=5).to_parquet("nobody.parquet")
    assert run(["cluster", "evaluate", "fit", *arguments]) == 2
    said = capsys.readouterr().err.strip().splitlines()
    assert words in said[-1], said
    assert not any("Traceback" in line for line in said)


def test_columns_are_found_or_told_by_name_or_number(case, capsys):
    held = pd.read_parquet("held.parquet")
    held.rename(columns={"user": "who", "item": "what"}).to_parquet("held.parquet", index=False)
    asked = ["cluster", "evaluate", "fit", "--held-out", "held.parquet", "--metrics", "auc"]
    assert run(asked) == 2
    assert "must have a column 'user', got who, what, value" in capsys.readouterr().err
    assert run([*asked, "--user", "1", "--item-column", "what"]) == 0


def test_a_fit_is_measured_after_it_and_held_out_files_are_looked_at_before(
    client, tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    rows = [(u, f"artist {(u * 7 + k * k) % 40}", 1 + k) for u in range(60) for k in range(8)]
    frame = pd.DataFrame(rows, columns=["userID", "artist", "plays"])
    frame = frame.groupby(["userID", "artist"], as_index=False).sum()
    held = frame.sample(frac=0.2, random_state=0)
    frame.drop(held.index).to_parquet("plays.parquet", index=False)
    held.drop(columns="plays").to_parquet("held.parquet", index=False)
    held.rename(columns={"artist": "x"}).to_parquet("odd.parquet", index=False)
    asked = [
        *("cluster", "fit", "plays.parquet", "--scheduler", client.scheduler.address, "-f", "3"),
        *("--iterations", "2", "--held-out", "held.parquet", "--json", "fit.json", "-k", "3"),
    ]
    for more, words in [
        (["--held-out", "none.parquet"], "no Parquet files match 'none.parquet'"),
        (["--held-out", "odd.parquet"], "there is no column 'artist'. The columns are 1 'userID'"),
    ]:
        assert run([*asked, *more]) == 2
        assert words in capsys.readouterr().err
    assert not (tmp_path / "halfstep-fit").exists()
    assert run(asked) == 0
    assert "user: userID, item: artist, value: plays\n" in capsys.readouterr().out
    told = json.loads((tmp_path / "fit.json").read_text())
    assert told["columns"] == {"user": "userID", "item": "artist", "value": "plays"}
    again = ["cluster", "evaluate", "--held-out", "held.parquet", "-k", "3", "--json", "e.json"]
    assert run([*again, "--scheduler", client.scheduler.address]) == 0
    found = json.loads((tmp_path / "e.json").read_text())
    assert told["held_out"]["models"] == found["models"]
    # What it measures on a model that has seen the rows is refused, and the fit's record stays.
    assert run([*asked, "--held-out", "plays.parquet"]) == 2
    assert "held_out" not in json.loads((tmp_path / "fit.json").read_text())
