"""Every option of every command with bad input of every kind: an exit code, one line, no traceback."""

import contextlib
import os
import shutil
import warnings

import numpy as np
import pytest
import typer
from soak import few_or_many, tally
from test_cli import halfstep

from halfstep import SOLVERS
from halfstep.cli import app, run

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
        "empty.csv",
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
BASES = {
    "doctor": (),
    "data list": (),
    "data info": ("plays.csv",),
    "data convert": ("plays.csv", "-o", "out.npz"),
    "fit": ("-o", "out.npz", *FAST),
    "recommend": ("model.npz", "--user", "1", "--data", "plays.csv"),
    "evaluate": (*FAST, "--solver", "cholesky"),
    "compare": ("cholesky", "eigenbasis", *FAST),
    "bench": (*FAST, "--repeats", "1", "--no-memory", "--solvers", "cholesky", "--out", "report"),
}


def commands():
    """Return {command: its parameters} of the whole tree that BASES can call."""
    found = {}

    def walk(command, name):
        for key, child in getattr(command, "commands", {}).items():
            walk(child, f"{name} {key}".strip())
        if not hasattr(command, "commands") and name in BASES:
            found[name] = [p for p in command.params if not getattr(p, "is_flag", False)]

    walk(typer.main.get_command(app), "")
    return found


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    pairs = sorted({(int(u), int(i)) for u, i in rng.integers(0, 15, size=(120, 2))})
    (tmp_path / "plays.csv").write_text("".join(f"{u},{i},{u + i + 1}\n" for u, i in pairs))
    from halfstep.datasets import load

    model = SOLVERS["cholesky"](factors=2, iterations=1)
    model.fit(load("plays.csv").interactions, show_progress=False).save("model.npz")
    (tmp_path / "folder").mkdir()
    (tmp_path / "empty.csv").write_text("")
    (tmp_path / "page.csv").write_text("<html><body>Not found</body></html>\n")
    (tmp_path / "binary.npz").write_bytes(bytes(range(256)))
    return tmp_path


def call(arguments, capsys):
    """Run a command that must not raise; return its exit code and what it said on stderr."""
    capsys.readouterr()
    with contextlib.suppress(SystemExit), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        code = run(list(arguments))
    said = capsys.readouterr().err
    assert code in (0, 1, 2), arguments
    assert "Traceback" not in said, arguments
    if code == 2:
        lines = said.strip().splitlines()
        assert len(lines) == 1 or arguments[0] == "bench", (arguments, said)  # it tells of progress
        assert lines[-1].startswith("halfstep: "), (arguments, said)
    return code


def cases(name):
    """Return (arguments, whether they must be refused) for each parameter and value."""
    found = []
    for parameter in commands()[name]:
        option = max(parameter.opts, key=len)
        number = isinstance(parameter.default, int | float)
        for value in VALUES:
            if not option.startswith("-") or (option in ENDLESS and value.isdecimal()):
                continue
            wrong = number and value in ("", "x", "folder", "model.npz")
            found.append(((*name.split(), *BASES[name], option, value), wrong))
    return found


@few_or_many(5, 1000)
@pytest.mark.parametrize("name", BASES)
def test_every_option_with_every_kind_of_value(name, rounds, folder, capsys):
    every = cases(name)
    order = np.random.default_rng(len(name)).permutation(len(every))[:rounds]
    for arguments, wrong in (every[k] for k in order):
        code = call(arguments, capsys)
        assert code == 2 or not wrong, arguments
        outcome = {0: "done", 1: "compared: not equal", 2: "refused in one line, exit code 2"}[code]
        tally("Command line", f"{name}: an option with a bad or odd value", outcome)
        if len(os.listdir(folder)) > 9:
            shutil.rmtree(folder / "report", ignore_errors=True)


@few_or_many(4, 100)
@pytest.mark.parametrize("name", ["data info", "data convert", "recommend", "compare"])
def test_every_argument_with_every_kind_of_value(name, rounds, folder, capsys):
    for value in np.random.default_rng(rounds).permutation(VALUES)[:rounds].tolist():
        if value == "--help" or value.startswith("-"):
            continue
        code = call((*name.split(), value, *BASES[name][1:]), capsys)
        assert code == 2 or value in ("plays.csv", "model.npz"), value
        tally(
            "Command line",
            f"{name}: a bad argument",
            "refused in one line, exit code 2" if code else "done",
        )


def test_a_process_says_the_same(folder):
    ran = halfstep("fit", *FAST, "-o", "out.npz", "--resume", cwd=folder)
    assert ran.returncode == 2
    assert ran.stderr.startswith("halfstep: resume=True needs checkpoint")
    assert len(ran.stderr.splitlines()) == 1
    assert not (folder / "out.npz").exists()
