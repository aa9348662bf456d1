"""The benchmark's reports as pages: what `halfstep bench` writes, drawn from the committed results."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from halfstep.bench.report.html import body, title_of
from halfstep.bench.report.markdown import run_files
from halfstep.bench.results_file import read_results
from halfstep.bench.schema import Results
from site_parts.generated import raw, write_folder
from site_parts.source_files import DOCS, ROOT

FOLDER = DOCS / "generated" / "reports"
_BOX = 'class="report"'
_RESULTS = ROOT / "bench" / "results"


def write_pages(_: Any) -> None:
    """Write a page for each run that compares solvers, and the list of them."""
    pages = {}
    for file in run_files(sorted(_RESULTS.rglob("*.json"))):
        results = read_results(file)
        if results.cases:
            pages[f"{file.stem}.md"] = page_of(results, file)
    names = "\n".join(sorted(pages))
    pages["index.md"] = (
        "# Benchmark reports\n\n"
        "Each page is what `halfstep bench` writes, drawn again from a results file in `bench/results`. "
        "[How it is measured](/explanation/benchmark.md) and "
        "[all tables on one page](/measurements.md).\n\n"
        f"```{{toctree}}\n:maxdepth: 1\n\n{names}\n```\n"
    )
    write_folder(FOLDER, pages)


def page_of(results: Results, file: Path) -> str:
    """Return a run's report as a page; its headings are Markdown's, so that they can be found."""
    parts = re.split(r"<h2>(.*?)</h2>", body(results))
    text = [f"# {title_of(results)}: {file.stem}", raw(parts[0], _BOX)]
    for heading, rest in zip(parts[1::2], parts[2::2], strict=True):
        text += [f"## {heading}", raw(rest, _BOX)]
    return "\n\n".join(text) + "\n"


def setup(app: Any) -> None:
    """Write the pages before Sphinx looks for pages."""
    app.connect("builder-inited", write_pages)
