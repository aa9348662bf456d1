"""The generated parts of docs/limits.md, and its pictures.

Run as `python -m halfstep.bench.report.limits_page docs bench/results`, this draws the picture of each
run of the suite `roofline` into the folder pictures of the docs; `halfstep.bench.report.markdown` writes
the tables.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from halfstep.bench.limits.record import PhaseCell
from halfstep.bench.report.limits import limits_tables, name_of, roofs
from halfstep.bench.report.markdown_table import escaped, markdown_table
from halfstep.bench.report.roofline_picture import draw
from halfstep.bench.report.sentences import (
    RATIOS,
    convention_line,
    data_line,
    environment_line,
    machine,
)
from halfstep.bench.report.tables import Table, measure_tables
from halfstep.bench.results_file import read_results
from halfstep.bench.schema import Results
from halfstep.errors import InputError
from halfstep.kernels.phases import SOLVE

# Suites of the page whose results are measures, beside `roofline` and `threads`.
OTHERS = ("evaluation", "small", "large", "memory", "preparation")
PARTS = ("roofline", "threads", *OTHERS)
PICTURES = "pictures"
NOTHING = "Not measured yet."


def shows(results: Results) -> bool:
    """Return whether a run's tables are on the page, and so on no other."""
    return bool(results.phases) or results.suite in OTHERS


def part(name: str, runs: Sequence[tuple[str, Results]]) -> str:
    """Return one part of the page in Markdown.

    Parameters
    ----------
    name
        One of PARTS: the suite whose runs are shown.
    runs
        All runs, each with its file's name without the ending.
    """
    shown = [(stem, run) for stem, run in runs if run.suite == name and shows(run)]
    return "\n\n".join(_run(stem, run) for stem, run in shown) or NOTHING


def picture_of(stem: str) -> str:
    """Return the picture of a results file, as the page names it."""
    return f"{PICTURES}/{stem}.svg"


def draw_pictures(docs: Path, folder: Path) -> list[Path]:
    """Draw the picture of each run of the suite `roofline` in `folder`; return the files."""
    drawn = []
    for file in sorted(folder.rglob("*-roofline.json")):
        results = read_results(file)
        if results.phases:
            drawn.append(docs / picture_of(file.stem))
            draw(results, drawn[-1])
    return drawn


def _run(stem: str, results: Results) -> str:
    tables = limits_tables(results) or measure_tables(results)
    parts = [f"On {escaped(machine(results.environment))}:"]
    if results.suite == "roofline":
        parts += [markdown_table(tables[0]), *map(_sentence, _said(results))]
        parts.append(f"![Phases under the roof]({picture_of(stem)})")
        tables = tables[1:]
    elif results.phases:
        parts.append(markdown_table(tables[0]))
        tables = tables[1:]
    parts += [_titled(table) for table in tables]
    facts = [
        *map(data_line, results.data),
        convention_line(results),
        *(f"left out: {line}" for line in results.left_out),
        environment_line(results),
        RATIOS,
    ]
    body = "\n".join(f"- {escaped(fact)}" for fact in facts)
    parts.append(f"<details><summary>How this was measured</summary>\n\n{body}\n\n</details>")
    return "\n\n".join(parts)


def _titled(table: Table) -> str:
    return f"**{escaped(table.title)}**\n\n{markdown_table(table)}"


def _sentence(text: str) -> str:
    return escaped(text)


def _said(results: Results) -> list[str]:
    """Return what the numbers say, in words."""
    cells = results.phases
    shares = [cell.phase(SOLVE) for cell in cells]
    of_solve = [
        100 * phase.seconds(cell.threads) / cell.running()
        for cell, phase in zip(cells, shares, strict=True)
        if phase is not None
    ]
    times = [cell.running() / roofs(cell)[0] for cell in cells]
    least, most = (cells[times.index(end)] for end in (min(times), max(times)))
    knees = [_knee(cell) for cell in cells]
    have = [_intensity(cell) for cell in cells]
    return [
        f"The solve takes {min(of_solve):.0f} to {max(of_solve):.0f} % of an iteration. For each byte "
        f"that it gathers it has {min(have):.1f} to {max(have):.1f} operations, and the roof bends at "
        f"{min(knees):.1f} to {max(knees):.1f}: to the left of that the gather is the bound, to the "
        "right of it the products are.",
        f"Nearest to its roof is {name_of(results, least)} with {min(times):.1f} times, furthest "
        f"{name_of(results, most)} with {max(times):.1f} times.",
    ]


def _intensity(cell: PhaseCell) -> float:
    solve = cell.phase(SOLVE)
    return (solve.operations or 0.0) / solve.bytes if solve is not None and solve.bytes else 0.0


def _knee(cell: PhaseCell) -> float:
    rates = {rate.what: rate.per_second for rate in cell.rates[::-1]}
    return rates["float32 products"] / rates["gather"]


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit("usage: python -m halfstep.bench.report.limits_page DOCS FOLDER")
    try:
        for path in draw_pictures(Path(sys.argv[1]), Path(sys.argv[2])):
            print(path)
    except InputError as problem:
        print(problem, file=sys.stderr)
        sys.exit(2)
