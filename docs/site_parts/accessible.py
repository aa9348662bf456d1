"""What the theme's pages lack for readers with a keyboard or a screen reader.

Boxes that scroll can be reached by the Tab key, and the captions of a list of pages have the level that
a heading needs. A signature of several lines is no list of meanings without words.
"""

from __future__ import annotations

import re
from typing import Any

_REPAIRS = (
    (re.compile(r'role="heading"(?! aria-level)'), 'role="heading" aria-level="2"'),
    (re.compile(r"<pre>"), '<pre tabindex="0">'),
    (
        re.compile(r'<div class="table-wrapper'),
        '<div tabindex="0" role="group" aria-label="table" class="table-wrapper',
    ),
)
_LINES = re.compile(r"<dl>\s*((?:<dd>.*?</dd>\s*)+)</dl>", re.DOTALL)


def repair(html: str) -> str:
    """Return a part of a page with what it lacks."""
    for pattern, text in _REPAIRS:
        html = pattern.sub(text, html)
    return _LINES.sub(_of_signature, html)


def _of_signature(lines: re.Match[str]) -> str:
    within = lines[1].replace("<dd>", "<div>").replace("</dd>", "</div>")
    return f'<div class="arguments">{within}</div>'


def repair_page(_: Any, __: str, ___: str, context: dict[str, Any], ____: Any) -> None:
    """Repair the parts of a page that come from its source and from the lists of pages."""
    for part in ("body", "furo_navigation_tree"):
        if isinstance(context.get(part), str):
            context[part] = repair(context[part])


def setup(app: Any) -> None:
    """Repair pages after the theme has made its parts of them."""
    app.connect("html-page-context", repair_page, priority=900)
