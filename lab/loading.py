"""The functions of a student's file: only its imports, definitions and constants are executed."""

from __future__ import annotations

import ast
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any

from halfstep.errors import InputError
from halfstep.lab.notebook import read_notebook


def functions_of(path: Path, needed: Collection[str]) -> dict[str, Callable[..., Any]]:
    """Return the callables of a `.py` or `.ipynb` file by name.

    Raises
    ------
    InputError
        The file cannot be read, is not Python, or one of the `needed` functions cannot be defined.
    """
    kept: list[tuple[ast.stmt, str]] = []
    for place, source in enumerate(_sources(path), 1):
        file = f"{path}: cell {place}" if path.suffix == ".ipynb" else str(path)
        lines = [
            "" if line.lstrip().startswith(("%", "!")) else line for line in source.splitlines()
        ]
        try:
            tree = ast.parse("\n".join(lines))
        except (SyntaxError, ValueError) as error:  # a null byte raises either, by Python's release
            at = f"cell {place}, line {getattr(error, 'lineno', None) or 1}"
            raise InputError(f"{path}: {at}: {getattr(error, 'msg', error)}") from error
        except (MemoryError, RecursionError) as error:
            raise InputError(f"{path}: cell {place} is nested too deeply") from error
        kept += [(node, file) for node in tree.body if _harmless(node)]
    names: dict[str, Any] = {"__name__": "lab"}
    for node, file in kept:
        try:
            exec(compile(ast.Module([node], []), file, "exec"), names)
        except (Exception, SystemExit) as error:
            # Other failures do not matter, unless an exercise needs the name and then fails itself.
            if isinstance(node, ast.FunctionDef) and node.name in needed:
                raise InputError(f"{path}: {node.name} cannot be defined: {error}") from error
    return {name: value for name, value in names.items() if callable(value)}


def _harmless(node: ast.stmt) -> bool:
    if isinstance(node, ast.Assign):
        return isinstance(node.value, ast.Constant | ast.Tuple | ast.List | ast.UnaryOp)
    return isinstance(node, ast.Import | ast.ImportFrom | ast.FunctionDef | ast.ClassDef)


def _sources(path: Path) -> list[str]:
    """Return the code of a file: of all cells of a notebook, so that a cell's place is its number."""
    if path.suffix == ".ipynb":
        cells = read_notebook(path)["cells"]
        return ["".join(cell["source"]) if cell["cell_type"] == "code" else "" for cell in cells]
    try:
        return [path.read_text(encoding="utf-8")]
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "not UTF-8 text"
        raise InputError(f"{path}: cannot be read: {reason}") from error
