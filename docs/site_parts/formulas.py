"""Formulas as MathML, which browsers draw themselves: no script and no request."""

from __future__ import annotations

from typing import Any

from docutils import nodes

from halfstep.lab.page import formula


def inline(self: Any, node: nodes.math) -> None:
    """Write a formula of a line."""
    self.body.append(_drawn(node.astext(), "inline"))
    raise nodes.SkipNode


def block(self: Any, node: nodes.math_block) -> None:
    """Write a formula that stands alone; a reader without a mouse can scroll a long one."""
    drawn = _drawn(node.astext(), "block")
    self.body.append(f'<div class="formula" tabindex="0" role="group">{drawn}</div>\n')
    raise nodes.SkipNode


def _drawn(tex: str, display: str) -> str:
    drawn = formula(tex, display)
    if not drawn.startswith("<math"):
        raise ValueError(f"this formula cannot be read: {tex}")
    return drawn


def setup(app: Any) -> None:
    """Let Sphinx write formulas so."""
    app.add_html_math_renderer("mathml", (inline, None), (block, None))
    app.config.html_math_renderer = "mathml"
