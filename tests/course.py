"""The lab's notebook for its tests: its solutions, and its cells executed without Jupyter."""

import ast
import sys
import tempfile
import warnings
from pathlib import Path
from types import ModuleType

import pytest

from halfstep.datasets import generate_dump
from halfstep.lab.notebook import read_notebook

LAB = Path(__file__).resolve().parents[1] / "lab"
NOTEBOOK = LAB / "music_recommender.ipynb"

needs_the_lab = pytest.mark.skipif(not LAB.is_dir(), reason="lab/ is not in an installed package")


def code_cells():
    return [cell for cell in read_notebook(NOTEBOOK)["cells"] if cell["cell_type"] == "code"]


def tags_of(cell):
    return cell["metadata"].get("tags", [])


def solved():
    """Return the notebook's own solutions as one source."""
    cells = [cell for cell in code_cells() if "exercise" in tags_of(cell)]
    return "import numpy as np\n\n" + "\n\n".join("".join(cell["source"]) for cell in cells)


def executed(cells, names, tmp_path, monkeypatch):
    """Execute cells with `names`; return what they display, their last expressions included."""
    shown = []
    display = ModuleType("IPython.display")
    display.display = lambda *given: shown.extend(given)
    display.HTML = display.Markdown = str
    package = ModuleType("IPython")
    package.version_info = (9, 0)  # matplotlib asks
    monkeypatch.setitem(sys.modules, "IPython", package)
    monkeypatch.setitem(sys.modules, "IPython.display", display)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    try:
        with warnings.catch_warnings():  # the first cell shows them its own way
            for cell in cells:
                shown += _executed(cell, names)
    finally:
        names["scratch"].cleanup()
    return shown


def _executed(cell, names):
    """Execute a cell; return the value of its last expression, if it has one, in a list."""
    tree = ast.parse("".join(cell["source"]))
    last = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None
    exec(compile(tree, cell["id"], "exec"), names)
    if last is None:
        return []
    value = eval(compile(ast.Expression(last.value), cell["id"], "eval"), names)
    return [] if value is None else [value]


def small_dump(folder, users):
    """Write a generated dump in which the heaviest `users` listeners are left."""
    generate_dump(folder, 3000, seed=1)
    plays = folder / "user_artist_data.txt"
    rows = [line.split() for line in plays.read_text().splitlines()]
    counts = {}
    for user, *_ in rows:
        counts[user] = counts.get(user, 0) + 1
    kept = sorted(counts, key=counts.get)[-users:]
    plays.write_text("".join(" ".join(row) + "\n" for row in rows if row[0] in kept))
    return folder
