"""The benchmark's reports as pages: what `halfstep bench` writes, drawn from the committed results."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from halfstep.bench.report.html import body, title_of
from halfstep.bench.report.markdown import run_files
from halfstep.bench.results_file import read_results
from halfstep.bench.schema import Results
from site_parts.source_files import DOCS, ROOT

FOLDER = DOCS / "generated" / "reports"
_RESULTS = ROOT / "bench" / "results"
_TABLE = re.compile(r'<div class="scroll">')


def write_pages(_: Any) -> None:
    """Write a page for each run that compares solvers, and the list of them."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    pages = {}
    for file in run_files(sorted(_RESULTS.rglob("*.json"))):
        results = read_results(file)
        if results.cases:
            pages[file.stem] = page_of(results, file)
    names = "\n".join(sorted(pages))
    pages["index"] = (
        "# Benchmark reports\n\n"
        "Each page is what `halfstep bench` writes, drawn again from a results file in `bench/results`. "
        "[How it is measured](/explanation/benchmark.md) and "
        "[all tables on one page](/measurements.md).\n\n"
        f"```{{toctree}}\n:maxdepth: 1\n\n{names}\n```\n"
    )
    for name, text in pages.items():
        there = FOLDER / f"{name}.md"
        if not there.is_file() or there.read_text(encoding="utf-8") != text:
            there.write_text(text, encoding="utf-8")
    for old in FOLDER.glob("*.md"):
        if old.stem not in pages:
            old.unlink()


def page_of(results: Results, file: Path) -> str:
    """Return a run's report as a page; its headings are Markdown's, so that they can be found."""
    html = _TABLE.sub(
        '<div class="scroll" tabindex="0" role="group" aria-label="table">', body(results)
    )
    parts = re.split(r"<h2>(.*?)</h2>", html)
    text = [f"# {title_of(results)}: {file.stem}", _raw(parts[0])]
    for heading, rest in zip(parts[1::2], parts[2::2], strict=True):
        text += [f"## {heading}", _raw(rest)]
    return "\n\n".join(text) + "\n"


def _raw(html: str) -> str:
    plain = re.sub(r"\n\s*\n", "\n", html.strip())
    return f'````{{raw}} html\n<div class="report">{plain}</div>\n````'


def setup(app: Any) -> None:
    """Write the pages before Sphinx looks for pages."""
    app.connect("builder-inited", write_pages)
