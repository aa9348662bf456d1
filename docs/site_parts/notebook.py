"""The lab's notebook as a page, executed at build on a small data set."""

from __future__ import annotations

import hashlib
import os
import re
from pathlib import Path
from typing import Any

from halfstep.lab.page import notes
from halfstep.lab.run import executed
from site_parts.generated import raw, write_text
from site_parts.source_files import DOCS, ROOT

NOTEBOOK = ROOT / "lab" / "music_recommender.ipynb"
PAGE = DOCS / "generated" / "notebook.md"
ENTRIES = "20000"
_MARK = "<!-- made from {} -->"
_OPENING = f"""
:::{{note}}
This is the lab's notebook with its results, executed on {int(ENTRIES):,} generated rows when the site
was built. `make notebook` opens it on a machine with a clone; `make lab` runs it on more.
:::
"""


def write_page(app: Any) -> None:
    """Execute the notebook and write its page, unless the page is of these files."""
    mark = _MARK.format(_digest())
    if PAGE.is_file() and mark in PAGE.read_text(encoding="utf-8"):
        return
    # Of the build's own process, which runs nothing else that reads them.
    os.environ["HALFSTEP_LAB_ENTRIES"] = ENTRIES
    os.environ.pop("HALFSTEP_AUDIOSCROBBLER", None)
    notebook, stopped = executed(NOTEBOOK)
    if stopped:
        raise RuntimeError(f"{NOTEBOOK}: {stopped}")
    write_text(PAGE, page_of(notebook) + f"\n{mark}\n")


def page_of(notebook: Any) -> str:
    """Return an executed notebook as a page in MyST's Markdown."""
    parts = []
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            parts.append(cell.source)
        elif cell.cell_type == "code" and cell.source.strip():
            parts.append(f"````python\n{cell.source}\n````")
            parts += [part for output in cell.outputs if (part := _output(output))]
    title, _, rest = "\n\n".join(parts).partition("\n")
    return f"{title}\n{_OPENING}\n{rest}\n"


def _output(output: Any) -> str:
    if output.output_type == "stream":
        if output.name == "stderr":
            return _raw(notes(output.text))
        return f"````text\n{output.text.rstrip()}\n````"
    shown = output.get("data", {})
    if "image/svg+xml" in shown:
        return _raw(shown["image/svg+xml"])
    if "text/html" in shown:
        return _raw(shown["text/html"])
    if "text/markdown" in shown:
        return str(shown["text/markdown"])
    if "text/plain" in shown:
        return f"````text\n{shown['text/plain']}\n````"
    return ""


def _raw(body: str) -> str:
    """Return HTML as it is, where it scrolls if it is wide, without styles of its own."""
    plain = re.sub(r"<style.*?</style>|<script.*?</script>", "", body, flags=re.DOTALL)
    plain = re.sub(r' (border|style)="[^"]*"(?=[^<]*>)', "", plain) if "<table" in plain else plain
    return raw(plain, 'class="output" tabindex="0" role="group" aria-label="result"')


def _digest() -> str:
    """Return what the page is made of: the notebook and all code that it may call."""
    folders = ["halfstep", "kernels", "solvers", "datasets", "evaluation", "recommender", "lab"]
    files = [NOTEBOOK, Path(__file__)]
    files += [file for folder in folders for file in sorted((ROOT / folder).rglob("*.py"))]
    found = hashlib.sha256()
    for file in files:
        found.update(file.read_bytes())
    return found.hexdigest()[:16]


def setup(app: Any) -> None:
    """Write the page before Sphinx looks for pages."""
    app.connect("builder-inited", write_page)
