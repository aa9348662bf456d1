"""The course: its notebook is whole and stripped, its cells hold, its exercises are open."""

import json

import numpy as np
import pytest
from course import (
    LAB,
    NOTEBOOK,
    code_cells,
    executed,
    needs_the_lab,
    small_dump,
    solved,
    tags_of,
)

from halfstep import SOLVERS
from halfstep.cli.main import run
from halfstep.lab.check import EXERCISES
from halfstep.lab.notebook import exercises_of, open_bodies, read_notebook


@needs_the_lab
def test_the_notebook_holds_no_results_and_all_exercises():
    assert all(cell["outputs"] == [] and cell["execution_count"] is None for cell in code_cells())
    source = solved()
    assert all(f"def {name}(" in source for name in EXERCISES)


@needs_the_lab
def test_the_exercises_are_those_of_the_notebook():
    assert read_notebook(LAB / "exercises.ipynb") == exercises_of(read_notebook(NOTEBOOK))


@needs_the_lab
def test_the_notebooks_solutions_are_right_and_the_exercises_open(tmp_path, capsys):
    assert run(["lab", "check", str(NOTEBOOK)]) == 0
    assert "10 of 10 right" in capsys.readouterr().out
    out = tmp_path / "found.json"
    assert run(["lab", "check", str(LAB / "exercises.ipynb"), "--json", str(out)]) == 1
    assert {one["state"] for one in json.loads(out.read_text())} == {"open"}


@needs_the_lab
def test_the_lesson_about_steps_shows_what_it_says(tmp_path, monkeypatch):
    """Its cells run by themselves, with what they display collected."""
    pytest.importorskip("pandas")
    pytest.importorskip("matplotlib")
    monkeypatch.setenv("HALFSTEP_LAB_ENTRIES", "5000")
    lesson = [cell for cell in code_cells() if "steps" in tags_of(cell)]
    names = {"SOLVERS": SOLVERS}
    exec(solved(), names)
    shown = executed([code_cells()[0], *lesson], names, tmp_path, monkeypatch)
    told = [one for one in shown if isinstance(one, str) and one.startswith("* ")]
    assert sum("data:image/svg+xml" in str(one) for one in shown) == 3
    taken = {name: steps.to_numpy() for name, steps in names["steps"].items()}
    assert taken["raw"][:20].mean() < 2 < 5 < taken["raw"][-20:].mean()
    assert taken["log"].max() <= 2
    ends = {
        name: {way: of[-1] for way, (_, of) in c.items()} for name, c in names["curves"].items()
    }
    assert ends["raw"]["two steps"] > 1.01 > 1.003 > ends["raw"]["the rule"]
    assert max(ends["log"].values()) < 1.001
    assert all((np.diff(seconds) > 0).all() for seconds, _ in names["curves"]["raw"].values())
    steps, row, fits, pace = told
    assert f"no row more than {taken['raw'].max()}." in steps
    assert len(row.splitlines()) == 2
    assert "level with exact half-steps" in fits.splitlines()[1]
    assert fits.splitlines()[0].endswith("never: two steps.")
    needed = names["needed"]
    assert 2 * needed["raw", "what the gains say"] <= needed["raw", "exact half-steps"] + 1
    assert needed["log", "what the gains say"] <= needed["log", "exact half-steps"]
    assert pace.splitlines()[0].startswith("* **raw** weights: iterations to within 0.5 % of where")


@needs_the_lab
@pytest.mark.parametrize(
    "users", [1, *(pytest.param(n, marks=pytest.mark.soak) for n in (2, 10, 40))]
)
def test_the_cells_hold_for_few_listeners(tmp_path, monkeypatch, users):
    """All but the lesson about steps, which has data of its own, and pictures of other tests."""
    pytest.importorskip("optuna")
    pytest.importorskip("implicit")
    from halfstep.evaluation import tuning

    monkeypatch.setenv("HALFSTEP_AUDIOSCROBBLER", str(small_dump(tmp_path / "dump", users)))
    monkeypatch.setattr(tuning, "LAB_GRID", {"factors": tuning.Choice((4, 9))})
    names = {}
    cells = [
        cell
        for cell in code_cells()
        if "steps" not in tags_of(cell) and "draw_plots(" not in "".join(cell["source"])
    ]
    shown = executed(cells, names, tmp_path, monkeypatch)
    assert names["plays"].users == users
    text = "\n".join(one for one in shown if isinstance(one, str))
    assert users >= 20 or f"({users} user" in text
    assert "inf" not in text
    assert "nan" not in text
    assert users >= 20 or "is more than chance" in text
    rungs = names["table"] if "milliseconds a row" in names["table"] else names["rungs"]
    assert len(rungs) == 10


