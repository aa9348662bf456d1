"""What commands print on terminals of any width, in a pipe and without colours, and what they report."""

import io
import os
import re
import subprocess
import sys

import numpy as np
import pytest
from cases.processes import path_env
from cases.tuning import trial
from rich.console import Console

from halfstep import progress
from halfstep.cli import show_tuning
from halfstep.cli.main import app, run
from halfstep.datasets.generated.dump import generate_dump
from halfstep.evaluation.tuning.search import Search
from halfstep.fitted_table import FittedTable
from halfstep.screen import Screen

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
    (folder / "mine.py").write_text("def objective(X, Y):\n    return 1.2345\n")
    (folder / "dump").mkdir()
    generate_dump(folder / "dump", 2000)
    return folder


FOLDS = ("evaluate", "--data", "songs.csv", *SHORT, "--protocol", "k-fold", "--folds", "2",
         "--against", "naive")  # fmt: skip
COMPARE = ("compare", "cholesky", "naive", "--data", "songs.csv", *SHORT[:4])
PREPARE = ("data", "prepare", "audioscrobbler", "dump", "-o", "p.npz", "--min-artists", "2")
COMMANDS = {
    "doctor": ("doctor",),
    "list": ("data", "list"),
    "info": ("data", "info", "songs.csv"),
    "prepare": PREPARE,
    "folds": FOLDS,
    "compare": COMPARE,
    "recommend": ("recommend", "model.npz", "--user", "2000"),
    "similar": ("similar", "model.npz", "Radiohead"),
    "explain": ("explain", "model.npz", "Radiohead", "--user", "2000"),
    "lab": ("lab", "check", "mine.py"),
    "plan": ("cluster", "plan", "--users", "1e9", "--items", "1e8", "--entries", "1e11"),
}


@pytest.fixture
def printed(songs, monkeypatch, capsys):
    """Return a function that runs a command at a width, and returns what it prints but long lines.

    A path, an account of a file or a command to copy is one line, however long: `soft_wrap`. The
    second text has all tables as they are where there is space enough.
    """
    monkeypatch.chdir(songs)
    monkeypatch.delenv("TERM", raising=False)
    texts, tables = [], []
    draw = Screen.print

    def noted(self, *objects, soft_wrap=None, **how):
        with self.capture() as captured:
            draw(self, *objects, soft_wrap=soft_wrap, **how)
        if not soft_wrap:
            texts.append(captured.get())
        tables.extend(drawn(one, 400) for one in objects if isinstance(one, FittedTable))

    monkeypatch.setattr(Screen, "print", noted)

    def call(name, width):
        monkeypatch.setenv("COLUMNS", str(width))
        texts.clear()
        assert run(list(COMMANDS[name])) in (0, 1), capsys.readouterr().err
        return "".join(texts), "".join(tables)

    return call


def drawn(table, width):
    stream = io.StringIO()
    Console(file=stream, width=width).print(table)
    return stream.getvalue()


@pytest.mark.parametrize("name", COMMANDS)
def test_tables_fit_80_columns_and_lose_nothing(name, printed):
    narrow, wide = printed(name, 80)
    assert narrow
    assert max(map(len, narrow.splitlines())) <= 80
    assert "…" not in narrow + wide
    assert "\x1b" not in narrow
    assert set(NUMBER.findall(wide)) <= set(NUMBER.findall(narrow))
    for heading in ("popularity_lift@10", "recall_capped@10", "rank correlation in the top-10"):
        assert heading in narrow or heading not in wide


