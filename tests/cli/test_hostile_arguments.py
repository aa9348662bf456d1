"""Every option of every command with bad input of every kind: an exit code, one line, no traceback."""

import contextlib
import json
import shutil
import warnings
from pathlib import Path

import numpy as np
import pytest
import typer
from cases.processes import halfstep
from faults.soak import few_or_many, tally

from halfstep import SOLVERS, Recommender
from halfstep.cli.main import app, run
from halfstep.datasets import load
from halfstep.datasets.generated.dump import generate_dump
from halfstep.distributed.blocks import blocks_of
from halfstep.distributed.storage import Folder

VALUES = (
    *(
        "",
        " ",
        "x",
        "-1",
        "0",
        "1.5",
        "nan",
        "inf",
        "-inf",
        "1e999",
        "99999999999999999999",
        "None",
    ),
    *(
        "../..",
        "absent.npz",
        "folder",
        "/proc/out.npz",
        "plays.csv/out.npz",
        "empty.csv",
        "empty.npz",
        "short.npz",
        "half.npz",
        "text.npz",
        "cells.ipynb",
        "page.csv",
        "binary.npz",
        "model.npz",
        "plays.csv",
    ),
    *(
        "\n",
        "a,b",
        "1,,2",
        "é\u2028",
        "x" * 5000,
        "--help",
        "'; rm -rf",
        "%s",
        "{}",
        "1_000",
        "0x10",
    ),
)
ENDLESS = ("--iterations", "--repeats")  # as often as it was asked for, however often that is
FAST = ("--data", "plays.csv", "--factors", "2", "--iterations", "1")
GRID = ("--search", "grid", "--factors", "2", "--regularization", "1", "--alpha", "1")
TUNE = ("--data", "plays.csv", "--iterations", "1", "--out", "tuned")
BASES = {
    "doctor": (),
    "data list": (),
    "data info": ("plays.csv",),
    "data convert": ("plays.csv", "-o", "out.npz"),
    "data prepare": ("audioscrobbler", "dump", "-o", "out.npz"),
    "data download": (
        *("audioscrobbler", "--accept-license", "-o", "folder"),
        *("--url", "http://127.0.0.1:9/x"),
    ),
    "data generate": ("audioscrobbler", "-o", "made", "--entries", "1000"),
    "data describe": ("plays.csv", "-o", "described"),
    "fit": ("-o", "out.npz", *FAST),
    "recommend": ("model.npz", "--user", "1", "--data", "plays.csv"),
    "similar": ("model.npz", "1", "--data", "plays.csv"),
    "explain": ("model.npz", "1", "--user", "1", "--data", "plays.csv"),
    "evaluate": (*FAST, "--solver", "cholesky"),
    "tune": (*TUNE, *GRID, "--solver", "cholesky"),
    "compare": ("cholesky", "eigenbasis", *FAST),
    "bench": (*FAST, "--repeats", "1", "--no-memory", "--solvers", "cholesky", "--out", "report"),
    "cluster plan": ("--users", "1e4", "--items", "1e3", "--entries", "1e5"),
    "lab check": ("mine.py", "objective"),
    "lab run": ("page.csv", "-o", "page.html"),
    "lab exercises": ("none.ipynb", "-o", "out.ipynb"),
    "lab stubs": ("-o", "out.py"),
}
# More ways to call a command whose options mean other things then.
BASES |= {
    **{
        f"evaluate: {protocol}": (*FAST, "--solver", "cholesky", "--protocol", protocol)
        for protocol in ("random-rows", "leave-one-out", "strong", "k-fold", "ratio-curve")
    },
    "evaluate: preset": ("--data", "plays.csv", "--preset", "ncf-ml-1m"),
    "tune: random": (*TUNE, *GRID, "--search", "random", "--trials", "2"),
    "tune: tpe": (*TUNE, "--search", "tpe", "--trials", "2", "--factors", "2"),
    "tune: climb": (*TUNE, "--budget", "1", "--max-factors", "2"),
    "doctor: data": ("--data", "plays.csv", "--factors", "2"),
    "cluster plan: folder": ("blocks",),
    "recommend: like": ("model.npz", "--like", "1", "--data", "plays.csv"),
    "recommend: alone": ("whole.npz", "--user", "1"),
    "recommend: all": ("whole.npz", "--all", "-o", "lists.csv"),
    "recommend: users": ("whole.npz", "--users", "users.txt", "-o", "lists.csv"),
    "recommend: history": ("whole.npz", "--history", "items.csv"),
}
SLOW = {name for name in BASES if name.startswith(("tune", "evaluate:", "data describe", "bench"))}
KEPT = ("trials.db",)  # what an interrupted search has done is not lost


