"""A notebook with its results as one HTML page, which needs no network and no script.

nbconvert's template loads MathJax and two other scripts from servers. Here formulas become MathML, which
browsers draw themselves, and the page forbids itself every request. Warnings become notes in prose.
"""

from __future__ import annotations

import html
import re
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import nbformat.v4 as cells
from jinja2 import pass_context
from latex2mathml.converter import convert
from nbconvert import HTMLExporter
from nbconvert.filters.markdown_mistune import IPythonRenderer, MarkdownWithMath

_TEMPLATE = """
{%- extends 'lab/index.html.j2' -%}
{%- block html_head_js -%}
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; img-src data:;
 font-src data:; media-src data:; style-src 'unsafe-inline'; script-src 'unsafe-inline'" />
{%- endblock -%}
{%- block jupyter_widgets -%}{%- endblock -%}
{%- block html_head_js_mathjax -%}{%- endblock -%}
{%- block html_head_js_mermaidjs -%}{%- endblock -%}
{%- block stream_stderr -%}
<div class="jp-RenderedHTMLCommon jp-OutputArea-output" data-mime-type="text/html">
{{- output.text | notes -}}
</div>
{%- endblock -%}
"""
_STYLE = """
:root { color-scheme: light dark; }
.jp-OutputArea-output, .jp-RenderedMarkdown { overflow-x: auto; }
.jp-OutputArea-output img { max-width: 100%; height: auto; }
math { font-family: "STIX Two Math", "Cambria Math", "Latin Modern Math", math, serif; }
math[display="block"] { margin: 0.8em 0; }
math mtd { text-align: left; padding: 0.25em 0.2em; }
math mtd[columnalign="right"] { text-align: right; text-align: -webkit-right; }
math mtd:nth-child(2n + 3) { padding-left: 1.2em; }
.jp-Notebook .note, .jp-Notebook .stopped {
  border-left: 3px solid #0072b2; padding: 0.1em 0.8em; margin: 0.4em 0;
}
.jp-Notebook .stopped { border-color: #d55e00; }
@media (max-width: 32rem) { .jp-InputPrompt, .jp-OutputPrompt { display: none; } }
"""
_WARNING = re.compile(r"^(?P<place>\S.*?):\d+: (?P<kind>\w*Warning): (?P<said>.*)$")
_MATHML, _PRIME = "http://www.w3.org/1998/Math/MathML", "\u2032"
_COLOURS = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")


def page_of(notebook: Any, title: str, stopped: str = "") -> str:
    """Return the page of an executed notebook.

    Parameters
    ----------
    stopped
        Why the run ended with the notebook's last cell, as in "cell 3 fails: ..."; "" if it did not.
    """
    if stopped:
        notebook = _marked(notebook, stopped)
    exporter: Any = _Exporter(raw_template=_TEMPLATE)
    exporter.register_filter("notes", notes)
    page, _ = exporter.from_notebook_node(notebook, {"metadata": {"name": title}})
    dark = _dark_theme([Path(folder) for folder in exporter.template_paths])
    return str(page).replace("</head>", f"<style>{_STYLE}{dark}</style>\n</head>", 1)


def formula(tex: str, display: str) -> str:
    """Return TeX as MathML, "inline" or as a "block"; as it is, in code, if it cannot be read."""
    # `aligned` is what may stand in a displayed formula; the converter knows its sister.
    known = re.sub(r"\\(begin|end)\{aligned\}", r"\\\1{align*}", tex)
    try:
        drawn = str(convert(known, display=display))
    except Exception:  # its errors have no common class
        return f"<code>{html.escape(tex)}</code>"
    # It takes such relations for names, which browsers put no space around.
    drawn = re.sub(r"<mi>(&#x02A[7-F][0-9A-F];)</mi>", r"<mo>\1</mo>", drawn)
    return _primes_on_the_line(drawn)


def _primes_on_the_line(drawn: str) -> str:
    """Return a formula in which a transpose's mark follows its letter.

    The mark is raised by itself. As an exponent it is raised again, and made smaller, in every font that
    was not made for mathematics.
    """
    if _PRIME not in drawn and "&#x02032;" not in drawn:
        return drawn
    root = ET.fromstring(drawn)
    for parent in list(root.iter()):
        for place, script in enumerate(list(parent)):
            kind = script.tag.removeprefix(f"{{{_MATHML}}}")
            if kind not in ("msup", "msubsup") or script[-1].text != _PRIME:
                continue
            whole = ET.Element(f"{{{_MATHML}}}mrow")
            mark = ET.Element(f"{{{_MATHML}}}mo", {"lspace": "0", "rspace": "0"})
            mark.text, mark.tail = _PRIME, None
            script.remove(script[-1])
            if kind == "msubsup":
                script.tag = f"{{{_MATHML}}}msub"
                whole.append(script)
            else:
                whole.append(script[0])
            whole.append(mark)
            parent[place] = whole
    ET.register_namespace("", _MATHML)
    return ET.tostring(root, encoding="unicode")


def notes(text: str) -> str:
    """Return what a cell wrote to stderr as HTML: warnings as notes, and the rest line by line."""
    parts: list[str] = []
    plain: list[str] = []

    def flush() -> None:
        lines = [html.escape(line) for line in plain if line.strip()]
        if lines:
            parts.append(f'<p class="note">{"<br>".join(lines)}</p>')
        plain.clear()

    quoted = False  # the line after a warning's is the line of code that it is about
    for line in _COLOURS.sub("", text).splitlines():
        found = _WARNING.match(line)
        if found:
            flush()
            said = html.escape(found["said"])
            parts.append(f'<p class="note">Note ({found["kind"]}): {said}</p>')
        elif not (quoted and line.startswith("  ")):
            plain.append(line)
        quoted = found is not None
    flush()
    return "\n".join(parts)


class _Renderer(IPythonRenderer):
    def block_math(self, body: str) -> str:
        return formula(body, "block")

    def inline_math(self, body: str) -> str:
        return formula(body, "inline")

    def latex_environment(self, name: str, body: str) -> str:
        return formula(f"\\begin{{{name}}}{body}\\end{{{name}}}", "block")


class _Exporter(HTMLExporter):
    """nbconvert's exporter, but for formulas."""

    @pass_context
    def markdown2html(self, context: Any, source: str) -> str:
        attachments = context.get("cell", {}).get("attachments", {})
        renderer = _Renderer(escape=False, attachments=attachments)
        return str(MarkdownWithMath(renderer=renderer).render(source))


def _marked(notebook: Any, stopped: str) -> Any:
    """Return a notebook with what stopped it before its first cell and after its last."""
    said = html.escape(stopped[0].upper() + stopped[1:])
    top, end = (
        cells.new_markdown_cell(f'<p class="stopped" role="alert">{text}</p>')
        for text in (
            f"<strong>This page is not complete.</strong> {said}",
            f"<strong>The run ended here.</strong> {said}",
        )
    )
    return cells.new_notebook(metadata=notebook.metadata, cells=[top, *notebook.cells, end])


def _dark_theme(templates: list[Path]) -> str:
    """Return nbconvert's dark theme as a rule for readers in dark mode, or "" if it has none."""
    for file in (folder / "static" / "theme-dark.css" for folder in templates):
        if file.is_file():
            dark = file.read_text(encoding="utf-8")
            return f"@media screen and (prefers-color-scheme: dark) {{\n{dark}\n}}\n"
    return ""