def test_the_help_of_every_command_fits_80_columns(monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", "80")
    commands = [[command.callback.__name__] for command in app.registered_commands]
    for group in app.registered_groups:
        names = (c.name or c.callback.__name__ for c in group.typer_instance.registered_commands)
        commands += [[group.name, name] for name in names]
    assert len(commands) > 15
    for command in [[], *commands]:
        assert run([*command, "--help"]) == 0, command
        shown = capsys.readouterr().out
        assert "Usage" in shown
        assert "…" not in shown, command
        assert max(map(len, shown.splitlines())) <= 80


@pytest.mark.parametrize("width", [40, 60, 80])
def test_trials_with_all_their_settings_become_several_tables(width):
    settings = {
        "confidence": "linear", "regularization": 0.0123, "regularization_exponent": 0.25,
        "alpha": 12.5, "epsilon": 0.125, "background": 0.0625, "factors": 1024,
    }  # fmt: skip
    found = Search("ndcg@20", {}, [trial(0.25, **settings), trial(0.125, **settings)])
    stream = io.StringIO()
    show_tuning.trials(Console(file=stream, width=width), found, found.best)
    text = stream.getvalue()
    assert max(map(len, text.splitlines())) <= width
    for cell in ("0.0123", "0.25", "12.5", "0.125", "0.0625", "1024", "0.2500", "simplest"):
        assert cell in text.split()


def test_a_table_that_is_too_wide_is_divided_between_its_parts():
    table = FittedTable("Sizes", ["", "here", "here", "there"])
    table.add_texts("name")
    for heading in ("first", "second", "third"):
        table.add_numbers(heading)
    table.add_row("a/very/long/path/without/any/blank", "1234567.25", "[bold]-0.5[/bold]", "12,345")
    lines = drawn(table, 44).splitlines()
    assert [line for line in lines if "Sizes" in line] == ["Sizes: here", "Sizes: there"]
    assert max(map(len, lines)) <= 44
    assert {"1234567.25", "-0.5", "12,345"} <= set(" ".join(lines).split())
    assert drawn(table, 100).count("Sizes") == 1


def test_a_wide_terminal_is_used(printed):
    (beside, _), (below, _) = printed("recommend", 200), printed("recommend", 80)
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


class Terminal(io.StringIO):
    def isatty(self):
        return True


def ran(arguments, environment, folder):
    """Run the command in a terminal, and return all that it writes."""
    pty = pytest.importorskip("pty", reason="there are no such terminals here")
    ours, theirs = pty.openpty()
    env = {**path_env(), "TERM": "xterm-256color", **environment}
    process = subprocess.Popen(
        [sys.executable, "-m", "halfstep", *arguments], stdin=subprocess.DEVNULL, stdout=theirs,
        stderr=theirs, env=env, cwd=folder,
    )  # fmt: skip
    os.close(theirs)
    found = b""
    try:
        while block := os.read(ours, 1 << 16):
            found += block
    except OSError:  # the other end is closed
        pass
    finally:
        process.wait()
        os.close(ours)
    return found.decode()


def test_no_colours_where_none_are_wanted(songs, monkeypatch):
    shown = ran(("data", "list"), {"NO_COLOR": "1"}, songs)
    assert "\x1b[" in shown  # headings are bold
    assert not COLOUR.search(shown)
    for wanted in ("", "1"):
        monkeypatch.setenv("NO_COLOR", wanted)
        monkeypatch.setenv("TERM", "xterm-256color")
        stream = Terminal()
        monkeypatch.setattr(sys, "stdout", stream)
        assert run(["fit", "--help"]) == 0
        assert bool(COLOUR.search(stream.getvalue())) == (wanted == "")


REPORTED = {
    ("fit", "--data", "songs.csv", *SHORT, "-o", "songs.npz"): {
        "reading songs.csv", "fit, cholesky", "writing songs.npz", "calculating the objective"},
    FOLDS: {
        "k-fold, songs", "fit, cholesky", "fit, naive", "ranking 150 items",
        "bootstrap intervals over users"},
    COMPARE: {"comparing on songs", "fit, naive", "ranking by naive", "intervals and over"},
    ("recommend", "model.npz", "--all", "-o", "all.csv"): {"reading model.npz", "lists of 10"},
    ("doctor", "--data", "songs.csv"): {"reading songs.csv", "trying half-steps"},
    PREPARE: {"reading dump", "writing p.npz"},
    ("data", "convert", "songs.csv", "-o", "m.npz"): {"reading songs.csv", "writing m.npz"},
    ("data", "generate", "audioscrobbler", "-o", "g", "--entries", "1000"): {"generating 1,000 rows"},
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
