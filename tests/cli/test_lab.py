"""The course: its notebook is whole and stripped, its exercises open, its checker tells the truth."""

import json
import sys
import tempfile
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from halfstep import SOLVERS
from halfstep.cli.main import run
from halfstep.errors import InputError
from halfstep.lab.check import EXERCISES, check
from halfstep.lab.notebook import exercises_of, open_bodies, read_notebook
from halfstep.lab.reference import ALPHA, REGULARIZATION, half_step, mistakes, objective, toy

LAB = Path(__file__).resolve().parents[2] / "lab"
NOTEBOOK = LAB / "music_recommender.ipynb"

needs_the_lab = pytest.mark.skipif(not LAB.is_dir(), reason="lab/ is not in an installed package")


def solved():
    """Return the notebook's own solutions as one source."""
    cells = [
        c for c in read_notebook(NOTEBOOK)["cells"] if "exercise" in c["metadata"].get("tags", [])
    ]
    return "import numpy as np\n\n" + "\n\n".join("".join(cell["source"]) for cell in cells)


def checked(tmp_path, source):
    path = tmp_path / "mine.py"
    path.write_text(source)
    last = {}
    for finding in check(path):
        last[finding.exercise] = finding
    return last


@needs_the_lab
def test_the_notebook_holds_no_results_and_all_exercises():
    notebook = read_notebook(NOTEBOOK)
    code = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
    assert all(cell["outputs"] == [] and cell["execution_count"] is None for cell in code)
    source = solved()
    assert all(f"def {name}(" in source for name in EXERCISES)


@needs_the_lab
def test_the_exercises_are_those_of_the_notebook():
    assert read_notebook(LAB / "exercises.ipynb") == exercises_of(read_notebook(NOTEBOOK))


@needs_the_lab
def test_the_notebooks_solutions_are_right_and_the_exercises_open(tmp_path, capsys):
    assert run(["lab", "check", str(NOTEBOOK)]) == 0
    assert "5 of 5 right" in capsys.readouterr().out
    out = tmp_path / "found.json"
    assert run(["lab", "check", str(LAB / "exercises.ipynb"), "--json", str(out)]) == 1
    assert {one["state"] for one in json.loads(out.read_text())} == {"open"}


@needs_the_lab
def test_the_lesson_about_steps_shows_what_it_says(tmp_path, monkeypatch):
    """Its cells run by themselves, with what they display collected."""
    pytest.importorskip("pandas")
    pytest.importorskip("matplotlib")
    shown, told = [], []
    display = ModuleType("IPython.display")
    display.display = lambda *given: shown.extend(given)
    display.HTML, display.Markdown = str, told.append
    package = ModuleType("IPython")
    package.version_info = (9, 0)  # matplotlib asks
    monkeypatch.setitem(sys.modules, "IPython", package)
    monkeypatch.setitem(sys.modules, "IPython.display", display)
    monkeypatch.setenv("HALFSTEP_LAB_ENTRIES", "5000")
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    cells = [c for c in read_notebook(NOTEBOOK)["cells"] if c["cell_type"] == "code"]
    lesson = [c for c in cells if "steps" in c["metadata"].get("tags", [])]
    names = {"SOLVERS": SOLVERS}
    for cell in [cells[0], *lesson]:
        exec("".join(cell["source"]), names)
    assert sum("data:image/svg+xml" in str(one) for one in shown) == 2
    taken = {name: steps.to_numpy() for name, steps in names["steps"].items()}
    assert taken["raw"][:20].mean() < 2 < 5 < taken["raw"][-20:].mean()
    assert taken["log"].max() <= 2
    ends = {
        name: {way: of[-1] for way, (_, of) in c.items()} for name, c in names["curves"].items()
    }
    assert ends["raw"]["two steps"] > 1.01 > 1.001 > ends["raw"]["the rule"]
    assert max(ends["log"].values()) < 1.001
    assert all((np.diff(seconds) > 0).all() for seconds, _ in names["curves"]["raw"].values())
    steps, row, fits = told
    assert f"no row more than {taken['raw'].max()}." in steps
    assert len(row.splitlines()) == 2
    assert "level with exact half-steps" in fits.splitlines()[1]
    assert fits.splitlines()[0].endswith("never: two steps.")


