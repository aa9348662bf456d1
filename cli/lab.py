"""`halfstep lab`: run the notebook, write its exercises, and check solutions."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from halfstep.cli import options as o
from halfstep.files import check_writable
from halfstep.screen import Screen

app = typer.Typer(
    help="The music-recommendation lab: run its notebook, write and check its exercises.",
    no_args_is_help=True,
)
console = Screen()


@app.command()
def check(
    file: Annotated[Path, typer.Argument(help="The solved exercises: .ipynb or .py.")],
    json: o.Json = None,
) -> None:
    """Check solved exercises: which is wrong, where, what was expected and what it gave.

    The exit code is 1 unless all are right.
    """
    from halfstep.cli.show import table
    from halfstep.lab.check import EXERCISES
    from halfstep.lab.check import check as examine

    check_writable(json, "--json", file)
    all_findings = examine(file)
    listed = table("Exercises", "exercise", "state", "what")
    told = []
    for name, what in EXERCISES.items():
        findings = [finding for finding in all_findings if finding.exercise == name]
        last = findings[-1] if findings else None
        listed.add_row(name, last.state if last else "missing", what)
        if last and last.state in ("wrong", "failed"):
            told.append(last)
    console.print(listed)
    for one in told:
        where = f" ({one.step})" if one.step else ""
        console.print(
            f"[bold]{one.exercise}[/]{where} {one.state}: {escape(one.said)}", highlight=False
        )
        console.print(f"  expected  {escape(one.expected)}", highlight=False)
        console.print(f"  got       {escape(one.got)}", highlight=False)
    o.write(json, all_findings)
    done = {f.exercise for f in all_findings if f.state == "right"}
    bad = {f.exercise for f in all_findings if f.state != "right"}
    console.print(f"{len(done - bad)} of {len(EXERCISES)} right", highlight=False)
    if len(done - bad) < len(EXERCISES):
        raise typer.Exit(1)


@app.command("run")
def run_lab(
    notebook: Annotated[Path, typer.Argument(help="The notebook, an .ipynb file.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="The .html file to write.")],
) -> None:
    """Run a notebook from its beginning and write it with its results as one HTML page."""
    from halfstep.lab.run import run_notebook

    check_writable(output, "--output", notebook)
    run_notebook(notebook, output)
    console.print(f"wrote {output}", highlight=False, soft_wrap=True)


@app.command()
def exercises(
    notebook: Annotated[Path, typer.Argument(help="The notebook, an .ipynb file.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="The .ipynb file to write.")],
) -> None:
    """Write a notebook's exercises: the notebook without the bodies of its solvers."""
    from halfstep.lab.notebook import exercises_of, read_notebook, write_notebook

    check_writable(output, "--output", notebook)
    write_notebook(exercises_of(read_notebook(notebook)), output)
    console.print(f"wrote {output}", highlight=False, soft_wrap=True)
