"""The ladder's exercises: a function to write for each rung, and how each is checked.

`stubs` has their heads, which a reader gets. `exercise` says what an exercise is made of and judges a
function; the other modules have the exercises, by what they are about. `halfstep.lab.check` lists them.
"""

from __future__ import annotations

import ast
from pathlib import Path

from halfstep.errors import InputError

STUBS = Path(__file__).parent / "stubs.py"


def stub(name: str) -> str:
    """Return the head and the docstring of an exercise, with an open body.

    Raises
    ------
    InputError
        There is no such exercise.
    """
    text = STUBS.read_text(encoding="utf-8")
    for node in ast.parse(text).body:
        if isinstance(node, ast.FunctionDef) and node.name == name:
            return "\n".join(text.splitlines()[node.lineno - 1 : node.end_lineno])
    raise InputError(f"no exercise {name}")
