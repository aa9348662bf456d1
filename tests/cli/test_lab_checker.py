"""The checker of the lab's exercises tells the truth: what is right, what is wrong, where and why."""

import numpy as np
import pytest
from course import needs_the_lab, solved

from halfstep.cli.main import run
from halfstep.lab.check import check
from halfstep.lab.reference import ALPHA, REGULARIZATION, half_step, mistakes, objective, toy


def checked(tmp_path, source):
    path = tmp_path / "mine.py"
    path.write_text(source)
    last = {}
    for finding in check(path):
        last[finding.exercise] = finding
    return last


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
    "Woodbury's W stands on the other side of Z inv(M) Z'": (
        "woodbury",
        "(c - 1)[:, None] * G",
        "G * (c - 1)",
    ),
}
SMALLER = [
    ("conjugate_gradients", "rr / before * p", "0 * p", "2 steps", "takes the residual as its"),
    ("conjugate_gradients", "rr / before", "before / rr", "2 steps", "is upside down"),
    (
        "conjugate_gradients",
        "r = b - A @ x",
        "x = 0 * x\n    r = b",
        "0 steps",
        "start is not used",
    ),
    ("conjugate_gradients", "range(steps)", "range(steps + 1)", "0 steps", "one step is too many"),
    ("conjugate_gradients", "range(steps)", "range(steps - 1)", "1 steps", "one step is missing"),
    ("conjugate_gradients", "x = x + step", "x += step", "1 steps", "writes into its argument x"),
    ("conjugate_gradients", "rr < 1e-24", "False", "from the solution", "are not finite"),
    ("whiten", "Y.T @ Y + regularization *", "Y.T @ Y + 1e-12 *", "", "lambda is left out"),
    ("whiten", "np.linalg.solve(L, Y.T).T, L", "np.linalg.solve(L.T, Y.T).T, L", "", "transposed"),
    ("whiten", "np.linalg.solve(L, Y.T).T, L", "Y @ L, L", "", "instead of its inverse"),
    ("whiten", "Y.T).T, L", "Y.T).T, L.T", "", "L'L is the matrix, not LL'"),
    ("whiten", "return np.linalg.solve(L, Y.T).T, L", "return L", "", "must return two arrays"),
    ("whiten", "np.linalg.solve(L, Y.T).T, L", "np.linalg.solve(L, Y.T), L", "", "must have shape"),
    ("woodbury_half_step", "(c - 1)[:, None]", "c[:, None]", "iteration 1, users", "rows differ"),
    ("woodbury_half_step", ", c)", ", c - 1)", "iteration 1, users", "rows differ"),
    ("auc_by_hand", "= never[known] =", "=", "ranking 1", "training part count as negatives"),
    ("auc_by_hand", "never[hidden] = ", "", "ranking 1", "negatives of each other"),
    ("auc_by_hand", " + (pairs == 0) / 2", " + 0", "ranking 1", "equal scores count as wrong"),
    ("auc_by_hand", "pairs > 0", "pairs < 0", "ranking 1", "the wrong way round"),
    ("choose_regularization", "return max(lam", "return min(lam", "search 1", "the smallest"),
    ("choose_regularization", "best.mean() - error", "best.mean()", "search 1", "the best mean"),
    ("choose_regularization", " / np.sqrt(len(best))", "", "search 1", "not divided by the root"),
    ("choose_regularization", "best.mean() - error", "-9", "search 1", "the largest candidate"),
    (
        "choose_regularization",
        "max(values.values()",
        "min(values.values()",
        "search 1",
        "must be 30",
    ),
]


@needs_the_lab
@pytest.mark.parametrize(("name", "old", "new", "step", "says"), SMALLER)
def test_the_checker_says_what_was_expected_and_what_came(tmp_path, name, old, new, step, says):
    source = solved()
    place = source.index(f"def {name}")
    assert old in source[place:]
    found = checked(tmp_path, source[:place] + source[place:].replace(old, new, 1))
    wrong = found.pop(name)
    assert (wrong.state, wrong.step) == ("wrong", step)
    assert says in wrong.said
    assert wrong.expected
    assert wrong.got
    assert wrong.expected != wrong.got
    assert {one.state for one in found.values()} == {"right"}


def test_a_failing_exercise_says_expected_and_got(tmp_path, capsys):
    path = tmp_path / "mine.py"
    path.write_text(
        "def objective(*given):\n    return 1.0\n\n"
        "def auc_by_hand(scores, hidden, known):\n    hits = 0\n    return hits / 0\n"
    )
    assert run(["lab", "check", str(path)]) == 1
    said = " ".join(capsys.readouterr().out.split())
    problem = toy()
    right = f"{objective(problem.plays, problem.X, problem.Y):.6g}"
    assert f"objective wrong: it is 1, it must be {right}" in said
    assert f"expected {right}" in said
    assert "got 1 " in said
    assert "auc_by_hand (ranking 1) failed: ZeroDivisionError: division by zero (line 6)" in said
    assert "expected a number got ZeroDivisionError" in said
    assert "0 of 10 right" in said


def test_an_error_in_a_notebook_names_its_cell(tmp_path):
    import json

    cells = [
        {"cell_type": "markdown", "metadata": {}, "source": "# Mine"},
        {"cell_type": "code", "metadata": {}, "source": "%magic\ndef weights(plays, a):\n    nope"},
    ]
    path = tmp_path / "mine.ipynb"
    path.write_text(json.dumps({"cells": cells}))
    (found,) = check(path)
    assert found.said == "NameError: name 'nope' is not defined (cell 2, line 3)"
    assert found.expected == "two arrays"


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
    assert wrong.expected.startswith("row ")
    assert wrong.got.startswith("row ")
    assert wrong.expected != wrong.got
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
