"""What commands print on terminals of any width, in a pipe and without colours, and what they report."""

import os
import re
import subprocess
import sys

import numpy as np
import pytest
from cases.processes import path_env

from halfstep import progress
from halfstep.cli.main import run
from halfstep.cli.screen import Screen
from halfstep.datasets.generated.dump import generate_dump

NUMBER = re.compile(r"(?<![\w.])[-+−±]?\d[\d,]*\.\d+(?:e[-+]\d+)?(?![\w.])")
COLOUR = re.compile(r"\x1b\[(?:\d+;)*(?:3[0-8]|4[0-8]|9[0-7]|10[0-7])(?:;\d+)*m")
SHORT = ("--factors", "2", "--iterations", "2", "--solver", "cholesky")


@pytest.fixture(scope="module")
def songs(folder):
    """Write plays of several hundred users, for what needs more than a few."""
    rng = np.random.default_rng(3)
    users, items = rng.integers(300, size=6000), rng.zipf(1.3, 6000) % 150
    lines = "".join(f"{u},{i},{1 + u * i % 9}\n" for u, i in zip(users, items, strict=True))
    (folder / "songs.csv").write_text(f"user,item,plays\n{lines}")
    (folder / "dump").mkdir()
    generate_dump(folder / "dump", 2000)
    return folder


COMMANDS = {
    "doctor": ("doctor",),
    "list": ("data", "list"),
    "info": ("data", "info", "songs.csv"),
    "prepare": ("data", "prepare", "audioscrobbler", "dump", "-o", "p.npz", "--min-artists", "2"),
    "evaluate": ("evaluate", "--data", "songs.csv", *SHORT, "--against", "naive"),
    "folds": ("evaluate", "--data", "songs.csv", *SHORT, "--protocol", "k-fold", "--folds", "2",
              "--against", "naive"),
    "tune": ("tune", "--data", "songs.csv", "--search", "random", "--trials", "2", "--iterations", "2",
             "--factors", "2", "--solver", "cholesky", "--out", "tuned"),
    "compare": ("compare", "cholesky", "naive", "--data", "songs.csv", *SHORT[:4]),
    "recommend": ("recommend", "model.npz", "--user", "2000"),
    "similar": ("similar", "model.npz", "Radiohead"),
    "explain": ("explain", "model.npz", "Radiohead", "--user", "2000"),
}  # fmt: skip


@pytest.fixture
def printed(songs, monkeypatch, capsys):
    """Return a function that runs a command at a width, and returns what it prints but long lines.

    A path, an account of a file or a command to copy is one line, however long: `soft_wrap`.
    """
    monkeypatch.chdir(songs)
    monkeypatch.delenv("TERM", raising=False)
    texts = []
    draw = Screen.print

    def noted(self, *objects, soft_wrap=None, **how):
        with self.capture() as captured:
            draw(self, *objects, soft_wrap=soft_wrap, **how)
        if not soft_wrap:
            texts.append(captured.get())

    monkeypatch.setattr(Screen, "print", noted)

    def call(name, width):
        monkeypatch.setenv("COLUMNS", str(width))
        texts.clear()
        assert run(list(COMMANDS[name])) in (0, 1), capsys.readouterr().err
        return "".join(texts)

    return call


@pytest.mark.parametrize("name", COMMANDS)
def test_tables_fit_80_columns_and_lose_nothing(name, printed):
    if name == "tune":
        pytest.importorskip("optuna")
    narrow, wide = printed(name, 80), printed(name, 400)
    for text, width in ((narrow, 80), (wide, 400)):
        assert max(map(len, text.splitlines())) <= width
        assert "…" not in text
        assert "\x1b" not in text
    if name != "tune":  # which shows seconds
        assert set(NUMBER.findall(wide)) == set(NUMBER.findall(narrow))
    for heading in ("popularity_lift@10", "recall_capped@10", "rank correlation in the top-10"):
        assert (heading in wide) == (heading in narrow)


def test_a_wide_terminal_is_used(printed):
    beside, below = printed("recommend", 200), printed("recommend", 80)
    (title,) = (line for line in beside.splitlines() if "For user 2000" in line)
    assert title.rstrip().endswith("Has most of")
    assert len(below.splitlines()) > len(beside.splitlines())


