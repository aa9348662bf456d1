"""The colours of pages and pictures, each for a light and a dark background, as CSS variables.

A picture is drawn in the light colours, and every one of them is a variable in the SVG: a page or a
picture file that defines the variables by the reader's mode changes all colours with it. Where nothing
defines them, as in a program without CSS, the light colours hold.
"""

from __future__ import annotations

import re

# CSS variable: (on light, on dark). A text must stand out from the paper by 4.5 to 1 (WCAG 2.2, 1.4.3).
TEXTS = {
    "ink": ("#222222", "#e6e6e6"),
    "quiet": ("#555555", "#b4b4b4"),
}
# Lines and marks. Those with a hue are Okabe and Ito's, which the colour-blind can tell apart, with a
# dark purple for their yellow; on dark the darkest of them are lighter.
MARKS = {
    "axis": ("#888888", "#8c8c8c"),
    "level": ("#666666", "#a0a0a0"),
    "pale": ("#bbbbbb", "#6e6e6e"),
    "blue": ("#0072b2", "#3a9bd9"),
    "orange": ("#d55e00", "#f0793a"),
    "green": ("#009e73", "#1fb98c"),
    "pink": ("#cc79a7", "#d98bb6"),
    "sky": ("#56b4e9", "#8ccbf2"),
    "amber": ("#e69f00", "#e6a91f"),
    "black": ("#000000", "#ffffff"),
    "purple": ("#5e3c99", "#ab92dd"),
}
BACKGROUNDS = {
    "paper": ("#ffffff", "#17191c"),
    "rule": ("#dddddd", "#383b40"),
}
COLOURS = {**TEXTS, **MARKS, **BACKGROUNDS}
# Solvers and models in charts get them in this order.
_ORDER = ("blue", "orange", "green", "pink", "sky", "amber", "black", "purple")
LINES = tuple(MARKS[name][0] for name in _ORDER)
INK, QUIET, PAPER, RULE = (COLOURS[name][0] for name in ("ink", "quiet", "paper", "rule"))
AXIS, LEVEL, PALE = (COLOURS[name][0] for name in ("axis", "level", "pale"))

_NAMES = {light: name for name, (light, _) in COLOURS.items()}
_USE = re.compile(r"\b(fill|stroke|stop-color): (#[0-9a-fA-F]{6})\b")


def variables(selector: str) -> str:
    """Return CSS that gives an element and what is in it the colours of the reader's mode."""
    light, dark = (
        " ".join(f"--{name}: {pair[k]};" for name, pair in COLOURS.items()) for k in (0, 1)
    )
    return (
        f"{selector} {{ color-scheme: light dark; {light} }}\n"
        f"@media screen and (prefers-color-scheme: dark) {{ {selector} {{ {dark} }} }}\n"
    )


def with_variables(svg: str) -> str:
    """Put a variable behind each known colour in the style attributes of an SVG text.

    The colour itself stays before it, for programs that do not know variables.
    """

    def both(match: re.Match[str]) -> str:
        name = _NAMES.get(match[2].lower())
        return match[0] if name is None else f"{match[0]}; {match[1]}: var(--{name}, {match[2]})"

    return _USE.sub(both, svg)