MUTATIONS = {
    "lambda is left out": ("naive", "+ regularization * identity", ""),
    "lambda is added to every entry of the matrix, not to its diagonal": (
        "naive",
        "regularization * identity",
        "regularization",
    ),
    "the right-hand side lacks the confidence": ("naive", "Y.T @ (c * p)", "Y.T @ p"),
    "entries that are not stored are left out": ("cholesky", "shared = Y.T @ Y +", "shared ="),
    "the 1 in c = 1 + alpha r is missing": ("naive", "(zip(C, P,", "(zip(C - 1, P,"),
    "stored entries add c instead of c - 1 to Y'Y": (
        "cholesky",
        "(Z.T * (c - 1))",
        "(Z.T * c)",
    ),
    "alpha is left out": ("cholesky", "1 + alpha * plays", "1 + plays"),
}


@needs_the_lab
@pytest.mark.parametrize("mistake", list(MUTATIONS))
def test_the_checker_names_the_mistake(tmp_path, mistake):
    name, old, new = MUTATIONS[mistake]
    source = solved()
    place = source.index(f"def {name}_half_step")
    assert old in source[place:]
    found = checked(tmp_path, source[:place] + source[place:].replace(old, new, 1))
    wrong = found.pop(f"{name}_half_step")
    assert (wrong.state, wrong.step) == ("wrong", "iteration 1, users")
    if mistake == "entries that are not stored are left out":
        assert "relative error" in wrong.said  # c - 1 over the stored ones is a mistake of its own
    else:
        assert wrong.said.endswith(f"the result is the same as when {mistake}")
    assert {one.state for one in found.values()} == {"right"}


@needs_the_lab
def test_the_checker_tells_which_half_step(tmp_path):
    """A mistake that the first half-step hides: it matters for a table of another shape only."""
    source = solved().replace(
        "    identity = np.eye(Y.shape[1])\n",
        "    identity = np.eye(Y.shape[1]) * (1 if len(C) > len(Y) else 2)\n",
    )
    wrong = checked(tmp_path, source)["naive_half_step"]
    assert (wrong.state, wrong.step) == ("wrong", "iteration 1, items")
    assert "rows differ, most of all row" in wrong.said


@pytest.mark.parametrize(
    ("source", "state", "says"),
    [
        ("def weights(plays, alpha):\n    pass", "open", "returns nothing"),
        ("def weights(plays, alpha):\n    return plays", "wrong", "two arrays"),
        (
            "def weights(plays, alpha):\n    return alpha * plays, plays > 0",
            "wrong",
            "it must be 1",
        ),
        ("def weights(plays):\n    return 1", "failed", "TypeError"),
        ("def objective(*given):\n    return 1.0", "wrong", "away"),
        ("def objective(*given):\n    return float('nan')", "wrong", "it is nan"),
        ("def naive_half_step(Y, C, P, lam):\n    return Y", "wrong", "must have shape (11, 4)"),
        (
            "def naive_half_step(Y, C, P, lam):\n    return C[:, :4] * float('nan')",
            "wrong",
            "finite",
        ),
        ("def cg_half_step(*given):\n    raise NotImplementedError", "open", "not written yet"),
        ("def objective(*given):\n    raise SystemExit", "failed", "SystemExit"),
    ],
)
def test_what_the_checker_says(tmp_path, source, state, says):
    (finding,) = checked(tmp_path, source).values()
    assert finding.state == state
    assert says in finding.said


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("a.py", "def f(:", "cell 1, line 1"),
        ("b.py", "x = 1", "has none of the functions weights"),
        ("c.ipynb", "{", "not a notebook"),
        ("d.ipynb", "[]", "not a notebook"),
        ("e.py", None, "cannot be read"),
        ("f.ipynb", '{"cells": 3}', "it has no cells"),
        ("g.ipynb", '{"cells": [{"metadata": {}, "cell_type": "code"}]}', "cell 1 is malformed"),
        ("h.ipynb", '{"cells":' + "[" * 9999, "not a notebook"),
        ("i.py", "def objective(X=exit(3)): pass", "objective cannot be defined: 3"),
    ],
)
def test_files_that_cannot_be_checked(tmp_path, capsys, name, content, says):
    path = tmp_path / name
    if content is not None:
        path.write_text(content)
    assert run(["lab", "check", str(path)]) == 2
    error = capsys.readouterr().err
    assert says in error
    assert error.count("\n") == 1


