"""The tune command: what it refuses, what it says when something is missing, its progress."""

import importlib.util
import json
import os
import shlex

import pytest
from cases.tuning import trial

from halfstep import InputError, Solver, progress_task
from halfstep.cli import show_tuning
from halfstep.cli.main import run
from halfstep.cli.options import numbers, seconds_of
from halfstep.cli.show_tuning import Trials
from halfstep.evaluation.tuning import plot, store
from halfstep.evaluation.tuning.search import Search
from halfstep.evaluation.tuning.space import LogUniform

EARLIER = {
    "kind": "tuning",
    "solver": "cholesky",
    "chosen": {
        "settings": {"factors": 2, "alpha": 7.0, "regularization": 3.0, "confidence": "linear"},
        "iterations": 2,
    },
}
REFUSED = [
    (("--budget", "soon"), "--budget must be a time like 90s, 20m or 1h, got 'soon'"),
    (("--budget", "0m"), "--budget must be a time like 90s"),
    (("--search", "best"), "--search must be climb, grid, random, tpe, got 'best'"),
    (("--choose", "first"), "--choose must be best or simplest, got 'first'"),
    (("--metric", "rmse"), "metric must be auc, or one of ndcg"),
    (("--alpha", "3"), "--alpha has no meaning with --search climb"),
    (("--search", "tpe", "--alpha", "1"), "--alpha has no meaning with --search tpe"),
    (("--search", "grid", "--max-factors", "9"), "--max-factors has no meaning with --search grid"),
    (("--search", "grid", "--factors", "1.5"), "--factors must be numbers separated by commas"),
    (("--solver", "fast"), "solver must be one of auto, cpu"),
    (("--data", "absent"), "existing folder or file, got 'absent'"),
    (("--out", "file"), "--out: 'file' cannot be made"),
    (("--against", "few.csv"), "--against must be the results.json of an earlier halfstep tune"),
]


@pytest.mark.parametrize(("arguments", "message"), REFUSED)
def test_refusals(arguments, message, tmp_path, monkeypatch, capsys):
    pytest.importorskip("optuna")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").write_text("")
    (tmp_path / "few.csv").write_text("user,item\n" + "".join(f"{k % 7},{k}\n" for k in range(40)))
    data = () if "--data" in arguments or "--search" in arguments else ("--data", "few.csv")
    assert run(["tune", *data, *arguments]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert len(error.strip().splitlines()) == 1
    assert sorted(os.listdir(tmp_path)) == ["few.csv", "file"]


def test_missing_packages_say_what_to_install(tmp_path, monkeypatch, capsys):
    find = importlib.util.find_spec
    absent = {"optuna", "matplotlib"}
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, *a: None if name in absent else find(name, *a)
    )
    monkeypatch.chdir(tmp_path)
    assert run(["tune"]) == 2
    assert 'needs optuna: pip install "halfstep[tune]"' in capsys.readouterr().err
    assert os.listdir(tmp_path) == []
    with (
        pytest.raises(InputError, match="choosing parameters needs optuna"),
        store.open_study(None, "x", {}, None, None),
    ):
        pass
    with pytest.raises(InputError, match="plots need matplotlib: pip install"):
        plot.plot_search(Search("auc", {}, [trial(0.5)]), tmp_path / "a.svg", "")


