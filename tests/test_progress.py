"""Progress: lines where nobody draws, bars on a terminal and in a notebook, and nothing if told so."""

import io
import subprocess
import sys
import threading
import time
import types
from contextlib import nullcontext

import pytest
from cases.processes import path_env
from rich.console import Console

from halfstep import progress, progress_faces
from halfstep.progress import bytes_bar, count_bar, hidden, progress_bar, shown, stage, wanted
from halfstep.progress_faces import Lines, Notebook, Terminal, bar, face
from halfstep.progress_task import Task

LATEST = 10  # seconds after which a test gives up waiting


class Stream(io.StringIO):
    """A stderr that is a terminal, or is none."""

    def __init__(self, terminal=False):
        super().__init__()
        self.terminal = terminal

    def isatty(self):
        return self.terminal


@pytest.fixture
def allowed(monkeypatch):
    monkeypatch.delenv(progress_faces.VARIABLE, raising=False)
    monkeypatch.setattr(progress._screen, "said", float("-inf"))
    monkeypatch.delitem(sys.modules, "IPython", raising=False)
    for kind in (Lines, Terminal, Notebook):
        for name, seconds in (("first", 0.0), ("least", 0.0), ("every", 0.02)):
            monkeypatch.setattr(kind, name, seconds)


@pytest.fixture
def stderr(allowed, monkeypatch):
    """Return a function to call in the test, since pytest sets its own stderr after the fixtures."""

    def replaced(terminal=False):
        stream = Stream(terminal)
        monkeypatch.setattr(sys, "stderr", stream)
        monkeypatch.setenv("TERM", "xterm")
        monkeypatch.setenv("COLUMNS", "80")
        return stream

    return replaced


def wait_for(text, stream):
    until = time.monotonic() + LATEST
    while text not in stream.getvalue():
        assert time.monotonic() < until, stream.getvalue()
        time.sleep(0.005)


def painters():
    return [t for t in threading.enumerate() if t.name == "halfstep-progress"]


def test_a_fit_in_a_log_file_says_where_it_is(stderr):
    lines = stderr()
    with progress_bar(15, True, "fit, als") as advance:
        with advance.doing("compiling (once, about 9 s)"):
            wait_for("fit, als: compiling (once, about 9 s)\n", lines)
        for loss in range(7):
            advance(float(loss))
        wait_for("fit, als: 7 of 15 iterations, loss 6, about ", lines)
    assert "\x1b" not in lines.getvalue()
    assert lines.getvalue().endswith("\n")
    assert painters() == []


def test_work_inside_other_work_shares_its_line(stderr):
    lines = stderr()
    with shown(), count_bar("k-fold", 5, "parts") as parts:
        parts(1)
        with bytes_bar("reading", 2_000_000) as read:
            read(1_500_000)
            wait_for("k-fold: 1 of 5 parts, about", lines)
            wait_for("; reading: 1.5 MB of 2.0 MB", lines)
        with stage("sorting"):
            wait_for("; sorting", lines)


def test_soon_done_is_silent_and_lines_are_ten_seconds_apart(stderr, monkeypatch):
    lines = stderr()
    monkeypatch.setattr(Lines, "first", 5.0)
    with shown(), stage("soon done"):
        time.sleep(0.05)
    assert lines.getvalue() == ""
    monkeypatch.setattr(Lines, "first", 0.0)
    monkeypatch.setattr(Lines, "every", 60.0)
    with shown():
        with stage("first"):
            wait_for("first\n", lines)
        with stage("second"):
            time.sleep(0.1)
    assert lines.getvalue() == "first\n"


def test_a_command_that_is_late_speaks_at_once(stderr, monkeypatch):
    lines = stderr()
    monkeypatch.setattr(Lines, "first", 0.2)
    with shown():
        for _ in range(40):  # each too short for a line of its own
            with stage("a step"):
                time.sleep(0.01)
            if lines.getvalue():
                break
    assert "a step" in lines.getvalue()


@pytest.mark.parametrize("how", ["off", "show_progress", "not wanted", "hidden"])
def test_silence(how, stderr, monkeypatch):
    lines = stderr()
    if how == "off":
        monkeypatch.setenv(progress_faces.VARIABLE, "off")
    started = []
    monkeypatch.setattr(threading.Thread, "start", lambda self: started.append(self.name))
    with (
        hidden() if how == "hidden" else nullcontext(),
        progress_bar(3, how == "off", "a fit") as advance,
        stage("a stage"),
        count_bar("a count", 3),
    ):
        advance(None)
        with advance.doing("compiling"):
            advance(0.5)
        assert not wanted()
    assert (lines.getvalue(), started) == ("", [])
    with shown(), hidden():
        assert not wanted()