@pytest.mark.parametrize(
    ("columns", "width"), [("133", 133), ("0", 80), ("", 80), ("wide", 80), ("3", 20)]
)
def test_the_width_is_that_of_the_environment_or_the_terminal(columns, width, monkeypatch):
    monkeypatch.setenv("COLUMNS", columns)
    monkeypatch.setenv("TERM", "dumb")

    def none(descriptor):
        raise OSError

    monkeypatch.setattr(os, "get_terminal_size", none)
    assert Screen().width == width
    if width == 80:
        size = os.terminal_size((117, 30))
        monkeypatch.setattr(os, "get_terminal_size", lambda descriptor: size)
        monkeypatch.setattr(sys, "__stdout__", sys.__stdin__)
        assert Screen().width == 117


def ran(arguments, environment, folder, terminal):
    """Run the command with a terminal of 80 columns, or in a pipe, and return all that it writes."""
    pty = pytest.importorskip("pty", reason="there are no such terminals here")
    ours, theirs = pty.openpty()
    env = {**path_env(), "TERM": "xterm-256color", **environment}
    for name in ("COLUMNS", "GITHUB_ACTIONS", "FORCE_COLOR", "PY_COLORS"):
        env.pop(name, None)
    out = theirs if terminal else subprocess.PIPE
    process = subprocess.Popen(
        [sys.executable, "-m", "halfstep", *arguments], stdin=subprocess.DEVNULL, stdout=out,
        stderr=out if terminal else subprocess.STDOUT, env=env, cwd=folder,
    )  # fmt: skip
    os.close(theirs)
    found = b""
    try:
        if not terminal:
            found, _ = process.communicate()
        else:
            while block := os.read(ours, 1 << 16):
                found += block
    except OSError:  # the other end is closed
        pass
    finally:
        process.wait()
        os.close(ours)
    return found.decode()


@pytest.mark.parametrize(
    "arguments", [("fit", "--help"), ("data", "list"), ("fit", "--solver", "x")]
)
def test_no_colours_where_none_are_wanted(arguments, songs):
    without = ran(arguments, {"NO_COLOR": "1"}, songs, terminal=True)
    assert without
    assert not COLOUR.search(without)
    assert "\x1b" not in ran(arguments, {"NO_COLOR": ""}, songs, terminal=False)
    if "--help" in arguments:
        assert COLOUR.search(ran(arguments, {"NO_COLOR": ""}, songs, terminal=True))
        assert "\x1b" not in ran(arguments, {"TERM": "dumb"}, songs, terminal=True)


REPORTED = {
    ("fit", "--data", "songs.csv", *SHORT, "-o", "songs.npz"): {
        "reading songs.csv", "fit, cholesky", "writing songs.npz", "calculating the objective"},
    COMMANDS["folds"]: {
        "k-fold, songs", "fit, cholesky", "fit, naive", "ranking 150 items",
        "bootstrap intervals over users"},
    COMMANDS["compare"]: {"comparing on songs", "fit, naive", "ranking by naive", "intervals and over"},
    ("recommend", "model.npz", "--all", "-o", "all.csv"): {"reading model.npz", "lists of 10"},
    ("doctor", "--data", "songs.csv"): {"reading songs.csv", "trying half-steps"},
    COMMANDS["prepare"]: {"reading dump", "writing p.npz"},
    ("data", "convert", "music-small", "-o", "m.npz"): {"generating music-small", "writing m.npz"},
    ("data", "generate", "audioscrobbler", "-o", "g", "--entries", "900"): {"generating 900 rows"},
    ("bench", "--data", "songs.csv", "--factors", "2", "--iterations", "1", "--repeats", "1",
     "--no-memory", "--solvers", "naive,cholesky", "--out", "b.json"): set(),
}  # fmt: skip


@pytest.mark.parametrize("arguments", REPORTED, ids=lambda arguments: " ".join(arguments[:2]))
def test_commands_report_what_they_do(arguments, songs, monkeypatch):
    monkeypatch.chdir(songs)
    seen = []
    monkeypatch.setattr(progress._screen, "add", lambda task: seen.append(task.description))
    assert run(list(arguments)) in (0, 1)
    for wanted in REPORTED[arguments]:
        assert any(said.startswith(wanted) for said in seen), (wanted, seen)
    if not REPORTED[arguments]:  # a bar would be part of what is timed
        assert seen == []
    assert not progress.wanted()
