"""Benchmark tables in Markdown pages, written from results files: no number is typed by hand.

Run as `python -m halfstep.bench.report.markdown README.md docs/measurements.md bench/results`. Between
two markers of a page, `<!-- NAME:begin -->` and `<!-- NAME:end -->`, comes what NAME stands for:

* `ladder`: a line per rung, see `bench/report/ladder.py`.
* `gpu`: of each run on a card the best rung beside implicit, see `bench/report/gpu.py`.
* `implicit`: of the suite `quality`, the cells of 64 factors that implicit takes part in.
* `headline`: all of its cells, a line per case whose target is exact ALS, and the tuned models.
* `earlier`: a line per case with another target.
* `published`: published results beside what the same settings gave here.
* `roofline`, `threads` and the names in `bench/report/limits_page.py`: the parts of docs/limits.md.
* `table`: every table of every other results file.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from halfstep.bench.contestant_names import PEERS
from halfstep.bench.gpu.record import read_gpu
from halfstep.bench.quality.record import QualityCell
from halfstep.bench.quality.table import compact_table, data_names, quality_tables
from halfstep.bench.report import gpu as gpu_table
from halfstep.bench.report import ladder, limits_page, published, tuning
from halfstep.bench.report.growth import growth_table
from halfstep.bench.report.headline import headline
from halfstep.bench.report.markdown_table import escaped, markdown_table
from halfstep.bench.report.sentences import (
    RATIOS,
    convention_line,
    data_line,
    environment_line,
    machine,
    method_lines,
    target_line,
)
from halfstep.bench.report.tables import Table, case_table, measure_tables, sweep_table
from halfstep.bench.results_file import read_results
from halfstep.bench.schema import Results
from halfstep.errors import InputError
from halfstep.marked_sections import markers, rewrite_sections

BEGIN, END = markers("table")
HEADLINE_BEGIN, HEADLINE_END = markers("headline")
EARLIER_BEGIN, EARLIER_END = markers("earlier")
_FACTORS = 64


def rewrite(page: str | Path, folder: str | Path) -> list[Path]:
    """Put the tables of all results files in `folder` between the page's markers.

    Returns
    -------
    The results files, in the order of their tables.

    Raises
    ------
    InputError
        The page cannot be read or has no markers, the folder has no results file, or a results file is
        damaged; the page is then unchanged.
    """
    files = sorted(Path(folder).rglob("*.json"))
    drawn: dict[str, Callable[[Sequence[Path]], str]] = {
        "ladder": _ladder,
        "gpu": _cards,
        "implicit": _implicit,
        "headline": _headlines,
        "earlier": _earlier,
        "published": _published,
        **{name: _limits(name) for name in limits_page.PARTS},
        "table": lambda files: "\n\n".join(filter(None, map(_tables, files))),
    }

    def section(draw: Callable[[Sequence[Path]], str]) -> str:
        if not files:
            raise InputError(f"{folder}: must hold results files (*.json), got none")
        return draw(files)

    sections = {name: partial(section, draw) for name, draw in drawn.items()}
    rewrite_sections(page, sections, some=True)
    return files


def _ladder(files: Sequence[Path]) -> str:
    records = (read_gpu(file) for file in files)
    return ladder.markdown(runs_of(files), [record for record in records if record is not None])


def _cards(files: Sequence[Path]) -> str:
    return gpu_table.short([record for file in files if (record := read_gpu(file)) is not None])


def _implicit(files: Sequence[Path]) -> str:
    return "\n\n".join(_by_machine(runs_of(files), _against_implicit))


def _headlines(files: Sequence[Path]) -> str:
    records = (tuning.read_tuning(file) for file in files)
    tuned = [tuning.markdown(record) for record in records if record is not None]
    runs = runs_of(files)
    return "\n\n".join([*_by_machine(runs, _quality), *_by_machine(runs, headline), *tuned])


def _earlier(files: Sequence[Path]) -> str:
    return "\n\n".join(_by_machine(runs_of(files), lambda runs: headline(runs, exact=False)))


def _published(files: Sequence[Path]) -> str:
    records = (published.read_published(file) for file in files)
    return "\n\n".join(published.markdown(record) for record in records if record is not None)


def _limits(name: str) -> Callable[[Sequence[Path]], str]:
    return lambda files: limits_page.part(
        name, [(file.stem, read_results(file)) for file in run_files(files)]
    )


def _quality(
    runs: Sequence[Results], wanted: Callable[[QualityCell], bool] = lambda cell: True
) -> Table | None:
    chosen = [
        (cell, name)
        for run in runs
        for cell, name in zip(run.cells, data_names(run), strict=True)
        if wanted(cell)
    ]
    names = [name for _, name in chosen]
    return compact_table([cell for cell, _ in chosen], names) if chosen else None


def _against_implicit(runs: Sequence[Results]) -> Table | None:
    def wanted(cell: QualityCell) -> bool:
        peer = cell.standing(PEERS[0])
        return cell.factors == _FACTORS and peer is not None and peer.reason is None

    return _quality(runs, wanted)


def runs_of(files: Sequence[Path]) -> list[Results]:
    """Return the runs of solvers against each other."""
    return [read_results(file) for file in run_files(files)]


def run_files(files: Sequence[Path]) -> list[Path]:
    """Return the files whose runs compare solvers, or measure them alone."""
    others = tuning.read_tuning, read_gpu, published.read_published
    return [file for file in files if all(read(file) is None for read in others)]


def _by_machine(
    runs: Sequence[Results], draw: Callable[[Sequence[Results]], Table | None]
) -> list[str]:
    machines: dict[str, list[Results]] = {}
    for run in runs:
        machines.setdefault(machine(run.environment), []).append(run)
    parts = []
    for name, there in machines.items():
        table = draw(there)
        if table:
            parts += [f"On {escaped(name)}:", markdown_table(table)]
    return parts


def _tables(file: Path) -> str:
    on_card = read_gpu(file)
    if on_card is not None:
        return gpu_table.markdown(on_card)
    if published.read_published(file) is not None:
        return ""  # it has markers of its own
    tuned = tuning.read_tuning(file)
    if tuned is not None:
        return tuning.markdown(tuned)
    results = read_results(file)
    return "" if limits_page.shows(results) else markdown(results)


def markdown(results: Results) -> str:
    """Return the tables of one run, and the sentences that are needed to read them."""
    where = results.environment
    gpu = f", {where.gpu}" if where.gpu else ""
    parts = []
    for case in results.tables():
        table = case_table(results, case)
        parts.append(f"**{escaped(table.title)}** on {escaped(machine(where))}{escaped(gpu)}")
        parts.append(markdown_table(table))
    sweep = sweep_table(results)
    if sweep is not None:
        parts.append(f"**Seconds per iteration** on {escaped(machine(where))}{escaped(gpu)}")
        parts.append(markdown_table(sweep))
    growth = growth_table(results)
    if growth is not None:
        parts += ["**Growth**", markdown_table(growth)]
    for table in (*measure_tables(results), *quality_tables(results)):
        parts += [
            f"**{escaped(table.title)}** on {escaped(machine(where))}",
            markdown_table(table),
        ]
    facts = [
        *(data_line(dataset) for dataset in results.data),
        convention_line(results),
        *(f"left out: {line}" for line in results.left_out),
        *method_lines(results),
        environment_line(results),
    ]
    body = "\n".join(f"- {escaped(fact)}" for fact in facts)
    if results.tables():
        parts.append(f"{escaped(target_line(results))} {RATIOS}")
    else:
        parts.append(RATIOS)
    parts.append(f"<details><summary>How this was measured</summary>\n\n{body}\n\n</details>")
    return "\n\n".join(parts)


if __name__ == "__main__":
    if len(sys.argv) < 3:
        sys.exit("usage: python -m halfstep.bench.report.markdown PAGE.md ... FOLDER")
    try:
        for page in sys.argv[1:-1]:
            used = rewrite(page, sys.argv[-1])
            print(f"{page}: {len(used)} results files")
    except InputError as problem:
        print(problem, file=sys.stderr)
        sys.exit(2)
