"""`halfstep lab run`: the page needs no network, ends at a failing cell, and nothing else is left."""

import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from html.parser import HTMLParser
from pathlib import Path

import pytest
from course import NOTEBOOK, needs_the_lab

from halfstep.cli.main import run

for package in ("ipykernel", "latex2mathml", "nbclient", "nbconvert"):
    pytest.importorskip(package)

REMOTE = re.compile(r"^\s*(https?:)?//", re.IGNORECASE)
IN_STYLES = re.compile(
    r"""url\(\s*["']?\s*(?:https?:)?//|@import|import\(|fetch\(|XMLHttpRequest""", re.I
)


class Requests(HTMLParser):
    """Collects what a browser would fetch from elsewhere; links, which wait for a click, are none."""

    def __init__(self):
        super().__init__()
        self.found, self.tags = [], []

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        for name, value in attributes:
            loads = name in ("src", "srcset", "data", "poster", "action", "background") or (
                name in ("href", "xlink:href") and tag not in ("a", "area")
            )
            if loads and REMOTE.match(value or ""):
                self.found.append((tag, value))
            if name == "style" and IN_STYLES.search(value or ""):
                self.found.append((tag, value))

    def handle_data(self, data):
        if self.tags and self.tags[-1] in ("style", "script") and IN_STYLES.search(data):
            self.found.append((self.tags[-1], IN_STYLES.search(data)[0]))


def requests_of(page):
    parser = Requests()
    parser.feed(page)
    return parser.found, parser.tags


def page_of_cells(*cells):
    import nbformat

    from halfstep.lab.page import page_of

    notebook = nbformat.v4.new_notebook(cells=list(cells))
    return page_of(notebook, "test")


def markdown(text):
    import nbformat

    return nbformat.v4.new_markdown_cell(text)


def wrote(*outputs):
    import nbformat

    return nbformat.v4.new_code_cell("1", outputs=[nbformat.from_dict(one) for one in outputs])