def test_a_terminal_gets_bars_that_go_and_keeps_its_cursor(stderr):
    terminal = stderr(terminal=True)

    def interrupted():
        with progress_bar(15, True, "fit, als") as advance:
            advance(0.25)
            wait_for("1 of 15 iterations, loss 0.25", terminal)
            print("a warning", file=sys.stderr)
            assert "a warning\n" in terminal.getvalue()
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    for _ in range(300):  # on a busy machine a fit does not wait for the last stroke
        if not painters():
            break
        time.sleep(0.1)
    assert "━" in terminal.getvalue()
    assert terminal.getvalue().endswith("\x1b[2K")
    assert "\x1b[?25" not in terminal.getvalue()
    assert sys.stderr is terminal
    assert painters() == []


def test_what_goes_to_a_file_goes_there_while_a_bar_is_drawn(stderr, monkeypatch):
    terminal, file = stderr(terminal=True), Stream()
    monkeypatch.setattr(sys, "stdout", file)
    with progress_bar(2, True, "fit, als") as advance:
        advance(None)
        wait_for("1 of 2", terminal)
        print("a result")
    assert file.getvalue() == "a result\n"
    assert "a result" not in terminal.getvalue()


def test_a_bar_that_cannot_be_drawn_gives_stderr_back(stderr, monkeypatch):
    terminal = stderr(terminal=True)
    with progress_bar(2, True, "fit, als") as advance:
        wait_for("0 of 2", terminal)
        monkeypatch.setattr(progress_faces, "bar", None)
        advance(None)
        until = time.monotonic() + LATEST
        while sys.stderr is not terminal:
            assert time.monotonic() < until
            time.sleep(0.005)


@pytest.mark.parametrize("width", [10, 20, 40, 80, 200])
def test_a_bar_is_one_line_on_every_terminal(width):
    task = Task("reading a-file-with-a-rather-long-name.csv", 1000, "rows")
    task.update(advance=250, loss="loss 0.123456")
    stream = io.StringIO()
    Console(file=stream, width=width).print(bar(task, width))
    (line,) = stream.getvalue().splitlines()
    assert len(line) <= width
    if width >= 80:
        assert line.startswith("reading a-file-with-a-")
        assert line.rstrip().endswith(task.words())
    assert ("━" in line) == (width == 200)


def test_a_notebook_gets_a_bar_that_leaves_nothing(allowed, monkeypatch):
    shows = []

    class Handle:
        def update(self, content, raw):
            shows.append(content)

    def display(content, raw, display_id):
        shows.append(content)
        return Handle()

    shell = type("Shell", (type("ZMQInteractiveShell", (), {}),), {})()
    ipython = types.SimpleNamespace(get_ipython=lambda: shell)
    monkeypatch.setitem(sys.modules, "IPython", ipython)
    monkeypatch.setitem(sys.modules, "IPython.display", types.SimpleNamespace(display=display))
    with progress_bar(4, True, "fit, <als>") as advance:
        advance(0.5)
        until = time.monotonic() + LATEST
        while not shows or "1 of 4" not in shows[-1]["text/plain"]:
            assert time.monotonic() < until
            time.sleep(0.005)
    assert shows[-2]["text/html"].startswith(
        '<div>fit, &lt;als&gt; <progress value="0.2500"></progress> 1 of 4 iterations, loss 0.5'
    )
    assert shows[-2]["text/plain"].startswith("fit, <als>: 1 of 4 iterations, loss 0.5")
    assert shows[-1] == {"text/plain": "", "text/html": ""}


def test_where_which_face(allowed, monkeypatch):
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(sys, "stderr", Stream(terminal=True))
    assert isinstance(face(), Terminal)
    monkeypatch.setenv("TERM", "dumb")
    assert isinstance(face(), Lines)
    monkeypatch.setattr(sys, "stderr", None)
    assert face() is None
    closed = io.TextIOWrapper(io.BytesIO())
    closed.close()
    monkeypatch.setattr(sys, "stderr", closed)
    assert face() is None


def test_a_stderr_that_breaks_does_not_break_the_work(allowed, monkeypatch):
    class Broken(Stream):
        asked = 0

        def write(self, text):
            self.asked += 1
            raise BrokenPipeError

    monkeypatch.setattr(sys, "stderr", Broken())
    with shown(), count_bar("work", 3) as advance:
        until = time.monotonic() + LATEST
        while not sys.stderr.asked:
            assert time.monotonic() < until
            time.sleep(0.005)
        advance(3)
    with shown(), stage("more work"):
        pass
    assert painters() == []


def test_many_threads_work_at_once(stderr):
    stderr()

    def work(number):
        for _ in range(20):
            with progress_bar(1, True, f"fit {number}") as advance:
                advance(None)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert progress._screen.tasks == ()
    assert painters() == []


def test_a_short_fit_imports_nothing_to_draw_with():
    program = (
        "import sys, scipy.sparse, halfstep\n"
        "model = halfstep.SOLVERS['naive'](factors=2, iterations=1)\n"
        "model.fit(scipy.sparse.eye(3, format='csr'))\n"
        "print([name for name in ('rich', 'IPython') if name in sys.modules])"
    )
    ran = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, env=path_env(), check=True
    )
    assert (ran.stdout, ran.stderr) == ("[]\n", "")