def test_long_cells_are_not_run(tmp_path):
    source = "import numpy as np\nraise SystemExit\nfor _ in iter(int, 1): pass\n%magic\n"
    found = checked(tmp_path, source + "def objective(X, Y, C, P, r):\n    return 1.0\n")
    assert found["objective"].state == "wrong"


def test_open_bodies_keep_the_docstring():
    source = (
        'def f(a):\n    """Say.\n\n    More.\n    """\n    return a\n\n\ndef g(b):\n    return b'
    )
    assert open_bodies(source) == (
        'def f(a):\n    """Say.\n\n    More.\n    """\n    raise NotImplementedError\n\n\n'
        "def g(b):\n    raise NotImplementedError"
    )


def test_the_reference_lowers_its_objective_and_is_the_librarys():
    from scipy.sparse import csr_matrix

    from halfstep.solvers.cholesky import Cholesky

    problem = toy()
    X, Y = problem.X, problem.Y
    values = [objective(problem.plays, X, Y)]
    for _ in range(3):
        X = half_step(problem.plays, Y)
        values.append(objective(problem.plays, X, Y))
        Y = half_step(problem.plays.T, X)
        values.append(objective(problem.plays, X, Y))
    assert (np.diff(values) < 0).all()
    model = Cholesky(
        factors=4, iterations=3, confidence="linear", alpha=ALPHA, regularization=REGULARIZATION,
        dtype=np.float64, init_factors=(problem.X, problem.Y), calculate_training_loss=True,
    )  # fmt: skip
    model.fit(csr_matrix(problem.plays))
    np.testing.assert_allclose(model.user_factors, X, atol=1e-10)
    assert model.loss_history_[-1] == pytest.approx(values[-1])
    different = list(mistakes(problem.plays, problem.Y).values())
    assert all(np.abs(one - half_step(problem.plays, problem.Y)).max() > 0.01 for one in different)


@pytest.mark.parametrize(
    ("command", "notebook", "says"),
    [
        ("run", {"cells": [], "nbformat": 99}, "not a notebook of version 4: Unsupported"),
        ("exercises", {"cells": [{"cell_type": "code", "source": "def f(:",
                                  "metadata": {"tags": ["exercise"]}}]}, "cell 1, line 1"),
    ],
)  # fmt: skip
def test_notebooks_of_another_kind_end_in_one_line(tmp_path, capsys, command, notebook, says):
    pytest.importorskip("nbconvert")
    pytest.importorskip("nbclient")
    path = tmp_path / "odd.ipynb"
    path.write_text(json.dumps(notebook))
    assert run(["lab", command, str(path), "-o", str(tmp_path / "page")]) == 2
    error = capsys.readouterr().err
    assert says in error
    assert error.count("\n") == 1
    assert not (tmp_path / "page").exists()


def test_a_failing_cell_is_named(tmp_path):
    pytest.importorskip("nbclient")
    pytest.importorskip("nbconvert")
    pytest.importorskip("ipykernel")
    cell = {"cell_type": "code", "metadata": {}, "outputs": [], "execution_count": None}
    notebook = {
        "cells": [{**cell, "id": "a", "source": "x = 1"}, {**cell, "id": "b", "source": "1 / 0"}],
        "metadata": {}, "nbformat": 4, "nbformat_minor": 5,
    }  # fmt: skip
    path = tmp_path / "failing.ipynb"
    path.write_text(json.dumps(notebook))
    with pytest.raises(InputError, match="cell 2 fails: ZeroDivisionError: division by zero"):
        run_notebook(path, tmp_path / "page.html")
    assert not (tmp_path / "page.html").exists()