def code_notebook(path, *sources):
    cell = {"cell_type": "code", "metadata": {}, "outputs": [], "execution_count": None}
    cells = [{**cell, "id": f"c{n}", "source": source} for n, source in enumerate(sources)]
    path.write_text(
        json.dumps({"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5})
    )
    return path


@needs_the_lab
def test_the_page_of_the_course_asks_for_nothing_and_has_its_formulas():
    import nbformat

    notebook = nbformat.read(NOTEBOOK, as_version=4)
    from halfstep.lab.page import page_of

    page = page_of(notebook, "music_recommender")
    found, tags = requests_of(page)
    assert found == []
    assert "script" not in tags
    assert "default-src 'none'" in page
    text = "".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")
    formulas = len(re.findall(r"\$\$.+?\$\$|\$[^$]+?\$", text, re.DOTALL))
    assert tags.count("math") == formulas > 30
    assert tags.count("mtable") == 1
    assert "<mo>⪰</mo>" in page.replace("&#x02AB0;", "⪰")
    drawn = re.findall(r"<math.*?</math>", page, re.DOTALL)
    assert not any("\\" in one or "&amp;&amp;" in one or ">&<" in one for one in drawn)
    outside = re.sub(r"<math.*?</math>|<pre.*?</pre>|<code.*?</code>", "", page, flags=re.DOTALL)
    assert "\\top" not in outside
    assert "prefers-color-scheme: dark" in page


def test_the_test_of_requests_can_fail():
    page = (
        '<script src="https://a.b/c.js"></script><img src="//a.b/c.png"><link href="http://a.b/c">'
        "<style>@import 'c.css'; p { background: url(https://a.b/c) }</style>"
        '<a href="https://a.b">a link</a><p style="background: url(\'//a.b\')">'
    )
    found, _ = requests_of(page)
    assert [tag for tag, _ in found] == ["script", "img", "link", "style", "p"]


def test_formulas_that_cannot_be_read_are_shown_as_they_are():
    page = page_of_cells(markdown(r"Look: $\frac{1}{$ and $x < y$."))
    assert r"<code>\frac{1}{</code>" in page
    assert page.count("<math") == 1


def test_warnings_are_notes_in_prose():
    text = (
        "/a/b.py:12: UserWarning: weights are <heavy>\n  model.fit(matrix)\n"
        "\x1b[31mplain words\x1b[0m\n"
    )
    page = page_of_cells(wrote({"output_type": "stream", "name": "stderr", "text": text}))
    assert '<p class="note">Note (UserWarning): weights are &lt;heavy&gt;</p>' in page
    assert '<p class="note">plain words</p>' in page
    assert "model.fit" not in page
    assert "/a/b.py" not in page
    assert 'data-mime-type="application/vnd.jupyter.stderr"' not in page


def test_a_failing_cell_ends_the_page_and_nothing_else_is_left(tmp_path, monkeypatch, capsys):
    """Neither in the folder for temporary files nor in the user's own."""
    home, scratch = tmp_path / "home", tmp_path / "scratch"
    home.mkdir()
    scratch.mkdir()
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("TMPDIR", str(scratch))
    monkeypatch.setattr(tempfile, "tempdir", None)
    monkeypatch.setenv("HALFSTEP_AUDIOSCROBBLER", "a-dump")
    other = tmp_path / "kernels" / "python3" / "kernel.json"  # of another Python
    other.parent.mkdir(parents=True)
    other.write_text('{"argv": ["false"], "display_name": "Another", "language": "python"}')
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path))
    path = code_notebook(
        tmp_path / "failing.ipynb",
        "import tempfile, warnings\nplace = tempfile.mkdtemp()\nwarnings.warn('mind this')\nplace",
        "import os\nprint('before', os.environ['HALFSTEP_AUDIOSCROBBLER'])\n1 / 0",
        "print('never')",
    )
    output = tmp_path / "page.html"
    assert run(["lab", "run", str(path), "-o", str(output)]) == 2
    error = capsys.readouterr().err
    assert "cell 2 fails: ZeroDivisionError: division by zero" in error
    assert f"'{output}' has the page up to this cell" in error
    assert error.count("\n") == 1
    page = output.read_text()
    assert "This page is not complete.</strong> Cell 2 fails: ZeroDivisionError" in page
    assert f"before {Path.cwd() / 'a-dump'}" in page  # not below the notebook's folder
    assert page.index("before") < page.index("The run ended here.")
    assert "never" not in page
    assert "Note (UserWarning): mind this" in page
    assert str(scratch / "halfstep-lab-") in page  # where the cell's own folder was
    assert sorted(file.name for file in tmp_path.iterdir()) == [
        "failing.ipynb", "home", "kernels", "page.html", "scratch",
    ]  # fmt: skip
    assert list(scratch.iterdir()) == []
    assert [file for file in home.rglob("*") if file.is_file()] == []


@pytest.mark.parametrize("name", ["SIGINT", pytest.param("SIGTERM", marks=pytest.mark.soak)])
def test_an_interrupted_run_writes_no_page(tmp_path, name):
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    begun = tmp_path / "begun"
    path = code_notebook(
        tmp_path / "long.ipynb",
        f"import pathlib, time\npathlib.Path({str(begun)!r}).touch()\ntime.sleep(60)",
    )
    command = [sys.executable, "-m", "halfstep", "lab", "run", str(path), "-o", "page.html"]
    surroundings = {**os.environ, "TMPDIR": str(scratch)}
    with subprocess.Popen(
        command, cwd=tmp_path, env=surroundings, stderr=subprocess.PIPE
    ) as process:
        deadline = time.monotonic() + 50
        while not begun.exists() and process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.05)
        process.send_signal(getattr(signal, name))
        _, error = process.communicate(timeout=30)
    assert process.returncode == 130, error
    assert not (tmp_path / "page.html").exists()
    assert list(scratch.iterdir()) == []


@pytest.mark.soak
def test_a_cell_that_takes_too_long_or_ends_its_process_is_named(tmp_path):
    from halfstep.errors import InputError
    from halfstep.lab.run import run_notebook

    path = code_notebook(tmp_path / "dies.ipynb", "x = 1", "import os\nos._exit(3)")
    with pytest.raises(InputError, match="cell 2 ends its process"):
        run_notebook(path, tmp_path / "page.html")
    assert "Cell 2 ends its process" in Path(tmp_path / "page.html").read_text()
    path = code_notebook(tmp_path / "slow.ipynb", "import time\ntime.sleep(30)")
    with pytest.raises(InputError, match="cell 1 takes more than 1 second"):
        run_notebook(path, tmp_path / "page.html", seconds=1)
