"""What prose names must exist: paths and links in pages, dotted names in pages and docstrings.

A dotted name is looked up in the syntax trees, so nothing is imported.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from house.layout import FOLDERS, IMPORTED_AS, modules

PAGES = ("README.md", "SECURITY.md", "docs/*.md")
# In backticks, a name with one of these endings is a file of the repository; others may be a user's.
_SUFFIXES = (".py", ".cu", ".cuh", ".ipynb", ".md", ".toml")
_FENCE = re.compile(r"^```.*?^```$|^    .*?$", re.DOTALL | re.MULTILINE)
_LINK = re.compile(r"\[([^\]]*)\]\(([^)\s]+)\)")
_SPAN = re.compile(r"(?<![`\\])`([^`]+)`(?!`)")
_PATH = re.compile(r"[\w.*-]+(/[\w.*-]+)*/?")
_FULL = re.compile(r"(?<![\w./-])halfstep(?:\.[A-Za-z_]\w*)+")
_LAYERS = "|".join(IMPORTED_AS.get(folder, folder) for folder in FOLDERS[1:])
_SHORT = re.compile(rf"(?:{_LAYERS})(?:\.[A-Za-z_]\w*)+")


def broken_paths(root: Path) -> list[str]:
    """Return the links and the paths in backticks that lead nowhere."""
    ignored = root / ".gitignore"
    # What a command writes, such as build/, is no file of the repository.
    outputs = (
        {line.strip("/") for line in ignored.read_text().split()} if ignored.exists() else set()
    )
    found = []

    def look(file: Path, text: str) -> None:
        for span in _SPAN.findall(text):
            if _is_path(span) and not outputs & set(span.split("/")) and not _exists(root, span):
                found.append(f"{file.relative_to(root)}: no {span}")

    for page in _pages(root):
        text = _FENCE.sub("", page.read_text(encoding="utf-8"))
        for words, target in _LINK.findall(text):
            if re.match(r"[a-z]+:", target):
                continue
            path, _, anchor = target.partition("#")
            if path.startswith("/generated/"):
                continue  # written when the site is built, which follows the link
            there = root / "docs" / path[1:] if path.startswith("/") else page.parent / path
            there = there if path else page
            if not there.exists() or (anchor and anchor not in _anchors(there)):
                found.append(f"{page.relative_to(root)}: no {target}")
            found += [
                f"{page.relative_to(root)}: {span} leads to {target}"
                for span in _SPAN.findall(words)
                if _is_path(span) and not path.endswith(span.rstrip("/"))
            ]
        look(page, _LINK.sub("", text))
    for file in modules(root).values():
        for text in _docstrings(file):
            look(file, text)
    for file in sorted((root / "kernels").rglob("*.cu*")):
        look(file, file.read_text(encoding="utf-8"))
    return found


def unknown_names(root: Path) -> list[str]:
    """Return the dotted names, of pages and of docstrings, that no module, class or function has."""
    names = Names(modules(root))
    texts = [(page, page.read_text(encoding="utf-8")) for page in _pages(root)]
    texts += [(file, text) for file in modules(root).values() for text in _docstrings(file)]
    return [
        f"{file.relative_to(root)}: no {dotted}"
        for file, text in texts
        for dotted in dict.fromkeys(_dotted(text))
        if not names.has(dotted)
    ]


class Names:
    """The names that modules define, found without importing the modules."""

    def __init__(self, known: dict[str, Path]) -> None:
        self.known = known

    def has(self, dotted: str) -> bool:
        """Return whether a name is a module's, or that of something in one, or of an attribute of it."""
        parts = dotted.split(".")
        length = len(parts)
        while ".".join(parts[:length]) not in self.known:
            length -= 1
            if not length:
                return False
        module, rest = ".".join(parts[:length]), parts[length:]
        if not rest:
            return True
        where, node = self._find(module, rest[0])
        if len(rest) == 1 or node is None:
            return node is not None
        return isinstance(node, ast.ClassDef) and self._attribute(where, node, rest[1])

    def _find(self, module: str, name: str) -> tuple[str, ast.AST | None]:
        """Return the node that defines a module's name, and the module that it is in."""
        for node in ast.walk(_tree(self.known[module])):
            if isinstance(node, ast.ImportFrom) and node.module in self.known:
                for alias in node.names:
                    if (alias.asname or alias.name) == name:
                        where, found = self._find(node.module, alias.name)
                        return (where, found) if found else (module, node)
        for node in _tree(self.known[module]).body:
            if _defines(node, name):
                offered = _offered(node).get(name)
                inside = f"{module}.{offered}"
                return self._find(inside, name) if inside in self.known else (module, node)
        return module, None

    def _attribute(self, module: str, owner: ast.ClassDef, name: str) -> bool:
        if any(_defines(node, name) for node in ast.walk(owner)):
            return True
        bases = (self._find(module, base.id) for base in owner.bases if isinstance(base, ast.Name))
        return any(
            isinstance(base, ast.ClassDef) and self._attribute(where, base, name)
            for where, base in bases
        )