def test_the_choice_can_be_asked_and_fitted_to_all(tmp_path, monkeypatch, capsys):
    pytest.importorskip("optuna")
    monkeypatch.chdir(tmp_path)
    rows = "".join(f"{u},{i},{1 + (u + i) % 5}\n" for u in range(30) for i in range(u % 3, 20, 3))
    (tmp_path / "my plays.csv").write_text(rows)
    space = ["--factors", "2", "--regularization", "0.5", "--alpha", "1,3", "--iterations", "3"]
    asked = ["--data", "my plays.csv", "--search", "grid", *space, "--solver", "cholesky"]
    (tmp_path / "earlier.json").write_text(json.dumps(EARLIER))
    asked += ["--against", "earlier.json"]
    assert run(["tune", *asked, "--out", "out", "--seed", "3"]) == 0
    out = capsys.readouterr().out
    line = next(x for x in out.splitlines() if "halfstep fit" in x)
    record = json.loads((tmp_path / "out" / "results.json").read_text())["test"]
    means = {name: record["models"][name]["ndcg@10"]["mean"] for name in ("tuned", "earlier")}
    gap = record["against"]["ndcg@10"]["difference"]
    assert gap == pytest.approx(means["tuned"] - means["earlier"])
    assert gap != 0
    assert f"ndcg@10: tuned - earlier = {gap:+.4f} [" in out
    assert "paired over 30 users" in out
    assert run(shlex.split(line.partition("halfstep ")[2])) == 0
    tuned, fitted = Solver.load("out/model.npz"), Solver.load("model.npz")
    same = ("factors", "regularization", "alpha", "confidence")
    assert [getattr(fitted, name) for name in same] == [getattr(tuned, name) for name in same]
    assert run(["similar", "out/model.npz", "3"]) == 0  # it carries its ids


def test_what_an_earlier_search_chose_is_read_and_checked(tmp_path):
    path = tmp_path / "earlier.json"
    for record, message in (
        ({"kind": "tuning"}, "must have the field 'chosen'"),
        ({"kind": "other"}, "--against must be the results.json of an earlier halfstep tune"),
        (EARLIER | {"solver": "fast"}, "solver must be one of"),
    ):
        path.write_text(json.dumps(record))
        with pytest.raises(InputError, match=message):
            show_tuning.earlier(path, 0, 1)
    path.write_text(json.dumps(EARLIER))
    model = show_tuning.earlier(path, 5, 1)["earlier"]()
    assert (model.factors, model.alpha, model.iterations) == (2, 7.0, 2)
    assert show_tuning.earlier(None, 0, 1) == {}


def test_times_and_numbers():
    assert seconds_of("90s") == seconds_of("1.5m") == seconds_of("90") == 90
    assert seconds_of("2h") == 7200
    assert numbers("factors", "8,16") == (8, 16)
    assert numbers("alpha", "1,0.5") == (1.0, 0.5)


def test_plot_is_one_file_and_counts_what_it_leaves_out(tmp_path):
    pytest.importorskip("matplotlib")
    trials = [trial(0.5 + k / 100, regularization=0.1 * 2**k) for k in range(6)]
    trials += [trial(0.01, pruned=True), trial(0.02, regularization=40.0)]
    search = Search("ndcg@20", {"regularization": LogUniform(0.01, 100)}, trials)
    assert plot._floor(search)[1] == 2
    plot.plot_search(search, tmp_path / "search.svg", "songs <b>")
    assert (tmp_path / "search.svg").read_text().endswith("</svg>\n")
    assert os.listdir(tmp_path) == ["search.svg"]
    with pytest.raises(InputError, match="must have a complete trial"):
        plot.plot_search(Search("auc", {}, []), tmp_path / "a.svg", "")


def test_the_line_has_the_best_so_far():
    bar = Trials("ndcg@20 on songs", None)
    assert (bar.share, bar.line()) == (None, "ndcg@20 on songs")
    bar.after(trial(0.25), 3)
    bar.after(trial(0.75, pruned=True), 3)
    assert "2 of 3 trials, best 0.2500, now 64 factors, about " in bar.line()
    assert bar.share == pytest.approx(2 / 3)


def test_the_line_of_a_search_by_time_counts_the_time(monkeypatch):
    now = [0.0]
    monkeypatch.setattr(progress_task.time, "monotonic", lambda: now[0])
    bar = Trials("ndcg@20 on songs", 80.0)
    now[0] = 20.0
    bar.after(trial(0.75, pruned=True), None)
    assert bar.line() == "ndcg@20 on songs: 1 trial, now 64 factors, about 60 s left"
    assert bar.share == 0.25
