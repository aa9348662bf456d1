"""Files that the build writes for Sphinx to read: only what has changed, so that it reads only that."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path


def write_text(file: Path, text: str) -> None:
    """Write a file, unless it holds just this text."""
    if not file.is_file() or file.read_text(encoding="utf-8") != text:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")


def write_folder(folder: Path, pages: Mapping[str, str]) -> None:
    """Write pages by their paths in a folder, and remove the other pages that are there."""
    for path, text in pages.items():
        write_text(folder / path, text)
    written = {folder / path for path in pages}
    for old in folder.rglob("*.md"):
        if old not in written:
            old.unlink()


def raw(html: str, attributes: str) -> str:
    """Return HTML in a box, as Markdown leaves it alone: a blank line would end it."""
    plain = re.sub(r"\n\s*\n", "\n", html.strip())
    return f"````{{raw}} html\n<div {attributes}>{plain}</div>\n````"