def _defines(node: ast.AST, name: str) -> bool:
    """Return whether a statement defines a name, or lists it as one that `halfstep.lazy` imports."""
    if isinstance(node, ast.ClassDef | ast.FunctionDef):
        return node.name == name
    if isinstance(node, ast.AnnAssign):
        targets: list[ast.expr] = [node.target]
    elif isinstance(node, ast.Assign):
        targets = [t for target in node.targets for t in getattr(target, "elts", [target])]
    else:
        return False
    defined = {getattr(t, "id", getattr(t, "attr", None)) for t in targets}
    if "_OFFERED" in defined and isinstance(node.value, ast.Dict):
        defined |= {getattr(key, "value", None) for key in node.value.keys}
    return name in defined


def _dotted(text: str) -> Iterator[str]:
    """Yield the names that begin with `halfstep.`, and in backticks those that leave that out."""
    yield from (match[0] for match in _FULL.finditer(text))
    for span in _SPAN.findall(text):
        if _SHORT.fullmatch(span) and not span.endswith(_SUFFIXES):
            yield f"halfstep.{span}"


def _offered(node: ast.AST) -> dict[str, str]:
    """Return the dict of a module's `_OFFERED`, empty of any other statement."""
    names = [getattr(target, "id", None) for target in getattr(node, "targets", ())]
    return ast.literal_eval(node.value) if names == ["_OFFERED"] else {}


def _is_path(span: str) -> bool:
    ends = span.endswith(_SUFFIXES) and span not in _SUFFIXES
    return bool(_PATH.fullmatch(span)) and ("/" in span or ends)


def _exists(root: Path, span: str) -> bool:
    """Return whether a path from the root, perhaps with `*`, is there; of a bare name, any file's."""
    bare = "/" not in span.rstrip("/")
    folders = [root / folder for folder in (*FOLDERS, "docs", "tests")] if bare else []
    return any(root.glob(span)) or any(any(folder.rglob(span)) for folder in folders)


def _anchors(page: Path) -> set[str]:
    """Return what a link to one of a page's headings says, as GitHub makes it."""
    headings = re.findall(r"^#+ (.*)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", text.lower()).replace(" ", "-") for text in headings}


def _pages(root: Path) -> list[Path]:
    return [page for pattern in PAGES for page in sorted(root.glob(pattern))]


@cache
def _tree(file: Path) -> ast.Module:
    return ast.parse(file.read_text(encoding="utf-8"))


def _docstrings(file: Path) -> list[str]:
    documented = ast.Module | ast.ClassDef | ast.FunctionDef
    nodes = (node for node in ast.walk(_tree(file)) if isinstance(node, documented))
    return [text for node in nodes if (text := ast.get_docstring(node))]
