"""The ladder's stubs are those of the check, open; and the commands that write and check them."""

import ast
import inspect
import json

import pytest
from course import needs_the_lab, solved
from solutions import SOLUTIONS

from halfstep.cli.main import run
from halfstep.errors import InputError
from halfstep.lab.check import EXERCISES, LADDER
from halfstep.lab.ladder import STUBS, stub, stubs

OF_THE_NOTEBOOK = [
    *("naive_half_step", "cholesky_half_step", "conjugate_gradients", "cg_half_step", "whiten"),
    "woodbury_half_step",
]
NAMES = [*OF_THE_NOTEBOOK, *LADDER]


def heads_of(source):
    return {
        node.name: [argument.arg for argument in node.args.args]
        for node in ast.parse(source).body
        if isinstance(node, ast.FunctionDef)
    }


def test_there_is_a_stub_for_every_rung():
    assert list(heads_of(STUBS.read_text())) == NAMES
    assert set(NAMES) <= {*EXERCISES, *LADDER}


@pytest.mark.parametrize("name", NAMES)
def test_a_stub_is_open_and_says_what_to_write(name):
    text = stub(name)
    assert text.startswith(f"def {name}(")
    assert text.endswith("    raise NotImplementedError")
    (node,) = ast.parse(text).body
    assert len(node.body) == 2
    said = ast.get_docstring(node)
    assert said.splitlines()[0].startswith("Return ")
    assert said.splitlines()[1] == ""
    function = getattr(stubs, name)
    with pytest.raises(NotImplementedError):
        function(*[None] * len(inspect.signature(function).parameters))


def test_there_is_no_other_stub():
    with pytest.raises(InputError, match="no exercise block"):
        stub("block")


@needs_the_lab
def test_stubs_have_the_heads_of_the_notebook_and_of_the_solutions():
    heads, notebook = heads_of(STUBS.read_text()), heads_of(solved())
    assert {name: heads[name] for name in OF_THE_NOTEBOOK} == {
        name: notebook[name] for name in OF_THE_NOTEBOOK
    }
    assert {name: heads[name] for name in LADDER} == heads_of("\n\n".join(SOLUTIONS.values()))


def test_stubs_are_written_once(tmp_path, capsys):
    path = tmp_path / "mine.py"
    assert run(["lab", "stubs", "-o", str(path)]) == 0
    assert path.read_bytes() == STUBS.read_bytes()
    path.write_text("mine = 1\n")
    assert run(["lab", "stubs", "-o", str(path)]) == 2
    error = capsys.readouterr().err
    assert "exists already" in error
    assert error.count("\n") == 1
    assert path.read_text() == "mine = 1\n"
    assert run(["lab", "stubs", "-o", str(tmp_path / "none" / "mine.py")]) == 2


def test_stubs_as_written_are_all_open(tmp_path, capsys):
    path, found = tmp_path / "mine.py", tmp_path / "found.json"
    run(["lab", "stubs", "-o", str(path)])
    assert run(["lab", "check", str(path), "--json", str(found)]) == 1
    states = {one["exercise"]: one["state"] for one in json.loads(found.read_text())}
    assert states == dict.fromkeys(NAMES, "open")
    assert "0 of 10 right and 0 of 13 of the ladder right" in capsys.readouterr().out


def test_a_pasted_stub_needs_no_import_until_its_body_does(tmp_path, capsys):
    path = tmp_path / "mine.py"
    path.write_text(stub("block_sum"))
    assert run(["lab", "check", str(path), "block_sum"]) == 1
    assert "open" in capsys.readouterr().out
    path.write_text(stub("block_sum").replace("raise NotImplementedError", "return np.sum(values)"))
    assert run(["lab", "check", str(path), "block_sum"]) == 1
    assert "NameError: name 'np' is not defined" in " ".join(capsys.readouterr().out.split())


def test_one_exercise_is_checked_and_nothing_else(tmp_path, capsys):
    path, found = tmp_path / "mine.py", tmp_path / "found.json"
    path.write_text(
        f"{SOLUTIONS['pieces_of_hub']}\n\ndef butterfly_sum(lanes):\n    return lanes\n\n"
        "def weights(plays, alpha=1 / 0):\n    return 1\n"
    )
    assert run(["lab", "check", str(path), "pieces_of_hub", "--json", str(found)]) == 0
    assert {one["exercise"] for one in json.loads(found.read_text())} == {"pieces_of_hub"}
    assert "1 of 1 right" in capsys.readouterr().out
    assert run(["lab", "check", str(path), "butterfly_sum"]) == 1
    said = " ".join(capsys.readouterr().out.split())
    assert "butterfly_sum (warp 1) wrong: lane 0 is" in said
    assert "0 of 1 right" in said
    assert run(["lab", "check", str(path), "weights"]) == 2
    assert "weights cannot be defined: division by zero" in capsys.readouterr().err


@needs_the_lab
def test_an_exercise_of_the_notebook_is_checked_by_its_name(tmp_path, capsys):
    path = tmp_path / "mine.py"
    path.write_text(solved())
    assert run(["lab", "check", str(path), "whiten"]) == 0
    assert run(["lab", "check", str(path)]) == 0
    assert "10 of 10 right\n" in capsys.readouterr().out


@needs_the_lab
def test_exercises_of_the_ladder_that_are_there_count(tmp_path, capsys):
    path = tmp_path / "mine.py"
    path.write_text(f"{solved()}\n\n{SOLUTIONS['best_items']}")
    assert run(["lab", "check", str(path)]) == 0
    assert "10 of 10 right and 1 of 1 of the ladder right" in capsys.readouterr().out
    path.write_text(f"{solved()}\n\ndef best_items(scores, n, tile):\n    return scores[:n]\n")
    assert run(["lab", "check", str(path)]) == 1
    assert "10 of 10 right and 0 of 1 of the ladder right" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("name", "says"),
    [("block", "EXERCISE must be one of weights, objective, "), ("", "; got ''"),
     ("best_items", "mine.py has no function best_items")],
)  # fmt: skip
def test_a_name_that_is_none_is_refused_in_one_line(tmp_path, capsys, name, says):
    path = tmp_path / "mine.py"
    path.write_text(SOLUTIONS["block_sum"])
    assert run(["lab", "check", str(path), name]) == 2
    error = capsys.readouterr().err
    assert says in error
    assert error.count("\n") == 1