def commands():
    """Return {command: its parameters} of the whole tree."""
    found = {}

    def walk(command, name):
        for key, child in getattr(command, "commands", {}).items():
            walk(child, f"{name} {key}".strip())
        if not hasattr(command, "commands"):
            found[name] = [p for p in command.params if not getattr(p, "is_flag", False)]

    walk(typer.main.get_command(app), "")
    return found


@pytest.fixture(scope="module")
def original(tmp_path_factory):
    """Hold what the commands are given, whole and spoilt."""
    path = tmp_path_factory.mktemp("original")
    rng = np.random.default_rng(0)
    pairs = sorted({(int(u), int(i)) for u, i in rng.integers(0, 15, size=(120, 2))})
    (path / "plays.csv").write_text("".join(f"{u},{i},{u + i + 1}\n" for u, i in pairs))
    data = load(path / "plays.csv")
    model = SOLVERS["cholesky"](factors=2, iterations=1)
    model.fit(data.interactions, show_progress=False).save(path / "model.npz")
    Recommender(SOLVERS["cholesky"].load(path / "model.npz"), data).save(path / "whole.npz")
    (path / "users.txt").write_text("1\n2\n3\n")
    (path / "items.csv").write_text("item,plays\n1,3\n2,1\n")
    data.save(path / "short.npz")
    for name, source in (("short.npz", "short.npz"), ("half.npz", "model.npz")):
        (path / name).write_bytes((path / source).read_bytes()[:-200])
    (path / "folder").mkdir()
    (path / "empty.csv").write_text("")
    (path / "page.csv").write_text("<html><body>Not found</body></html>\n")
    (path / "binary.npz").write_bytes(bytes(range(256)))
    (path / "empty.npz").write_bytes(b"")
    (path / "text.npz").write_text("1,2,3\n")
    (path / "cells.ipynb").write_text(json.dumps({"cells": [3, {"cell_type": "code"}]}))
    (path / "none.ipynb").write_text(json.dumps({"cells": [], "nbformat": 4}))
    (path / "mine.py").write_text("def objective(*given):\n    return 1.0\n")
    generate_dump(path / "dump", 1000, seed=0)
    blocks_of(data.interactions, 2, Folder(path / "blocks"))
    return path


@pytest.fixture
def folder(original, tmp_path, monkeypatch):
    path = tmp_path / "two" / "deep"  # what is written to ../.. stays in the test's own folder
    shutil.copytree(original, path)
    monkeypatch.chdir(path)
    return path


def files():
    return {str(path) for path in Path().rglob("*") if path.is_file() and path.name not in KEPT}


def call(arguments, capsys):
    """Run a command that must not raise; return its exit code and what it said on stderr."""
    capsys.readouterr()
    before = files()
    with contextlib.suppress(SystemExit), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        code = run(list(arguments))
    said = capsys.readouterr().err
    assert code in (0, 1, 2), arguments
    assert "Traceback" not in said, arguments
    if code == 2:
        assert files() == before, arguments
        lines = said.strip().splitlines()
        assert len(lines) == 1 or arguments[0] == "bench", (arguments, said)  # it tells of progress
        assert lines[-1].startswith("halfstep: "), (arguments, said)
    return code


