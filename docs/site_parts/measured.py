"""What was measured or counted of a rung, from the committed files: no number is typed."""

from __future__ import annotations

import json
from functools import cache
from typing import Any, ClassVar

from docutils import nodes
from docutils.parsers.rst import directives
from sphinx.util.docutils import SphinxDirective

from halfstep.bench.gpu.record import read_gpu
from halfstep.bench.report import ladder
from halfstep.bench.report.markdown import runs_of
from halfstep.solvers import SOLVERS
from site_parts.source_files import ROOT

RESULTS = ROOT / "bench" / "results"
COUNTED = ROOT / "docs" / "gpu-kernels.md"
COMPILED = ROOT / "bench" / "gpu" / "static" / "kernels.json"
_HOW = "How it was counted: [the GPU ladder, counted](/gpu-kernels.md)."
_CAPABILITY = "sm_90"  # as on the counted page
_HEAD = (
    "| rung | iteration | to exact's quality | sooner than the rung before |\n"
    "| --- | ---: | ---: | ---: |"
)


@cache
def steps(device: str) -> tuple[dict[str, tuple[str, str, str]], str]:
    """Return, of each measured rung, its iteration, its time to quality and the step; and the origin."""
    files = sorted(RESULTS.rglob("*.json"))
    if device == "cpu":
        return ladder.on_cpu(runs_of(files))
    records = (read_gpu(file) for file in files)
    return ladder.on_gpu([record for record in records if record is not None])


class Measured(SphinxDirective):
    """A rung's measured times beside those of the rung before, and its cost."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        """Return the table and where its numbers come from."""
        name = self.arguments[0]
        if name not in SOLVERS:
            raise self.error(f"no rung {name}")
        device = SOLVERS[name].device
        for file in RESULTS.rglob("*.json"):
            self.env.note_dependency(str(file))
        times, said = steps(device)
        names = ladder.rungs(device)
        at = names.index(name)
        if name not in times:
            text = (
                f"No card has timed `{name}` yet: `make gpu` does on a machine that has one, and "
                "this page then shows the step. What can be known without a card was counted."
            )
            return self.parse_text_to_nodes(f"```{{admonition}} Not yet measured\n{text}\n```")
        lines = [
            f"| `{one}` | {' | '.join(times[one])} |"
            for one in names[max(0, at - 1) : at + 1]
            if one in times
        ]
        return self.parse_text_to_nodes("\n".join([_HEAD, *lines, "", said]))


class Cost(SphinxDirective):
    """A rung's cost, as its file states it."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        """Return a line."""
        solver = SOLVERS[self.arguments[0]]
        text = ladder.cost(solver)
        return self.parse_text_to_nodes(f"Cost of a half-step: {text}.")


class Counted(SphinxDirective):
    """What the compiler made of a rung's kernels: registers, shared memory, issue slots of an entry."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        """Return the lines of this rung and of the one before, of each table of the counted page."""
        self.env.note_dependency(str(COUNTED))
        names = ladder.rungs("gpu")
        at = names.index(self.arguments[0])
        wanted = names[max(0, at - 1) : at + 1]
        shown: list[str] = []
        for title, table in _tables(COUNTED.read_text(encoding="utf-8")):
            if not title.startswith(("The kernels", "Issue slots")):
                continue
            head, rows = table[:2], [row for row in table[2:] if _first_cell(row) in wanted]
            if any(_first_cell(row) == wanted[-1] for row in rows):
                shown += [f"*{title}*", "", *head, *rows, ""]
        if not shown:
            raise self.error(f"docs/gpu-kernels.md counts nothing of {self.arguments[0]}")
        shown.append(_HOW)
        return self.parse_text_to_nodes("\n".join(shown))


class CountedTable(SphinxDirective):
    """The table under a heading of the counted page.

    `:where:` chooses its rows: `rung = gpu_cg_7_half; f = 64 or 128` takes those in which each of these
    columns has one of its values.
    """

    required_arguments = 1
    final_argument_whitespace = True
    option_spec: ClassVar[dict[str, Any]] = {"where": directives.unchanged_required}

    def run(self) -> list[nodes.Node]:
        """Return the table and how it was counted."""
        self.env.note_dependency(str(COUNTED))
        tables = dict(_tables(COUNTED.read_text(encoding="utf-8")))
        title = self.arguments[0]
        if title not in tables:
            raise self.error(f"no table under {title!r}; there are {', '.join(tables)}")
        head, rule, *rows = tables[title]
        for condition in filter(None, self.options.get("where", "").split(";")):
            column, _, values = (part.strip() for part in condition.partition("="))
            if column not in _cells(head):
                raise self.error(f"the table under {title!r} has no column {column!r}")
            at, wanted = _cells(head).index(column), values.split(" or ")
            rows = [row for row in rows if _cells(row)[at] in wanted]
        if not rows:
            raise self.error(f"no row under {title!r} has {self.options['where']}")
        return self.parse_text_to_nodes("\n".join([head, rule, *rows, "", _HOW]))


class Compiled(SphinxDirective):
    """What the compiler made of the kernels of some `.cu` files, from the record of compiled kernels."""

    required_arguments = 1
    final_argument_whitespace = True

    def run(self) -> list[nodes.Node]:
        """Return the table and where its numbers come from."""
        self.env.note_dependency(str(COMPILED))
        record = json.loads(COMPILED.read_text(encoding="utf-8"))
        lines = [
            "| kernel | definitions | registers | spills | stack |",
            "| --- | --- | ---: | ---: | ---: |",
        ]
        for file in self.arguments[0].split():
            found = len(lines)
            for key, variant in record["variants"].items():
                name, *defines, architecture = key.split()
                if (name, architecture) == (file, _CAPABILITY):
                    lines += [
                        f"| `{kernel}` | `{' '.join(defines)}` | {made['registers']} | "
                        f"{made['spills']} | {made['stack']} |"
                        for kernel, made in variant["kernels"].items()
                    ]
            if len(lines) == found:
                raise self.error(f"no kernels of {file} were compiled")
        said = (
            f"Registers of a thread, bytes of spills and of stack, by NVRTC {record['nvrtc']} for "
            "compute capability 9.0; some variants of each file stand for the others. From "
            "`bench/gpu/static/kernels.json`, which `make kernels-record` writes."
        )
        return self.parse_text_to_nodes("\n".join([*lines, "", said]))


def _cells(row: str) -> list[str]:
    return [cell.strip() for cell in row.strip("|").split("|")]


def _first_cell(row: str) -> str:
    return _cells(row)[0]


def _tables(text: str) -> list[tuple[str, list[str]]]:
    """Return the tables of a page, each with the heading that it stands under."""
    found: list[tuple[str, list[str]]] = []
    title, rows = "", []
    for line in [*text.splitlines(), ""]:
        if line.startswith("|"):
            rows.append(line)
            continue
        if rows:
            found.append((title, rows))
            rows = []
        if line.startswith("#"):
            title = line.lstrip("# ")
    return found


def setup(app: Any) -> None:
    """Add the directives."""
    app.add_directive("measured", Measured)
    app.add_directive("cost", Cost)
    app.add_directive("counted", Counted)
    app.add_directive("counted-table", CountedTable)
    app.add_directive("compiled", Compiled)
