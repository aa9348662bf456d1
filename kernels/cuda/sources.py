"""Where the kernel files are, and their text as it is compiled."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

FOLDER = Path(__file__).parent
_INCLUDE = re.compile(r'^#include "([\w.]+)"$', re.MULTILINE)


def path_of(file: str, folder: Path = FOLDER) -> Path:
    """Return where a kernel file is: in the folder, or in that of the exact rung's files."""
    inside = folder / "exact" / file
    return inside if inside.exists() else folder / file


@cache
def source(file: str) -> str:
    """Return a kernel file's text, its own headers included: CuPy's cache looks at the text alone."""
    text = path_of(file).read_text(encoding="utf-8")

    def content(include: re.Match[str]) -> str:
        after = text.count("\n", 0, include.end()) + 2
        return f'#line 1 "{include[1]}"\n{source(include[1])}\n#line {after} "{file}"'

    return _INCLUDE.sub(content, text)