@needs_the_lab
def test_the_table_of_rungs_agrees_with_its_lesson(tmp_path, monkeypatch):
    """With 128 factors each rung is faster than the one before, by far more than noise."""
    monkeypatch.setenv("HALFSTEP_LAB_ENTRIES", "5000")
    names = {}
    wanted = ("cell-01", "cell-03", "cell-05", "cell-12", "cell-24")
    cells = [cell for cell in code_cells() if cell["id"] in wanted or "exercise" in tags_of(cell)]
    ratios = []
    for _ in range(3):  # until other work leaves the times alone
        told = executed(cells, names, tmp_path, monkeypatch)[-1]
        took = {
            way: milliseconds
            for (f, way), (milliseconds, *_) in names["rungs"].items()
            if "128" in f
        }
        steps = took["naive"], took["cholesky"], took["conjugate gradients, 3 steps"]
        ratios.append((steps[0] / steps[1], steps[1] / steps[2]))
        if ratios[-1][0] > 1.5 and ratios[-1][1] > 1.3:
            break
    else:
        pytest.fail(f"naive over cholesky, cholesky over conjugate gradients: {ratios}")
    assert "128 factors**" in told
    assert "times as fast as naively" in told


@needs_the_lab
def test_an_auc_below_popularitys_is_explained(tmp_path, monkeypatch):
    """Scores that know nothing of rare artists lose there, and the text says so from the numbers."""
    from types import SimpleNamespace

    from scipy.sparse import csr_matrix

    names = {"np": np, "says": {}}
    (cell,) = (cell for cell in code_cells() if cell["id"] == "cell-33")
    source = "".join(cell["source"]).partition("verdict = found")[0]
    exec(source, names)
    rng = np.random.default_rng(0)
    users, popular, rare = 40, 20, 60
    have = np.zeros((users, popular + rare))
    have[:, :popular] = rng.random((users, popular)) < 0.5
    have[np.arange(users), popular + rng.integers(rare, size=users)] = 1
    hidden = np.zeros_like(have)
    for user in range(users):
        hidden[user, rng.choice(np.flatnonzero(have[user, :popular]), 2, replace=False)] = 1
    X, Y = np.ones((users, 1)), rng.normal(size=(popular + rare, 1)) / 100
    part = SimpleNamespace(
        train=csr_matrix(have - hidden),
        history=csr_matrix(have - hidden),
        test=csr_matrix(hidden),
        judged_factors=lambda model: (X, Y),
    )
    names |= {"part": part, "plays": SimpleNamespace(items=popular + rare)}
    names["hidden_from"] = np.arange(users)
    worse = SimpleNamespace(difference=-0.3, low=-0.4, high=-0.2, users=users)
    told = names["why_auc"]("als", worse, None)
    assert "als is below popularity (difference -0.3000 [-0.4000, -0.2000])" in told
    assert "The rare artists cost it most." in told
    cells = [line.split("|")[2:4] for line in told.splitlines() if "| at most" in line]
    ((mine, theirs),) = ((float(value) for value in pair) for pair in cells)
    assert mine < 0.7 < 0.95 < theirs
    unsure = SimpleNamespace(difference=-0.3, low=-0.7, high=0.2, users=users)
    assert names["why_auc"]("als", unsure, None).endswith("by no more than chance may explain.")
    better = SimpleNamespace(difference=0.1, low=0.0, high=0.2, users=users)
    assert "is not below popularity" in names["why_auc"]("als", better, None)


def test_open_bodies_keep_the_docstring():
    source = (
        'def f(a):\n    """Say.\n\n    More.\n    """\n    return a\n\n\ndef g(b):\n    return b'
    )
    assert open_bodies(source) == (
        'def f(a):\n    """Say.\n\n    More.\n    """\n    raise NotImplementedError\n\n\n'
        "def g(b):\n    raise NotImplementedError"
    )


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
