"""The rules of the repository's layout, each as a function of its root that returns what breaks it.

Imports are read from the syntax tree, those in functions and under TYPE_CHECKING too; nothing is
imported, so no optional package is needed.
"""

from __future__ import annotations

import ast
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

# The layers, and of each the layers that it may import besides itself. `ground` is the folder halfstep/
# without `__init__.py` and `__main__.py`: these two are the face, which may import anything.
BELOW = {
    "ground": "",
    "kernels": "ground",
    "solvers": "ground kernels",
    "datasets": "ground kernels",
    "evaluation": "ground kernels solvers datasets",
    "recommender": "ground kernels solvers datasets",
    "distributed": "ground kernels solvers datasets evaluation recommender",
    "bench": "ground kernels solvers datasets evaluation recommender distributed face",
    "lab": "ground kernels solvers datasets evaluation recommender distributed bench face",
    "cli": "ground kernels solvers datasets evaluation recommender distributed bench lab face",
    "face": "ground kernels solvers datasets evaluation recommender distributed bench lab cli",
}
FOLDERS = (
    *("halfstep", "kernels", "solvers", "datasets", "evaluation", "recommender"),
    *("cluster", "bench", "cli", "lab"),
)
# A folder whose import name under `halfstep` is another: `cluster` says why.
IMPORTED_AS = {"cluster": "distributed"}
FACE = ("halfstep", "halfstep.__main__")
SOURCES = (".py", ".cu", ".cuh")
MOST_FILES, MOST_LINES = 25, 300
MOST_FILES_IN = {"kernels/cuda": 35, "tests/emulator": 35}


def modules(root: Path) -> dict[str, Path]:
    """Return the files of all modules by their import names."""
    found = {}
    for folder in FOLDERS:
        for file in sorted((root / folder).rglob("*.py")):
            top, *rest = file.relative_to(root).with_suffix("").parts
            parts = (IMPORTED_AS.get(top, top), *rest)
            parts = parts if parts[0] == "halfstep" else ("halfstep", *parts)
            found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = file
    return found


def layer(module: str) -> str:
    """Return the layer of a module, by its import name."""
    second = module.split(".")[1:2]
    if module in FACE:
        return "face"
    return second[0] if second[0] in BELOW else "ground"


def imports(name: str, file: Path, known: dict[str, Path]) -> Iterator[tuple[str, int]]:
    """Yield each module of `known` that a module imports, and in which line."""
    package = name if file.name == "__init__.py" else name.rpartition(".")[0]
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from ((a.name, node.lineno) for a in node.names if a.name in known)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                above = package.split(".")[: len(package.split(".")) - node.level + 1]
                base = ".".join([*above, *filter(None, [base])])
            for alias in node.names:
                whole = f"{base}.{alias.name}"
                if whole in known or base in known:
                    yield (whole if whole in known else base), node.lineno


def upward_imports(root: Path) -> list[str]:
    """Return each import of a layer that the importing module's layer may not know."""
    known = modules(root)
    return [
        f"{file.relative_to(root)}:{line}: {layer(name)} must not import {target}"
        for name, file in known.items()
        for target, line in imports(name, file, known)
        if layer(target) not in (layer(name), *BELOW[layer(name)].split())
    ]


def circles(root: Path) -> list[list[str]]:
    """Return the sets of modules that import each other, by Tarjan's algorithm."""
    known = modules(root)
    edges = {
        name: sorted({t for t, _ in imports(name, file, known)}) for name, file in known.items()
    }
    number: dict[str, int] = {}
    lowest: dict[str, int] = {}
    stack: list[str] = []
    found = []

    def visit(module: str) -> None:
        number[module] = lowest[module] = len(number)
        stack.append(module)
        for target in edges[module]:
            if target not in number:
                visit(target)
                lowest[module] = min(lowest[module], lowest[target])
            elif target in stack:
                lowest[module] = min(lowest[module], number[target])
        if lowest[module] == number[module]:
            place = stack.index(module)
            component = sorted(stack[place:])
            del stack[place:]
            if len(component) > 1 or module in edges[module]:
                found.append(component)

    for module in edges:
        if module not in number:
            visit(module)
    return sorted(found)


def too_large(root: Path) -> list[str]:
    """Return the folders with too many source files and the files with too many lines."""
    files = [
        file
        for folder in (*FOLDERS, "tests")
        for file in sorted((root / folder).rglob("*"))
        if file.suffix in SOURCES
    ]
    found = []
    folders = Counter(file.parent.relative_to(root).as_posix() for file in files)
    for name, count in sorted(folders.items()):
        most = MOST_FILES_IN.get(name, MOST_FILES)
        if count > most:
            found.append(f"{name}/: {count} source files, at most {most}")
    for file in files:
        lines = len(file.read_text(encoding="utf-8").splitlines())
        if lines > MOST_LINES:
            found.append(f"{file.relative_to(root)}: {lines} lines, at most {MOST_LINES}")
    return found


def unlisted_packages(root: Path) -> list[str]:
    """Return how the packages that pyproject.toml lists differ from the folders with `__init__.py`."""
    text = (root / "pyproject.toml").read_text(encoding="utf-8")
    # Python 3.10 has no TOML parser; a list of strings reads as Python.
    match = re.search(r"^packages = (\[.*?^\])", text, re.DOTALL | re.MULTILINE)
    listed = Counter(ast.literal_eval(match[1]) if match else [])
    there = {name for name, file in modules(root).items() if file.name == "__init__.py"}
    return [
        *(f"{name} is listed {count} times" for name, count in listed.items() if count > 1),
        *(f"{name} is listed and has no __init__.py" for name in sorted(listed.keys() - there)),
        *(f"{name} is not listed" for name in sorted(there - listed.keys())),
        *(
            f"{folder}/ has no line in package-dir"
            for folder in FOLDERS
            if (root / folder).is_dir() and f'= "{folder}"' not in text
        ),
    ]
