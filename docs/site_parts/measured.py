"""What was measured or counted of a rung, from the committed files: no number is typed."""

from __future__ import annotations

from functools import cache
from typing import Any

from docutils import nodes
from sphinx.util.docutils import SphinxDirective

from halfstep.bench.gpu.record import read_gpu
from halfstep.bench.report import ladder
from halfstep.bench.report.markdown import runs_of
from halfstep.solvers import SOLVERS
from site_parts.source_files import ROOT

RESULTS = ROOT / "bench" / "results"
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
        page = ROOT / "docs" / "gpu-kernels.md"
        self.env.note_dependency(str(page))
        names = ladder.rungs("gpu")
        at = names.index(self.arguments[0])
        wanted = names[max(0, at - 1) : at + 1]
        shown: list[str] = []
        for title, table in _tables(page.read_text(encoding="utf-8")):
            if not title.startswith(("The kernels", "Issue slots")):
                continue
            head, rows = table[:2], [row for row in table[2:] if _first_cell(row) in wanted]
            if any(_first_cell(row) == wanted[-1] for row in rows):
                shown += [f"*{title}*", "", *head, *rows, ""]
        if not shown:
            raise self.error(f"docs/gpu-kernels.md counts nothing of {self.arguments[0]}")
        shown.append("How it was counted: [the GPU ladder, counted](/gpu-kernels.md).")
        return self.parse_text_to_nodes("\n".join(shown))


def _first_cell(row: str) -> str:
    return row.split("|")[1].strip()


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
