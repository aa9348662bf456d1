"""Figures of matrices, rows and threads, drawn as SVG in the page's own colours, light or dark.

A figure is a function of `site_parts.figures` that returns a `Drawing`; `{drawing} NAME` puts it on a
page. Its docstring's first line is its caption, and the rest says in words what it shows, for readers
who do not see it.
"""

from __future__ import annotations

import html
import importlib
import inspect
import math
import pkgutil
from collections.abc import Callable
from functools import cache
from typing import Any

from docutils import nodes
from sphinx.util.docutils import SphinxDirective

from site_parts.palette import AREAS


class Drawing:
    """Shapes on a sheet of `width` x `height` units; a unit is a pixel where there is room.

    Make sheets 460 to 720 wide, letters are 13 high, so that one still reads them on a telephone, where
    the figure scrolls.
    """

    def __init__(self, width: float, height: float) -> None:
        self.width, self.height = width, height
        self.parts: list[str] = []

    def box(
        self, x: float, y: float, width: float, height: float, role: str = "plain", text: str = ""
    ) -> Drawing:
        """Draw a rectangle from its upper left corner, with a text in its middle."""
        self.parts.append(
            f'<rect x="{x:g}" y="{y:g}" width="{width:g}" height="{height:g}" class="{_role(role)}"/>'
        )
        if text:
            self.text(x + width / 2, y + height / 2, text, middle=True)
        return self

    def cells(
        self,
        x: float,
        y: float,
        rows: int,
        columns: int,
        size: float = 16,
        role: str | Callable[[int, int], str] = "plain",
        text: Callable[[int, int], str] | None = None,
    ) -> Drawing:
        """Draw a grid of squares; `role` and `text` may be functions of row and column, from 0."""
        for r in range(rows):
            for c in range(columns):
                one = role if isinstance(role, str) else role(r, c)
                self.box(
                    x + c * size,
                    y + r * size,
                    size,
                    size,
                    one,
                    text(r, c) if text is not None else "",
                )
        return self

    def text(
        self,
        x: float,
        y: float,
        text: str,
        *,
        middle: bool = False,
        end: bool = False,
        small: bool = False,
        bold: bool = False,
    ) -> Drawing:
        """Write a line at its baseline's beginning; `middle`: around a point; `end`: up to a point."""
        looks = "small " * small + "bold " * bold + "middle " * middle + "end " * end
        self.parts.append(
            f'<text x="{x:g}" y="{y:g}" class="{looks.strip()}">{html.escape(text, quote=False)}</text>'
        )
        return self

    def line(
        self, x1: float, y1: float, x2: float, y2: float, *, role: str = "ink", dashed: bool = False
    ) -> Drawing:
        """Draw a line."""
        looks = f"line {role}{' dashed' if dashed else ''}"
        self.parts.append(
            f'<line x1="{x1:g}" y1="{y1:g}" x2="{x2:g}" y2="{y2:g}" class="{looks}"/>'
        )
        return self

    def arrow(
        self, x1: float, y1: float, x2: float, y2: float, *, role: str = "ink", dashed: bool = False
    ) -> Drawing:
        """Draw a line that ends in a head at its second point."""
        self.line(x1, y1, x2, y2, role=role, dashed=dashed)
        angle = math.atan2(y2 - y1, x2 - x1)
        points = [(x2, y2)]
        for turn in (2.7, -2.7):
            points.append((x2 + 9 * math.cos(angle + turn), y2 + 9 * math.sin(angle + turn)))
        listed = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
        self.parts.append(f'<polygon points="{listed}" class="head {role}"/>')
        return self

    def brace(self, x: float, y: float, length: float, text: str, *, down: bool = False) -> Drawing:
        """Draw a bracket along a length in x, with a text above it, or below it if `down`."""
        tip = 6 if down else -6
        self.line(x, y, x, y + tip).line(x, y + tip, x + length, y + tip)
        self.line(x + length, y + tip, x + length, y)
        at = y + tip + (13 if down else -9)
        return self.text(x + length / 2, at, text, middle=True, small=True)

    def svg(self, said: str) -> str:
        """Return the drawing as SVG; `said` tells it to those who do not see it."""
        label = html.escape(" ".join(said.split()), quote=True)
        return (
            f'<svg viewBox="0 0 {self.width:g} {self.height:g}" role="img" aria-label="{label}" '
            f'style="max-width: {self.width:g}px" xmlns="http://www.w3.org/2000/svg">'
            + "".join(self.parts)
            + "</svg>"
        )


def _role(role: str) -> str:
    if role not in AREAS:
        raise ValueError(f"role must be one of {', '.join(AREAS)}, got {role!r}")
    return f"area {role}"


@cache
def figures() -> dict[str, Callable[[], Drawing]]:
    """Return all figures by name: the public functions of the modules of `site_parts.figures`."""
    package = importlib.import_module("site_parts.figures")
    found: dict[str, Callable[[], Drawing]] = {}
    for module in pkgutil.iter_modules(package.__path__):
        there = importlib.import_module(f"site_parts.figures.{module.name}")
        for name, value in vars(there).items():
            if inspect.isfunction(value) and value.__module__ == there.__name__ and name[0] != "_":
                if name in found:
                    raise ValueError(f"two figures have the name {name}")
                found[name] = value
    return found


def caption_and_words(function: Callable[[], Drawing]) -> tuple[str, str]:
    """Return a figure's caption and what it shows in words, from its docstring."""
    caption, _, words = (inspect.getdoc(function) or "").partition("\n\n")
    if not words.strip():
        raise ValueError(f"the figure {function.__name__} does not say in words what it shows")
    return " ".join(caption.split()), " ".join(words.split())


class Figure(SphinxDirective):
    """A figure by the name of its function, with its caption."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        """Return the drawing and its caption."""
        known = figures()
        name = self.arguments[0]
        if name not in known:
            raise self.error(f"no figure {name}; there are {', '.join(sorted(known))}")
        function = known[name]
        self.env.note_dependency(inspect.getsourcefile(function) or "")
        caption, words = caption_and_words(function)
        drawn = function().svg(words)
        box = nodes.container(classes=["drawing"])
        box += nodes.raw(
            "", f'<div class="sheet" tabindex="0" role="group">{drawn}</div>', format="html"
        )
        said = nodes.paragraph(classes=["caption"])
        said += self.parse_inline(caption)[0]
        box += said
        return [box]


def setup(app: Any) -> None:
    """Add the directive."""
    app.add_directive("drawing", Figure)
