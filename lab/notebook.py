"""The lab's notebook: run it and write it as a page, or write its exercises with open bodies."""

from __future__ import annotations

import ast
import json
from pathlib import Path
from typing import Any

from halfstep.errors import InputError
from halfstep.files import whole_file
from halfstep.progress import count_bar

_TASK = (
    "# Exercises\n\nFive functions below have no body: write yours in place of `raise "
    "NotImplementedError`. Save, and run\n\n    halfstep lab check exercises.ipynb\n\nwhich says for "
    "each function whether it is right and, if not, which half-step is wrong and by how much."
)


def run_notebook(path: Path, output: Path, seconds: int = 1200) -> None:
    """Execute a notebook from its beginning and write it with its results as one HTML page.

    Raises
    ------
    InputError
        A cell fails (the message has its number and the error), or a package is missing.
    """
    try:
        import nbformat
        from nbclient import NotebookClient
        from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError
        from nbconvert import HTMLExporter
    except ImportError as error:
        raise InputError(
            f'running a notebook needs {error.name}: pip install "halfstep[lab]"'
        ) from error
    reads: Any = nbformat.reads
    text = json.dumps(read_notebook(path))
    try:
        notebook = reads(text, as_version=4)
    except Exception as error:  # converting another version may raise anything
        reason = " ".join(str(error).split())
        raise InputError(f"{path}: not a notebook of version 4: {reason}") from error
    # The kernel listens on this machine only, and warns about it at every start.
    quiet = ["--Application.log_level=ERROR"]
    client = NotebookClient(notebook, timeout=seconds, kernel_name="python3", extra_arguments=quiet)
    try:
        with count_bar(f"running {path.name}", len(notebook.cells), "cells") as done:
            client.on_cell_start = lambda cell, cell_index: done(1)
            client.execute(cwd=str(path.parent))
    except CellExecutionError as error:
        cell = _failed(notebook)
        raise InputError(f"{path}: cell {cell} fails: {error.ename}: {error.evalue}") from error
    except (CellTimeoutError, DeadKernelError) as error:
        raise InputError(f"{path}: {str(error).splitlines()[0]}") from error
    exporter: Any = HTMLExporter
    writer = exporter()
    page, _ = writer.from_notebook_node(notebook)
    with whole_file(output) as file:
        file.write(
            _in_both_modes(page, [Path(folder) for folder in writer.template_paths]).encode()
        )


def _in_both_modes(page: str, templates: list[Path]) -> str:
    """Return nbconvert's light page with its dark theme for readers in dark mode, where it has one.

    Figures become as narrow as a phone, and wide outputs scroll by themselves.
    """
    css = (
        ":root { color-scheme: light dark; }\n"
        ".jp-OutputArea-output, .jp-RenderedMarkdown { overflow-x: auto; }\n"
        ".jp-OutputArea-output img { max-width: 100%; height: auto; }\n"
        "@media (max-width: 32rem) { .jp-InputPrompt, .jp-OutputPrompt { display: none; } }\n"
    )
    found = [folder / "static" / "theme-dark.css" for folder in templates]
    for file in filter(Path.exists, found):
        dark = file.read_text(encoding="utf-8")
        css += f"@media screen and (prefers-color-scheme: dark) {{\n{dark}\n}}\n"
        break
    return page.replace("</head>", f"<style>{css}</style>\n</head>", 1)


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


def _failed(notebook: Any) -> int:
    for place, cell in enumerate(notebook.cells, 1):
        outputs = cell.get("outputs", [])
        if any(output.output_type == "error" for output in outputs):
            return place
    return 0
