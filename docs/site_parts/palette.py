"""The colours of the site: those of all pages and pictures, and the areas of figures, light and dark."""

from __future__ import annotations

from typing import Any

from halfstep.colours import COLOURS
from site_parts.generated import write_text
from site_parts.source_files import DOCS

FILE = DOCS / "generated" / "static" / "colours.css"
# What an area of a figure means: (on light, on dark).
AREAS = {
    "row": ("#b9dcf3", "#1d4d6e"),
    "fixed": ("#d9ead3", "#2f4a28"),
    "stored": ("#7fc0ee", "#1f6ea3"),
    "shared": ("#ffe1a8", "#6b4e0e"),
    "solved": ("#8fd6bd", "#12634b"),
    "result": ("#e9c6dc", "#6b3457"),
    "plain": ("#ffffff", "#1c1e21"),
    "faint": ("#eeeeee", "#2b2e33"),
    "warn": ("#f7c2a5", "#7a3b1a"),
}
# The theme's own background in the dark.
_PAPER = ("#ffffff", "#131416")


def style_sheet() -> str:
    """Return the colours as CSS variables, for the theme's three states: light, dark, the reader's."""
    pairs = {**COLOURS, "paper": _PAPER, **{f"area-{name}": pair for name, pair in AREAS.items()}}
    light, dark = (
        " ".join(f"--{name}: {pair[k]};" for name, pair in pairs.items()) for k in (0, 1)
    )
    return (
        f"body {{ {light} }}\n"
        f'body[data-theme="dark"] {{ {dark} }}\n'
        "@media (prefers-color-scheme: dark) {\n"
        f'  body:not([data-theme="light"]) {{ {dark} }}\n'
        "}\n"
    )


def setup(app: Any) -> None:
    """Write the style sheet, before Sphinx looks for the folder that it is in."""
    write_text(FILE, style_sheet())
    app.add_css_file(FILE.name)