def cases(name):
    """Return (arguments, whether they must be refused) for each parameter and value."""
    found = []
    command = name.partition(":")[0]
    for parameter in commands()[command]:
        option = max(parameter.opts, key=len)
        number = isinstance(parameter.default, int | float)
        for value in VALUES:
            if not option.startswith("-") or (option in ENDLESS and value.isdecimal()):
                continue
            wrong = number and value in ("", "x", "folder", "model.npz")
            found.append(((*command.split(), *BASES[name], option, value), wrong))
    return found


@few_or_many(5, 1000)
@pytest.mark.parametrize("name", BASES)
def test_every_option_with_every_kind_of_value(name, rounds, folder, capsys):
    rounds = max(1, rounds // 10) if name in SLOW else rounds
    every = cases(name)
    order = np.random.default_rng(len(name)).permutation(len(every))[:rounds]
    for arguments, wrong in (every[k] for k in order):
        code = call(arguments, capsys)
        assert code == 2 or not wrong, arguments
        outcome = {0: "done", 1: "compared: not equal", 2: "refused in one line, exit code 2"}[code]
        tally("Command line", f"{name}: an option with a bad or odd value", outcome)
        for made in ("report", "tuned", "described", "made"):
            shutil.rmtree(folder / made, ignore_errors=True)


# Commands with arguments, and which values of each place are none to refuse.
ARGUMENTS = {
    "data info": (("plays.csv",),),
    "data convert": (("plays.csv",),),
    "data describe": (("plays.csv",),),
    "data prepare": ((), ("dump",)),
    "data download": ((),),
    "data generate": ((),),
    "recommend": (("model.npz",),),
    "similar": (("model.npz",), ("0",)),
    "explain": (("model.npz",), ("0",)),
    "compare": ((), ()),
    "cluster plan: folder": ((),),
    "lab check": ((), ()),
    "lab run": ((),),
    "lab exercises": ((),),
}


@few_or_many(3, 100)
@pytest.mark.parametrize("name", ARGUMENTS)
def test_every_argument_with_every_kind_of_value(name, rounds, folder, capsys):
    every = [
        (place, value)
        for place in range(len(ARGUMENTS[name]))
        for value in VALUES
        if not value.startswith("-")
    ]
    order = np.random.default_rng(rounds).permutation(len(every))[:rounds]
    for place, value in (every[k] for k in order):
        given = list(BASES[name])
        given[place] = value
        code = call((*name.partition(":")[0].split(), *given), capsys)
        assert code == 2 or value in ARGUMENTS[name][place], given
        tally(
            "Command line",
            f"{name}: a bad argument",
            "refused in one line, exit code 2" if code else "done",
        )


@pytest.mark.parametrize(
    "arguments",
    [
        ("data prepare", "audioscrobbler", "dump", "-o", "out.npz", "--json", "./out.npz"),
        ("data prepare", "audioscrobbler", "dump", "-o", "o", "--json", "a", "--bad-rows", "a"),
        ("data info", "plays.csv", "--json", "plays.csv"),
        ("recommend", "model.npz", "--user", "1", "--data", "plays.csv", "--json", "model.npz"),
        ("evaluate", *FAST, "--json", "folder/../plays.csv"),
        ("tune", *TUNE, "--json", "plays.csv"),
        ("lab exercises", "none.ipynb", "-o", "none.ipynb"),
    ],
)
def test_no_output_replaces_what_is_read_or_written_beside_it(arguments, folder, capsys):
    before = {path: path.read_bytes() for path in folder.iterdir() if path.is_file()}
    assert call((*arguments[0].split(), *arguments[1:]), capsys) == 2
    assert before == {path: path.read_bytes() for path in folder.iterdir() if path.is_file()}


def test_a_search_takes_a_seed_of_any_size(folder, capsys):
    pytest.importorskip("optuna")
    asked = ("tune", *TUNE, *GRID, "--solver", "cholesky", "--seed", str(2**70))
    assert call(asked, capsys) == 0


def test_a_process_says_the_same(folder):
    ran = halfstep("fit", *FAST, "-o", "out.npz", "--resume", cwd=folder)
    assert ran.returncode == 2
    assert ran.stderr.startswith("halfstep: resume=True needs checkpoint")
    assert len(ran.stderr.splitlines()) == 1
    assert not (folder / "out.npz").exists()
