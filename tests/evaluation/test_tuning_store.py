"""A search's file: what was finished stays, what was cut short is run again."""

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace

import pytest
from cases.processes import path_env

from halfstep import SOLVERS, InputError
from halfstep.evaluation.protocols.partitions import parts_of
from halfstep.evaluation.tuning.search import tune
from halfstep.evaluation.tuning.space import Choice, LogUniform
from halfstep.evaluation.tuning.store import distributions, open_study
from halfstep.evaluation.tuning.trial import Tuner

pytest.importorskip("optuna")
SMALL = {"factors": Choice((2, 4)), "regularization": Choice((1.0, 0.01, 0.0001))}


@pytest.fixture(scope="module")
def tuner(two_tastes):
    parts = list(parts_of("per-user", two_tastes.interactions, random_state=0))
    return Tuner(parts, "ndcg@10", "cholesky", {"confidence": "linear"}, iterations=4)


def test_a_file_of_something_else_is_refused(tuner, tmp_path):
    other = tmp_path / "notes.txt"
    other.write_text("no database\n" * 40)
    with pytest.raises(InputError, match="cannot be used as a search's file"):
        tune(tuner, SMALL, search="grid", store=other)
    assert other.read_text().startswith("no database")


def test_a_climb_that_goes_on_keeps_the_space_it_began_with(two_tastes, tmp_path):
    parts = list(parts_of("per-user", two_tastes.interactions, random_state=0))
    tuner = Tuner(parts, "ndcg@10", "cholesky", {"factors": 2}, iterations=1)
    space = {"regularization": LogUniform(1, 2)}
    settings = {"store": tmp_path / "trials.db", "name": "stage"}
    tune(tuner, space, trials=1, first=[{"regularization": 1.5}], **settings)
    wider = {"regularization": LogUniform(1, 9)}
    wanted = [{"regularization": r} for r in (8.0, 1.25)]
    search = tune(tuner, wider, trials=2, first=wanted, **settings)
    assert search.space == space
    assert [t.params["regularization"] for t in search.trials] == [1.5, 1.25]


def test_ctrl_c_inside_a_fit_ends_the_search_and_the_trial_is_run_again(
    two_tastes, tmp_path, monkeypatch
):
    half_steps = []

    class Interrupted(SOLVERS["cholesky"]):
        def half_step(self, problem, X):
            half_steps.append(X)
            if len(half_steps) == 10:  # the third trial's first iteration
                signal.raise_signal(signal.SIGINT)
            return super().half_step(problem, X)

    parts = list(parts_of("per-user", two_tastes.interactions, random_state=0))
    tuner = Tuner(parts, "ndcg@10", "cholesky", None, iterations=2)
    whole = tune(tuner, SMALL, search="grid")
    monkeypatch.setitem(SOLVERS, "cholesky", Interrupted)
    store = tmp_path / "trials.db"
    with pytest.raises(KeyboardInterrupt):
        tune(tuner, SMALL, search="grid", store=store)
    assert len(finished_in(store)) == 2
    again = tune(tuner, SMALL, search="grid", store=store)
    assert [(t.params, t.value) for t in again.trials] == [
        (t.params, t.value) for t in whole.trials
    ]


def test_a_search_goes_on_in_its_file_and_another_begins_anew(tuner, tmp_path):
    store = tmp_path / "trials.db"
    first = tune(tuner, SMALL, search="random", trials=2, store=store)
    more = tune(tuner, SMALL, search="random", trials=5, store=store)
    assert more.trials[:2] == first.trials
    assert len(more.trials) == 5
    begin = time.perf_counter()
    again = tune(tuner, SMALL, search="random", trials=5, store=store)
    assert again.trials == more.trials
    assert time.perf_counter() - begin < sum(t.seconds for t in more.trials) + 3
    other = tune(replace(tuner, seed=1), SMALL, search="random", trials=2, store=store)
    assert other.trials != first.trials


@pytest.mark.parametrize("begun", [False, True])
def test_a_trial_cut_short_before_or_after_it_began_runs_once(tuner, tmp_path, begun):
    store, name = tmp_path / "trials.db", "search"
    with open_study(store, name, SMALL, None, None) as study:
        study.enqueue_trial({"factors": 2, "regularization": 1.0})
        if begun:
            study.ask(distributions(SMALL))
    search = tune(tuner, SMALL, search="grid", store=store, name=name)
    tried = [tuple(t.params.values()) for t in search.trials]
    assert tried == [(f, r) for f in (2, 4) for r in (1.0, 0.01, 0.0001)]


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")
def test_a_killed_search_goes_on_where_it_was(two_tastes, tmp_path):
    two_tastes.save(tmp_path / "plays.npz")
    command = [sys.executable, "-m", "halfstep", "tune", "--search", "grid", "--data", "plays.npz",
               "--solver", "naive", "--iterations", "6", "--out", "out", "--metric", "ndcg@10",
               "--factors", "2,3", "--alpha", "1,15,40"]  # fmt: skip
    search = subprocess.Popen(command, cwd=tmp_path, env=path_env(), stdout=subprocess.DEVNULL)
    store, before = tmp_path / "out" / "trials.db", []
    while len(before) < 3:
        assert search.poll() is None, "the search was over before it was killed"
        time.sleep(0.05)
        before = finished_in(store)
    search.send_signal(signal.SIGKILL)
    search.wait()
    before = finished_in(store)
    done = subprocess.run(
        command, cwd=tmp_path, env=path_env(), capture_output=True, text=True, check=True
    )
    assert done.stderr == ""
    after = finished_in(store)
    assert after[: len(before)] == before
    record = json.loads((tmp_path / "out" / "results.json").read_text())
    tried = [tuple(t["params"].values()) for t in record["trials"]]
    assert len(tried) == len(set(tried)) == 2 * 3 * 3
    assert {"model.npz", "results.json", "search.svg", "trials.db"} == set(
        os.listdir(tmp_path / "out")
    )
    test = record["test"]["models"]
    assert list(test) == ["random", "popularity", "tuned"]
    assert test["tuned"]["ndcg@10"]["low"] > test["random"]["ndcg@10"]["high"]


def finished_in(store):
    """Return (trial, what was recorded) of the finished trials in a search's file."""
    import sqlite3
    from contextlib import closing

    if not store.exists():
        return []
    with closing(sqlite3.connect(f"file:{store}?mode=ro", uri=True, timeout=10)) as database:
        try:
            rows = database.execute(
                "select t.trial_id, a.value_json from trials t join trial_user_attributes a "
                "on a.trial_id = t.trial_id where t.state = 'COMPLETE' order by t.trial_id"
            )
            return list(rows)
        except sqlite3.OperationalError:  # the tables are not all there yet
            return []
