"""Lines of the source on a page, by what they say and not by number; and whole files as pages.

`{source} PATH` shows the lines from the one that holds `from` to the next one that holds `to`, or the
function or class `object` of a Python file. What is not found, or is found twice, fails the build.
"""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import Any, ClassVar

from docutils import nodes
from docutils.parsers.rst import directives
from sphinx.util.docutils import SphinxDirective

from site_parts.generated import write_folder, write_text

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
PAGES = DOCS / "generated" / "source"
LANGUAGES = {".py": "python", ".cu": "cuda", ".cuh": "cuda", ".toml": "toml"}
_DIRECTIVE = re.compile(r"^(?:```|:::)\{source\} (\S+)", re.MULTILINE)
_TARGET = re.compile(r"\]\(([\w./-]+)")
_LINK = re.compile(r"\[([^\]]*)\]\(((?:\.\./)+)([\w./-]+?)(#[\w-]+)?\)")
# Pages at the root of the repository, and where they are on the site.
OF_ROOT = {
    "README.md": "readme",
    "SECURITY.md": "security",
    "CHANGELOG.md": "changelog",
    "CONTRIBUTING.md": "contributing",
    "LICENSE": "licence",
}


class Source(SphinxDirective):
    """Lines of a file of the repository, with their numbers and a link to all of it."""

    required_arguments = 1
    option_spec: ClassVar[dict[str, Any]] = {
        "object": directives.unchanged_required,
        "from": directives.unchanged_required,
        "to": directives.unchanged_required,
    }

    def run(self) -> list[nodes.Node]:
        """Return the lines, and above them where they stand."""
        path = self.arguments[0]
        file = ROOT / path
        self.env.note_dependency(str(file))
        try:
            lines = file.read_text(encoding="utf-8").splitlines()
            first, last = _range(lines, self.options)
        except (OSError, ValueError) as error:
            raise self.error(f"{path}: {error}") from error
        shown = nodes.literal_block("\n".join(lines[first:last]), "\n".join(lines[first:last]))
        shown["language"] = LANGUAGES[file.suffix]
        shown["linenos"] = True
        shown["highlight_args"] = {"linenostart": first + 1}
        caption = nodes.paragraph(classes=["where"])
        link = self.parse_inline(
            f"[`{path}`](/generated/source/{path}.md), lines {first + 1} to {last}"
        )[0]
        caption += link
        return [caption, shown]


def _range(lines: list[str], options: dict[str, str]) -> tuple[int, int]:
    """Return the first line, from 0, and the one after the last."""
    if "object" in options:
        return _of_object("\n".join(lines), options["object"])
    begins = [at for at, line in enumerate(lines) if options["from"] in line]
    if len(begins) != 1:
        raise ValueError(f"{len(begins)} lines hold {options['from']!r}: one must")
    first = begins[0]
    if "to" not in options:
        return first, len(lines)
    for at in range(first, len(lines)):
        if options["to"] in lines[at]:
            return first, at + 1
    raise ValueError(f"no line after {first + 1} holds {options['to']!r}")


def _of_object(text: str, dotted: str) -> tuple[int, int]:
    body: list[ast.stmt] = ast.parse(text).body
    found: ast.AST | None = None
    for name in dotted.split("."):
        named = [
            node
            for node in body
            if isinstance(node, ast.FunctionDef | ast.ClassDef) and node.name == name
        ]
        if len(named) != 1:
            raise ValueError(f"{len(named)} functions or classes {dotted!r}: one must be there")
        found = named[0]
        body = named[0].body
    assert isinstance(found, ast.FunctionDef | ast.ClassDef)
    first = min([found.lineno, *(decorator.lineno for decorator in found.decorator_list)])
    return first - 1, found.end_lineno or found.lineno


def write_pages(_: Any = None) -> None:
    """Write a page for each file that a page shows lines of or leads to, and for those of the root."""
    of_root = {name: (ROOT / name).read_text(encoding="utf-8") for name in OF_ROOT}
    texts = [page.read_text(encoding="utf-8") for page in _pages()]
    led_to = [target for text in texts for _, _, target, _ in _LINK.findall(text)]
    led_to += [target for text in of_root.values() for target in _TARGET.findall(text)]
    wanted = {target for target in led_to if Path(target).suffix in LANGUAGES}
    wanted.update(path for text in texts for path in _DIRECTIVE.findall(text))
    paths = sorted(path for path in wanted if (ROOT / path).is_file())
    # Links in place of a tree: every page's sidebar would list them all.
    listed = "\n".join(f"* [{path}](/generated/source/{path}.md)" for path in paths)
    pages = {f"{path}.md": _whole(path) for path in paths}
    pages["index.md"] = (
        f"# Source files\n\nThe files that these pages show lines of or lead to, whole.\n\n{listed}\n"
    )
    write_folder(PAGES, pages)
    for name, text in of_root.items():
        if name == "LICENSE":
            text = f"# {text}"
        # As a page of docs/ would write its links.
        text = re.sub(r"\]\((?![a-z]+:|#|docs/)([\w./-]+)", r"](../\1", text)
        text = re.sub(r"\]\(docs/", "](/", text)
        write_text(DOCS / "generated" / f"{OF_ROOT[name]}.md", text)


def _pages() -> list[Path]:
    generated = DOCS / "generated"
    return [page for page in sorted(DOCS.rglob("*.md")) if generated not in page.parents]


def _whole(path: str) -> str:
    file = ROOT / path
    text = file.read_text(encoding="utf-8")
    language = LANGUAGES[file.suffix]
    return (
        f"---\nnosearch: true\norphan: true\n---\n\n# {path}\n\n"
        f"`````{{code-block}} {language}\n:linenos:\n\n{text}`````\n"
    )


def lead_to_pages(_: Any, docname: str, content: list[str]) -> None:
    """Let links to files of the repository lead to their pages on the site."""
    folder = (DOCS / docname).parent
    if docname.startswith("generated/") and docname.count("/") == 1:
        folder = DOCS

    def there(match: re.Match[str]) -> str:
        words, up, target, anchor = match[1], match[2], match[3], match[4] or ""
        file = (folder / f"{up}{target}").resolve()
        if DOCS in file.parents:
            return match[0]
        path = file.relative_to(ROOT).as_posix()
        if path in OF_ROOT:
            return f"[{words}](/generated/{OF_ROOT[path]}.md{anchor})"
        if file.suffix in LANGUAGES and file.is_file():
            return f"[{words}](/generated/source/{path}.md{anchor})"
        if path == "lab/music_recommender.ipynb":
            return f"[{words}](/generated/notebook.md)"
        return words  # a folder, or a file that is no page

    content[0] = _LINK.sub(there, content[0])


def setup(app: Any) -> None:
    """Add the directive and the pages."""
    app.add_directive("source", Source)
    app.connect("builder-inited", write_pages)
    app.connect("source-read", lead_to_pages)
