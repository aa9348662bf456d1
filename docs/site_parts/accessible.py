"""What the theme's pages lack for readers with a keyboard or a screen reader.

Boxes that scroll can be reached by the Tab key, and the captions of a list of pages have the level that
a heading needs.
"""

from __future__ import annotations

import re
from typing import Any

_REPAIRS = (
    (re.compile(r'role="heading"(?! aria-level)'), 'role="heading" aria-level="2"'),
    (
        re.compile(r'<div class="scroll">'),
        '<div class="scroll" tabindex="0" role="group" aria-label="table">',
    ),
    (re.compile(r"<pre>"), '<pre tabindex="0">'),
    (
        re.compile(r'<div class="table-wrapper'),
        '<div tabindex="0" role="group" aria-label="table" class="table-wrapper',
    ),
)


def repair(html: str) -> str:
    """Return a part of a page with what it lacks."""
    for pattern, text in _REPAIRS:
        html = pattern.sub(text, html)
    return html


def repair_page(_: Any, __: str, ___: str, context: dict[str, Any], ____: Any) -> None:
    """Repair the parts of a page that come from its source and from the lists of pages."""
    for part in ("body", "furo_navigation_tree"):
        if isinstance(context.get(part), str):
            context[part] = repair(context[part])


def setup(app: Any) -> None:
    """Repair pages after the theme has made its parts of them."""
    app.connect("html-page-context", repair_page, priority=900)
