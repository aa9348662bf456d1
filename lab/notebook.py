"""The lab's notebook: read it, write it, and make its exercises by opening the solutions' bodies."""

from __future__ import annotations

import ast
import json
from pathlib import Path
from typing import Any

from halfstep.errors import InputError
from halfstep.files import whole_file

_TASK = (
    "# Exercises\n\nTen functions below have no body: write yours in place of `raise "
    "NotImplementedError`. Save, and run\n\n    halfstep lab check exercises.ipynb\n\nwhich says for "
    "each function whether it is right and, if not, where it is wrong, what was expected and what it "
    "gave."
)


def exercises_of(notebook: dict[str, Any]) -> dict[str, Any]:
    """Return the notebook with a task as its first cell and open bodies in cells tagged `exercise`.

    Raises
    ------
    InputError
        An exercise cell is not Python.
    """
    cells: list[dict[str, Any]] = []
    task = {"cell_type": "markdown", "id": "task", "metadata": {}, "source": _lines(_TASK)}
    for cell in notebook["cells"]:
        opened = dict(cell)
        if "exercise" in cell["metadata"].get("tags", []):
            try:
                opened["source"] = _lines(open_bodies("".join(cell["source"])))
            except SyntaxError as error:
                place = len(cells) + 1
                raise InputError(f"cell {place}, line {error.lineno}: {error.msg}") from error
        cells.append(opened)
    return {**notebook, "cells": [task, *cells]}


def open_bodies(source: str) -> str:
    """Return the source with `raise NotImplementedError` in place of every function's body."""
    lines = source.splitlines()
    for node in reversed(ast.parse(source).body):
        if isinstance(node, ast.FunctionDef):
            documented = ast.get_docstring(node) is not None
            last = node.body[0].end_lineno if documented else node.body[0].lineno - 1
            lines[last : node.end_lineno] = ["    raise NotImplementedError"]
    return "\n".join(lines)


def read_notebook(path: Path) -> dict[str, Any]:
    """Return a notebook's JSON, or raise InputError."""
    try:
        notebook: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path}: not a notebook: {error}") from error
    if not isinstance(notebook, dict) or not isinstance(notebook.get("cells"), list):
        raise InputError(f"{path}: not a notebook: it has no cells")
    for place, cell in enumerate(notebook["cells"], 1):
        if not _is_cell(cell):
            raise InputError(f"{path}: not a notebook: cell {place} is malformed")
    return notebook


def _is_cell(cell: Any) -> bool:
    if not isinstance(cell, dict) or not isinstance(cell.get("metadata"), dict):
        return False
    source, tags = cell.get("source"), cell["metadata"].get("tags", [])
    texts = source if isinstance(source, list) else [source]
    return (
        isinstance(cell.get("cell_type"), str)
        and isinstance(tags, list)
        and all(isinstance(text, str) for text in texts)
    )


def write_notebook(notebook: dict[str, Any], path: Path) -> None:
    """Write a notebook in the format of the repository's: one key a line, no escaped letters."""
    with whole_file(path) as file:
        file.write((json.dumps(notebook, indent=1, ensure_ascii=False) + "\n").encode())


def _lines(text: str) -> list[str]:
    """Return a text as notebooks store it: a list of lines with their line ends."""
    return text.splitlines(keepends=True)
